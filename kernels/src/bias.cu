// Bias + activation in place: x = act(x + bias); bias may be absent.
//
// Shapes    x (T, N); bias (N).
// Geometry  eight consecutive elements per thread: grid ceil(T N / 2048), block 256, no shared memory.
// Bytes     reads T N s + N s, writes T N s, s the size of the storage type: the minimum of an operation of its own. It costs a round trip
//           that gemm.cu's epilogue avoids.
// Design    Only for GEMM providers that cannot do it themselves: cuBLAS has no epilogue, and cuBLASLt's GELU is the tanh approximation.
#include "storage.cuh"

extern "C" __global__ void __launch_bounds__(256)
NJ_NAME(nj_bias)(S* x, const S* bias, int activation, int rows, const int* rowCount, int n) {
    using namespace nj;
    constexpr int kPerThread = 8;
    const int64_t count = static_cast<int64_t>(realRows(rows, rowCount)) * n;
    const bool packed = isPacked(x, n) && isPacked(bias, n);
#pragma unroll
    for (int part = 0; part < kPerThread / kPacket<S>; ++part) {
        const int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x * kPerThread
            + (part * blockDim.x + threadIdx.x) * kPacket<S>;
        if (first >= count) return;
        int column = static_cast<int>(first % n);
        if (packed) {
            float values[kPacket<S>];
            float added[kPacket<S>] = {};
            S* row = x + first;
            loadPacket(row, 0, kPacket<S>, true, values);
            if (bias != nullptr) loadPacket(bias, column, n, true, added);
#pragma unroll
            for (int i = 0; i < kPacket<S>; ++i) values[i] = activate(values[i] + added[i], activation);
            storePacket(row, 0, kPacket<S>, true, values);
        } else {
#pragma unroll 1
            for (int64_t i = first; i < min(first + kPacket<S>, count); ++i) {
                const float added = bias == nullptr ? 0.0f : toFloat(bias[column]);
                x[i] = fromFloat<S>(activate(toFloat(x[i]) + added, activation));
                column = column + 1 < n ? column + 1 : 0;
            }
        }
    }
}
