// Activation, and its backward: out = act(x); gradient *= act'(preActivation).
//
// Shapes    x, out, gradient, preActivation (T, N). out may be x.
// Geometry  eight consecutive elements per thread: grid ceil(T N / 2048), block 256, no shared memory.
// Bytes     forward reads and writes T N s; backward reads 2 T N s, writes T N s, s the size of the storage type: the minimum.
// Design    The forward form is for GEMM providers that give x W' + bias (gemm.cu writes both in one launch). The slope is computed again
//           from the argument: keeping it would cost as many bytes.
#include "storage.cuh"

namespace nj {

/** each(first, length) for this thread's packets of `count` elements; `length` is a packet's but at the end. */
template <class Each> __device__ inline void forEachPacket(int64_t count, Each each) {
    constexpr int kPerThread = 8;
#pragma unroll
    for (int part = 0; part < kPerThread / kPacket<S>; ++part) {
        const int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x * kPerThread
            + (part * blockDim.x + threadIdx.x) * kPacket<S>;
        if (first < count) each(first, static_cast<int>(min(count - first, static_cast<int64_t>(kPacket<S>))));
    }
}

}  // namespace nj

extern "C" __global__ void __launch_bounds__(256)
NJ_NAME(nj_activation)(S* out, const S* x, int activation, int rows, const int* rowCount, int n) {
    using namespace nj;
    const bool packed = isPacked(out, n) && isPacked(x, n);
    forEachPacket(static_cast<int64_t>(realRows(rows, rowCount)) * n, [&](int64_t first, int length) {
        float values[kPacket<S>];
        loadPacket(x + first, 0, length, packed, values);
#pragma unroll
        for (int i = 0; i < kPacket<S>; ++i) values[i] = activate(values[i], activation);
        storePacket(out + first, 0, length, packed, values);
    });
}

extern "C" __global__ void __launch_bounds__(256)
NJ_NAME(nj_activation_backward)(S* gradient, const S* preActivation, int activation, int rows, const int* rowCount, int n) {
    using namespace nj;
    const bool packed = isPacked(gradient, n) && isPacked(preActivation, n);
    forEachPacket(static_cast<int64_t>(realRows(rows, rowCount)) * n, [&](int64_t first, int length) {
        float values[kPacket<S>];
        float argument[kPacket<S>];
        loadPacket(gradient + first, 0, length, packed, values);
        loadPacket(preActivation + first, 0, length, packed, argument);
#pragma unroll
        for (int i = 0; i < kPacket<S>; ++i) values[i] *= slope(argument[i], activation);
        storePacket(gradient + first, 0, length, packed, values);
    });
}
