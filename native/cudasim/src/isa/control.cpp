// Branches, calls, barriers, fences and the end of a thread.
#include <atomic>
#include <cstdio>

#include <cuda.h>

#include "isa/families.h"
#include "isa/lanes.h"
#include "machine/access.h"
#include "machine/block.h"

namespace cudasim {
namespace {

void runBra(Warp& w, const Instr& in, std::uint32_t mask) { w.branch(mask, static_cast<std::uint32_t>(in.imm)); }

void decodeBra(Decoding& d) {
    d.take("uni");
    d.expectOperands(1, 1);
    d.out.cls = Counter::inst_control;
    d.out.control = true;
    d.jumpTo(d.operand(0).name);
    d.out.run = &runBra;
}

void runBrx(Warp& w, const Instr& in, std::uint32_t mask) {
    const std::vector<std::uint32_t>& table = w.kernel->jumpTables[in.extra];
    const Lanes<std::uint32_t> index(w, in.a);
    const std::uint32_t entered = mask;
    bool first = true;
    while (mask != 0) {
        const std::uint32_t i = index[static_cast<std::uint32_t>(std::countr_zero(mask))];
        std::uint32_t same = 0;
        for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
            const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
            if (index[lane] == i) same |= 1U << lane;
        }
        if (i >= table.size()) {
            const auto lane = static_cast<std::uint32_t>(std::countr_zero(same));
            w.block->launch.findings->report("out-of-bounds", w.block->site(w, lane, in.line), [&] {
                return "index " + std::to_string(i) + " of a jump table of " + std::to_string(table.size()) +
                       " targets";
            });
            throw Fault{CUDA_ERROR_ILLEGAL_ADDRESS};
        }
        if (same == w.mask) {
            w.pc = table[i];
        } else {
            w.split(same, table[i]);
            if (first) ++(*w.counters)[Counter::divergent_branches];
            first = false;
        }
        mask &= ~same;
    }
    (*w.counters)[Counter::branches] += entered != 0 ? 1 : 0;
}

void decodeBrx(Decoding& d) {
    if (!d.take("idx")) d.fail("only brx.idx is known");
    d.take("uni");
    d.expectOperands(2, 2);
    d.out.cls = Counter::inst_control;
    d.out.a = d.src(0, ptx::kB32);
    d.out.extra = d.jumpTable(d.operand(1).name);
    d.out.run = &runBrx;
}

void runExit(Warp& w, const Instr&, std::uint32_t mask) { w.exit(mask); }

void runReturn(Warp& w, const Instr&, std::uint32_t mask) {
    if (mask != w.mask) {
        // Those that return become a group of their own and execute the instruction again.
        w.split(mask, w.pc - 1);
        return;
    }
    w.returnFromCall();
}

void decodeExit(Decoding& d) {
    d.out.cls = Counter::inst_control;
    d.out.run = &runExit;
}

void decodeReturn(Decoding& d) {
    d.take("uni");
    d.out.cls = Counter::inst_control;
    d.out.run = d.inEntry() ? &runExit : &runReturn;
}

void runTrap(Warp& w, const Instr& in, std::uint32_t mask) {
    w.block->launch.findings->report("assertion",
                                     w.block->site(w, static_cast<std::uint32_t>(std::countr_zero(mask)), in.line),
                                     [] { return std::string("trap"); });
    throw Fault{CUDA_ERROR_LAUNCH_FAILED};
}

void decodeTrap(Decoding& d) {
    d.out.cls = Counter::inst_control;
    d.out.run = &runTrap;
}

// ---- calls ----

void runCall(Warp& w, const Instr& in, std::uint32_t mask) {
    if (mask != w.mask) {
        w.split(mask, w.pc - 1);
        return;
    }
    w.call(w.kernel->calls[in.extra]);
}

std::uint64_t frameValue(Warp& w, std::uint32_t lane, std::uint32_t offset, unsigned bytes) {
    std::uint64_t value = 0;
    std::memcpy(&value, w.block->local[w.index].at(lane, w.localBase() + offset), bytes);
    return value;
}

// printf: the arguments lie in local memory, each aligned to its size.
std::string formatLane(Warp& w, const Instr& in, std::uint32_t lane, const char* format, std::uint64_t arguments) {
    LocalMemory& local = w.block->local[w.index];
    std::uint64_t at = arguments == 0 ? 0 : arguments - kLocalWindow;
    const auto take = [&](std::size_t bytes) {
        at = (at + bytes - 1) / bytes * bytes;
        std::uint64_t value = 0;
        if (at + bytes <= local.capacity) std::memcpy(&value, local.at(lane, static_cast<std::uint32_t>(at)), bytes);
        at += bytes;
        return value;
    };
    std::string out;
    char buffer[512];
    for (const char* p = format; *p != 0; ++p) {
        if (*p != '%') {
            out += *p;
            continue;
        }
        std::string spec = "%";
        for (++p; *p != 0 && std::strchr("-+ #0123456789.*hlzjt", *p) != nullptr; ++p) {
            if (*p == '*') spec += std::to_string(static_cast<std::int32_t>(take(4)));
            else spec += *p;
        }
        spec += *p;
        switch (*p) {
            case 0: return out;
            case '%': out += '%'; continue;
            case 'd': case 'i': case 'u': case 'x': case 'X': case 'o': case 'c': {
                const bool wide = spec.find('l') != std::string::npos || spec.find('z') != std::string::npos ||
                                  spec.find('j') != std::string::npos;
                std::erase_if(spec, [](char c) { return c == 'l' || c == 'h' || c == 'z' || c == 'j'; });
                if (*p != 'c') spec.insert(spec.size() - 1, "ll");
                const std::uint64_t raw = take(wide ? 8 : 4);
                const bool isSigned = *p == 'd' || *p == 'i';
                const long long value =
                    !wide && isSigned ? static_cast<std::int32_t>(raw) : static_cast<long long>(raw);
                if (*p == 'c') std::snprintf(buffer, sizeof buffer, spec.c_str(), static_cast<int>(raw));
                else std::snprintf(buffer, sizeof buffer, spec.c_str(), value);
                break;
            }
            case 'f': case 'F': case 'e': case 'E': case 'g': case 'G': case 'a': case 'A':
                std::snprintf(buffer, sizeof buffer, spec.c_str(), std::bit_cast<double>(take(8)));
                break;
            case 'p': std::snprintf(buffer, sizeof buffer, "0x%llx", static_cast<unsigned long long>(take(8))); break;
            case 's': {
                const std::string text = resolveString(w, in, lane, take(8));
                std::snprintf(buffer, sizeof buffer, spec.c_str(), text.c_str());
                break;
            }
            default: return out + "<" + spec + ": conversion is not simulated>";
        }
        out += buffer;
    }
    return out;
}

void runVprintf(Warp& w, const Instr& in, std::uint32_t mask) {
    const std::uint32_t* offsets = w.kernel->slots.data() + in.extra;
    for (; mask != 0; mask &= mask - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(mask));
        const char* format = resolveString(w, in, lane, frameValue(w, lane, offsets[0], 8));
        const std::string text = formatLane(w, in, lane, format, frameValue(w, lane, offsets[1], 8));
        std::fputs(text.c_str(), stdout);
        if (in.count == 3) {
            const auto written = static_cast<std::uint32_t>(text.size());
            std::memcpy(w.block->local[w.index].at(lane, w.localBase() + offsets[2]), &written, 4);
            std::memset(w.block->local[w.index].writtenAt(lane, w.localBase() + offsets[2]), 1, 4);
        }
    }
}

