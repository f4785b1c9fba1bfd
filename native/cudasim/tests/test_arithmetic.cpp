// Integer, logic, floating-point, conversion and comparison instructions against their documented meaning.
#include <cfenv>
#include <climits>
#include <limits>

#include "evaluate.h"

namespace {

using I32 = std::int32_t;
using U32 = std::uint32_t;
using I64 = std::int64_t;
using U64 = std::uint64_t;
using U16 = std::uint16_t;

const std::vector<U32> kInts{0, 1, 2, 31, 32, 33, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 0xfffffffe, 12345678, 0xff, 0x8000, 255u << 24};
const float kInf = std::numeric_limits<float>::infinity();
const std::vector<float> kFloats{0.0F, -0.0F, 1.0F, -1.0F, 1.5F, 3.0F, 1e-38F, 1e-40F, -1e-45F, 3.4e38F, -3.4e38F, kInf, -kInf, 0x1p-126F, 16777217.0F, 0.1F, 2.5F, -2.5F};
const std::vector<U16> kHalves{0x0000, 0x8000, 0x3c00, 0xbc00, 0x0001, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x3555, 0x4248, 0x1234, 0xc500, 0x6bff};

struct Pairs {
    std::vector<U32> a, b;
    Pairs() { test::pairs(kInts, a, b); }
};
struct FloatPairs {
    std::vector<float> a, b;
    FloatPairs() { test::pairs(kFloats, a, b); }
};

float canonical(float x) { return std::isnan(x) ? std::bit_cast<float>(0x7fffffffU) : x; }
float flush(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0F, x) : x; }
float half(U16 h) { return static_cast<float>(std::bit_cast<_Float16>(h)); }
U16 toHalf(double x) { return std::isnan(x) ? U16{0x7fff} : std::bit_cast<U16>(static_cast<_Float16>(x)); }
float bfloat(U16 b) { return std::bit_cast<float>(U32{b} << 16); }
I32 s(U32 x) { return static_cast<I32>(x); }

// op in a rounding mode of the host
template <class F>
auto inMode(int mode, F op) {
    std::fesetround(mode);
    volatile auto r = op();
    std::fesetround(FE_TONEAREST);
    return static_cast<decltype(op())>(r);
}

}  // namespace

TEST(integer_wraps_and_saturates) {
    const Pairs p;
    EXPECT(U32, "add.s32 %d, %a, %b;", [](U32 a, U32 b) { return a + b; }, p.a, p.b);
    EXPECT(U32, "sub.u32 %d, %a, %b;", [](U32 a, U32 b) { return a - b; }, p.a, p.b);
    EXPECT(U32, "add.sat.s32 %d, %a, %b;", [](U32 a, U32 b) { return static_cast<U32>(std::clamp<I64>(I64{s(a)} + s(b), INT_MIN, INT_MAX)); }, p.a, p.b);
    EXPECT(U32, "sub.sat.s32 %d, %a, %b;", [](U32 a, U32 b) { return static_cast<U32>(std::clamp<I64>(I64{s(a)} - s(b), INT_MIN, INT_MAX)); }, p.a, p.b);
    EXPECT(U32, "mul.lo.s32 %d, %a, %b;", [](U32 a, U32 b) { return a * b; }, p.a, p.b);
    EXPECT(U32, "mul.hi.s32 %d, %a, %b;", [](U32 a, U32 b) { return static_cast<U32>((I64{s(a)} * s(b)) >> 32); }, p.a, p.b);
    EXPECT(U32, "mul.hi.u32 %d, %a, %b;", [](U32 a, U32 b) { return static_cast<U32>((U64{a} * b) >> 32); }, p.a, p.b);
    EXPECT(U64, "mul.wide.s32 %d, %a, %b;", [](U32 a, U32 b) { return static_cast<U64>(I64{s(a)} * s(b)); }, p.a, p.b);
    EXPECT(U64, "mul.wide.u32 %d, %a, %b;", [](U32 a, U32 b) { return U64{a} * b; }, p.a, p.b);
    EXPECT(U32, "mad.lo.s32 %d, %a, %b, 7;", [](U32 a, U32 b) { return a * b + 7; }, p.a, p.b);
    EXPECT(U64, "mad.wide.s32 %d, %a, %b, -5;", [](U32 a, U32 b) { return static_cast<U64>(I64{s(a)} * s(b)) - 5; }, p.a, p.b);
    EXPECT(U32, "mul24.lo.s32 %d, %a, %b;", [](U32 a, U32 b) { return static_cast<U32>(I64{s(a << 8) >> 8} * (s(b << 8) >> 8)); }, p.a, p.b);
    EXPECT(U32, "div.s32 %d, %a, %b;", [](U32 a, U32 b) { return b == 0 ? ~0U : b == ~0U ? 0 - a : static_cast<U32>(s(a) / s(b)); }, p.a, p.b);
    EXPECT(U32, "rem.u32 %d, %a, %b;", [](U32 a, U32 b) { return b == 0 ? a : a % b; }, p.a, p.b);
    EXPECT(U32, "min.s32 %d, %a, %b;", [](U32 a, U32 b) { return static_cast<U32>(std::min(s(a), s(b))); }, p.a, p.b);
    EXPECT(U32, "max.u32 %d, %a, %b;", [](U32 a, U32 b) { return std::max(a, b); }, p.a, p.b);
    EXPECT(U32, "sad.s32 %d, %a, %b, 3;", [](U32 a, U32 b) { return static_cast<U32>(std::abs(I64{s(a)} - s(b))) + 3; }, p.a, p.b);
    EXPECT(U32, "abs.s32 %d, %a;", [](U32 a) { return s(a) < 0 ? 0 - a : a; }, kInts);
    EXPECT(U32, "neg.s32 %d, %a;", [](U32 a) { return 0 - a; }, kInts);
}

