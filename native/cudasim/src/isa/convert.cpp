// cvt: between integers, floating-point types and their packed forms.
#include <algorithm>
#include <cmath>

#include "isa/families.h"
#include "isa/fp.h"
#include "isa/lanes.h"

namespace cudasim {
namespace {

using fp::Round;
using ptx::Kind;
using ptx::Type;

// What a conversion does; kept in Instr::mode.
struct Plan {
    Type from, to;
    Round round = Round::Nearest;
    bool integral = false;  // .rni and the like: the result is a whole number
    bool ftz = false, sat = false, satfinite = false, relu = false;
    unsigned sourceBits = 0, destBits = 0;  // of the registers
};

std::int64_t extend(std::uint64_t bits, unsigned width, bool isSigned) {
    if (width >= 64) return static_cast<std::int64_t>(bits);
    bits &= (1ULL << width) - 1;
    return isSigned && (bits >> (width - 1) & 1U) != 0 ? static_cast<std::int64_t>(bits | ~((1ULL << width) - 1))
                                                       : static_cast<std::int64_t>(bits);
}

double wholeNumber(double x, Round round) {
    switch (round) {
        case Round::Zero: return std::trunc(x);
        case Round::Down: return std::floor(x);
        case Round::Up: return std::ceil(x);
        default: return std::nearbyint(x);
    }
}

double readFloat(const Plan& p, std::uint64_t bits) {
    if (p.from.bits == 64) return std::bit_cast<double>(bits);
    if (p.from.bits == 32) {
        const auto f = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
        return p.ftz ? fp::flush(f) : f;
    }
    if (p.from.kind == Kind::BFloat) return fp::widen(fp::BF16{static_cast<std::uint16_t>(bits)});
    return fp::widen(fp::F16{static_cast<std::uint16_t>(bits)});
}

// An integer as a double whose rounding to at most 24 bits is that of the integer itself.
double integerToOdd(std::int64_t value, bool isUnsigned) {
    const bool negative = !isUnsigned && value < 0;
    std::uint64_t magnitude = negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
    int shift = 0;
    while (magnitude >> 53 != 0) {
        magnitude = magnitude >> 1 | (magnitude & 1U);
        ++shift;
    }
    const double d = std::ldexp(static_cast<double>(magnitude), shift);
    return negative ? -d : d;
}

double integerToDouble(std::int64_t value, bool isUnsigned, Round round) {
    const double nearest =
        isUnsigned ? static_cast<double>(static_cast<std::uint64_t>(value)) : static_cast<double>(value);
    const __int128 exact =
        isUnsigned ? static_cast<__int128>(static_cast<std::uint64_t>(value)) : static_cast<__int128>(value);
    const auto got = static_cast<__int128>(nearest);
    if (got == exact || round == Round::Nearest) return nearest;
    const bool tooGreat = got > exact;
    const bool wantLess = round == Round::Down || (round == Round::Zero && exact > 0);
    if (tooGreat == wantLess) return std::nextafter(nearest, tooGreat ? -INFINITY : INFINITY);
    return nearest;
}

std::uint64_t writeFloat(const Plan& p, double x) {
    const Type& t = p.to;
    if (p.sat) x = fp::saturate(x);
    if (p.relu && !(x > 0) && !std::isnan(x)) x = 0;
    if (t.bits == 64) return std::bit_cast<std::uint64_t>(x);
    if (t.kind == Kind::TFloat) {
        if (std::isnan(x)) return fp::kNaN32;
        double r = fp::roundToTFloat(x, p.round);
        if (p.satfinite && std::isinf(r)) r = std::copysign(std::ldexp(2.0 - std::ldexp(1.0, -10), 127), r);
        return std::bit_cast<std::uint32_t>(static_cast<float>(r));
    }
    if (t.bits == 32) {
        if (std::isnan(x)) return fp::kNaN32;
        const auto f = static_cast<float>(p.round == Round::Nearest ? x : fp::roundToFloat(x, p.round));
        return std::bit_cast<std::uint32_t>(p.ftz ? fp::flush(f) : f);
    }
    if (std::isnan(x)) return fp::kNaN16;
    const bool b = t.kind == Kind::BFloat;
    double r = b ? fp::roundToBFloat(x, p.round) : fp::roundToHalf(x, p.round);
    if (p.satfinite && std::isinf(r)) r = std::copysign(b ? std::ldexp(2.0 - std::ldexp(1.0, -7), 127) : 65504.0, r);
    return b ? fp::narrow<fp::BF16>(r).bits : fp::narrow<fp::F16>(r).bits;
}

std::uint64_t floatToInteger(const Plan& p, double x) {
    if (std::isnan(x)) return 0;
    x = wholeNumber(x, p.round);
    const unsigned bits = p.to.bits;
    if (p.to.isSigned()) {
        const double bound = std::ldexp(1.0, static_cast<int>(bits) - 1);
        if (x >= bound) return static_cast<std::uint64_t>((1ULL << (bits - 1)) - 1);
        if (x < -bound) return static_cast<std::uint64_t>(extend(1ULL << (bits - 1), bits, true));
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(x));
    }
    if (x <= 0) return 0;
    if (x >= std::ldexp(1.0, static_cast<int>(bits))) return bits == 64 ? ~0ULL : (1ULL << bits) - 1;
    return static_cast<std::uint64_t>(x);
}

std::uint64_t integerToInteger(const Plan& p, std::int64_t v) {
    const bool fromUnsigned = !p.from.isSigned();
    if (p.sat) {
        const __int128 value =
            fromUnsigned ? static_cast<__int128>(static_cast<std::uint64_t>(v)) : static_cast<__int128>(v);
        const __int128 most = (static_cast<__int128>(1) << (p.to.bits - (p.to.isSigned() ? 1 : 0))) - 1;
        const __int128 least = p.to.isSigned() ? -most - 1 : 0;
        v = static_cast<std::int64_t>(std::clamp(value, least, most));
    }
    return static_cast<std::uint64_t>(extend(static_cast<std::uint64_t>(v), p.to.bits, p.to.isSigned()));
}

std::uint64_t convert(const Plan& p, std::uint64_t bits) {
    if (p.from.isFloat()) {
        const double x = readFloat(p, bits);
        if (p.to.isInteger()) return floatToInteger(p, x);
        return writeFloat(p, p.integral ? wholeNumber(x, p.round) : x);
    }
    const std::int64_t v = extend(bits, p.from.bits, p.from.isSigned());
    if (p.to.isInteger()) return integerToInteger(p, v);
    if (p.to.bits == 64) return writeFloat(p, integerToDouble(v, !p.from.isSigned(), p.round));
    return writeFloat(p, integerToOdd(v, !p.from.isSigned()));
}

// ---- mode: the plan, packed ----

std::uint32_t packType(const Type& t) {
    return static_cast<std::uint32_t>(t.kind) | static_cast<std::uint32_t>(t.bits) << 3;
}
Type unpackType(std::uint32_t v) { return {static_cast<Kind>(v & 7), static_cast<std::uint8_t>(v >> 3 & 0x7f)}; }

void store(Decoding& d, const Plan& p) {
    d.out.mode = packType(p.from) | packType(p.to) << 10 | static_cast<std::uint32_t>(p.round) << 20 |
                 std::uint32_t{p.integral} << 23 | std::uint32_t{p.ftz} << 24 | std::uint32_t{p.sat} << 25 |
                 std::uint32_t{p.satfinite} << 26 | std::uint32_t{p.relu} << 27;
}

Plan planOf(const Instr& in) {
    Plan p;
    p.from = unpackType(in.mode & 0x3ff);
    p.to = unpackType(in.mode >> 10 & 0x3ff);
    p.round = static_cast<Round>(in.mode >> 20 & 7);
    p.integral = (in.mode >> 23 & 1U) != 0;
    p.ftz = (in.mode >> 24 & 1U) != 0;
    p.sat = (in.mode >> 25 & 1U) != 0;
    p.satfinite = (in.mode >> 26 & 1U) != 0;
    p.relu = (in.mode >> 27 & 1U) != 0;
    return p;
}

template <class S, class D>
void runGeneral(Warp& w, const Instr& in, std::uint32_t mask) {
    const Plan p = planOf(in);
    const Lanes<S> a(w, in.a);
    const Lanes<D> d(w, in.d);
    for (; mask != 0; mask &= mask - 1) {
        const auto i = static_cast<std::uint32_t>(std::countr_zero(mask));
        d.set(i, static_cast<D>(convert(p, a[i])));
    }
}

// d.hi = a, d.lo = b
void runPacked(Warp& w, const Instr& in, std::uint32_t mask) {
    const Plan p = planOf(in);
    const Lanes<std::uint32_t> d(w, in.d), a(w, in.a), b(w, in.b);
    for (; mask != 0; mask &= mask - 1) {
        const auto i = static_cast<std::uint32_t>(std::countr_zero(mask));
        d.set(i, static_cast<std::uint32_t>(convert(p, b[i]) | convert(p, a[i]) << 16));
    }
}

// The frequent conversions, written to vectorise.
struct HalfToFloat {
    float operator()(fp::F16 x) const { return (x.bits & 0x7fffU) > 0x7c00U ? fp::nan32() : fp::toFloat(x); }
};
struct BFloatToFloat {
    float operator()(fp::BF16 x) const { return fp::isNaN(x) ? fp::nan32() : fp::toFloat(x); }
};
struct FloatToHalf {
    fp::F16 operator()(float x) const { return fp::halfFromFloat(x); }
};
struct FloatToBFloat {
    fp::BF16 operator()(float x) const { return fp::bfloatFromFloat(x); }
};
template <class D>
struct Cast {
    template <class S>
    D operator()(S x) const { return static_cast<D>(x); }
};

Handler frequent(const Plan& p) {
    if (p.ftz || p.sat || p.satfinite || p.relu || p.integral || p.round != Round::Nearest ||
        p.from.bits > p.sourceBits || p.to.bits > p.destBits)
        return nullptr;
    const bool exact = p.from.bits == p.sourceBits && p.to.bits == p.destBits;
    if (!exact) return nullptr;
    if (p.from == ptx::kF16 && p.to == ptx::kF32) return &unary<HalfToFloat, float, fp::F16>;
    if (p.from == ptx::kBF16 && p.to == ptx::kF32) return &unary<BFloatToFloat, float, fp::BF16>;
    if (p.from == ptx::kF32 && p.to == ptx::kF16) return &unary<FloatToHalf, fp::F16, float>;
    if (p.from == ptx::kF32 && p.to == ptx::kBF16) return &unary<FloatToBFloat, fp::BF16, float>;
    if (p.from.is(Kind::Signed, 32) && p.to == ptx::kF32) return &unary<Cast<float>, float, std::int32_t>;
    if (p.from.is(Kind::Unsigned, 32) && p.to == ptx::kF32) return &unary<Cast<float>, float, std::uint32_t>;
    if (p.from.is(Kind::Unsigned, 32) && p.to.isInteger() && p.to.bits == 64)
        return &unary<Cast<std::uint64_t>, std::uint64_t, std::uint32_t>;
    if (p.from.is(Kind::Signed, 32) && p.to.isInteger() && p.to.bits == 64)
        return &unary<Cast<std::int64_t>, std::int64_t, std::int32_t>;
    if (p.from.isInteger() && p.from.bits == 64 && p.to.isInteger() && p.to.bits == 32)
        return &unary<Cast<std::uint32_t>, std::uint32_t, std::uint64_t>;
    return nullptr;
}

void decodeCvt(Decoding& d) {
    Plan p;
    d.out.cls = Counter::inst_conversion;
    if (d.take("pack")) d.fail("cvt.pack is not simulated");
    const int integral = d.takeOneOf({"rni", "rzi", "rmi", "rpi"});
    const int round = d.takeOneOf({"rn", "rz", "rm", "rp", "rna"});
    if (integral >= 0) {
        p.integral = true;
        p.round = static_cast<Round>(integral);
    } else if (round >= 0) {
        p.round = static_cast<Round>(round);
    }
    p.relu = d.take("relu");
    p.satfinite = d.take("satfinite");
    p.ftz = d.take("ftz");
    p.sat = d.take("sat");
    p.to = d.type();
    p.from = d.type();
    if (p.to.isInteger() && p.from.isFloat() && !p.integral) d.fail("no integer rounding mode");
    if (p.to.lanes == 2) {
        if (p.from != ptx::kF32) d.fail("packed conversion from other than f32");
        d.expectOperands(3, 3);
        d.out.d = d.dest(0, 32);
        d.out.a = d.src(1, p.from);
        d.out.b = d.src(2, p.from);
        p.to.lanes = 1;
        store(d, p);
        d.out.run = &runPacked;
        return;
    }
    d.expectOperands(2, 2);
    if (p.to.bits < 8 || p.from.bits < 8) d.fail("type");
    p.destBits = d.registerBits(d.operand(0));
    p.sourceBits = d.isRegister(d.operand(1)) ? d.registerBits(d.operand(1)) : std::max<unsigned>(p.from.bits, 16);
    if (p.destBits < p.to.bits || p.sourceBits < p.from.bits) d.fail("register is narrower than the type");
    d.out.d = d.dest(0, p.destBits);
    const Type sourceType =
        p.sourceBits == p.from.bits ? p.from : Type{Kind::Untyped, static_cast<std::uint8_t>(p.sourceBits)};
    d.out.a = d.src(1, sourceType);
    store(d, p);
    d.out.run = frequent(p);
    if (d.out.run != nullptr) return;
    const bool wideSource = p.sourceBits == 64, wideDest = p.destBits == 64;
    using U32 = std::uint32_t;
    using U64 = std::uint64_t;
    if (p.destBits == 16) d.out.run = wideSource ? &runGeneral<U64, std::uint16_t> : &runGeneral<U32, std::uint16_t>;
    else if (wideDest) d.out.run = wideSource ? &runGeneral<U64, U64> : &runGeneral<U32, U64>;
    else d.out.run = wideSource ? &runGeneral<U64, U32> : &runGeneral<U32, U32>;
}

}  // namespace

std::span<const DecoderEntry> convertFamily() {
    static constexpr DecoderEntry kFamily[] = {{"cvt", decodeCvt}};
    return kFamily;
}

}  // namespace cudasim
