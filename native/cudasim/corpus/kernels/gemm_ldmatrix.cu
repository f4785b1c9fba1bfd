// C[M,N] = A[M,K] B[N,K]^T, half inputs, float32 accumulation, by ldmatrix and mma.sync.m16n8k16 (sm_80 and later).
// A block of four warps computes 64 x 64, each warp 32 x 32. Rows of the shared tiles are 64 halves = 128 bytes, so that
// without a swizzle the eight rows of every 8 x 8 matrix lie in the same four banks: an 8-way conflict. With it, the
// 16-byte chunk c of row r lies at chunk c ^ (r % 8), and the eight rows cover all 32 banks. K is a multiple of 64.
#include <cuda_fp16.h>

constexpr int kTile = 64;   // rows of A and of B a block, and the depth of one step
constexpr int kChunks = 8;  // 16-byte chunks a row

template <bool Swizzle>
__device__ int chunkIndex(int row, int chunk) {
    return row * kChunks + (Swizzle ? chunk ^ (row % kChunks) : chunk);
}

__device__ void loadMatrices(unsigned int (&r)[4], const uint4* address) {
    const unsigned int shared = static_cast<unsigned int>(__cvta_generic_to_shared(address));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared)
                 : "memory");
}

__device__ void multiply(float (&d)[4], const unsigned int (&a)[4], unsigned int b0, unsigned int b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <bool Swizzle>
__device__ void stage(uint4* tile, const half* x, int row0, int rows, int k, int k0) {
    for (int i = threadIdx.x; i < kTile * kChunks; i += blockDim.x) {
        const int row = i / kChunks;
        const int chunk = i % kChunks;
        uint4 v = make_uint4(0, 0, 0, 0);
        if (row0 + row < rows) v = *reinterpret_cast<const uint4*>(&x[(row0 + row) * k + k0 + chunk * 8]);
        tile[chunkIndex<Swizzle>(row, chunk)] = v;
    }
}

template <bool Swizzle>
__device__ void gemm(const half* a, const half* b, float* c, int m, int n, int k) {
    __shared__ uint4 tileA[kTile * kChunks];
    __shared__ uint4 tileB[kTile * kChunks];
    const int lane = threadIdx.x % 32;
    const int warp = threadIdx.x / 32;
    const int rowA = warp / 2 * 32;
    const int rowB = warp % 2 * 32;
    float acc[2][4][4] = {};
    for (int k0 = 0; k0 < k; k0 += kTile) {
        __syncthreads();
        stage<Swizzle>(tileA, a, blockIdx.y * kTile, m, k, k0);
        stage<Swizzle>(tileB, b, blockIdx.x * kTile, n, k, k0);
        __syncthreads();
#pragma unroll
        for (int step = 0; step < 4; ++step) {
            unsigned int fragA[2][4];
            unsigned int fragB[2][4];
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                // Lanes 0-15 address rows 0-15 of the left half of the 16 x 16 tile of A, lanes 16-31 those of the right one.
                loadMatrices(fragA[i], &tileA[chunkIndex<Swizzle>(rowA + 16 * i + lane % 16, 2 * step + lane / 16)]);
                // B: matrices in the order (n 0-7, k 0-7), (n 0-7, k 8-15), (n 8-15, k 0-7), (n 8-15, k 8-15).
                const int row = rowB + 16 * i + lane / 16 * 8 + lane % 8;
                loadMatrices(fragB[i], &tileB[chunkIndex<Swizzle>(row, 2 * step + lane / 8 % 2)]);
            }
#pragma unroll
            for (int i = 0; i < 2; ++i) {
#pragma unroll
                for (int j = 0; j < 4; ++j) multiply(acc[i][j], fragA[i], fragB[j / 2][j % 2 * 2], fragB[j / 2][j % 2 * 2 + 1]);
            }
        }
    }
    for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 4; ++j) {
            for (int e = 0; e < 4; ++e) {
                const int row = blockIdx.y * kTile + rowA + 16 * i + e / 2 * 8 + lane / 4;
                const int col = blockIdx.x * kTile + rowB + 8 * j + lane % 4 * 2 + e % 2;
                if (row < m && col < n) c[row * n + col] = acc[i][j][e];
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(128)
    gemm_swizzled(const half* a, const half* b, float* c, int m, int n, int k) {
    gemm<true>(a, b, c, m, n, k);
}

extern "C" __global__ void __launch_bounds__(128)
    gemm_unswizzled(const half* a, const half* b, float* c, int m, int n, int k) {
    gemm<false>(a, b, c, m, n, k);
}