void runAssertFail(Warp& w, const Instr& in, std::uint32_t mask) {
    const std::uint32_t* offsets = w.kernel->slots.data() + in.extra;
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(mask));
    const auto text = [&](unsigned i) {
        return std::string(resolveString(w, in, lane, frameValue(w, lane, offsets[i], 8)));
    };
    const std::string message = text(1) + ":" + std::to_string(frameValue(w, lane, offsets[2], 4)) + ": " + text(3) +
                                ": assertion `" + text(0) + "' failed";
    w.block->launch.findings->report("assertion", w.block->site(w, lane, in.line), [&] { return message; });
    throw Fault{CUDA_ERROR_ASSERT};
}

void decodeCall(Decoding& d) {
    d.take("uni");
    d.out.cls = Counter::inst_control;
    std::string callee;
    std::vector<std::string> results, arguments;
    for (const ptx::Operand& op : d.source.operands) {
        if (op.kind == ptx::Operand::Kind::List) {
            for (const ptx::Operand& e : op.elements) {
                if (e.kind != ptx::Operand::Kind::Symbol) d.fail("arguments in registers are not simulated");
                (callee.empty() ? results : arguments).push_back(e.name);
            }
        } else if (op.kind == ptx::Operand::Kind::Symbol && callee.empty()) {
            callee = op.name;
        } else if (op.kind == ptx::Operand::Kind::Register) {
            d.fail("indirect calls (function pointers) are not simulated");
        }
    }
    if (!d.isBuiltin(callee)) {
        d.out.extra = d.call(callee, results, arguments);
        d.out.run = &runCall;
        return;
    }
    if (callee == "vprintf" && arguments.size() == 2) d.out.run = &runVprintf;
    else if (callee == "__assertfail" && arguments.size() == 5) d.out.run = &runAssertFail;
    else d.fail("call of external function " + callee);
    d.out.count = static_cast<std::uint8_t>(arguments.size() + results.size());
    arguments.insert(arguments.end(), results.begin(), results.end());
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::uint32_t index = d.appendSlot(d.frameOffset(arguments[i]));
        if (i == 0) d.out.extra = index;
    }
}

// ---- barriers and fences ----

constexpr std::uint32_t kAligned = 1;            // flags in Instr::e
constexpr std::uint32_t kArriveOnly = 2;
constexpr std::uint32_t kPredicateNegated = 4;

