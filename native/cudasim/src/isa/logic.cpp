// Logic and shifts.
#include <algorithm>

#include "isa/families.h"
#include "isa/lanes.h"

namespace cudasim {
namespace {

struct And {
    template <class T>
    T operator()(T a, T b) const { return static_cast<T>(a & b); }
};
struct Or {
    template <class T>
    T operator()(T a, T b) const { return static_cast<T>(a | b); }
};
struct Xor {
    template <class T>
    T operator()(T a, T b) const { return static_cast<T>(a ^ b); }
};
struct Not {
    template <class T>
    T operator()(T a) const { return static_cast<T>(~a); }
};
struct Cnot {
    template <class T>
    T operator()(T a) const { return a == 0 ? 1 : 0; }
};
// Shift amounts beyond the width are clamped to it.
struct Shl {
    template <class T>
    T operator()(T a, std::uint32_t n) const { return n >= 8 * sizeof(T) ? T{0} : static_cast<T>(a << n); }
};
struct Shr {
    template <class T>
    T operator()(T a, std::uint32_t n) const {
        constexpr std::uint32_t kBits = 8 * sizeof(T);
        if (n >= kBits) return std::is_signed_v<T> ? static_cast<T>(a >> (kBits - 1)) : T{0};
        return static_cast<T>(a >> n);
    }
};
template <bool Left, bool Wrap>
struct Shf {
    std::uint32_t operator()(std::uint32_t low, std::uint32_t high, std::uint32_t amount) const {
        const std::uint32_t n = Wrap ? amount & 31 : std::min(amount, 32U);
        const std::uint64_t value = std::uint64_t{high} << 32 | low;
        return static_cast<std::uint32_t>(Left ? value << n >> 32 : value >> n);
    }
};

// Predicates: the operation works on the masks of all lanes; negated operands are told by mode.
template <class Op>
void runPredicate2(Warp& w, const Instr& in, std::uint32_t mask) {
    const std::uint32_t a = predicate(w, in.a) ^ ((in.mode & 1U) != 0 ? kFullMask : 0);
    const std::uint32_t b = predicate(w, in.b) ^ ((in.mode & 2U) != 0 ? kFullMask : 0);
    setPredicate(w, in.d, mask, Op{}(a, b));
}

void runPredicateNot(Warp& w, const Instr& in, std::uint32_t mask) {
    setPredicate(w, in.d, mask, ~predicate(w, in.a) ^ ((in.mode & 1U) != 0 ? kFullMask : 0));
}

template <class Op>
void decodeLogic(Decoding& d) {
    const ptx::Type t = d.type();
    d.out.cls = t.isPredicate() ? Counter::inst_compare : Counter::inst_integer;
    d.expectOperands(3, 3);
    if (t.isPredicate()) {
        d.out.d = d.predicateDest(d.operand(0));
        d.out.a = d.predicateSource(d.operand(1));
        d.out.b = d.predicateSource(d.operand(2));
        d.out.mode = (d.operand(1).negated ? 1U : 0) | (d.operand(2).negated ? 2U : 0);
        d.out.run = &runPredicate2<Op>;
        return;
    }
    d.out.d = d.dest(0, t.bits);
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, t);
    d.out.run = t.bits == 64 ? &binary<Op, std::uint64_t, std::uint64_t, std::uint64_t>
                             : &binary<Op, std::uint32_t, std::uint32_t, std::uint32_t>;
}

void decodeNot(Decoding& d) {
    const ptx::Type t = d.type();
    d.expectOperands(2, 2);
    d.out.cls = t.isPredicate() ? Counter::inst_compare : Counter::inst_integer;
    if (t.isPredicate()) {
        d.out.d = d.predicateDest(d.operand(0));
        d.out.a = d.predicateSource(d.operand(1));
        d.out.mode = d.operand(1).negated ? 1 : 0;
        d.out.run = &runPredicateNot;
        return;
    }
    d.out.d = d.dest(0, t.bits);
    d.out.a = d.src(1, t);
    d.out.run = t.bits == 64   ? &unary<Not, std::uint64_t, std::uint64_t>
                : t.bits == 32 ? &unary<Not, std::uint32_t, std::uint32_t>
                               : &unary<Not, std::uint16_t, std::uint16_t>;
}

void decodeCnot(Decoding& d) {
    const ptx::Type t = d.type();
    d.expectOperands(2, 2);
    d.out.cls = Counter::inst_integer;
    d.out.d = d.dest(0, t.bits);
    d.out.a = d.src(1, t);
    d.out.run = t.bits == 64   ? &unary<Cnot, std::uint64_t, std::uint64_t>
                : t.bits == 32 ? &unary<Cnot, std::uint32_t, std::uint32_t>
                               : &unary<Cnot, std::uint16_t, std::uint16_t>;
}

template <class Op, class T>
constexpr Handler kShift = &binary<Op, T, T, std::uint32_t>;

template <class Op>
void decodeShift(Decoding& d) {
    const ptx::Type t = d.type();
    d.expectOperands(3, 3);
    d.out.cls = Counter::inst_integer;
    d.out.d = d.dest(0, t.bits);
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, ptx::kB32);
    const bool s = t.isSigned();
    switch (t.bits) {
        case 16: d.out.run = s ? kShift<Op, std::int16_t> : kShift<Op, std::uint16_t>; break;
        case 32: d.out.run = s ? kShift<Op, std::int32_t> : kShift<Op, std::uint32_t>; break;
        case 64: d.out.run = s ? kShift<Op, std::int64_t> : kShift<Op, std::uint64_t>; break;
        default: break;
    }
}

