// mov, selp, slct, cvta, isspacep and the reading of special registers.
#include <chrono>

#include "isa/families.h"
#include "isa/lanes.h"
#include "machine/block.h"
#include "machine/memory.h"

namespace cudasim {
namespace {

template <class T>
void runMove(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<T> d(w, in.d), a(w, in.a);
    forLanes(mask, [&](std::uint32_t i) { d.set(i, a[i]); });
}

void runMovePredicate(Warp& w, const Instr& in, std::uint32_t mask) {
    setPredicate(w, in.d, mask, predicate(w, in.a) ^ (in.mode != 0 ? kFullMask : 0));
}

// The address of a variable in local memory depends on how deep the call stack is.
void runFrameAddress(Warp& w, const Instr& in, std::uint32_t mask) {
    const std::uint64_t address = static_cast<std::uint64_t>(in.imm) + w.localBase();
    if (in.mode == 64) {
        const Lanes<std::uint64_t> d(w, in.d);
        forLanes(mask, [&](std::uint32_t i) { d.set(i, address); });
    } else {
        const Lanes<std::uint32_t> d(w, in.d);
        forLanes(mask, [&](std::uint32_t i) { d.set(i, static_cast<std::uint32_t>(address)); });
    }
}

enum class Clock : std::uint32_t { Cycles32, Cycles32High, Cycles64, Nanoseconds };

// There is no timing: the clock counts instructions executed by the block's worker, so that it at least advances.
void runClock(Warp& w, const Instr& in, std::uint32_t mask) {
    std::uint64_t value = (*w.counters)[Counter::warp_instructions];
    if (static_cast<Clock>(in.mode) == Clock::Nanoseconds)
        value = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    if (static_cast<Clock>(in.mode) == Clock::Cycles32High) value >>= 32;
    if (static_cast<Clock>(in.mode) == Clock::Cycles32 || static_cast<Clock>(in.mode) == Clock::Cycles32High) {
        const Lanes<std::uint32_t> d(w, in.d);
        forLanes(mask, [&](std::uint32_t i) { d.set(i, static_cast<std::uint32_t>(value)); });
    } else {
        const Lanes<std::uint64_t> d(w, in.d);
        forLanes(mask, [&](std::uint32_t i) { d.set(i, value); });
    }
}

// mov.b64 d, {a, b} and the like: count parts of `mode` bits each, the lowest first.
void runPack(Warp& w, const Instr& in, std::uint32_t mask) {
    const std::uint32_t* parts = w.kernel->slots.data() + in.extra;
    for (; mask != 0; mask &= mask - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(mask));
        std::uint64_t value = 0;
        for (std::uint32_t i = 0; i < in.count; ++i) {
            const std::uint64_t part = w.slot<std::uint32_t>(parts[i])[lane];
            value |= (part & ((1ULL << in.mode) - 1)) << (i * in.mode);
        }
        if (in.mode * in.count == 64) w.slot<std::uint64_t>(in.d)[lane] = value;
        else w.slot<std::uint32_t>(in.d)[lane] = static_cast<std::uint32_t>(value);
    }
}

void runUnpack(Warp& w, const Instr& in, std::uint32_t mask) {
    const std::uint32_t* parts = w.kernel->slots.data() + in.extra;
    for (; mask != 0; mask &= mask - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(mask));
        const std::uint64_t value =
            in.mode * in.count == 64 ? w.slot<std::uint64_t>(in.a)[lane] : w.slot<std::uint32_t>(in.a)[lane];
        for (std::uint32_t i = 0; i < in.count; ++i)
            w.slot<std::uint32_t>(parts[i])[lane] =
                static_cast<std::uint32_t>(value >> (i * in.mode) & ((1ULL << in.mode) - 1));
    }
}

// 128-bit registers are two 64-bit cells per lane.
void runPack128(Warp& w, const Instr& in, std::uint32_t mask) {
    const std::uint32_t* parts = w.kernel->slots.data() + in.extra;
    forLanes(mask, [&](std::uint32_t i) {
        w.slot<std::uint64_t>(in.d)[2 * i] = w.slot<std::uint64_t>(parts[0])[i];
        w.slot<std::uint64_t>(in.d)[2 * i + 1] = w.slot<std::uint64_t>(parts[1])[i];
    });
}