TEST(bits_and_shifts) {
    const Pairs p;
    EXPECT(U32, "shl.b32 %d, %a, %b;", [](U32 a, U32 b) { return b > 31 ? 0 : a << b; }, p.a, p.b);
    EXPECT(U32, "shr.u32 %d, %a, %b;", [](U32 a, U32 b) { return b > 31 ? 0 : a >> b; }, p.a, p.b);
    EXPECT(U32, "shr.s32 %d, %a, %b;", [](U32 a, U32 b) { return static_cast<U32>(s(a) >> std::min(b, 31U)); }, p.a, p.b);
    EXPECT(U32, "shf.l.wrap.b32 %d, %a, 0x12345678, %b;", [](U32 a, U32 b) { return static_cast<U32>(((0x12345678ULL << 32 | a) << (b & 31)) >> 32); }, p.a, p.b);
    EXPECT(U32, "shf.r.clamp.b32 %d, %a, 0x12345678, %b;", [](U32 a, U32 b) { return static_cast<U32>((0x12345678ULL << 32 | a) >> std::min(b, 32U)); }, p.a, p.b);
    EXPECT(U32, "lop3.b32 %d, %a, %b, 0x0ff00ff0, 0x6a;", [](U32 a, U32 b) { return (a & b) ^ 0x0ff00ff0U; }, p.a, p.b);
    EXPECT(U32, "prmt.b32 %d, %a, %b, 0x7a40;", [](U32 a, U32 b) {
        return (a & 0xff) | (b & 0xff) << 8 | (((a >> 16 & 0x80) != 0 ? 0xffU : 0) << 16) | (b & 0xff000000U);
    }, p.a, p.b);
    EXPECT(U32, "popc.b32 %d, %a;", [](U32 a) { return static_cast<U32>(std::popcount(a)); }, kInts);
    EXPECT(U32, "clz.b32 %d, %a;", [](U32 a) { return static_cast<U32>(std::countl_zero(a)); }, kInts);
    EXPECT(U32, "bfind.s32 %d, %a;", [](U32 a) { const U32 v = s(a) < 0 ? ~a : a; return v == 0 ? ~0U : 31 - static_cast<U32>(std::countl_zero(v)); }, kInts);
    EXPECT(U32, "bfe.u32 %d, %a, 4, 12;", [](U32 a) { return a >> 4 & 0xfff; }, kInts);
    EXPECT(U32, "bfe.s32 %d, %a, 24, 40;", [](U32 a) { return static_cast<U32>(s(a) >> 24); }, kInts);
    EXPECT(U32, "bfi.b32 %d, %a, %b, 8, 4;", [](U32 a, U32 b) { return (b & ~0xf00U) | (a & 0xf) << 8; }, p.a, p.b);
    EXPECT(U32, "dp4a.s32.u32 %d, %a, %b, 9;", [](U32 a, U32 b) {
        U32 sum = 9;
        for (int i = 0; i < 4; ++i) sum += static_cast<U32>(static_cast<std::int8_t>(a >> 8 * i) * static_cast<I32>(b >> 8 * i & 0xff));
        return sum;
    }, p.a, p.b);
    EXPECT(U32, "add.cc.u32 %t32, %a, %b; addc.u32 %d, 0, 0;", [](U32 a, U32 b) { return static_cast<U32>((U64{a} + b) >> 32); }, p.a, p.b);
    EXPECT(U32, "sub.cc.u32 %t32, %a, %b; subc.u32 %d, 0, 0;", [](U32 a, U32 b) { return a < b ? ~0U : 0U; }, p.a, p.b);
}

