// Integer arithmetic and bit operations.
#include <algorithm>
#include <bit>
#include <limits>

#include "isa/families.h"
#include "isa/lanes.h"

namespace cudasim {
namespace {

template <class T>
using Wide = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, std::int32_t, std::uint32_t>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;
template <class T>
using Bits = std::make_unsigned_t<T>;

// Arithmetic wraps: it is done on unsigned values.

struct Add {
    template <class T>
    T operator()(T a, T b) const {
        return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    }
};
struct Sub {
    template <class T>
    T operator()(T a, T b) const {
        return static_cast<T>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
    }
};
struct AddSat {
    std::int32_t operator()(std::int32_t a, std::int32_t b) const {
        return static_cast<std::int32_t>(std::clamp<std::int64_t>(
            std::int64_t{a} + b, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()));
    }
};
struct SubSat {
    std::int32_t operator()(std::int32_t a, std::int32_t b) const {
        return static_cast<std::int32_t>(std::clamp<std::int64_t>(
            std::int64_t{a} - b, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()));
    }
};
struct MulLo {
    template <class T>
    T operator()(T a, T b) const {
        return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    }
};
struct MulHi {
    template <class T>
    T operator()(T a, T b) const {
        return static_cast<T>((static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b)) >> (8 * sizeof(T)));
    }
};
struct MulWide {
    template <class T>
    Wide<T> operator()(T a, T b) const { return static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b); }
};
struct Mul24Lo {
    template <class T>
    T operator()(T a, T b) const {
        const auto low = [](T v) {
            return std::is_signed_v<T>
                       ? std::int64_t{static_cast<std::int32_t>(static_cast<std::uint32_t>(v) << 8) >> 8}
                       : std::int64_t{v & 0xffffff};
        };
        return static_cast<T>(low(a) * low(b));
    }
};
template <class Mul, class Accumulate = Add>
struct Mad {
    template <class T, class C>
    C operator()(T a, T b, C c) const { return Accumulate{}(static_cast<C>(Mul{}(a, b)), c); }
};
// Division by zero gives all ones, as on hardware; the most negative value by -1 wraps.
struct Div {
    template <class T>
    T operator()(T a, T b) const {
        if (b == 0) return static_cast<T>(~T{0});
        if (std::is_signed_v<T> && b == static_cast<T>(-1)) return static_cast<T>(0 - static_cast<std::uint64_t>(a));
        return static_cast<T>(a / b);
    }
};
struct Rem {
    template <class T>
    T operator()(T a, T b) const {
        if (b == 0) return a;
        if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
        return static_cast<T>(a % b);
    }
};
struct Abs {
    template <class T>
    T operator()(T a) const { return a < 0 ? static_cast<T>(0 - static_cast<std::uint64_t>(a)) : a; }
};
struct Neg {
    template <class T>
    T operator()(T a) const { return static_cast<T>(0 - static_cast<std::uint64_t>(a)); }
};
struct Min {
    template <class T>
    T operator()(T a, T b) const { return std::min(a, b); }
};
struct Max {
    template <class T>
    T operator()(T a, T b) const { return std::max(a, b); }
};
template <class Op>
struct Relu {
    template <class T>
    T operator()(T a, T b) const { return std::max<T>(Op{}(a, b), 0); }
};
template <class Op, class T>
struct Pairwise {  // u16x2, s16x2
    std::uint32_t operator()(std::uint32_t a, std::uint32_t b) const {
        const auto low = static_cast<std::uint16_t>(Op{}(static_cast<T>(a), static_cast<T>(b)));
        const auto high = static_cast<std::uint16_t>(Op{}(static_cast<T>(a >> 16), static_cast<T>(b >> 16)));
        return low | std::uint32_t{high} << 16;
    }
};
struct Sad {
    template <class T>
    T operator()(T a, T b, T c) const {
        const auto difference = a < b ? static_cast<std::uint64_t>(b) - static_cast<std::uint64_t>(a)
                                      : static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
        return static_cast<T>(static_cast<std::uint64_t>(c) + difference);
    }
};
struct Popc {
    template <class T>
    std::uint32_t operator()(T a) const { return static_cast<std::uint32_t>(std::popcount(a)); }
};
struct Clz {
    template <class T>
    std::uint32_t operator()(T a) const { return static_cast<std::uint32_t>(std::countl_zero(a)); }
};
struct Brev {
    template <class T>
    T operator()(T a) const {
        T r = 0;
        for (unsigned i = 0; i < 8 * sizeof(T); ++i) r = static_cast<T>(r | ((a >> i & 1U) << (8 * sizeof(T) - 1 - i)));
        return r;
    }
};
template <bool ShiftAmount>
struct Bfind {
    template <class T>
    std::uint32_t operator()(T a) const {
        Bits<T> v = static_cast<Bits<T>>(a);
        if (std::is_signed_v<T> && a < 0) v = static_cast<Bits<T>>(~v);
        if (v == 0) return 0xffffffffU;
        const auto zeros = static_cast<std::uint32_t>(std::countl_zero(v));
        return ShiftAmount ? zeros : static_cast<std::uint32_t>(8 * sizeof(T) - 1) - zeros;
    }
};
struct Bfe {
    template <class T>
    T operator()(T a, std::uint32_t b, std::uint32_t c) const {
        constexpr std::uint32_t kMsb = 8 * sizeof(T) - 1;
        const std::uint32_t position = b & 0xff;
        const std::uint32_t length = c & 0xff;
        const auto bits = static_cast<Bits<T>>(a);
        bool sign = false;
        if (std::is_signed_v<T> && length != 0) sign = (bits >> std::min(position + length - 1, kMsb) & 1U) != 0;
        Bits<T> r = 0;
        for (std::uint32_t i = 0; i <= kMsb; ++i) {
            const bool bit = i < length && position + i <= kMsb ? (bits >> (position + i) & 1U) != 0 : sign;
            r |= static_cast<Bits<T>>(Bits<T>{bit} << i);
        }
        return static_cast<T>(r);
    }
};
struct Bmsk {
    template <bool Clamp>
    static std::uint32_t mask(std::uint32_t a, std::uint32_t b) {
        if (!Clamp) a &= 31, b &= 31;
        if (a >= 32) return 0;
        const std::uint64_t ones = b >= 32 ? 0xffffffffULL : (1ULL << b) - 1;
        return static_cast<std::uint32_t>(ones << a);
    }
};
template <bool Clamp>
struct BmskOp {
    std::uint32_t operator()(std::uint32_t a, std::uint32_t b) const { return Bmsk::mask<Clamp>(a, b); }
};
template <class TA, class TB>
struct Dp4a {
    std::uint32_t operator()(std::uint32_t a, std::uint32_t b, std::uint32_t c) const {
        for (unsigned i = 0; i < 4; ++i) {
            c += static_cast<std::uint32_t>(std::int32_t{static_cast<TA>(a >> (8 * i))} *
                                            std::int32_t{static_cast<TB>(b >> (8 * i))});
        }
        return c;
    }
};
template <class TA, class TB, bool High>
struct Dp2a {
    std::uint32_t operator()(std::uint32_t a, std::uint32_t b, std::uint32_t c) const {
        using Half = std::conditional_t<std::is_signed_v<TA>, std::int16_t, std::uint16_t>;
        for (unsigned i = 0; i < 2; ++i) {
            c += static_cast<std::uint32_t>(std::int32_t{static_cast<Half>(a >> (16 * i))} *
                                            std::int32_t{static_cast<TB>(b >> (8 * i + (High ? 16 : 0)))});
        }
        return c;
    }
};