void runUnpack128(Warp& w, const Instr& in, std::uint32_t mask) {
    const std::uint32_t* parts = w.kernel->slots.data() + in.extra;
    forLanes(mask, [&](std::uint32_t i) {
        w.slot<std::uint64_t>(parts[0])[i] = w.slot<std::uint64_t>(in.a)[2 * i];
        w.slot<std::uint64_t>(parts[1])[i] = w.slot<std::uint64_t>(in.a)[2 * i + 1];
    });
}

void runMove128(Warp& w, const Instr& in, std::uint32_t mask) {
    forLanes(mask, [&](std::uint32_t i) { std::memcpy(w.registers + in.d + 16 * i, w.registers + in.a + 16 * i, 16); });
}

bool decodeClock(Decoding& d, unsigned bits) {
    const ptx::Operand& op = d.operand(1);
    if (op.kind != ptx::Operand::Kind::Symbol) return false;
    Clock clock;
    if (op.name == "%clock") clock = Clock::Cycles32;
    else if (op.name == "%clock_hi") clock = Clock::Cycles32High;
    else if (op.name == "%clock64") clock = Clock::Cycles64;
    else if (op.name == "%globaltimer") clock = Clock::Nanoseconds;
    else return false;
    if ((bits == 64) != (clock == Clock::Cycles64 || clock == Clock::Nanoseconds))
        d.fail("width of special register " + op.name);
    d.out.d = d.dest(0, bits);
    d.out.mode = static_cast<std::uint32_t>(clock);
    d.out.run = &runClock;
    return true;
}

void decodeMov(Decoding& d) {
    const ptx::Type t = d.type();
    const unsigned bits = t.totalBits();
    d.expectOperands(2, 2);
    d.out.cls = Counter::inst_move;
    const ptx::Operand& to = d.operand(0);
    const ptx::Operand& from = d.operand(1);
    using Kind = ptx::Operand::Kind;
    if (t.isPredicate()) {
        d.out.d = d.predicateDest(to);
        d.out.a = d.predicateSource(from);
        d.out.mode = from.negated ? 1 : 0;
        d.out.run = &runMovePredicate;
    } else if (from.kind == Kind::Vector) {
        d.out.count = static_cast<std::uint8_t>(from.elements.size());
        d.out.mode = bits / d.out.count;
        d.out.d = d.dest(0, bits);
        d.out.extra = d.sourceVector(from, {ptx::Kind::Untyped, static_cast<std::uint8_t>(d.out.mode)}, d.out.count);
        d.out.run = bits == 128 ? &runPack128 : &runPack;
        if (bits == 128 && d.out.count != 2) d.fail("128 bits of other than two parts");
    } else if (to.kind == Kind::Vector) {
        d.out.count = static_cast<std::uint8_t>(to.elements.size());
        d.out.mode = bits / d.out.count;
        d.out.a = d.src(1, t);
        d.out.extra = d.destVector(to, d.out.mode, d.out.count);
        d.out.run = bits == 128 ? &runUnpack128 : &runUnpack;
        if (bits == 128 && d.out.count != 2) d.fail("128 bits of other than two parts");
    } else if (from.kind == Kind::Symbol && d.isFrameVariable(from.name)) {
        d.out.d = d.dest(0, bits);
        d.out.imm = static_cast<std::int64_t>(d.frameOffset(from.name)) + from.offset;
        d.out.mode = bits;
        d.out.run = &runFrameAddress;
    } else if (!decodeClock(d, bits)) {
        d.out.d = d.dest(0, bits);
        d.out.a = d.src(1, t);
        d.out.run = bits == 128  ? &runMove128
                    : bits == 64 ? &runMove<std::uint64_t>
                    : bits == 32 ? &runMove<std::uint32_t>
                                 : &runMove<std::uint16_t>;
    }
}

template <class T>
void runSelp(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<T> d(w, in.d), a(w, in.a), b(w, in.b);
    const std::uint32_t p = predicate(w, in.c) ^ (in.mode != 0 ? kFullMask : 0);
    forLanes(mask, [&](std::uint32_t i) { d.set(i, (p >> i & 1U) != 0 ? a[i] : b[i]); });
}

void decodeSelp(Decoding& d) {
    const ptx::Type t = d.type();
    d.expectOperands(4, 4);
    d.out.cls = Counter::inst_compare;
    d.out.d = d.dest(0, t.totalBits());
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, t);
    d.out.c = d.predicateSource(d.operand(3));
    d.out.mode = d.operand(3).negated ? 1 : 0;
    d.out.run = t.totalBits() == 64   ? &runSelp<std::uint64_t>
                : t.totalBits() == 32 ? &runSelp<std::uint32_t>
                                      : &runSelp<std::uint16_t>;
}