// d: result of barrier.red; a: id; b: number of threads when count is 2; c: predicate; mode: the reduction, as
// Block::complete expects it.
void runBarrier(Warp& w, const Instr& in, std::uint32_t mask) {
    if ((in.e & kAligned) != 0 && mask != w.live && !w.current().alone) {
        w.waitForWarp(in, mask);
        return;
    }
    const auto lane = static_cast<std::uint32_t>(std::countr_zero(mask));
    Block::BarrierUse use;
    use.id = Lanes<std::uint32_t>(w, in.a)[lane];
    if (in.count == 2) use.threads = Lanes<std::uint32_t>(w, in.b)[lane];
    use.wait = (in.e & kArriveOnly) == 0;
    if (use.id > 15 || (in.count == 2 && (use.threads == 0 || use.threads % kLanes != 0))) {
        w.block->launch.findings->report("barrier-divergence", w.block->site(w, lane, in.line), [&] {
            return use.id > 15
                       ? "barrier " + std::to_string(use.id) + " does not exist: there are 16"
                       : std::to_string(use.threads) + " threads for a barrier: not a multiple of the warp size";
        });
        throw Fault{CUDA_ERROR_LAUNCH_FAILED};
    }
    std::uint32_t holds = 0;
    if (in.mode != 0) holds = (predicate(w, in.c) ^ ((in.e & kPredicateNegated) != 0 ? kFullMask : 0)) & mask;
    w.block->arrive(w, in, mask, use, holds);
}

void runWarpBarrier(Warp& w, const Instr& in, std::uint32_t mask) {
    if (!w.converge(in, mask, w.slot<std::uint32_t>(in.a))) return;
    ++(*w.counters)[Counter::barriers];
    if (w.block->launch.checks) w.block->sharedShadow.warpBarrier(w.index);
}

void decodeBarrier(Decoding& d) {
    const bool isBar = d.source.opcode[0] == "bar";
    d.out.cls = Counter::inst_barrier;
    if (d.take("cluster")) d.fail("thread block clusters are not simulated");
    if (d.take("warp")) {
        if (!d.take("sync")) d.fail("only bar.warp.sync is known");
        d.expectOperands(1, 1);
        d.out.a = d.src(0, ptx::kB32);
        d.out.run = &runWarpBarrier;
        return;
    }
    d.take("cta");
    const int what = d.takeOneOf({"sync", "arrive", "red"});
    if (what < 0) d.fail("neither .sync, .arrive nor .red");
    const bool aligned = d.take("aligned") || isBar;
    d.out.e = (aligned ? kAligned : 0) | (what == 1 ? kArriveOnly : 0);
    std::size_t next = 0;
    if (what == 2) {
        const int op = d.takeOneOf({"popc", "and", "or"});
        const ptx::Type t = d.type();
        if (op < 0) d.fail("neither .popc, .and nor .or");
        d.out.mode = static_cast<std::uint32_t>(op + 1);
        d.out.d = t.isPredicate() ? d.predicateDest(d.operand(0)) : d.dest(0, 32);
        const ptx::Operand& p = d.operand(d.operandCount() - 1);
        d.out.c = d.predicateSource(p);
        if (p.negated) d.out.e |= kPredicateNegated;
        next = 1;
    }
    d.out.a = d.src(next, ptx::kB32);
    const std::size_t end = d.operandCount() - (what == 2 ? 1 : 0);
    if (next + 1 < end) {
        d.out.b = d.src(next + 1, ptx::kB32);
        d.out.count = 2;
    } else if (what == 1) {
        d.fail("arrive without a number of threads");
    }
    d.out.run = &runBarrier;
}

void runFence(Warp&, const Instr&, std::uint32_t) { std::atomic_thread_fence(std::memory_order_seq_cst); }

void decodeFence(Decoding& d) {
    d.takeOneOf({"sc", "acq_rel", "acquire", "release"});
    if (d.takeOneOf({"cta", "gl", "gpu", "sys"}) < 0 && d.take("cluster"))
        d.fail("thread block clusters are not simulated");
    if (d.take("proxy")) d.takeOneOf({"async", "alias", "async::generic"});
    d.take("mbarrier_init");
    d.maybeSpace();
    d.out.cls = Counter::inst_barrier;
    d.out.run = &runFence;
}

void runNothing(Warp&, const Instr&, std::uint32_t) {}

// Hints to the hardware's scheduler.
void decodeHint(Decoding& d) {
    d.maybeType();
    d.takeOneOf({"inc", "dec"});
    d.take("sync");
    d.take("aligned");
    d.out.cls = Counter::inst_other;
    d.out.run = &runNothing;
}

}  // namespace

std::span<const DecoderEntry> controlFamily() {
    static constexpr DecoderEntry kFamily[] = {
        {"bra", decodeBra},
        {"brx", decodeBrx},
        {"exit", decodeExit},
        {"ret", decodeReturn},
        {"trap", decodeTrap},
        {"call", decodeCall},
        {"bar", decodeBarrier},
        {"barrier", decodeBarrier},
        {"membar", decodeFence},
        {"fence", decodeFence},
        {"nanosleep", decodeHint},
        {"pmevent", decodeHint},
        {"griddepcontrol",
         [](Decoding& d) {
             d.takeOneOf({"launch_dependents", "wait"});
             d.out.cls = Counter::inst_other;
             d.out.run = &runNothing;
         }},
    };
    return kFamily;
}

}  // namespace cudasim
