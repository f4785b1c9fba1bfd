// setp and set.
#include <cmath>

#include "isa/families.h"
#include "isa/fp.h"
#include "isa/lanes.h"

namespace cudasim {
namespace {

// lo, ls, hi, hs are unsigned lt, le, gt, ge. The ...u forms hold for unordered operands, too.
enum Compare : std::uint32_t {
    kEq, kNe, kLt, kLe, kGt, kGe, kLo, kLs, kHi, kHs, kEqu, kNeu, kLtu, kLeu, kGtu, kGeu, kNum, kNan
};

template <Compare C, class T>
bool compare(T a, T b) {
    if constexpr (C == kEq) return a == b;
    else if constexpr (C == kNe) return a < b || a > b;  // ordered; for integers the same as !=
    else if constexpr (C == kLt || C == kLo) return a < b;
    else if constexpr (C == kLe || C == kLs) return a <= b;
    else if constexpr (C == kGt || C == kHi) return a > b;
    else if constexpr (C == kGe || C == kHs) return a >= b;
    else if constexpr (C == kEqu) return !(a < b || a > b);
    else if constexpr (C == kNeu) return a != b;
    else if constexpr (C == kLtu) return !(a >= b);
    else if constexpr (C == kLeu) return !(a > b);
    else if constexpr (C == kGtu) return !(a <= b);
    else if constexpr (C == kGeu) return !(a < b);
    else if constexpr (C == kNum) return a == a && b == b;
    else return a != a || b != b;
}

template <class T>
struct ValueOf {
    static T get(T x, bool ftz) { return ftz ? fp::flush(x) : x; }
};
template <>
struct ValueOf<fp::F16> {
    static float get(fp::F16 x, bool ftz) { return fp::toFloat(ftz ? fp::flush(x) : x); }
};
template <>
struct ValueOf<fp::BF16> {
    static float get(fp::BF16 x, bool) { return fp::toFloat(x); }
};


constexpr std::uint32_t kFtzFlag = 1;

// The lanes of mask for which the comparison of the elements at `shift` holds.
template <Compare C, class T, unsigned Shift>
std::uint32_t compareLanes(Warp& w, const Instr& in, std::uint32_t mask, bool ftz) {
    const Lanes<T> a(w, in.a), b(w, in.b);
    std::uint32_t result = 0;
    if constexpr (Shift == 0) {
        forLanes(mask, [&](std::uint32_t i) {
            result |= static_cast<std::uint32_t>(compare<C>(ValueOf<T>::get(a[i], ftz), ValueOf<T>::get(b[i], ftz)))
                      << i;
        });
    } else {
        const std::uint32_t* x = w.slot<std::uint32_t>(in.a);
        const std::uint32_t* y = w.slot<std::uint32_t>(in.b);
        forLanes(mask, [&](std::uint32_t i) {
            const T p = std::bit_cast<T>(static_cast<std::uint16_t>(x[i] >> Shift));
            const T q = std::bit_cast<T>(static_cast<std::uint16_t>(y[i] >> Shift));
            result |= static_cast<std::uint32_t>(compare<C>(ValueOf<T>::get(p, ftz), ValueOf<T>::get(q, ftz))) << i;
        });
    }
    return result;
}

// mode: bit 0 ftz; bits 1-2: 0 no combination, 1 and, 2 or, 3 xor; bit 3: the combined predicate is negated
std::uint32_t combine(Warp& w, const Instr& in, std::uint32_t value) {
    const unsigned how = in.mode >> 1 & 3U;
    if (how == 0) return value;
    const std::uint32_t c = predicate(w, in.c) ^ ((in.mode & 8U) != 0 ? kFullMask : 0);
    return how == 1 ? value & c : how == 2 ? value | c : value ^ c;
}

// setp p|q: q is the combination with the negated comparison.
template <Compare C, class T>
void runSetp(Warp& w, const Instr& in, std::uint32_t mask) {
    const std::uint32_t value = compareLanes<C, T, 0>(w, in, mask, (in.mode & kFtzFlag) != 0);
    const std::uint32_t p = combine(w, in, value);
    const std::uint32_t q = in.count == 2 ? combine(w, in, ~value) : 0;
    setPredicate(w, in.d, mask, p);
    if (in.count == 2) setPredicate(w, in.e, mask, q);
}

// The packed form: p for the low elements, q for the high ones.
template <Compare C, class T>
void runSetpPacked(Warp& w, const Instr& in, std::uint32_t mask) {
    const bool ftz = (in.mode & kFtzFlag) != 0;
    const std::uint32_t p = combine(w, in, compareLanes<C, T, 0>(w, in, mask, ftz));
    const std::uint32_t q = combine(w, in, compareLanes<C, T, 16>(w, in, mask, ftz));
    setPredicate(w, in.d, mask, p);
    if (in.count == 2) setPredicate(w, in.e, mask, q);
}

// set: extra holds the bits of "true"; e is 1 for packed results.
template <Compare C, class T>
void runSet(Warp& w, const Instr& in, std::uint32_t mask) {
    const bool ftz = (in.mode & kFtzFlag) != 0;
    const std::uint32_t low = combine(w, in, compareLanes<C, T, 0>(w, in, mask, ftz));
    std::uint32_t high = 0;
    if constexpr (sizeof(T) == 2) high = in.count == 2 ? combine(w, in, compareLanes<C, T, 16>(w, in, mask, ftz)) : 0;
    const Lanes<std::uint32_t> d(w, in.d);
    forLanes(mask, [&](std::uint32_t i) {
        std::uint32_t value = (low >> i & 1U) != 0 ? in.extra : 0;
        if (in.count == 2) value = (value & 0xffff) | ((high >> i & 1U) != 0 ? in.extra << 16 : 0);
        d.set(i, value);
    });
}

enum class Form : std::uint8_t { Setp, SetpPacked, Set };

template <Compare C, class T>
Handler formOf(Form form) {
    switch (form) {
        case Form::Setp: return &runSetp<C, T>;
        case Form::SetpPacked:
            if constexpr (sizeof(T) == 2) return &runSetpPacked<C, T>;
            else return nullptr;
        case Form::Set: return &runSet<C, T>;
    }
    return nullptr;
}

template <class T>
Handler byComparison(Compare c, Form form) {
    switch (c) {
        case kEq: return formOf<kEq, T>(form);
        case kNe: return formOf<kNe, T>(form);
        case kLt: case kLo: return formOf<kLt, T>(form);
        case kLe: case kLs: return formOf<kLe, T>(form);
        case kGt: case kHi: return formOf<kGt, T>(form);
        case kGe: case kHs: return formOf<kGe, T>(form);
        default: break;
    }
    if constexpr (!std::is_integral_v<T>) {
        switch (c) {
            case kEqu: return formOf<kEqu, T>(form);
            case kNeu: return formOf<kNeu, T>(form);
            case kLtu: return formOf<kLtu, T>(form);
            case kLeu: return formOf<kLeu, T>(form);
            case kGtu: return formOf<kGtu, T>(form);
            case kGeu: return formOf<kGeu, T>(form);
            case kNum: return formOf<kNum, T>(form);
            case kNan: return formOf<kNan, T>(form);
            default: break;
        }
    }
    return nullptr;
}

Handler byType(const ptx::Type& t, Compare c, Form form) {
    const bool isUnsigned = !t.isSigned() || (c >= kLo && c <= kHs);
    if (t == ptx::kF32) return byComparison<float>(c, form);
    if (t == ptx::kF64) return byComparison<double>(c, form);
    if (t.kind == ptx::Kind::Float && t.bits == 16) return byComparison<fp::F16>(c, form);
    if (t.kind == ptx::Kind::BFloat) return byComparison<fp::BF16>(c, form);
    if (!t.isInteger() || t.lanes != 1) return nullptr;
    switch (t.bits) {
        case 16: return isUnsigned ? byComparison<std::uint16_t>(c, form) : byComparison<std::int16_t>(c, form);
        case 32: return isUnsigned ? byComparison<std::uint32_t>(c, form) : byComparison<std::int32_t>(c, form);
        case 64: return isUnsigned ? byComparison<std::uint64_t>(c, form) : byComparison<std::int64_t>(c, form);
        default: return nullptr;
    }
}

struct Common {
    Compare comparison;
    unsigned combination;
};

Common takeCommon(Decoding& d) {
    const int c = d.takeOneOf({"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu",
                               "gtu", "geu", "num", "nan"});
    if (c < 0) d.fail("no comparison");
    const unsigned combination = static_cast<unsigned>(d.takeOneOf({"and", "or", "xor"}) + 1);
    d.out.mode = (d.take("ftz") ? kFtzFlag : 0) | combination << 1;
    d.out.cls = Counter::inst_compare;
    return {static_cast<Compare>(c), combination};
}

void decodeCombination(Decoding& d, unsigned combination) {
    d.expectOperands(combination != 0 ? 4 : 3, combination != 0 ? 4 : 3);
    if (combination == 0) return;
    d.out.c = d.predicateSource(d.operand(3));
    if (d.operand(3).negated) d.out.mode |= 8U;
}

void decodeSetp(Decoding& d) {
    const Common common = takeCommon(d);
    const ptx::Type t = d.type();
    decodeCombination(d, common.combination);
    d.out.d = d.predicateDest(d.operand(0));
    if (!d.operand(0).elements.empty()) {
        d.out.e = d.predicateDest(d.operand(0).elements[0]);
        d.out.count = 2;
    }
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, t);
    d.out.run = byType(t, common.comparison, t.lanes == 2 ? Form::SetpPacked : Form::Setp);
}

void decodeSet(Decoding& d) {
    const Common common = takeCommon(d);
    const ptx::Type result = d.type();
    const ptx::Type t = d.type();
    decodeCombination(d, common.combination);
    d.out.d = d.dest(0, result.totalBits());
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, t);
    d.out.count = t.lanes;
    if (result.isInteger()) d.out.extra = result.totalBits() == 16 ? 0xffffU : 0xffffffffU;
    else if (result == ptx::kF32) d.out.extra = std::bit_cast<std::uint32_t>(1.0F);
    else d.out.extra = result.kind == ptx::Kind::BFloat ? 0x3f80U : 0x3c00U;
    d.out.run = byType(t, common.comparison, Form::Set);
}

}  // namespace

std::span<const DecoderEntry> compareFamily() {
    static constexpr DecoderEntry kFamily[] = {{"setp", decodeSetp}, {"set", decodeSet}};
    return kFamily;
}

}  // namespace cudasim
