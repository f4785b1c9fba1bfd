// Operations of training on float32 vectors and scalars: sum of squares, y = alpha x + beta y, softmax of short rows, loss scale.
//
// Shapes    x, y (count); partial (grid.x) scratch; rows of softmax (rows, N); squaredNorm (1), lossScale (4).
// Geometry  squared_norm: P blocks of 256 of the caller's choice, each of which sums a neighbouring share; axpby: ceil(count / 2048) of 256;
//           softmax: a warp per row, ceil(rows / 4) of 128; loss_scale: one thread.
// Bytes     the operands once, the minimum.
// Design    The sum of squares is one launch: the block that a ticket shows to be the last adds the shares of all blocks in their order, in
//           float64, so the bits depend on P alone.
#define NJ_F32
#include "epilogue.cuh"

namespace nj {

constexpr int kVectorThreads = 256;
constexpr int kVectorPerThread = 8;

/** The sum of x over the block, in thread 0; 0 in the others. */
__device__ inline double blockTotal(double x) {
    __shared__ double sums[kVectorThreads];
    sums[threadIdx.x] = x;
    for (int half = kVectorThreads / 2; half > 0; half /= 2) {
        __syncthreads();
        if (static_cast<int>(threadIdx.x) < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    return threadIdx.x == 0 ? sums[0] : 0;
}

}  // namespace nj

extern "C" __global__ void __launch_bounds__(256)
nj_squared_norm(float* result, double* partial, unsigned* ticket, const float* x, long long count) {
    using namespace nj;
    __shared__ int last;
    const bool aligned = isPacked(x, 0);
    const int64_t quads = (count + 3) / 4;
    const int64_t share = (quads + gridDim.x - 1) / gridDim.x;
    const int64_t end = min(share * (blockIdx.x + 1), quads);
    float sum = 0;
    for (int64_t quad = share * blockIdx.x + threadIdx.x; quad < end; quad += kVectorThreads) {
        const int length = static_cast<int>(min(count - 4 * quad, static_cast<long long>(4)));
        float values[4];
        loadPacket(x + 4 * quad, 0, length, aligned && length == 4, values);
        sum += (values[0] * values[0] + values[1] * values[1]) + (values[2] * values[2] + values[3] * values[3]);
    }
    const double total = blockTotal(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = total;
    __syncthreads();
    if (!isLastBlock(ticket, gridDim.x, &last)) return;
    double all = 0;
    for (unsigned block = threadIdx.x; block < gridDim.x; block += kVectorThreads) all += __ldcg(partial + block);
    __syncthreads();
    all = blockTotal(all);
    if (threadIdx.x == 0) *result = static_cast<float>(all);
}

extern "C" __global__ void __launch_bounds__(256) nj_axpby(float* y, const float* x, float alpha, float beta, long long count) {
    using namespace nj;
    const bool aligned = isPacked(x, 0) && isPacked(y, 0);
#pragma unroll
    for (int part = 0; part < kVectorPerThread / 4; ++part) {
        const int64_t first = (static_cast<int64_t>(blockIdx.x) * kVectorPerThread / 4 + part) * kVectorThreads * 4 + threadIdx.x * 4;
        if (first >= count) return;
        const int length = static_cast<int>(min(count - first, static_cast<long long>(4)));
        float a[4];
        float b[4] = {};
        loadPacket(x + first, 0, length, aligned && length == 4, a);
        if (beta != 0) loadPacket(y + first, 0, length, aligned && length == 4, b);
#pragma unroll
        for (int i = 0; i < 4; ++i) a[i] = alpha * a[i] + beta * b[i];
        storePacket(y + first, 0, length, aligned && length == 4, a);
    }
}

extern "C" __global__ void __launch_bounds__(128) nj_softmax(float* out, const float* x, int rows, const int* rowCount, int n) {
    using namespace nj;
    const int row = blockIdx.x * 4 + threadIdx.x / kWarp;
    if (row >= realRows(rows, rowCount)) return;
    const int lane = threadIdx.x % kWarp;
    const float* in = x + static_cast<int64_t>(row) * n;
    float highest = -INFINITY;
    for (int c = lane; c < n; c += kWarp) highest = fmaxf(highest, in[c]);
#pragma unroll
    for (int offset = kWarp / 2; offset > 0; offset /= 2) highest = fmaxf(highest, __shfl_xor_sync(kAllLanes, highest, offset));
    float total = 0;
    for (int c = lane; c < n; c += kWarp) total += expf(in[c] - highest);
    total = warpSum(total);
    for (int c = lane; c < n; c += kWarp) out[static_cast<int64_t>(row) * n + c] = expf(in[c] - highest) / total;
}

/** As dev.nightjar.backend.LossScale says; lossScale is factor, good steps, skipped steps and the factor before. */
extern "C" __global__ void nj_loss_scale(float* lossScale, const float* squaredNorm, float growthInterval, float largest) {
    const float factor = lossScale[0];
    lossScale[3] = factor;
    if (!isfinite(*squaredNorm)) {
        lossScale[0] = fmaxf(factor / 2, 1.0f);
        lossScale[1] = 0;
        lossScale[2] += 1;
    } else if (lossScale[1] + 1 < growthInterval) {
        lossScale[1] += 1;
    } else {
        lossScale[0] = fminf(2 * factor, largest);
        lossScale[1] = 0;
    }
}

/** Zeros in the rows of two matrices past the real count, for products by libraries, which sum over all rows. Rows are of so many bytes. */
extern "C" __global__ void __launch_bounds__(128)
nj_zero_tails(char* a, int bytesA, char* b, int bytesB, int rows, const int* rowCount) {
    using namespace nj;
    const int row = blockIdx.x * 4 + threadIdx.x / kWarp;
    if (row >= rows || row < realRows(rows, rowCount)) return;
    // Elements have an even number of bytes.
    const int lane = threadIdx.x % kWarp;
    short* rowA = reinterpret_cast<short*>(a + static_cast<int64_t>(row) * bytesA);
    short* rowB = reinterpret_cast<short*>(b + static_cast<int64_t>(row) * bytesB);
    for (int i = lane; i < bytesA / 2; i += kWarp) rowA[i] = 0;
    for (int i = lane; i < bytesB / 2; i += kWarp) rowB[i] = 0;
}