TEST(f32_rounding_modes) {
    const FloatPairs p;
    const std::pair<const char*, int> modes[] = {{"rn", FE_TONEAREST}, {"rz", FE_TOWARDZERO}, {"rm", FE_DOWNWARD}, {"rp", FE_UPWARD}};
    for (const auto& [name, mode] : modes) {
        const int m = mode;
        EXPECT(float, std::string("add.") + name + ".f32 %d, %a, %b;", [m](float a, float b) { return canonical(inMode(m, [&] { volatile float x = a; return x + b; })); }, p.a, p.b);
        EXPECT(float, std::string("mul.") + name + ".f32 %d, %a, %b;", [m](float a, float b) { return canonical(inMode(m, [&] { volatile float x = a; return x * b; })); }, p.a, p.b);
        EXPECT(float, std::string("div.") + name + ".f32 %d, %a, %b;", [m](float a, float b) { return canonical(inMode(m, [&] { volatile float x = a; return x / b; })); }, p.a, p.b);
        EXPECT(float, std::string("fma.") + name + ".f32 %d, %a, %b, 0f3DCCCCCD;", [m](float a, float b) { return canonical(inMode(m, [&] { volatile float x = a; return std::fma(x, b, 0.1F); })); }, p.a, p.b);
        EXPECT(float, std::string("sqrt.") + name + ".f32 %d, %a;", [m](float a) { return canonical(inMode(m, [&] { volatile float x = a; return std::sqrt(x); })); }, kFloats);
        EXPECT(float, std::string("cvt.") + name + ".f32.s32 %d, %a;", [m](U32 a) { return inMode(m, [&] { volatile I32 x = s(a); return static_cast<float>(x); }); }, kInts);
    }
    EXPECT(float, "add.ftz.f32 %d, %a, %b;", [](float a, float b) { return canonical(flush(flush(a) + flush(b))); }, p.a, p.b);
    EXPECT(float, "mul.ftz.f32 %d, %a, %b;", [](float a, float b) { return canonical(flush(flush(a) * flush(b))); }, p.a, p.b);
    EXPECT(float, "add.sat.f32 %d, %a, %b;", [](float a, float b) { const float r = a + b; return r > 0 ? std::min(r, 1.0F) : 0.0F; }, p.a, p.b);
    EXPECT(float, "neg.f32 %d, %a;", [](float a) { return -a; }, kFloats);
    EXPECT(float, "abs.f32 %d, %a;", [](float a) { return std::fabs(a); }, kFloats);
}

