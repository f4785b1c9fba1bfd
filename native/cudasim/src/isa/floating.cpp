// Floating-point arithmetic: f32, f64, f16, bf16 and their packed forms.
//
// 16-bit operations are computed in double and rounded once. f32 operations in other modes than to nearest are computed
// in double, rounded to odd, and then in the mode wanted; f64 ones with the processor's rounding mode (this file is
// compiled with -frounding-math).
#include <algorithm>
#include <cfenv>
#include <cmath>

#include "isa/families.h"
#include "isa/fp.h"
#include "isa/lanes.h"

namespace cudasim {
namespace {

using fp::BF16;
using fp::F16;
using fp::Round;

// ---- arithmetic in the type's own precision, to nearest ----

template <class T>
T add(T a, T b) {
    if constexpr (sizeof(T) == 2) return fp::narrow<T>(fp::addOdd(fp::widen(a), fp::widen(b)));
    else return a + b;
}
template <class T>
T multiply(T a, T b) {
    if constexpr (sizeof(T) == 2) return fp::narrow<T>(fp::widen(a) * fp::widen(b));
    else return a * b;
}
template <class T>
T fusedMultiplyAdd(T a, T b, T c) {
    if constexpr (sizeof(T) == 2) return fp::narrow<T>(fp::addOdd(fp::widen(a) * fp::widen(b), fp::widen(c)));
    else if constexpr (sizeof(T) == 4) return __builtin_fmaf(a, b, c);
    else return __builtin_fma(a, b, c);
}
template <class T>
T negate(T a) {
    using U = UnsignedOf<sizeof(T)>;
    return std::bit_cast<T>(static_cast<U>(std::bit_cast<U>(a) ^ (U{1} << (8 * sizeof(T) - 1))));
}
template <class T>
T absolute(T a) {
    using U = UnsignedOf<sizeof(T)>;
    return std::bit_cast<T>(static_cast<U>(std::bit_cast<U>(a) & ~(U{1} << (8 * sizeof(T) - 1))));
}

struct AddOp {
    template <class T>
    T operator()(T a, T b) const { return add(a, b); }
};
struct SubOp {
    template <class T>
    T operator()(T a, T b) const { return add(a, negate(b)); }
};
struct MulOp {
    template <class T>
    T operator()(T a, T b) const { return multiply(a, b); }
};
struct DivOp {
    template <class T>
    T operator()(T a, T b) const { return a / b; }
};
struct FmaOp {
    template <class T>
    T operator()(T a, T b, T c) const { return fusedMultiplyAdd(a, b, c); }
};
template <bool Max, bool PropagateNaN>
struct MinMaxOp {
    template <class T>
    T operator()(T a, T b) const { return fp::minMax<Max, PropagateNaN>(a, b); }
};
struct MinMaxFast {  // f32 without NaN propagation, written to vectorise
    template <bool Max>
    static float apply(float a, float b) {
        const bool aWins = Max ? (a > b || (a == b && !std::signbit(a))) : (a < b || (a == b && std::signbit(a)));
        const float r = (aWins || b != b) ? a : b;
        return r != r ? fp::nan32() : r;
    }
};
template <bool Max>
struct MinMaxF32 {
    float operator()(float a, float b) const { return MinMaxFast::apply<Max>(a, b); }
};

// Flushes inputs and results, saturates, clamps at zero, makes NaNs canonical.
enum Flags : unsigned { kFtz = 1, kSat = 2, kRelu = 4 };

template <class Op, unsigned F>
struct Finish {
    template <class T>
    T operator()(T a) const { return finish(Op{}(in(a))); }
    template <class T>
    T operator()(T a, T b) const { return finish(Op{}(in(a), in(b))); }
    template <class T>
    T operator()(T a, T b, T c) const { return finish(Op{}(in(a), in(b), in(c))); }

private:
    template <class T>
    static T in(T x) { return (F & kFtz) != 0 ? fp::flush(x) : x; }
    template <class T>
    static T finish(T r) {
        if constexpr (sizeof(T) == 4) r = r != r ? fp::nan32() : r;
        if ((F & kFtz) != 0) r = fp::flush(r);
        if ((F & kSat) != 0) r = fp::saturate(r);
        if constexpr ((F & kRelu) != 0) r = fp::isNaN(r) ? fp::canonicalNaN<T>() : (fp::widen(r) > 0 ? r : T{});
        return r;
    }
};

template <class Op, class T>
struct Packed {  // f16x2, bf16x2
    template <class... U>
    std::uint32_t operator()(U... v) const {
        const T low = Op{}(T{static_cast<std::uint16_t>(v)}...);
        const T high = Op{}(T{static_cast<std::uint16_t>(v >> 16)}...);
        return low.bits | std::uint32_t{high.bits} << 16;
    }
};
template <class Op>
struct PackedF32 {  // f32x2
    template <class... U>
    std::uint64_t operator()(U... v) const {
        const float low = Op{}(std::bit_cast<float>(static_cast<std::uint32_t>(v))...);
        const float high = Op{}(std::bit_cast<float>(static_cast<std::uint32_t>(v >> 32))...);
        return std::bit_cast<std::uint32_t>(low) | std::uint64_t{std::bit_cast<std::uint32_t>(high)} << 32;
    }
};

template <class Op, class T, int N>
Handler handlerOf() {
    if constexpr (N == 1) return &unary<Op, T, T>;
    else if constexpr (N == 2) return &binary<Op, T, T, T>;
    else return &ternary<Op, T, T, T, T>;
}

template <class Op, int N, unsigned F>
Handler byType(const ptx::Type& t) {
    using Op1 = Finish<Op, F>;
    using U = std::uint32_t;
    if (t == ptx::kF32) return handlerOf<Op1, float, N>();
    if (t.is(ptx::Kind::Float, 16)) return handlerOf<Op1, F16, N>();
    if (t.is(ptx::Kind::Float, 16, 2)) return handlerOf<Packed<Op1, F16>, U, N>();
    if (t.is(ptx::Kind::BFloat, 16)) return handlerOf<Op1, BF16, N>();
    if (t.is(ptx::Kind::BFloat, 16, 2)) return handlerOf<Packed<Op1, BF16>, U, N>();
    if (t.is(ptx::Kind::Float, 32, 2)) return handlerOf<PackedF32<Op1>, std::uint64_t, N>();
    if constexpr (F == 0) {
        if (t == ptx::kF64) return handlerOf<Op1, double, N>();
    }
    return nullptr;
}

template <class Op, int N>
Handler choose(const ptx::Type& t, unsigned flags) {
    switch (flags) {
        case 0: return byType<Op, N, 0>(t);
        case kFtz: return byType<Op, N, kFtz>(t);
        case kSat: return byType<Op, N, kSat>(t);
        case kFtz | kSat: return byType<Op, N, kFtz | kSat>(t);
        case kRelu: return byType<Op, N, kRelu>(t);
        case kFtz | kRelu: return byType<Op, N, kFtz | kRelu>(t);
        default: return nullptr;
    }
}

Counter classOf(const ptx::Type& t) {
    return t.bits == 16 ? Counter::inst_fp16 : t.bits == 64 ? Counter::inst_fp64 : Counter::inst_fp32;
}

void operands(Decoding& d, const ptx::Type& t, std::size_t n) {
    d.out.cls = classOf(t);
    d.expectOperands(n + 1, n + 1);
    d.out.d = d.dest(0, t.totalBits());
    d.out.a = d.src(1, t);
    if (n > 1) d.out.b = d.src(2, t);
    if (n > 2) d.out.c = d.src(3, t);
}

unsigned takeFlags(Decoding& d) {
    return (d.take("ftz") ? kFtz : 0U) | (d.take("sat") ? kSat : 0U) | (d.take("relu") ? kRelu : 0U);
}

Round takeRound(Decoding& d) {
    const int r = d.takeOneOf({"rn", "rz", "rm", "rp"});
    return r <= 0 ? Round::Nearest : static_cast<Round>(r);
}

// ---- rounding other than to nearest ----

enum class Arithmetic : std::uint8_t { Add, Sub, Mul, Fma, Div, Rcp, Sqrt };

constexpr int kHostModes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};

[[gnu::noinline]] double inHostMode(Arithmetic op, Round mode, double a, double b, double c) {
    const int before = std::fegetround();
    std::fesetround(kHostModes[static_cast<int>(mode)]);
    volatile double x = a, y = b, z = c, r = 0;
    switch (op) {
        case Arithmetic::Add: r = x + y; break;
        case Arithmetic::Sub: r = x - y; break;
        case Arithmetic::Mul: r = x * y; break;
        case Arithmetic::Fma: r = std::fma(x, y, z); break;
        case Arithmetic::Div: r = x / y; break;
        case Arithmetic::Rcp: r = 1.0 / x; break;
        case Arithmetic::Sqrt: r = std::sqrt(x); break;
    }
    std::fesetround(before);
    return r;
}

[[gnu::noinline]] float inHostMode(Arithmetic op, Round mode, float a, float b, float c) {
    const int before = std::fegetround();
    std::fesetround(kHostModes[static_cast<int>(mode)]);
    volatile float x = a, y = b, z = c, r = 0;
    switch (op) {
        case Arithmetic::Add: r = x + y; break;
        case Arithmetic::Sub: r = x - y; break;
        case Arithmetic::Mul: r = x * y; break;
        case Arithmetic::Fma: r = std::fmaf(x, y, z); break;
        case Arithmetic::Div: r = x / y; break;
        case Arithmetic::Rcp: r = 1.0F / x; break;
        case Arithmetic::Sqrt: r = std::sqrt(x); break;
    }
    std::fesetround(before);
    return r;
}

// mode: arithmetic | round << 8 | flags << 16
template <class T>
void runRounded(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<T> d(w, in.d), a(w, in.a), b(w, in.b), c(w, in.c);
    const auto op = static_cast<Arithmetic>(in.mode & 0xff);
    const auto round = static_cast<Round>(in.mode >> 8 & 0xff);
    const unsigned flags = in.mode >> 16;
    const auto ready = [&](T x) { return (flags & kFtz) != 0 ? fp::flush(x) : x; };
    for (; mask != 0; mask &= mask - 1) {
        const auto i = static_cast<std::uint32_t>(std::countr_zero(mask));
        T r = inHostMode(op, round, ready(a[i]), ready(b[i]), ready(c[i]));
        if (std::isnan(r)) r = fp::canonicalNaN<T>();
        if ((flags & kFtz) != 0) r = fp::flush(r);
        if ((flags & kSat) != 0) r = fp::saturate(r);
        d.set(i, r);
    }
}

// a, b, c must be decoded; unused ones repeat a.
void useRounded(Decoding& d, const ptx::Type& t, Arithmetic op, Round round, unsigned flags, std::size_t n) {
    if (t != ptx::kF32 && t != ptx::kF64) d.fail("rounding mode of a 16-bit type");
    if (n < 2) d.out.b = d.out.a;
    if (n < 3) d.out.c = d.out.a;
    d.out.mode = static_cast<std::uint32_t>(op) | static_cast<std::uint32_t>(round) << 8 | flags << 16;
    d.out.run = t == ptx::kF32 ? &runRounded<float> : &runRounded<double>;
}

// ---- decoders ----

void decodeAddSub(Decoding& d, bool subtract) {
    if (std::find(d.source.opcode.begin(), d.source.opcode.end(), "cc") != d.source.opcode.end()) {
        decodeCarry(d, subtract, /*reads=*/false);
        return;
    }
    const Round round = takeRound(d);
    const ptx::Type t = d.type();
    if (t.isInteger()) {
        decodeIntegerAddSub(d, t, subtract);
        return;
    }
    const unsigned flags = takeFlags(d);
    operands(d, t, 2);
    if (round != Round::Nearest) useRounded(d, t, subtract ? Arithmetic::Sub : Arithmetic::Add, round, flags, 2);
    else d.out.run = subtract ? choose<SubOp, 2>(t, flags) : choose<AddOp, 2>(t, flags);
}

void decodeMul(Decoding& d) {
    const Round round = takeRound(d);
    const ptx::Type t = d.type();
    if (t.isInteger()) {
        decodeIntegerMul(d, t);
        return;
    }
    const unsigned flags = takeFlags(d);
    operands(d, t, 2);
    if (round != Round::Nearest) useRounded(d, t, Arithmetic::Mul, round, flags, 2);
    else d.out.run = choose<MulOp, 2>(t, flags);
}

void decodeFma(Decoding& d) {
    if (std::find(d.source.opcode.begin(), d.source.opcode.end(), "cc") != d.source.opcode.end()) {
        decodeMadCarry(d, /*reads=*/false);
        return;
    }
    const Round round = takeRound(d);
    const ptx::Type t = d.type();
    if (t.isInteger()) {
        decodeIntegerMad(d, t);
        return;
    }
    if (d.take("oob")) d.fail("fma.oob is not simulated");
    const unsigned flags = takeFlags(d);
    operands(d, t, 3);
    if (round != Round::Nearest) useRounded(d, t, Arithmetic::Fma, round, flags, 3);
    else d.out.run = choose<FmaOp, 3>(t, flags);
}

// div.full and div.approx may err by 2 ulp: the correctly rounded quotient is within that. approx gives 0 for |divisor|
// in [2^126, 2^128].
struct DivApprox {
    float operator()(float a, float b) const {
        const float magnitude = std::fabs(b);
        if (magnitude > 0x1p126F && std::isfinite(b))
            return std::isinf(a) ? fp::nan32()
                                 : std::copysign(0.0F, (std::signbit(a) != std::signbit(b)) ? -1.0F : 1.0F);
        return a / b;
    }
};

void decodeDiv(Decoding& d) {
    const int approximate = d.takeOneOf({"approx", "full"});
    const Round round = takeRound(d);
    const ptx::Type t = d.type();
    if (t.isInteger()) {
        decodeIntegerDiv(d, t);
        return;
    }
    const unsigned flags = takeFlags(d);
    operands(d, t, 2);
    if (t != ptx::kF32 && t != ptx::kF64) d.fail("type");
    if (approximate == 0)
        d.out.run = flags == kFtz ? &binary<Finish<DivApprox, kFtz>, float, float, float>
                                  : &binary<Finish<DivApprox, 0>, float, float, float>;
    else if (round != Round::Nearest) useRounded(d, t, Arithmetic::Div, round, flags, 2);
    else if (t == ptx::kF64) d.out.run = &binary<DivOp, double, double, double>;
    else
        d.out.run = flags == kFtz ? &binary<Finish<DivOp, kFtz>, float, float, float>
                                  : &binary<Finish<DivOp, 0>, float, float, float>;
}

template <bool Max>
void decodeMinMax(Decoding& d) {
    const bool propagate = d.take("NaN");
    if (d.take("xorsign")) d.fail(".xorsign is not simulated");
    const ptx::Type t = d.type();
    if (t.isInteger()) {
        decodeIntegerMinMax(d, t, Max);
        return;
    }
    const unsigned flags = takeFlags(d);
    if (d.operandCount() == 4) d.fail("three-operand form");
    operands(d, t, 2);
    if (t == ptx::kF32 && !propagate)
        d.out.run = flags == kFtz ? &binary<Finish<MinMaxF32<Max>, kFtz>, float, float, float>
                                  : &binary<MinMaxF32<Max>, float, float, float>;
    else d.out.run = propagate ? choose<MinMaxOp<Max, true>, 2>(t, flags) : choose<MinMaxOp<Max, false>, 2>(t, flags);
}

struct NegOp {
    template <class T>
    T operator()(T a) const { return negate(a); }
};
struct AbsOp {
    template <class T>
    T operator()(T a) const { return absolute(a); }
};

template <class Op>
void decodeSign(Decoding& d, void (*integer)(Decoding&, ptx::Type)) {
    const bool ftz = d.take("ftz");
    const ptx::Type t = d.type();
    if (t.isInteger()) {
        integer(d, t);
        return;
    }
    operands(d, t, 1);
    using U = std::uint32_t;
    // Signs are bits: NaN payloads stay (f32 neg and abs do not make them canonical).
    if (t == ptx::kF64) d.out.run = &unary<Op, double, double>;
    if (t == ptx::kF32) d.out.run = ftz ? &unary<Finish<Op, kFtz>, float, float> : &unary<Op, float, float>;
    if (t.is(ptx::Kind::Float, 16)) d.out.run = ftz ? &unary<Finish<Op, kFtz>, F16, F16> : &unary<Op, F16, F16>;
    if (t.is(ptx::Kind::BFloat, 16)) d.out.run = &unary<Op, BF16, BF16>;
    if (t.is(ptx::Kind::Float, 16, 2))
        d.out.run = ftz ? &unary<Packed<Finish<Op, kFtz>, F16>, U, U> : &unary<Packed<Op, F16>, U, U>;
    if (t.is(ptx::Kind::BFloat, 16, 2)) d.out.run = &unary<Packed<Op, BF16>, U, U>;
}

struct CopySign {  // d = |b| with the sign of a
    template <class T>
    T operator()(T a, T b) const { return std::copysign(b, a); }
};

// ---- functions ----

// Computed in double and rounded: within half an ulp, so within every documented error.
template <class F>
struct ViaDouble {
    float operator()(float a) const { return fp::narrow<float>(F{}(static_cast<double>(a))); }
    double operator()(double a) const { return F{}(a); }
    F16 operator()(F16 a) const { return fp::narrow<F16>(F{}(fp::widen(a))); }
    BF16 operator()(BF16 a) const { return fp::narrow<BF16>(F{}(fp::widen(a))); }
};
struct Rcp {
    double operator()(double a) const { return 1.0 / a; }
};
struct RcpF32 {
    float operator()(float a) const { return 1.0F / a; }
};
struct SqrtF32 {
    float operator()(float a) const { return std::sqrt(a); }
};
struct Sqrt {
    double operator()(double a) const { return std::sqrt(a); }
};
struct Rsqrt {
    double operator()(double a) const { return 1.0 / std::sqrt(a); }
};
struct Ex2 {
    double operator()(double a) const { return std::exp2(a); }
};
struct Lg2 {
    double operator()(double a) const { return std::log2(a); }
};
struct Sin {
    double operator()(double a) const { return std::sin(a); }
};
struct Cos {
    double operator()(double a) const { return std::cos(a); }
};
struct Tanh {
    double operator()(double a) const { return std::tanh(a); }
};

template <class F>
void decodeFunction(Decoding& d) {
    d.take("approx");
    const unsigned flags = takeFlags(d);
    const ptx::Type t = d.type();
    operands(d, t, 1);
    d.out.cls = Counter::inst_special;
    d.out.run = choose<ViaDouble<F>, 1>(t, flags);
    if (t == ptx::kF64) d.out.run = &unary<ViaDouble<F>, double, double>;
}

template <class F, class F32, Arithmetic Op>
void decodeRcpSqrt(Decoding& d) {
    const bool approximate = d.take("approx");
    const Round round = takeRound(d);
    const unsigned flags = takeFlags(d);
    const ptx::Type t = d.type();
    operands(d, t, 1);
    if (approximate) d.out.cls = Counter::inst_special;
    if (round != Round::Nearest) useRounded(d, t, Op, round, flags, 1);
    else if (t == ptx::kF64) d.out.run = &unary<ViaDouble<F>, double, double>;
    else if (t == ptx::kF32)
        d.out.run = flags == kFtz ? &unary<Finish<F32, kFtz>, float, float> : &unary<Finish<F32, 0>, float, float>;
}

enum class Test : std::uint32_t { Finite, Infinite, Number, NotANumber, Normal, Subnormal };

template <class T>
void runTestp(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<T> a(w, in.a);
    std::uint32_t result = 0;
    forLanes(mask, [&](std::uint32_t i) {
        const int c = std::fpclassify(a[i]);
        bool is = false;
        switch (static_cast<Test>(in.mode)) {
            case Test::Finite: is = c != FP_NAN && c != FP_INFINITE; break;
            case Test::Infinite: is = c == FP_INFINITE; break;
            case Test::Number: is = c != FP_NAN; break;
            case Test::NotANumber: is = c == FP_NAN; break;
            case Test::Normal: is = c == FP_NORMAL; break;
            case Test::Subnormal: is = c == FP_SUBNORMAL; break;
        }
        result |= is ? 1U << i : 0;
    });
    setPredicate(w, in.d, mask, result);
}

void decodeTestp(Decoding& d) {
    const int test = d.takeOneOf({"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
    const ptx::Type t = d.type();
    if (test < 0) d.fail("no test");
    d.expectOperands(2, 2);
    d.out.cls = Counter::inst_compare;
    d.out.mode = static_cast<std::uint32_t>(test);
    d.out.d = d.predicateDest(d.operand(0));
    d.out.a = d.src(1, t);
    d.out.run = t == ptx::kF64 ? &runTestp<double> : &runTestp<float>;
}

}  // namespace

std::span<const DecoderEntry> floatFamily() {
    static constexpr DecoderEntry kFamily[] = {
        {"add", [](Decoding& d) { decodeAddSub(d, false); }},
        {"sub", [](Decoding& d) { decodeAddSub(d, true); }},
        {"mul", decodeMul},
        {"fma", decodeFma},
        {"mad", decodeFma},
        {"div", decodeDiv},
        {"min", decodeMinMax<false>},
        {"max", decodeMinMax<true>},
        {"neg", [](Decoding& d) { decodeSign<NegOp>(d, decodeIntegerNeg); }},
        {"abs", [](Decoding& d) { decodeSign<AbsOp>(d, decodeIntegerAbs); }},
        {"copysign",
         [](Decoding& d) {
             const ptx::Type t = d.type();
             operands(d, t, 2);
             d.out.run =
                 t == ptx::kF64 ? &binary<CopySign, double, double, double> : &binary<CopySign, float, float, float>;
         }},
        {"rcp", decodeRcpSqrt<Rcp, RcpF32, Arithmetic::Rcp>},
        {"sqrt", decodeRcpSqrt<Sqrt, SqrtF32, Arithmetic::Sqrt>},
        {"rsqrt", decodeFunction<Rsqrt>},
        {"ex2", decodeFunction<Ex2>},
        {"lg2", decodeFunction<Lg2>},
        {"sin", decodeFunction<Sin>},
        {"cos", decodeFunction<Cos>},
        {"tanh", decodeFunction<Tanh>},
        {"testp", decodeTestp},
    };
    return kFamily;
}

}  // namespace cudasim
