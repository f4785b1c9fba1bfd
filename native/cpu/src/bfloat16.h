// Values that are stored in bfloat16 and computed with in float32.
#pragma once

#include <cstdint>

namespace {

// A bfloat16 as it lies in memory: the upper half of a float32.
typedef uint16_t Bf16;

inline __attribute__((always_inline)) float to_float(float x) { return x; }

inline __attribute__((always_inline)) float to_float(Bf16 x) { return __builtin_bit_cast(float, uint32_t{x} << 16); }

// To the nearest, ties to even; NaN stays NaN.
inline __attribute__((always_inline)) Bf16 to_bf16(float x) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, x);
    const uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1)) >> 16;
    return static_cast<Bf16>((bits & 0x7FFFFFFFu) > 0x7F800000u ? bits >> 16 | 0x40u : rounded);
}

inline __attribute__((always_inline)) void store(float x, float* to) { *to = x; }

inline __attribute__((always_inline)) void store(float x, Bf16* to) { *to = to_bf16(x); }

}  // namespace
