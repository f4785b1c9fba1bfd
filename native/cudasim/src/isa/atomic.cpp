// atom and red: one compare-and-swap loop over the operation on the value's bits, so that blocks on other threads of
// the host see it as one step.
#include <algorithm>
#include <atomic>

#include "isa/families.h"
#include "isa/fp.h"
#include "isa/lanes.h"
#include "machine/access.h"

namespace cudasim {
namespace {

enum class Op : std::uint32_t { Add, Min, Max, And, Or, Xor, Exch, Cas, Inc, Dec };

template <class T>
T apply(Op op, T old, T operand, T compare) {
    switch (op) {
        case Op::Exch: return operand;
        case Op::Cas:
            return std::bit_cast<UnsignedOf<sizeof(T)>>(old) == std::bit_cast<UnsignedOf<sizeof(T)>>(compare) ? operand
                                                                                                              : old;
        default: break;
    }
    if constexpr (std::is_integral_v<T>) {
        switch (op) {
            case Op::Add: return static_cast<T>(static_cast<std::uint64_t>(old) + static_cast<std::uint64_t>(operand));
            case Op::Min: return std::min(old, operand);
            case Op::Max: return std::max(old, operand);
            case Op::And: return static_cast<T>(old & operand);
            case Op::Or: return static_cast<T>(old | operand);
            case Op::Xor: return static_cast<T>(old ^ operand);
            case Op::Inc: return old >= operand ? T{0} : static_cast<T>(old + 1);
            case Op::Dec: return old == 0 || old > operand ? operand : static_cast<T>(old - 1);
            default: return old;
        }
    } else {
        switch (op) {
            case Op::Add:
                if constexpr (sizeof(T) == 2) return fp::narrow<T>(fp::addOdd(fp::widen(old), fp::widen(operand)));
                else return fp::narrow<T>(static_cast<T>(old + operand));
            case Op::Min: return fp::minMax<false, false>(old, operand);
            case Op::Max: return fp::minMax<true, false>(old, operand);
            default: return old;
        }
    }
}

// f16x2 and bf16x2: each half is atomic; here both are at once.
template <class H>
struct Pair {
    H low, high;
};
template <class H>
Pair<H> apply(Op op, Pair<H> old, Pair<H> operand, Pair<H> compare) {
    if (op == Op::Exch || op == Op::Cas) return operand;
    return {apply(op, old.low, operand.low, compare.low), apply(op, old.high, operand.high, compare.high)};
}

template <class T>
T atomically(std::byte* p, Op op, T operand, T compare) {
    using Bits = UnsignedOf<sizeof(T)>;
    const std::atomic_ref<Bits> cell(*reinterpret_cast<Bits*>(p));
    Bits old = cell.load(std::memory_order_relaxed);
    for (;;) {
        const auto next = std::bit_cast<Bits>(apply(op, std::bit_cast<T>(old), operand, compare));
        if (cell.compare_exchange_weak(old, next, std::memory_order_acq_rel)) return std::bit_cast<T>(old);
    }
}

// a: address, b: operand, c: the new value of cas (whose operand is what it compares with); count 2: red, without a
// result. Vector forms (.v2, .v4) have their operands in slots from `extra`, results first; e is their number.
template <class T>
void runAtomic(Warp& w, const Instr& in, std::uint32_t mask) {
    LaneAddresses addresses;
    LanePointers pointers;
    formAddresses(w, in, mask, addresses);
    resolve(w, in, mask, sizeof(T) * in.e, AccessKind::Atomic, addresses, pointers);
    const auto op = static_cast<Op>(in.mode);
    const std::uint32_t* slots = w.kernel->slots.data() + in.extra;
    for (; mask != 0; mask &= mask - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(mask));
        for (std::uint32_t i = 0; i < in.e; ++i) {
            const T b = Lanes<T>(w, slots[in.e + i])[lane];
            const T c = Lanes<T>(w, op == Op::Cas ? in.c : slots[in.e + i])[lane];
            const T old = op == Op::Cas ? atomically(pointers[lane], op, c, b)
                                        : atomically(pointers[lane] + i * sizeof(T), op, b, b);
            if (in.count != 2) Lanes<T>(w, slots[i]).set(lane, old);
        }
    }
}

template <class T>
constexpr Handler kRun = &runAtomic<T>;

Handler byType(const ptx::Type& t) {
    const bool s = t.isSigned();
    if (t == ptx::kF32) return kRun<float>;
    if (t == ptx::kF64) return kRun<double>;
    if (t.is(ptx::Kind::Float, 16)) return kRun<fp::F16>;
    if (t.is(ptx::Kind::BFloat, 16)) return kRun<fp::BF16>;
    if (t.is(ptx::Kind::Float, 16, 2)) return kRun<Pair<fp::F16>>;
    if (t.is(ptx::Kind::BFloat, 16, 2)) return kRun<Pair<fp::BF16>>;
    if (t.lanes != 1) return nullptr;
    switch (t.bits) {
        case 16: return kRun<std::uint16_t>;
        case 32: return s ? kRun<std::int32_t> : kRun<std::uint32_t>;
        case 64: return s ? kRun<std::int64_t> : kRun<std::uint64_t>;
        default: return nullptr;
    }
}

void decodeAtomic(Decoding& d, bool reduction) {
    d.takeOneOf({"relaxed", "acquire", "release", "acq_rel", "sc"});
    if (d.takeOneOf({"cta", "gpu", "sys"}) < 0 && d.take("cluster")) d.fail("thread block clusters are not simulated");
    if (d.take("async") || d.take("bulk")) d.fail("asynchronous reductions are not simulated");
    d.out.space = d.maybeSpace().value_or(ptx::Space::Generic);
    const int op = d.takeOneOf({"add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"});
    if (op < 0) d.fail("unknown operation");
    d.take("noftz");
    d.takeCacheHints();
    const int vector = d.takeOneOf({"v2", "v4", "v8"});
    const ptx::Type t = d.type();
    const std::size_t n = vector < 0 ? 1 : std::size_t{2} << vector;
    d.out.cls = Counter::inst_atomic;
    d.out.mode = static_cast<std::uint32_t>(op);
    d.out.e = static_cast<std::uint32_t>(n);
    d.out.strong = true;
    const std::size_t at = reduction ? 0 : 1;
    d.address(at);
    if (reduction) {
        d.out.count = 2;
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint32_t index = d.appendSlot(0);
            if (i == 0) d.out.extra = index;
        }
    } else {
        d.out.extra = d.destVector(d.operand(0), t.totalBits(), n);
    }
    d.sourceVector(d.operand(at + 1), t, n);
    if (static_cast<Op>(op) == Op::Cas) d.out.c = d.src(at + 2, t);
    d.out.run = byType(t);
}

}  // namespace

std::span<const DecoderEntry> atomicFamily() {
    static constexpr DecoderEntry kFamily[] = {
        {"atom", [](Decoding& d) { decodeAtomic(d, false); }},
        {"red", [](Decoding& d) { decodeAtomic(d, true); }},
    };
    return kFamily;
}

}  // namespace cudasim