// ---- specialisation by type ----

template <class Op, class T>
constexpr Handler same2 = &binary<Op, T, T, T>;

template <class Op>
Handler byInteger2(const ptx::Type& t) {
    const bool s = t.isSigned();
    switch (t.totalBits()) {
        case 16: return s ? same2<Op, std::int16_t> : same2<Op, std::uint16_t>;
        case 32: return s ? same2<Op, std::int32_t> : same2<Op, std::uint32_t>;
        case 64: return s ? same2<Op, std::int64_t> : same2<Op, std::uint64_t>;
        default: return nullptr;
    }
}
template <class Op>
Handler bySigned1(const ptx::Type& t) {
    switch (t.bits) {
        case 16: return &unary<Op, std::int16_t, std::int16_t>;
        case 32: return &unary<Op, std::int32_t, std::int32_t>;
        case 64: return &unary<Op, std::int64_t, std::int64_t>;
        default: return nullptr;
    }
}
template <class Op>
Handler count32Or64(const ptx::Type& t) {
    return t.bits == 64 ? &unary<Op, std::uint32_t, std::uint64_t> : &unary<Op, std::uint32_t, std::uint32_t>;
}

void three(Decoding& d, ptx::Type t) {
    d.out.cls = Counter::inst_integer;
    d.expectOperands(3, 3);
    d.out.d = d.dest(0, t.totalBits());
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, t);
}

