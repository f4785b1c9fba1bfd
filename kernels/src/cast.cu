// Casts between float32 and the 16-bit types, rounding to nearest even: compute copies of master weights, and results back.
//
// Shapes    in, out (count).
// Geometry  twice four consecutive elements per thread: grid ceil(count / 2048), block 256, no shared memory.
// Bytes     reads count s, writes count s', the minimum.
// Design    Groups of four are 16 bytes of the wide type and 8 of the narrow one, so that a warp's accesses are contiguous on both sides.
#define NJ_F32
#include "storage.cuh"

namespace nj {

template <class To, class From> __device__ inline void cast(To* out, const From* in, long long count) {
    constexpr int kGroup = 4;
    constexpr int kGroups = 2;
    const bool aligned = isPacked(in, 0) && isPacked(out, 0);
#pragma unroll
    for (int g = 0; g < kGroups; ++g) {
        const int64_t first =
            ((static_cast<int64_t>(blockIdx.x) * kGroups + g) * blockDim.x + threadIdx.x) * kGroup;
        if (first >= count) return;
        const int length = static_cast<int>(min(static_cast<int64_t>(count) - first, static_cast<int64_t>(kGroup)));
        float values[kGroup];
        loadPacket(in + first, 0, length, aligned && length == kGroup, values);
        storePacket(out + first, 0, length, aligned && length == kGroup, values);
    }
}

}  // namespace nj

#define NJ_CAST(name, To, From)                                                                         \
    extern "C" __global__ void __launch_bounds__(256) name(To* out, const From* in, long long count) { \
        nj::cast(out, in, count);                                                                       \
    }

NJ_CAST(nj_cast_f32_f16, __half, float)
NJ_CAST(nj_cast_f32_bf16, __nv_bfloat16, float)
NJ_CAST(nj_cast_f16_f32, float, __half)
NJ_CAST(nj_cast_bf16_f32, float, __nv_bfloat16)
