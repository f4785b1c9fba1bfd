// Operations between the threads of a warp: shfl, vote, match, redux, activemask, elect.
#include <algorithm>

#include "isa/families.h"
#include "isa/lanes.h"
#include "machine/block.h"

#include <cuda.h>

namespace cudasim {
namespace {

// Waits for the lanes of the member masks in slot `members`; each lane must be a member itself.
bool gather(Warp& w, const Instr& in, std::uint32_t& mask, std::uint32_t members) {
    const std::uint32_t* need = w.slot<std::uint32_t>(members);
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        if ((need[lane] >> lane & 1U) != 0) continue;
        w.block->launch.findings->report("warp-sync", w.block->site(w, lane, in.line), [&] {
            return "lane " + std::to_string(lane) + " executes this with member mask " + std::to_string(need[lane]) +
                   ", which does not name it";
        });
        throw Fault{CUDA_ERROR_LAUNCH_FAILED};
    }
    return w.converge(in, mask, need);
}

enum class Shuffle : std::uint32_t { Up, Down, Butterfly, Index };

// a: value, b: lane operand, c: clamp and segment mask, extra: slot of the member mask, e: predicate
template <Shuffle S>
void runShfl(Warp& w, const Instr& in, std::uint32_t mask) {
    if (!gather(w, in, mask, in.extra)) return;
    std::uint32_t source[kLanes], by[kLanes], control[kLanes];
    std::memcpy(source, w.slot<std::uint32_t>(in.a), sizeof source);
    std::memcpy(by, w.slot<std::uint32_t>(in.b), sizeof by);
    std::memcpy(control, w.slot<std::uint32_t>(in.c), sizeof control);
    std::uint32_t* d = w.slot<std::uint32_t>(in.d);
    std::uint32_t inRange = 0;
    forLanes(mask, [&](std::uint32_t lane) {
        const std::uint32_t clamp = control[lane] & 31;
        const std::uint32_t segment = control[lane] >> 8 & 31;
        const std::uint32_t greatest = (lane & segment) | (clamp & ~segment);
        const std::uint32_t least = lane & segment;
        const std::uint32_t b = by[lane] & 31;
        std::int32_t from = 0;
        bool valid = false;
        if constexpr (S == Shuffle::Up) {
            from = static_cast<std::int32_t>(lane) - static_cast<std::int32_t>(b);
            valid = from >= static_cast<std::int32_t>(greatest);
        } else if constexpr (S == Shuffle::Down) {
            from = static_cast<std::int32_t>(lane + b);
            valid = from <= static_cast<std::int32_t>(greatest);
        } else if constexpr (S == Shuffle::Butterfly) {
            from = static_cast<std::int32_t>(lane ^ b);
            valid = from <= static_cast<std::int32_t>(greatest);
        } else {
            from = static_cast<std::int32_t>(least | (b & ~segment));
            valid = from <= static_cast<std::int32_t>(greatest);
        }
        if (!valid) from = static_cast<std::int32_t>(lane);
        inRange |= valid ? 1U << lane : 0;
        d[lane] = source[from];
    });
    if (in.count == 2) setPredicate(w, in.e, mask, inRange);
}

void decodeShfl(Decoding& d) {
    if (!d.take("sync")) d.fail("shfl without .sync");
    const int kind = d.takeOneOf({"up", "down", "bfly", "idx"});
    d.type();
    d.expectOperands(5, 5);
    d.out.cls = Counter::inst_warp;
    d.out.d = d.dest(0, 32);
    if (!d.operand(0).elements.empty()) {
        d.out.e = d.predicateDest(d.operand(0).elements[0]);
        d.out.count = 2;
    }
    d.out.a = d.src(1, ptx::kB32);
    d.out.b = d.src(2, ptx::kB32);
    d.out.c = d.src(3, ptx::kB32);
    d.out.extra = d.src(4, ptx::kB32);
    static constexpr Handler kHandlers[] = {&runShfl<Shuffle::Up>, &runShfl<Shuffle::Down>,
                                            &runShfl<Shuffle::Butterfly>, &runShfl<Shuffle::Index>};
    if (kind >= 0) d.out.run = kHandlers[kind];
}

// mode: 0 all, 1 any, 2 uni, 3 ballot
void runVote(Warp& w, const Instr& in, std::uint32_t mask) {
    if (!gather(w, in, mask, in.b)) return;
    const std::uint32_t p = predicate(w, in.a) ^ (in.count == 2 ? kFullMask : 0);
    const Lanes<std::uint32_t> members(w, in.b);
    std::uint32_t result = 0;
    forLanes(mask, [&](std::uint32_t lane) {
        const std::uint32_t all = members[lane] & mask;
        const std::uint32_t set = p & all;
        if (in.mode == 3) {
            w.slot<std::uint32_t>(in.d)[lane] = set;
            return;
        }
        const bool holds = in.mode == 0 ? set == all : in.mode == 1 ? set != 0 : set == all || set == 0;
        result |= holds ? 1U << lane : 0;
    });
    if (in.mode != 3) setPredicate(w, in.d, mask, result);
}

void decodeVote(Decoding& d) {
    if (!d.take("sync")) d.fail("vote without .sync");
    const int kind = d.takeOneOf({"all", "any", "uni", "ballot"});
    d.type();
    if (kind < 0) d.fail("no kind of vote");
    d.expectOperands(3, 3);
    d.out.cls = Counter::inst_warp;
    d.out.mode = static_cast<std::uint32_t>(kind);
    d.out.d = kind == 3 ? d.dest(0, 32) : d.predicateDest(d.operand(0));
    d.out.a = d.predicateSource(d.operand(1));
    if (d.operand(1).negated) d.out.count = 2;
    d.out.b = d.src(2, ptx::kB32);
    d.out.run = &runVote;
}

template <class T>
void runMatch(Warp& w, const Instr& in, std::uint32_t mask) {
    if (!gather(w, in, mask, in.b)) return;
    const Lanes<T> a(w, in.a);
    const Lanes<std::uint32_t> members(w, in.b);
    std::uint32_t result[kLanes];
    std::uint32_t allEqual = 0;
    forLanes(mask, [&](std::uint32_t lane) {
        std::uint32_t same = 0;
        for (std::uint32_t rest = members[lane] & mask; rest != 0; rest &= rest - 1) {
            const auto other = static_cast<std::uint32_t>(std::countr_zero(rest));
            if (a[other] == a[lane]) same |= 1U << other;
        }
        const bool all = same == (members[lane] & mask);
        allEqual |= all ? 1U << lane : 0;
        result[lane] = in.mode == 1 && !all ? 0 : same;
    });
    forLanes(mask, [&](std::uint32_t lane) { w.slot<std::uint32_t>(in.d)[lane] = result[lane]; });
    if (in.count == 2) setPredicate(w, in.e, mask, allEqual);
}

void decodeMatch(Decoding& d) {
    const int kind = d.takeOneOf({"any", "all"});
    if (!d.take("sync") || kind < 0) d.fail("needs .any or .all and .sync");
    const ptx::Type t = d.type();
    d.expectOperands(3, 3);
    d.out.cls = Counter::inst_warp;
    d.out.mode = static_cast<std::uint32_t>(kind);
    d.out.d = d.dest(0, 32);
    if (!d.operand(0).elements.empty()) {
        d.out.e = d.predicateDest(d.operand(0).elements[0]);
        d.out.count = 2;
    }
    d.out.a = d.src(1, t);
    d.out.b = d.src(2, ptx::kB32);
    d.out.run = t.bits == 64 ? &runMatch<std::uint64_t> : &runMatch<std::uint32_t>;
}

enum class Reduction : std::uint32_t { Add, Min, Max, And, Or, Xor };

template <class T>
void runRedux(Warp& w, const Instr& in, std::uint32_t mask) {
    if (!gather(w, in, mask, in.b)) return;
    const Lanes<T> a(w, in.a);
    const Lanes<std::uint32_t> members(w, in.b);
    T result[kLanes];
    forLanes(mask, [&](std::uint32_t lane) {
        std::uint32_t rest = members[lane] & mask;
        T r = a[static_cast<std::uint32_t>(std::countr_zero(rest))];
        for (rest &= rest - 1; rest != 0; rest &= rest - 1) {
            const T v = a[static_cast<std::uint32_t>(std::countr_zero(rest))];
            switch (static_cast<Reduction>(in.mode)) {
                case Reduction::Add:
                    r = static_cast<T>(static_cast<std::uint32_t>(r) + static_cast<std::uint32_t>(v));
                    break;
                case Reduction::Min: r = std::min(r, v); break;
                case Reduction::Max: r = std::max(r, v); break;
                case Reduction::And: r &= v; break;
                case Reduction::Or: r |= v; break;
                case Reduction::Xor: r ^= v; break;
            }
        }
        result[lane] = r;
    });
    const Lanes<T> d(w, in.d);
    forLanes(mask, [&](std::uint32_t lane) { d.set(lane, result[lane]); });
}

void decodeRedux(Decoding& d) {
    if (!d.take("sync")) d.fail("redux without .sync");
    const int kind = d.takeOneOf({"add", "min", "max", "and", "or", "xor"});
    const ptx::Type t = d.type();
    if (kind < 0 || !t.isInteger()) d.fail("only integer reductions are known");
    d.expectOperands(3, 3);
    d.out.cls = Counter::inst_warp;
    d.out.mode = static_cast<std::uint32_t>(kind);
    d.out.d = d.dest(0, 32);
    d.out.a = d.src(1, ptx::kB32);
    d.out.b = d.src(2, ptx::kB32);
    d.out.run = t.isSigned() ? &runRedux<std::int32_t> : &runRedux<std::uint32_t>;
}

void runActivemask(Warp& w, const Instr& in, std::uint32_t mask) {
    forLanes(mask, [&](std::uint32_t lane) { w.slot<std::uint32_t>(in.d)[lane] = mask; });
}

void runElect(Warp& w, const Instr& in, std::uint32_t mask) {
    if (!gather(w, in, mask, in.b)) return;
    const auto leader = static_cast<std::uint32_t>(std::countr_zero(mask));
    forLanes(mask, [&](std::uint32_t lane) { w.slot<std::uint32_t>(in.d)[lane] = leader; });
    setPredicate(w, in.e, mask, 1U << leader);
}

void decodeElect(Decoding& d) {
    if (!d.take("sync")) d.fail("elect without .sync");
    d.expectOperands(2, 2);
    d.out.cls = Counter::inst_warp;
    d.out.d = d.dest(0, 32);
    if (d.operand(0).elements.empty()) d.fail("no predicate");
    d.out.e = d.predicateDest(d.operand(0).elements[0]);
    d.out.b = d.src(1, ptx::kB32);
    d.out.run = &runElect;
}

}  // namespace

std::span<const DecoderEntry> warpFamily() {
    static constexpr DecoderEntry kFamily[] = {
        {"shfl", decodeShfl},
        {"vote", decodeVote},
        {"match", decodeMatch},
        {"redux", decodeRedux},
        {"elect", decodeElect},
        {"activemask",
         [](Decoding& d) {
             d.type();
             d.expectOperands(1, 1);
             d.out.cls = Counter::inst_warp;
             d.out.d = d.dest(0, 32);
             d.out.run = &runActivemask;
         }},
    };
    return kFamily;
}

}  // namespace cudasim