void two(Decoding& d, unsigned destBits, ptx::Type t) {
    d.out.cls = Counter::inst_integer;
    d.expectOperands(2, 2);
    d.out.d = d.dest(0, destBits);
    d.out.a = d.src(1, t);
}

}  // namespace

// add, sub, mul, mad, min, max, neg, abs are shared with the floating-point families, which hand the integer types on
// to these.
void decodeIntegerAddSub(Decoding& d, ptx::Type t, bool subtract) {
    const bool saturate = d.take("sat");
    three(d, t);
    if (saturate) {
        if (!t.is(ptx::Kind::Signed, 32)) d.fail(".sat needs .s32");
        d.out.run = subtract ? same2<SubSat, std::int32_t> : same2<AddSat, std::int32_t>;
    } else if (t.lanes == 2) {
        d.out.run = subtract ? &binary<Pairwise<Sub, std::uint16_t>, std::uint32_t, std::uint32_t, std::uint32_t>
                             : &binary<Pairwise<Add, std::uint16_t>, std::uint32_t, std::uint32_t, std::uint32_t>;
    } else {
        d.out.run = subtract ? byInteger2<Sub>(t) : byInteger2<Add>(t);
    }
}

void decodeIntegerMul(Decoding& d, ptx::Type t) {
    const int part = d.takeOneOf({"lo", "hi", "wide"});
    if (part < 0) d.fail("neither .lo, .hi nor .wide");
    if (part < 2) {
        three(d, t);
        d.out.run = part == 0 ? byInteger2<MulLo>(t) : byInteger2<MulHi>(t);
        return;
    }
    d.out.cls = Counter::inst_integer;
    d.expectOperands(3, 3);
    d.out.d = d.dest(0, 2U * t.bits);
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, t);
    const bool s = t.isSigned();
    if (t.bits == 16)
        d.out.run = s ? &binary<MulWide, std::int32_t, std::int16_t, std::int16_t>
                      : &binary<MulWide, std::uint32_t, std::uint16_t, std::uint16_t>;
    if (t.bits == 32)
        d.out.run = s ? &binary<MulWide, std::int64_t, std::int32_t, std::int32_t>
                      : &binary<MulWide, std::uint64_t, std::uint32_t, std::uint32_t>;
}

void decodeIntegerMad(Decoding& d, ptx::Type t) {
    const int part = d.takeOneOf({"lo", "hi", "wide"});
    const bool saturate = d.take("sat");
    if (part < 0) d.fail("neither .lo, .hi nor .wide");
    d.out.cls = Counter::inst_integer;
    d.expectOperands(4, 4);
    ptx::Type result = t;
    if (part == 2) result.bits = static_cast<std::uint8_t>(2 * t.bits);
    d.out.d = d.dest(0, result.bits);
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, t);
    d.out.c = d.src(3, result);
    const bool s = t.isSigned();
    const auto choose = [&]<class T>(T) -> Handler {
        if (part == 0) return &ternary<Mad<MulLo>, T, T, T, T>;
        if (part == 1) return &ternary<Mad<MulHi>, T, T, T, T>;
        return nullptr;
    };
    if (saturate) {
        if (part != 1 || !t.is(ptx::Kind::Signed, 32)) d.fail(".sat needs .hi.s32");
        d.out.run = &ternary<Mad<MulHi, AddSat>, std::int32_t, std::int32_t, std::int32_t, std::int32_t>;
        return;
    }
    if (part == 2) {
        if (t.bits == 16)
            d.out.run = s ? &ternary<Mad<MulWide>, std::int32_t, std::int16_t, std::int16_t, std::int32_t>
                          : &ternary<Mad<MulWide>, std::uint32_t, std::uint16_t, std::uint16_t, std::uint32_t>;
        if (t.bits == 32)
            d.out.run = s ? &ternary<Mad<MulWide>, std::int64_t, std::int32_t, std::int32_t, std::int64_t>
                          : &ternary<Mad<MulWide>, std::uint64_t, std::uint32_t, std::uint32_t, std::uint64_t>;
        return;
    }
    switch (t.bits) {
        case 16: d.out.run = s ? choose(std::int16_t{}) : choose(std::uint16_t{}); break;
        case 32: d.out.run = s ? choose(std::int32_t{}) : choose(std::uint32_t{}); break;
        case 64: d.out.run = s ? choose(std::int64_t{}) : choose(std::uint64_t{}); break;
        default: break;
    }
}

