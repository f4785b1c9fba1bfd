// Floating-point values as PTX defines them: 16-bit types, correct rounding in every mode, flushing and canonical NaNs.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace cudasim::fp {

enum class Round : std::uint8_t { Nearest, Zero, Down, Up, NearestAway };

struct F16 {
    std::uint16_t bits;
};
struct BF16 {
    std::uint16_t bits;
};

inline constexpr std::uint32_t kNaN32 = 0x7fffffffU;  // the NaN that f32 operations give
inline constexpr std::uint16_t kNaN16 = 0x7fff;

inline float nan32() { return std::bit_cast<float>(kNaN32); }

/// x rounded to float such that a second rounding, to at most 22 bits, gives what rounding x itself would ("round to
/// odd").
inline float toOdd(double x) {
    const auto f = static_cast<float>(x);
    if (static_cast<double>(f) == x || std::isnan(x)) return f;
    auto bits = std::bit_cast<std::uint32_t>(f);
    if ((bits & 1U) != 0) return f;
    // f is even and inexact: take its neighbour on the other side of x, which is odd.
    const bool magnitudeTooSmall = std::isinf(f) ? false : std::fabs(static_cast<double>(f)) < std::fabs(x);
    bits += magnitudeTooSmall ? 1U : ~0U;
    return std::bit_cast<float>(bits);
}

/// a + b, where the result is to be rounded once more, to at most 50 bits.
inline double addOdd(double a, double b) {
    const double s = a + b;
    const double bb = s - a;
    const double error = (a - (s - bb)) + (b - bb);
    if (error == 0 || !std::isfinite(s)) return s;
    const auto bits = std::bit_cast<std::uint64_t>(s);
    if ((bits & 1U) != 0) return s;
    return std::bit_cast<double>((error > 0) == (s > 0) ? bits + 1 : bits - 1);
}

inline double widen(float x) { return x; }
inline double widen(double x) { return x; }
inline double widen(F16 x) { return static_cast<double>(static_cast<float>(std::bit_cast<_Float16>(x.bits))); }
inline double widen(BF16 x) { return static_cast<double>(std::bit_cast<float>(std::uint32_t{x.bits} << 16)); }
inline float toFloat(F16 x) { return static_cast<float>(std::bit_cast<_Float16>(x.bits)); }
inline float toFloat(BF16 x) { return std::bit_cast<float>(std::uint32_t{x.bits} << 16); }
inline float toFloat(float x) { return x; }

template <class T>
T narrow(double x);  // to nearest even, NaN canonical

inline F16 halfFromFloat(float x) {
    return std::isnan(x) ? F16{kNaN16} : F16{std::bit_cast<std::uint16_t>(static_cast<_Float16>(x))};
}
inline BF16 bfloatFromFloat(float x) {
    if (std::isnan(x)) return BF16{kNaN16};
    const auto bits = std::bit_cast<std::uint32_t>(x);
    return BF16{static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16)};
}
template <>
inline F16 narrow<F16>(double x) { return halfFromFloat(toOdd(x)); }
template <>
inline BF16 narrow<BF16>(double x) { return bfloatFromFloat(toOdd(x)); }
template <>
inline float narrow<float>(double x) { return std::isnan(x) ? nan32() : static_cast<float>(x); }
template <>
inline double narrow<double>(double x) { return x; }

/// x rounded to a format of `precision` significant bits whose least normal number is 2^emin and greatest finite one
/// has exponent emax, in any mode.
inline double roundTo(double x, int precision, int emin, int emax, Round mode) {
    if (x == 0 || !std::isfinite(x)) return x;
    int exponent = 0;
    std::frexp(x, &exponent);
    exponent = std::max(exponent - 1, emin);
    const int ulp = exponent - precision + 1;
    const double scaled = std::ldexp(x, -ulp);  // exact: a power of two, and never subnormal here
    double rounded = scaled;
    switch (mode) {
        case Round::Nearest: rounded = std::nearbyint(scaled); break;
        case Round::Zero: rounded = std::trunc(scaled); break;
        case Round::Down: rounded = std::floor(scaled); break;
        case Round::Up: rounded = std::ceil(scaled); break;
        case Round::NearestAway: rounded = std::round(scaled); break;
    }
    const double result = std::copysign(std::ldexp(rounded, ulp), x);
    const double greatest = std::ldexp(2.0 - std::ldexp(1.0, 1 - precision), emax);
    if (std::fabs(result) <= greatest) return result;
    const bool toInfinity = mode == Round::Nearest || mode == Round::NearestAway || (mode == Round::Down && x < 0) ||
                            (mode == Round::Up && x > 0);
    return std::copysign(toInfinity ? std::numeric_limits<double>::infinity() : greatest, x);
}
inline double roundToFloat(double x, Round m) { return roundTo(x, 24, -126, 127, m); }
inline double roundToHalf(double x, Round m) { return roundTo(x, 11, -14, 15, m); }
inline double roundToBFloat(double x, Round m) { return roundTo(x, 8, -126, 127, m); }
inline double roundToTFloat(double x, Round m) { return roundTo(x, 11, -126, 127, m); }

template <class T>
T flush(T x) { return x; }
template <>
inline float flush<float>(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    return (bits & 0x7f800000U) == 0 ? std::bit_cast<float>(bits & 0x80000000U) : x;
}
template <>
inline F16 flush<F16>(F16 x) { return (x.bits & 0x7c00) == 0 ? F16{static_cast<std::uint16_t>(x.bits & 0x8000)} : x; }

template <class T>
bool isNaN(T x) { return std::isnan(widen(x)); }
template <class T>
T canonicalNaN();
template <>
inline float canonicalNaN<float>() { return nan32(); }
template <>
inline double canonicalNaN<double>() { return std::numeric_limits<double>::quiet_NaN(); }
template <>
inline F16 canonicalNaN<F16>() { return {kNaN16}; }
template <>
inline BF16 canonicalNaN<BF16>() { return {kNaN16}; }

/// [0, 1], NaN to +0
inline float saturate(float x) { return x > 0 ? (x < 1 ? x : 1.0F) : 0.0F; }
inline double saturate(double x) { return x > 0 ? (x < 1 ? x : 1.0) : 0.0; }
inline F16 saturate(F16 x) { return halfFromFloat(saturate(toFloat(x))); }
inline BF16 saturate(BF16 x) { return bfloatFromFloat(saturate(toFloat(x))); }

/// min and max of PTX: -0 < +0; a NaN operand loses, unless it is to propagate.
template <bool Max, bool PropagateNaN, class T>
T minMax(T a, T b) {
    const double x = widen(a), y = widen(b);
    if (std::isnan(x) || std::isnan(y)) {
        if (PropagateNaN || (std::isnan(x) && std::isnan(y))) return canonicalNaN<T>();
        return std::isnan(x) ? b : a;
    }
    if (x == y) return (std::signbit(x) != Max) ? a : b;  // min prefers the negative zero, max the positive one
    return (x < y) != Max ? a : b;
}

}  // namespace cudasim::fp
