// The storage type S of a module, chosen by -DNJ_F32, -DNJ_F16 or -DNJ_BF16, and 16-byte packets of it.
//
// Every module is compiled once per storage type; NJ_NAME gives its entry points the type's suffix. Arithmetic is float32.
#pragma once

#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#if defined(NJ_F32)
using S = float;
#define NJ_NAME(base) base##_f32
#elif defined(NJ_F16)
using S = __half;
#define NJ_NAME(base) base##_f16
#elif defined(NJ_BF16)
using S = __nv_bfloat16;
#define NJ_NAME(base) base##_bf16
#else
#error "define NJ_F32, NJ_F16 or NJ_BF16"
#endif

// float32 is computed with FMA (exact products, the same result on every architecture); so is bfloat16 before sm_80, whose tensor cores
// do not know the type.
#if defined(NJ_F16) || (defined(NJ_BF16) && (!defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800))
#define NJ_TENSOR_CORES 1
#else
#define NJ_TENSOR_CORES 0
#endif

namespace nj {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

__device__ inline float toFloat(float x) { return x; }
__device__ inline float toFloat(__half x) { return __half2float(x); }
__device__ inline float toFloat(__nv_bfloat16 x) { return __bfloat162float(x); }

template <class T> __device__ inline T fromFloat(float x);
template <> __device__ inline float fromFloat<float>(float x) { return x; }
template <> __device__ inline __half fromFloat<__half>(float x) { return __float2half_rn(x); }
template <> __device__ inline __nv_bfloat16 fromFloat<__nv_bfloat16>(float x) { return __float2bfloat16_rn(x); }

/** As many elements as 16 bytes hold. */
template <class T> constexpr int kPacket = 16 / static_cast<int>(sizeof(T));

template <int bytes> struct Word;
template <> struct Word<16> {
    using type = uint4;
};
template <> struct Word<8> {
    using type = uint2;
};
template <> struct Word<4> {
    using type = unsigned;
};

/** N elements that one access moves: 16 bytes, 8 or 4. */
template <class T, int N> union Packet {
    using Bits = typename Word<N * static_cast<int>(sizeof(T))>::type;
    Bits bits;
    T element[N];
    __device__ Packet() {}
};

/** Whether rows of `columns` elements from `pointer` on can be moved in 16-byte accesses; null can. */
template <class T> __device__ inline bool isPacked(const T* pointer, int columns) {
    return (reinterpret_cast<uintptr_t>(pointer) % 16 | columns % kPacket<T>) == 0;
}

/** How a packet is read: through L1, or from L2 when another block of the same launch wrote it. */
enum class Via { kL1, kL2 };

/**
 * values = row[column ... column + N), zero at and past `columns`. `packed` is isPacked() of the matrix, so that a packet is either whole or
 * absent; without it every element is read by itself.
 */
template <Via via = Via::kL1, class T, int N>
__device__ inline void loadPacket(const T* row, int column, int columns, bool packed, float (&values)[N]) {
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = 0;
    if (packed) {
        if (column < columns) {
            using Bits = typename Packet<T, N>::Bits;
            Packet<T, N> packet;
            const Bits* source = reinterpret_cast<const Bits*>(row + column);
            packet.bits = via == Via::kL2 ? __ldcg(source) : *source;
#pragma unroll
            for (int i = 0; i < N; ++i) values[i] = toFloat(packet.element[i]);
        }
    } else {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            if (column + i < columns) values[i] = toFloat(via == Via::kL2 ? __ldcg(row + column + i) : row[column + i]);
        }
    }
}

/**
 * row[column ... column + N) = values, nothing at and past `columns`; row is in global memory. The store is spelled out, because the compiler
 * takes plain stores of two elements apart and sometimes leaves them so, which halves what a warp moves per access.
 */
template <class T, int N>
__device__ inline void storePacket(T* row, int column, int columns, bool packed, const float (&values)[N]) {
    if (packed) {
        if (column < columns) {
            Packet<T, N> packet;
#pragma unroll
            for (int i = 0; i < N; ++i) packet.element[i] = fromFloat<T>(values[i]);
            __stwb(reinterpret_cast<typename Packet<T, N>::Bits*>(row + column), packet.bits);
        }
    } else {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            if (column + i < columns) row[column + i] = fromFloat<T>(values[i]);
        }
    }
}

/** values, each rounded to what memory would hold of it. */
template <int N> __device__ inline void roundPacket(float (&values)[N]) {
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = toFloat(fromFloat<S>(values[i]));
}

/** values += row[column ... column + N), as loadPacket() reads them. */
template <class T, int N>
__device__ inline void addPacket(const T* row, int column, int columns, bool packed, float (&values)[N]) {
    float other[N];
    loadPacket(row, column, columns, packed, other);
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] += other[i];
}

/** Rows of this launch that hold something: the grid was computed from `rows`, the device knows better when `rowCount` is given. */
__device__ inline int realRows(int rows, const int* rowCount) {
    return rowCount == nullptr ? rows : min(rows, *rowCount);
}

__device__ inline float warpSum(float x) {
#pragma unroll
    for (int offset = kWarp / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(kAllLanes, x, offset);
    return x;
}

/** The activations of dev.nightjar.backend.Activation, in its order. */
enum Activation { kNone = 0, kGelu = 1, kRelu = 2 };

__device__ inline float activate(float x, int activation) {
    if (activation == kGelu) return 0.5f * x * (1.0f + erff(x * 0.70710678118654752440f));
    if (activation == kRelu) return x < 0.0f ? 0.0f : x;  // not fmaxf, which turns NaN into 0
    return x;
}

/** The activation's derivative. */
__device__ inline float slope(float x, int activation) {
    if (activation == kGelu) {
        const float density = 0.39894228040143267794f * expf(-0.5f * x * x);
        return 0.5f * (1.0f + erff(x * 0.70710678118654752440f)) + x * density;
    }
    if (activation == kRelu) return x > 0.0f ? 1.0f : 0.0f;
    return 1.0f;
}

}  // namespace nj