void decodeIntegerMinMax(Decoding& d, ptx::Type t, bool max) {
    const bool relu = d.take("relu");
    three(d, t);
    if (t.lanes == 2) {
        const bool s = t.isSigned();
        if (relu) {
            if (!s) d.fail(".relu needs a signed type");
            d.out.run = max ? &binary<Pairwise<Relu<Max>, std::int16_t>, std::uint32_t, std::uint32_t, std::uint32_t>
                            : &binary<Pairwise<Relu<Min>, std::int16_t>, std::uint32_t, std::uint32_t, std::uint32_t>;
        } else if (s) {
            d.out.run = max ? &binary<Pairwise<Max, std::int16_t>, std::uint32_t, std::uint32_t, std::uint32_t>
                            : &binary<Pairwise<Min, std::int16_t>, std::uint32_t, std::uint32_t, std::uint32_t>;
        } else {
            d.out.run = max ? &binary<Pairwise<Max, std::uint16_t>, std::uint32_t, std::uint32_t, std::uint32_t>
                            : &binary<Pairwise<Min, std::uint16_t>, std::uint32_t, std::uint32_t, std::uint32_t>;
        }
        return;
    }
    if (relu) {
        if (!t.is(ptx::Kind::Signed, 32)) d.fail(".relu needs .s32");
        d.out.run = max ? same2<Relu<Max>, std::int32_t> : same2<Relu<Min>, std::int32_t>;
        return;
    }
    d.out.run = max ? byInteger2<Max>(t) : byInteger2<Min>(t);
}

void decodeIntegerNeg(Decoding& d, ptx::Type t) {
    two(d, t.bits, t);
    d.out.run = bySigned1<Neg>(t);
}

void decodeIntegerAbs(Decoding& d, ptx::Type t) {
    two(d, t.bits, t);
    d.out.run = bySigned1<Abs>(t);
}

namespace {

void decodeRem(Decoding& d) {
    const ptx::Type t = d.type();
    three(d, t);
    d.out.run = byInteger2<Rem>(t);
}

void decodeSad(Decoding& d) {
    const ptx::Type t = d.type();
    d.out.cls = Counter::inst_integer;
    d.expectOperands(4, 4);
    d.out.d = d.dest(0, t.bits);
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, t);
    d.out.c = d.src(3, t);
    const auto choose = [&]<class T>(T) -> Handler { return &ternary<Sad, T, T, T, T>; };
    const bool s = t.isSigned();
    if (t.bits == 16) d.out.run = s ? choose(std::int16_t{}) : choose(std::uint16_t{});
    if (t.bits == 32) d.out.run = s ? choose(std::int32_t{}) : choose(std::uint32_t{});
    if (t.bits == 64) d.out.run = s ? choose(std::int64_t{}) : choose(std::uint64_t{});
}

void decodeBfind(Decoding& d) {
    const bool shift = d.take("shiftamt");
    const ptx::Type t = d.type();
    two(d, 32, t);
    const auto choose = [&]<class T>(T) -> Handler {
        return shift ? &unary<Bfind<true>, std::uint32_t, T> : &unary<Bfind<false>, std::uint32_t, T>;
    };
    if (t.bits == 32) d.out.run = t.isSigned() ? choose(std::int32_t{}) : choose(std::uint32_t{});
    if (t.bits == 64) d.out.run = t.isSigned() ? choose(std::int64_t{}) : choose(std::uint64_t{});
}

void decodeBfe(Decoding& d) {
    const ptx::Type t = d.type();
    d.out.cls = Counter::inst_integer;
    d.expectOperands(4, 4);
    d.out.d = d.dest(0, t.bits);
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, ptx::kB32);
    d.out.c = d.src(3, ptx::kB32);
    const auto choose = [&]<class T>(T) -> Handler { return &ternary<Bfe, T, T, std::uint32_t, std::uint32_t>; };
    if (t.bits == 32) d.out.run = t.isSigned() ? choose(std::int32_t{}) : choose(std::uint32_t{});
    if (t.bits == 64) d.out.run = t.isSigned() ? choose(std::int64_t{}) : choose(std::uint64_t{});
}

