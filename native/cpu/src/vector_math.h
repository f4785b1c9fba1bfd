// Elementary functions that compilers vectorise: no branches, no calls, no tables.
#pragma once

#include <cstdint>

namespace {

// e^x to 1.5 units in the last place for x in [-87.3, 88.3]; clamped outside, NaN stays NaN.
// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a minimax polynomial (least squares, iteratively reweighted); 2^n by its exponent bits.
inline __attribute__((always_inline)) float exp_approx(float x) {
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.3f ? 88.3f : x;
    // Adding 1.5 * 2^23 rounds to an integer, which then sits in the low bits.
    const float shifted = x * 1.44269504f + 12582912.0f;
    const float n = shifted - 12582912.0f;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 0.0013950489f;
    p = p * r + 0.008368888f;
    p = p * r + 0.041666206f;
    p = p * r + 0.16666518f;
    p = p * r + 0.5f;
    const float power = __builtin_bit_cast(float, (__builtin_bit_cast(uint32_t, shifted) << 23) + 0x3F800000u);
    return (p * (r * r) + r + 1.0f) * power;
}

// The standard normal distribution at -|x| with its density: what GELU and its derivative are made of.
struct NormalTail {
    float magnitude;  // |x|, at most 14, beyond which the tail is 0 in float32
    float density;
    float probability;
};

// Phi(-a) = exp(-a^2 / 2) q(t) with t = 1 / (1 + 0.3 a): q is half of erfcx(a / sqrt 2), smooth in t, fitted as above over a in [0, 14].
// Absolute error 5e-8, relative error 6e-7.
inline __attribute__((always_inline)) NormalTail normal_tail(float x) {
    float a = x < 0 ? -x : x;
    a = a > 14.0f ? 14.0f : a;
    const float e = exp_approx(-0.5f * a * a);
    const float t = 1.0f / (1.0f + 0.3f * a);
    float q = 0.036480695f;
    q = q * t - 0.16028435f;
    q = q * t + 0.2111384f;
    q = q * t - 0.05756255f;
    q = q * t + 0.13031661f;
    q = q * t + 0.09947535f;
    q = q * t + 0.12080913f;
    q = q * t + 0.11962664f;
    return {a, 0.39894228f * e, e * q * t};
}

// x Phi(x), written so that neither tail cancels.
inline __attribute__((always_inline)) float gelu(float x) {
    const NormalTail tail = normal_tail(x);
    return (x > 0 ? x : 0.0f) - tail.magnitude * tail.probability;
}

// Phi(x) + x phi(x).
inline __attribute__((always_inline)) float gelu_derivative(float x) {
    const NormalTail tail = normal_tail(x);
    const float bounded = x < 0 ? -tail.magnitude : tail.magnitude;
    return (x > 0 ? 1.0f - tail.probability : tail.probability) + bounded * tail.density;
}

}  // namespace
