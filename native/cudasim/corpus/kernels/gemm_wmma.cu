// C[M,N] = A[M,K] B[K,N], half inputs, float32 accumulation, through nvcuda::wmma 16x16x16 fragments.
// Four warps a block, each one 16 x 16 tile of C; ragged edges are staged through shared memory padded with zeros.
#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

constexpr int kTile = 16;
constexpr int kWarps = 4;

extern "C" __global__ void gemm_wmma(const half* a, const half* b, float* c, int m, int n, int k) {
    __shared__ __align__(32) half stageA[kWarps][kTile * kTile];
    __shared__ __align__(32) half stageB[kWarps][kTile * kTile];
    __shared__ __align__(32) float stageC[kWarps][kTile * kTile];
    const int warp = threadIdx.x / warpSize;
    const int lane = threadIdx.x % warpSize;
    const int row0 = blockIdx.y * kTile;
    const int col0 = (blockIdx.x * kWarps + warp) * kTile;
    if (col0 >= n) return;  // uniform in the warp, and only __syncwarp below

    wmma::fragment<wmma::matrix_a, kTile, kTile, kTile, half, wmma::row_major> fragA;
    wmma::fragment<wmma::matrix_b, kTile, kTile, kTile, half, wmma::row_major> fragB;
    wmma::fragment<wmma::accumulator, kTile, kTile, kTile, float> acc;
    wmma::fill_fragment(acc, 0.0f);
    for (int k0 = 0; k0 < k; k0 += kTile) {
        for (int i = lane; i < kTile * kTile; i += warpSize) {
            const int r = i / kTile;
            const int col = i % kTile;
            stageA[warp][i] = row0 + r < m && k0 + col < k ? a[(row0 + r) * k + k0 + col] : __float2half(0.0f);
            stageB[warp][i] = k0 + r < k && col0 + col < n ? b[(k0 + r) * n + col0 + col] : __float2half(0.0f);
        }
        __syncwarp();
        wmma::load_matrix_sync(fragA, stageA[warp], kTile);
        wmma::load_matrix_sync(fragB, stageB[warp], kTile);
        wmma::mma_sync(acc, fragA, fragB, acc);
        __syncwarp();
    }
    wmma::store_matrix_sync(stageC[warp], acc, kTile, wmma::mem_row_major);
    __syncwarp();
    for (int i = lane; i < kTile * kTile; i += warpSize) {
        const int r = row0 + i / kTile;
        const int col = col0 + i % kTile;
        if (r < m && col < n) c[r * n + col] = stageC[warp][i];
    }
}