template <class T>
void runBfi(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<T> d(w, in.d), a(w, in.a), b(w, in.b);
    const Lanes<std::uint32_t> position(w, in.c), length(w, in.e);
    forLanes(mask, [&](std::uint32_t i) {
        constexpr std::uint32_t kBits = 8 * sizeof(T);
        const std::uint32_t p = position[i] & 0xff;
        const std::uint32_t n = length[i] & 0xff;
        const T ones = n >= kBits ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << n) - 1);
        const T field = p >= kBits ? T{0} : static_cast<T>(ones << p);
        const T value = p >= kBits ? T{0} : static_cast<T>(a[i] << p);
        d.set(i, (b[i] & ~field) | (value & field));
    });
}

void decodeBfi(Decoding& d) {
    const ptx::Type t = d.type();
    d.out.cls = Counter::inst_integer;
    d.expectOperands(5, 5);
    d.out.d = d.dest(0, t.bits);
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, t);
    d.out.c = d.src(3, ptx::kB32);
    d.out.e = d.src(4, ptx::kB32);
    d.out.run = t.bits == 64 ? &runBfi<std::uint64_t> : &runBfi<std::uint32_t>;
}

void decodeDp4a(Decoding& d) {
    const bool sa = d.type().isSigned();
    const bool sb = d.type().isSigned();
    d.out.cls = Counter::inst_integer;
    d.expectOperands(4, 4);
    d.out.d = d.dest(0, 32);
    d.out.a = d.src(1, ptx::kB32);
    d.out.b = d.src(2, ptx::kB32);
    d.out.c = d.src(3, ptx::kB32);
    using U = std::uint32_t;
    using S8 = std::int8_t;
    using U8 = std::uint8_t;
    d.out.run = sa ? (sb ? &ternary<Dp4a<S8, S8>, U, U, U, U> : &ternary<Dp4a<S8, U8>, U, U, U, U>)
                   : (sb ? &ternary<Dp4a<U8, S8>, U, U, U, U> : &ternary<Dp4a<U8, U8>, U, U, U, U>);
}

void decodeDp2a(Decoding& d) {
    const int part = d.takeOneOf({"lo", "hi"});
    if (part < 0) d.fail("neither .lo nor .hi");
    const bool sa = d.type().isSigned();
    const bool sb = d.type().isSigned();
    d.out.cls = Counter::inst_integer;
    d.expectOperands(4, 4);
    d.out.d = d.dest(0, 32);
    d.out.a = d.src(1, ptx::kB32);
    d.out.b = d.src(2, ptx::kB32);
    d.out.c = d.src(3, ptx::kB32);
    using U = std::uint32_t;
    const auto choose = [&]<class A, class B>(A, B) -> Handler {
        return part == 1 ? &ternary<Dp2a<A, B, true>, U, U, U, U> : &ternary<Dp2a<A, B, false>, U, U, U, U>;
    };
    const std::int8_t s = 0;
    const std::uint8_t u = 0;
    d.out.run = sa ? (sb ? choose(s, s) : choose(s, u)) : (sb ? choose(u, s) : choose(u, u));
}

void decodeBmsk(Decoding& d) {
    const bool clamp = d.takeOneOf({"clamp", "wrap"}) == 0;
    three(d, d.type());
    d.out.run = clamp ? same2<BmskOp<true>, std::uint32_t> : same2<BmskOp<false>, std::uint32_t>;
}

// ---- extended precision: the carry flag is one predicate per warp, held in a scratch register of its own ----

template <class T, bool Subtract>
void runCarry(Warp& w, const Instr& in, std::uint32_t mask) {
    // mode bit 0: reads the carry, bit 1: writes it
    const Lanes<T> d(w, in.d), a(w, in.a), b(w, in.b);
    std::uint32_t& carry = predicate(w, in.e);
    const std::uint32_t before = carry;
    std::uint32_t after = before & ~mask;
    forLanes(mask, [&](std::uint32_t i) {
        const unsigned c = (in.mode & 1U) != 0 ? before >> i & 1U : 0;
        const auto wide = Subtract ? static_cast<unsigned __int128>(a[i]) - b[i] - c
                                   : static_cast<unsigned __int128>(a[i]) + b[i] + c;
        after |= (wide >> (8 * sizeof(T)) & 1U) != 0 ? 1U << i : 0;
        d.set(i, static_cast<T>(wide));
    });
    if ((in.mode & 2U) != 0) carry = after;
}