void decodeShf(Decoding& d) {
    const int side = d.takeOneOf({"l", "r"});
    const int amount = d.takeOneOf({"clamp", "wrap"});
    if (side < 0 || amount < 0) d.fail("needs .l or .r and .clamp or .wrap");
    d.type();
    d.expectOperands(4, 4);
    d.out.cls = Counter::inst_integer;
    d.out.d = d.dest(0, 32);
    d.out.a = d.src(1, ptx::kB32);
    d.out.b = d.src(2, ptx::kB32);
    d.out.c = d.src(3, ptx::kB32);
    using U = std::uint32_t;
    d.out.run = side == 0
                    ? (amount == 1 ? &ternary<Shf<true, true>, U, U, U, U> : &ternary<Shf<true, false>, U, U, U, U>)
                    : (amount == 1 ? &ternary<Shf<false, true>, U, U, U, U> : &ternary<Shf<false, false>, U, U, U, U>);
}

void runLop3(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<std::uint32_t> d(w, in.d), a(w, in.a), b(w, in.b), c(w, in.c);
    // The table's minterms as masks, so that the loop over the lanes has no branch.
    std::uint32_t term[8];
    for (unsigned i = 0; i < 8; ++i) term[i] = (in.mode >> i & 1U) != 0 ? kFullMask : 0;
    forLanes(mask, [&](std::uint32_t i) {
        const std::uint32_t x = a[i], y = b[i], z = c[i];
        d.set(i, (~x & ~y & ~z & term[0]) | (~x & ~y & z & term[1]) | (~x & y & ~z & term[2]) | (~x & y & z & term[3]) |
                     (x & ~y & ~z & term[4]) | (x & ~y & z & term[5]) | (x & y & ~z & term[6]) | (x & y & z & term[7]));
    });
}

void decodeLop3(Decoding& d) {
    if (d.takeOneOf({"or", "and"}) >= 0) d.fail("the predicate form of lop3 is not simulated");
    d.type();
    d.expectOperands(5, 5);
    d.out.cls = Counter::inst_integer;
    d.out.d = d.dest(0, 32);
    d.out.a = d.src(1, ptx::kB32);
    d.out.b = d.src(2, ptx::kB32);
    d.out.c = d.src(3, ptx::kB32);
    d.out.mode = static_cast<std::uint32_t>(d.immediate(4));
    if (d.out.mode > 255) d.fail("lookup table beyond 8 bits");
    d.out.run = &runLop3;
}

// prmt: mode is 0 for the generic form, else 1 + the index of f4e, b4e, rc8, ecl, ecr, rc16.
std::uint32_t permute(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t mode) {
    const std::uint64_t bytes = std::uint64_t{b} << 32 | a;
    static constexpr std::uint16_t kSelectors[6][4] = {
        {0x3210, 0x4321, 0x5432, 0x6543}, {0x5670, 0x6701, 0x7012, 0x0123}, {0x0000, 0x1111, 0x2222, 0x3333},
        {0x3210, 0x3211, 0x3222, 0x3333}, {0x0000, 0x1110, 0x2210, 0x3210}, {0x1010, 0x3232, 0x1010, 0x3232}};
    const std::uint32_t selector = mode == 0 ? c : kSelectors[mode - 1][c & 3];
    std::uint32_t r = 0;
    for (unsigned i = 0; i < 4; ++i) {
        const std::uint32_t s = selector >> (4 * i) & 0xf;
        auto byte = static_cast<std::uint32_t>(bytes >> (8 * (s & 7)) & 0xff);
        if (mode == 0 && (s & 8) != 0) byte = (byte & 0x80) != 0 ? 0xff : 0;
        r |= byte << (8 * i);
    }
    return r;
}

void runPrmt(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<std::uint32_t> d(w, in.d), a(w, in.a), b(w, in.b), c(w, in.c);
    forLanes(mask, [&](std::uint32_t i) { d.set(i, permute(a[i], b[i], c[i], in.mode)); });
}

void decodePrmt(Decoding& d) {
    d.type();
    d.out.mode = static_cast<std::uint32_t>(d.takeOneOf({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"}) + 1);
    d.expectOperands(4, 4);
    d.out.cls = Counter::inst_integer;
    d.out.d = d.dest(0, 32);
    d.out.a = d.src(1, ptx::kB32);
    d.out.b = d.src(2, ptx::kB32);
    d.out.c = d.src(3, ptx::kB32);
    d.out.run = &runPrmt;
}

}  // namespace

std::span<const DecoderEntry> logicFamily() {
    static constexpr DecoderEntry kFamily[] = {
        {"and", decodeLogic<And>}, {"or", decodeLogic<Or>},   {"xor", decodeLogic<Xor>}, {"not", decodeNot},
        {"cnot", decodeCnot},      {"shl", decodeShift<Shl>}, {"shr", decodeShift<Shr>}, {"shf", decodeShf},
        {"lop3", decodeLop3},      {"prmt", decodePrmt},
    };
    return kFamily;
}

}  // namespace cudasim