TEST(f32_min_max_nan) {
    std::vector<float> values = kFloats, a, b;
    values.push_back(std::bit_cast<float>(0x7fc00001U));
    values.resize(16);
    values.back() = std::numeric_limits<float>::quiet_NaN();
    test::pairs(values, a, b);
    const auto least = [](float x, float y) {
        if (std::isnan(x)) return canonical(y);
        if (std::isnan(y)) return x;
        if (x == y) return std::signbit(x) ? x : y;
        return x < y ? x : y;
    };
    EXPECT(float, "min.f32 %d, %a, %b;", least, a, b);
    EXPECT(float, "max.f32 %d, %a, %b;", [&](float x, float y) { const float r = -least(-x, -y); return canonical(r); }, a, b);
    EXPECT(float, "max.NaN.f32 %d, %a, %b;", [&](float x, float y) { return std::isnan(x) || std::isnan(y) ? canonical(NAN) : canonical(-least(-x, -y)); }, a, b);
    EXPECT(U32, "setp.lt.f32 %p, %a, %b; selp.u32 %d, 1, 0, %p;", [](float x, float y) { return U32{x < y}; }, a, b);
    EXPECT(U32, "setp.ltu.f32 %p, %a, %b; selp.u32 %d, 1, 0, %p;", [](float x, float y) { return U32{!(x >= y)}; }, a, b);
    EXPECT(U32, "setp.ne.f32 %p, %a, %b; selp.u32 %d, 1, 0, %p;", [](float x, float y) { return U32{x < y || x > y}; }, a, b);
    EXPECT(U32, "setp.neu.f32 %p, %a, %b; selp.u32 %d, 1, 0, %p;", [](float x, float y) { return U32{x != y}; }, a, b);
    EXPECT(U32, "setp.nan.f32 %p, %a, %b; selp.u32 %d, 1, 0, %p;", [](float x, float y) { return U32{std::isnan(x) || std::isnan(y)}; }, a, b);
    EXPECT(U32, "setp.eq.f32 %q, %a, %a; setp.gt.or.f32 %p|%q, %a, %b, !%q; selp.u32 %d, 1, 0, %p; @%q add.u32 %d, %d, 2;",
           [](float x, float y) { return U32{x > y || std::isnan(x)} + 2 * U32{!(x > y) || std::isnan(x)}; }, a, b);
    EXPECT(U32, "set.gt.u32.f32 %d, %a, %b;", [](float x, float y) { return x > y ? ~0U : 0U; }, a, b);
}

TEST(halves_round_once) {
    std::vector<U16> a, b;
    test::pairs(kHalves, a, b);
    EXPECT(U16, "add.f16 %d, %a, %b;", [](U16 x, U16 y) { return toHalf(static_cast<double>(half(x)) + half(y)); }, a, b);
    EXPECT(U16, "mul.f16 %d, %a, %b;", [](U16 x, U16 y) { return toHalf(static_cast<double>(half(x)) * half(y)); }, a, b);
    EXPECT(U16, "fma.rn.f16 %d, %a, %b, %a;", [](U16 x, U16 y) { return toHalf(static_cast<double>(half(x)) * half(y) + half(x)); }, a, b);
    EXPECT(U16, "fma.rn.relu.f16 %d, %a, %b, %a;", [](U16 x, U16 y) {
        const double r = static_cast<double>(half(x)) * half(y) + half(x);
        return std::isnan(r) ? U16{0x7fff} : toHalf(r > 0 ? r : 0.0);
    }, a, b);
    // Products of bfloat16 need a 48-bit sum: 1.0078125 * 1.0078125 + 2^-100 must not be rounded twice.
    const std::vector<U16> x{0x3f81, 0x3f81, 0x3f80, 0x4049}, y{0x3f81, 0xbf81, 0x3f80, 0x4049}, z{0x0d80, 0x0d80, 0x3380, 0xc11e};
    EXPECT(U16, "fma.rn.bf16 %d, %a, %b, %c;", [](U16 p, U16 q, U16 r) {
        const long double exact = static_cast<long double>(bfloat(p)) * bfloat(q) + bfloat(r);
        int e = 0;
        std::frexp(exact, &e);
        const long double scaled = std::ldexp(exact, 8 - e);
        long double n = std::floor(scaled);
        const long double rest = scaled - n;
        if (rest > 0.5L || (rest == 0.5L && std::fmod(n, 2.0L) != 0)) n += 1;
        return static_cast<U16>(std::bit_cast<U32>(static_cast<float>(std::ldexp(n, e - 8))) >> 16);
    }, x, y, z);
    EXPECT(U32, "mul.f16x2 %d, %a, %b;", [](U32 p, U32 q) {
        return U32{toHalf(half(static_cast<U16>(p)) * half(static_cast<U16>(q)))} | U32{toHalf(half(static_cast<U16>(p >> 16)) * half(static_cast<U16>(q >> 16)))} << 16;
    }, std::vector<U32>{0x3c003c00, 0x40004200, 0x7bff0001}, std::vector<U32>{0x3c00bc00, 0x44003555, 0x40003800});
}