template <class T, bool High>
void runMadCarry(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<T> d(w, in.d), a(w, in.a), b(w, in.b), c(w, in.c);
    std::uint32_t& carry = predicate(w, in.e);
    const std::uint32_t before = carry;
    std::uint32_t after = before & ~mask;
    forLanes(mask, [&](std::uint32_t i) {
        const T product = High ? MulHi{}(a[i], b[i]) : MulLo{}(a[i], b[i]);
        const unsigned __int128 wide =
            static_cast<unsigned __int128>(product) + c[i] + ((in.mode & 1U) != 0 ? before >> i & 1U : 0);
        after |= (wide >> (8 * sizeof(T)) & 1U) != 0 ? 1U << i : 0;
        d.set(i, static_cast<T>(wide));
    });
    if ((in.mode & 2U) != 0) carry = after;
}

}  // namespace

void decodeCarry(Decoding& d, bool subtract, bool reads) {
    const bool writes = d.take("cc");
    const ptx::Type t = d.type();
    three(d, t);
    d.out.e = d.carryFlag();
    d.out.mode = (reads ? 1U : 0) | (writes ? 2U : 0);
    if (t.bits == 64) d.out.run = subtract ? &runCarry<std::uint64_t, true> : &runCarry<std::uint64_t, false>;
    else d.out.run = subtract ? &runCarry<std::uint32_t, true> : &runCarry<std::uint32_t, false>;
}

void decodeMadCarry(Decoding& d, bool reads) {
    const bool writes = d.take("cc");
    const int part = d.takeOneOf({"lo", "hi"});
    const ptx::Type t = d.type();
    if (part < 0 || (t.isSigned() && part == 1)) d.fail("only .lo and the unsigned .hi are known");
    d.out.cls = Counter::inst_integer;
    d.expectOperands(4, 4);
    d.out.d = d.dest(0, t.bits);
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, t);
    d.out.c = d.src(3, t);
    d.out.e = d.carryFlag();
    d.out.mode = (reads ? 1U : 0) | (writes ? 2U : 0);
    if (t.bits == 64) d.out.run = part == 1 ? &runMadCarry<std::uint64_t, true> : &runMadCarry<std::uint64_t, false>;
    else d.out.run = part == 1 ? &runMadCarry<std::uint32_t, true> : &runMadCarry<std::uint32_t, false>;
}

std::span<const DecoderEntry> integerFamily() {
    static constexpr DecoderEntry kFamily[] = {
        {"rem", decodeRem},
        {"sad", decodeSad},
        {"bfind", decodeBfind},
        {"bfe", decodeBfe},
        {"bfi", decodeBfi},
        {"bmsk", decodeBmsk},
        {"dp4a", decodeDp4a},
        {"dp2a", decodeDp2a},
        {"addc", [](Decoding& d) { decodeCarry(d, false, true); }},
        {"subc", [](Decoding& d) { decodeCarry(d, true, true); }},
        {"madc", [](Decoding& d) { decodeMadCarry(d, true); }},
        {"popc",
         [](Decoding& d) {
             const ptx::Type t = d.type();
             two(d, 32, t);
             d.out.run = count32Or64<Popc>(t);
         }},
        {"clz",
         [](Decoding& d) {
             const ptx::Type t = d.type();
             two(d, 32, t);
             d.out.run = count32Or64<Clz>(t);
         }},
        {"brev",
         [](Decoding& d) {
             const ptx::Type t = d.type();
             two(d, t.bits, t);
             d.out.run =
                 t.bits == 64 ? &unary<Brev, std::uint64_t, std::uint64_t> : &unary<Brev, std::uint32_t, std::uint32_t>;
         }},
        {"mul24",
         [](Decoding& d) {
             if (!d.take("lo")) d.fail("only .lo is known");
             const ptx::Type t = d.type();
             three(d, t);
             d.out.run = t.isSigned() ? same2<Mul24Lo, std::int32_t> : same2<Mul24Lo, std::uint32_t>;
         }},
    };
    return kFamily;
}

void decodeIntegerDiv(Decoding& d, ptx::Type t) {
    three(d, t);
    d.out.run = byInteger2<Div>(t);
}

}  // namespace cudasim
