// C[M,N] = A[M,K] B[K,N] in float32, tiles brought by cp.async in a pipeline of three stages (copied through registers
// before sm_80, as <cuda_pipeline_primitives.h> does). K and N are multiples of 4, as 16-byte copies need; M is any.
#include <cuda_pipeline_primitives.h>

constexpr int kTileM = 32;
constexpr int kTileN = 32;
constexpr int kTileK = 16;
constexpr int kStages = 3;
constexpr int kThreads = 128;

struct Stage {
    float a[kTileM][kTileK];
    float b[kTileK][kTileN];
};

__device__ void fetch(Stage& stage, const float* a, const float* b, int m, int n, int k, int k0) {
    for (int i = threadIdx.x; i < kTileM * kTileK / 4; i += kThreads) {
        const int r = i / (kTileK / 4);
        const int col = i % (kTileK / 4) * 4;
        const int row = blockIdx.y * kTileM + r;
        const bool inside = row < m && k0 + col < k;
        __pipeline_memcpy_async(&stage.a[r][col], inside ? &a[row * k + k0 + col] : a, 16, inside ? 0 : 16);
    }
    for (int i = threadIdx.x; i < kTileK * kTileN / 4; i += kThreads) {
        const int r = i / (kTileN / 4);
        const int col = i % (kTileN / 4) * 4;
        const int column = blockIdx.x * kTileN + col;
        const bool inside = k0 + r < k && column < n;
        __pipeline_memcpy_async(&stage.b[r][col], inside ? &b[(k0 + r) * n + column] : b, 16, inside ? 0 : 16);
    }
}

extern "C" __global__ void __launch_bounds__(kThreads)
    gemm_pipeline(const float* a, const float* b, float* c, int m, int n, int k) {
    __shared__ __align__(16) Stage stages[kStages];
    const int tiles = (k + kTileK - 1) / kTileK;
    for (int t = 0; t < kStages - 1; ++t) {
        if (t < tiles) fetch(stages[t], a, b, m, n, k, t * kTileK);
        __pipeline_commit();
    }
    const int r0 = threadIdx.x / 16 * 4;  // each thread: 4 rows x 2 columns of C
    const int c0 = threadIdx.x % 16 * 2;
    float acc[4][2] = {};
    for (int t = 0; t < tiles; ++t) {
        __pipeline_wait_prior(kStages - 2);
        __syncthreads();
        if (t + kStages - 1 < tiles) {
            fetch(stages[(t + kStages - 1) % kStages], a, b, m, n, k, (t + kStages - 1) * kTileK);
        }
        __pipeline_commit();
        const Stage& s = stages[t % kStages];
#pragma unroll
        for (int i = 0; i < kTileK; ++i) {
            const float2 bv = *reinterpret_cast<const float2*>(&s.b[i][c0]);
#pragma unroll
            for (int r = 0; r < 4; ++r) {
                acc[r][0] += s.a[r0 + r][i] * bv.x;
                acc[r][1] += s.a[r0 + r][i] * bv.y;
            }
        }
    }
    for (int r = 0; r < 4; ++r) {
        const int row = blockIdx.y * kTileM + r0 + r;
        const int column = blockIdx.x * kTileN + c0;
        if (row < m && column < n) *reinterpret_cast<float2*>(&c[row * n + column]) = make_float2(acc[r][0], acc[r][1]);
    }
}