TEST(conversions) {
    const std::vector<float> f{0.0F, -0.0F, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 1e10F, -1e10F, 3e9F, kInf, -kInf, NAN, 127.5F, 300.0F, -129.0F, 65520.0F, 65519.0F, 1e-8F, 5.97e-8F, 2.98e-8F, 1e-40F};
    const auto saturate = [](double x, double low, double high) { return std::isnan(x) ? 0.0 : std::clamp(x, low, high); };
    EXPECT(U32, "cvt.rzi.s32.f32 %d, %a;", [&](float x) { return static_cast<U32>(static_cast<I32>(saturate(std::trunc(x), INT_MIN, INT_MAX))); }, f);
    EXPECT(U32, "cvt.rni.s32.f32 %d, %a;", [&](float x) { return static_cast<U32>(static_cast<I32>(saturate(std::nearbyint(x), INT_MIN, INT_MAX))); }, f);
    EXPECT(U32, "cvt.rmi.u32.f32 %d, %a;", [&](float x) { return static_cast<U32>(saturate(std::floor(x), 0, UINT_MAX)); }, f);
    EXPECT(U32, "cvt.rpi.s8.f32 %d, %a;", [&](float x) { return static_cast<U32>(static_cast<I32>(saturate(std::ceil(x), -128, 127))); }, f);
    EXPECT(float, "cvt.rmi.f32.f32 %d, %a;", [](float x) { return canonical(std::floor(x)); }, f);
    EXPECT(float, "cvt.sat.f32.f32 %d, %a;", [](float x) { return x > 0 ? std::min(x, 1.0F) : 0.0F; }, f);
    EXPECT(U16, "cvt.rn.f16.f32 %d, %a;", [](float x) { return toHalf(x); }, f);
    EXPECT(U16, "cvt.rz.f16.f32 %d, %a;", [](float x) {
        if (!std::isfinite(x)) return toHalf(x);
        const float clamped = std::clamp(x, -65504.0F, 65504.0F);
        const int e = std::max(clamped == 0 ? -14 : std::ilogb(clamped), -14);
        return toHalf(std::copysign(std::ldexp(std::trunc(std::ldexp(clamped, 10 - e)), e - 10), x));
    }, f);
    EXPECT(U16, "cvt.rn.bf16.f32 %d, %a;", [](float x) {
        if (std::isnan(x)) return U16{0x7fff};
        const U32 b = std::bit_cast<U32>(x);
        return static_cast<U16>((b + 0x7fff + (b >> 16 & 1)) >> 16);
    }, f);
    EXPECT(U32, "cvt.rn.f16x2.f32 %d, %a, 0f40000000;", [](float x) { return U32{0x4000} | U32{toHalf(x)} << 16; }, f);
    EXPECT(U32, "cvt.rna.tf32.f32 %d, %a;", [](float x) {
        if (std::isnan(x)) return 0x7fffffffU;
        const U32 b = std::bit_cast<U32>(x);
        return std::isinf(x) ? b : (b + 0x1000) & 0xffffe000U;
    }, std::vector<float>{1.0F, 1.00048828125F, 1.0005F, 3.14159274F, -2.7182817F, kInf, 1e-3F});
    EXPECT(float, "cvt.f32.f16 %d, %a;", [](U16 x) { return half(x); }, kHalves);
    EXPECT(U64, "cvt.s64.s32 %d, %a;", [](U32 x) { return static_cast<U64>(I64{s(x)}); }, kInts);
    EXPECT(U32, "cvt.s32.s8 %d, %a;", [](U32 x) { return static_cast<U32>(I32{static_cast<std::int8_t>(x)}); }, kInts);
    EXPECT(U32, "cvt.sat.u8.s32 %d, %a;", [](U32 x) { return static_cast<U32>(std::clamp(s(x), 0, 255)); }, kInts);
    EXPECT(double, "cvt.rn.f64.u32 %d, %a;", [](U32 x) { return static_cast<double>(x); }, kInts);
    const std::vector<U64> longs{0, 1, (1ULL << 53) + 1, ~0ULL, 1ULL << 63, 0x7fffffbfffffffffULL, 0x7fffffc000000001ULL};
    EXPECT(float, "cvt.rn.f32.u64 %d, %a;", [](U64 x) { return static_cast<float>(x); }, longs);
    EXPECT(float, "cvt.rn.f32.s64 %d, %a;", [](U64 x) { return static_cast<float>(static_cast<I64>(x)); }, longs);
    EXPECT(double, "cvt.rz.f64.u64 %d, %a;", [](U64 x) { return inMode(FE_TOWARDZERO, [&] { volatile U64 v = x; return static_cast<double>(v); }); }, longs);
}

