// A head in training, a linear layer with few outputs whose results and their gradients are float32: out = x W' + bias; dX = dOut W;
// dW += dOut' x, dBias += column sums of dOut.
//
// Shapes    x, dX (B, K) and W (N, K), bias (N) in the storage type; out, dOut (B, N), dW (N, K), dBias (N) float32. N is a few, B thousands at most.
// Geometry  forward: one warp per row and output, grid (ceil(B / 4), N), block 128; dgrad: one warp per row, grid ceil(B / 4), block 128;
//           wgrad: 32 columns of one output per block, 8 groups of rows, grid (ceil(K / 32), N), block 256, 2 KiB of shared memory
// Bytes     forward reads (B K + N K + N) s, writes 4 B N; dgrad reads N K s + 4 B N, writes B K s; wgrad reads B K s + 4 B N and reads and writes
//           4 (N K + N), s the size of the storage type: the minimum, as x is read N times through L2 only.
// Design    A tile of a GEMM would be empty but for N columns, and would have to mix types. Rows are summed in a fixed order.
#include "storage.cuh"

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_head)(float* out, const S* x, const S* weight, const S* bias, int rows, const int* rowCount, int n, int k) {
    using namespace nj;
    const int row = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    if (row >= realRows(rows, rowCount)) return;
    const bool packed = isPacked(x, k) && isPacked(weight, k);
    const S* w = weight + static_cast<int64_t>(blockIdx.y) * k;
    float sum = 0;
    for (int column = threadIdx.x % kWarp * kPacket<S>; column < k; column += kWarp * kPacket<S>) {
        float a[kPacket<S>];
        float b[kPacket<S>];
        loadPacket(x + static_cast<int64_t>(row) * k, column, k, packed, a);
        loadPacket(w, column, k, packed, b);
#pragma unroll
        for (int i = 0; i < kPacket<S>; ++i) sum += a[i] * b[i];
    }
    sum = warpSum(sum);
    if (threadIdx.x % kWarp == 0) out[static_cast<int64_t>(row) * n + blockIdx.y] = sum + toFloat(bias[blockIdx.y]);
}

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_head_dgrad)(S* dX, const float* dOut, const S* weight, int accumulate, int rows, const int* rowCount, int n, int k) {
    using namespace nj;
    const int row = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    if (row >= realRows(rows, rowCount)) return;
    const bool packed = isPacked(dX, k) && isPacked(weight, k);
    S* out = dX + static_cast<int64_t>(row) * k;
    for (int column = threadIdx.x % kWarp * kPacket<S>; column < k; column += kWarp * kPacket<S>) {
        float sum[kPacket<S>] = {};
        if (accumulate) loadPacket(out, column, k, packed, sum);
        for (int o = 0; o < n; ++o) {
            float w[kPacket<S>];
            loadPacket(weight + static_cast<int64_t>(o) * k, column, k, packed, w);
            const float gradient = dOut[static_cast<int64_t>(row) * n + o];
#pragma unroll
            for (int i = 0; i < kPacket<S>; ++i) sum[i] += gradient * w[i];
        }
        storePacket(out, column, k, packed, sum);
    }
}

extern "C" __global__ void __launch_bounds__(256)
NJ_NAME(nj_head_wgrad)(float* dWeight, float* dBias, const float* dOut, const S* x, int rows, const int* rowCount, int n, int k) {
    using namespace nj;
    constexpr int kGroups = 256 / kWarp;
    __shared__ float weights[kGroups][kWarp];
    __shared__ float biases[kGroups];
    const int group = threadIdx.x / kWarp;
    const int lane = threadIdx.x % kWarp;
    const int column = blockIdx.x * kWarp + lane;
    const int output = blockIdx.y;
    const int real = realRows(rows, rowCount);
    float weight = 0;
    float bias = 0;
    for (int row = group; row < real; row += kGroups) {
        const float gradient = dOut[static_cast<int64_t>(row) * n + output];
        bias += gradient;
        if (column < k) weight += gradient * toFloat(x[static_cast<int64_t>(row) * k + column]);
    }
    weights[group][lane] = weight;
    if (lane == 0) biases[group] = bias;
    __syncthreads();
    if (group > 0) return;
    for (int g = 1; g < kGroups; ++g) {
        weight += weights[g][lane];
        bias += biases[g];
    }
    if (column < k) dWeight[static_cast<int64_t>(output) * k + column] += weight;
    if (blockIdx.x == 0 && lane == 0) dBias[output] += bias;
}