template <class T, class C>
void runSlct(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<T> d(w, in.d), a(w, in.a), b(w, in.b);
    const Lanes<C> c(w, in.c);
    forLanes(mask, [&](std::uint32_t i) { d.set(i, c[i] >= 0 ? a[i] : b[i]); });  // NaN selects b
}

void decodeSlct(Decoding& d) {
    d.take("ftz");  // a subnormal is 0, which is >= 0 as well: -subnormal is the one difference
    const ptx::Type t = d.type();
    const ptx::Type c = d.type();
    d.expectOperands(4, 4);
    d.out.cls = Counter::inst_compare;
    d.out.d = d.dest(0, t.bits);
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, t);
    d.out.c = d.src(3, c);
    const auto choose = [&]<class T>(T) -> Handler {
        return c.isFloat() ? &runSlct<T, float> : &runSlct<T, std::int32_t>;
    };
    d.out.run = t.bits == 64   ? choose(std::uint64_t{})
                : t.bits == 32 ? choose(std::uint32_t{})
                               : choose(std::uint16_t{});
}

struct AddWindow {
    template <std::uint64_t Window>
    static void to(Warp& w, const Instr& in, std::uint32_t mask) {
        const Lanes<std::uint64_t> d(w, in.d), a(w, in.a);
        forLanes(mask, [&](std::uint32_t i) { d.set(i, a[i] + Window); });
    }
};

void decodeCvta(Decoding& d) {
    const bool toSpace = d.take("to");
    const auto space = d.maybeSpace();
    if (!space) d.fail("no state space");
    const ptx::Type t = d.type();
    if (t.bits != 64) d.fail("only 64-bit addresses are generic");
    d.expectOperands(2, 2);
    d.out.cls = Counter::inst_move;
    d.out.d = d.dest(0, 64);
    const ptx::Operand& from = d.operand(1);
    if (from.kind == ptx::Operand::Kind::Symbol && d.isFrameVariable(from.name))
        d.fail("cvta of a variable's name in local space");
    d.out.a = d.src(1, t);
    switch (*space) {
        case ptx::Space::Shared:
            d.out.run = toSpace ? &AddWindow::to<0 - kSharedWindow> : &AddWindow::to<kSharedWindow>;
            break;
        case ptx::Space::Local:
            d.out.run = toSpace ? &AddWindow::to<0 - kLocalWindow> : &AddWindow::to<kLocalWindow>;
            break;
        case ptx::Space::Param:
            if (!d.inEntry()) d.fail("the address of a function's parameter is local");
            d.out.run = toSpace ? &AddWindow::to<0 - kParamWindow> : &AddWindow::to<kParamWindow>;
            break;
        default: d.out.run = &AddWindow::to<0>; break;
    }
}

void runIsspacep(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<std::uint64_t> a(w, in.a);
    constexpr std::uint64_t kWindowBytes = 1ULL << 32;
    std::uint32_t result = 0;
    forLanes(mask, [&](std::uint32_t i) {
        const std::uint64_t p = a[i];
        const bool shared = p - kSharedWindow < kWindowBytes, local = p - kLocalWindow < kWindowBytes,
                   param = p - kParamWindow < kWindowBytes;
        bool is = false;
        switch (static_cast<ptx::Space>(in.mode)) {
            case ptx::Space::Shared: is = shared; break;
            case ptx::Space::Local: is = local; break;
            case ptx::Space::Param: is = param; break;
            case ptx::Space::Global: is = !shared && !local && !param; break;
            default: break;
        }
        result |= is ? 1U << i : 0;
    });
    setPredicate(w, in.d, mask, result);
}

void decodeIsspacep(Decoding& d) {
    const auto space = d.maybeSpace();
    if (!space || *space == ptx::Space::Const) d.fail("state space is not simulated");
    d.expectOperands(2, 2);
    d.out.cls = Counter::inst_compare;
    d.out.d = d.predicateDest(d.operand(0));
    d.out.a = d.src(1, ptx::kB64);
    d.out.mode = static_cast<std::uint32_t>(*space);
    d.out.run = &runIsspacep;
}

}  // namespace

std::span<const DecoderEntry> moveFamily() {
    static constexpr DecoderEntry kFamily[] = {
        {"mov", decodeMov},   {"selp", decodeSelp},         {"slct", decodeSlct},
        {"cvta", decodeCvta}, {"isspacep", decodeIsspacep},
    };
    return kFamily;
}

}  // namespace cudasim