TEST(approximations_within_documented_error) {
    // Absolute error 2^-20.9 for sin and cos in [-pi, pi]; 2 ulp for ex2 and rsqrt; 2^-22 for lg2; relative 2^-11 for tanh.
    std::vector<float> x;
    for (int i = -40; i <= 40; ++i) x.push_back(static_cast<float>(i) * 0.0773F);
    const auto close = [&](const char* body, const std::vector<float>& in, double (*f)(double), double relative, double absolute) {
        const auto got = test::evaluate<float>(body, in);
        for (std::size_t i = 0; i < in.size(); ++i) {
            const double want = f(in[i]);
            if (!(std::fabs(got[i] - want) <= relative * std::fabs(want) + absolute)) test::fail(__FILE__, __LINE__, std::string(body) + " of " + test::show(in[i]) + ": " + test::show(got[i]));
        }
    };
    std::vector<float> positive;
    for (const float v : x) positive.push_back(std::fabs(v) + 0.01F);
    close("ex2.approx.f32 %d, %a;", x, std::exp2, 0x1p-22, 0);
    close("ex2.approx.ftz.f32 %d, %a;", x, std::exp2, 0x1p-22, 0);
    close("sin.approx.f32 %d, %a;", x, std::sin, 0, 0x1p-20);
    close("cos.approx.f32 %d, %a;", x, std::cos, 0, 0x1p-20);
    close("tanh.approx.f32 %d, %a;", x, std::tanh, 0x1p-11, 0);
    close("lg2.approx.f32 %d, %a;", positive, std::log2, 0, 0x1p-22);
    close("rsqrt.approx.f32 %d, %a;", positive, [](double v) { return 1 / std::sqrt(v); }, 0x1p-22, 0);
    close("rcp.approx.f32 %d, %a;", positive, [](double v) { return 1 / v; }, 0x1p-23, 0);
    EXPECT(float, "ex2.approx.f32 %d, %a;", [](float v) { return std::isinf(v) ? (v > 0 ? v : 0.0F) : canonical(v); }, std::vector<float>{kInf, -kInf, NAN});
    EXPECT(float, "rcp.approx.ftz.f32 %d, %a;", [](float v) { return canonical(1 / flush(v)); }, std::vector<float>{0.0F, -0.0F, 1e-40F, kInf, 0.5F, NAN});
}

TEST(unknown_instructions_are_named) {
    for (const char* const body : {"frobnicate.f32 %a, %a;", "add.wild.f32 %a, %a, %a;", "tex.2d.v4.f32.f32 {%a,%a,%a,%a}, [t, {%a,%a}];", "wgmma.fence.sync.aligned;"}) {
        test::Device device;
        CUmodule m = nullptr;
        CHECK_EQ(cuModuleLoadData(&m, test::module(std::string(".reg .f32 %a;\n") + body, "").c_str()), CUDA_ERROR_INVALID_PTX);
        const std::string name(body, std::strcspn(body, ". "));
        CHECK(test::Device::findings().find(name) != std::string::npos);
        CHECK(test::Device::findings().find("PTX line 7") != std::string::npos);
    }
}
