#include "machine/block.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <cuda.h>

namespace cudasim {
namespace {

constexpr std::uint64_t kTurn = 20'000;  // instructions a warp runs before the next one gets its turn

}  // namespace

void LocalMemory::reserve(std::uint32_t bytes) {
    if (bytes <= capacity) return;
    const std::uint32_t grown = std::max(bytes, capacity * 2);
    std::vector<std::byte> moved(std::size_t{grown} * kLanes);
    std::vector<std::uint8_t> movedWritten(std::size_t{grown} * kLanes);
    for (std::uint32_t lane = 0; lane < kLanes && capacity > 0; ++lane) {
        std::memcpy(&moved[std::size_t{lane} * grown], at(lane, 0), capacity);
        std::memcpy(&movedWritten[std::size_t{lane} * grown], writtenAt(lane, 0), capacity);
    }
    data = std::move(moved);
    written = std::move(movedWritten);
    capacity = grown;
}

Block::Block(Launch& l) : launch(l), random_(l.seed) {
    const Kernel& kernel = *launch.kernel;
    const std::uint32_t warps = (launch.threads() + kLanes - 1) / kLanes;
    constexpr std::size_t kAlign = 64;
    const std::size_t perWarp = (kernel.registerBytes + kAlign - 1) / kAlign * kAlign;
    registerStorage_ = std::make_unique<std::byte[]>(perWarp * warps + kAlign);
    auto* base = registerStorage_.get();
    base += (kAlign - reinterpret_cast<std::uintptr_t>(base) % kAlign) % kAlign;
    warps_.resize(warps);
    local.resize(warps);
    shared.resize(kernel.dynamicSharedOffset + launch.dynamicShared);
    for (std::uint32_t i = 0; i < warps; ++i) {
        Warp& w = warps_[i];
        w.registers = base + perWarp * i;
        w.kernel = &kernel;
        w.block = this;
        w.counters = &counters;
        w.index = i;
        local[i].reserve(kernel.functions[0].frameBytes);
        for (const Kernel::Constant& c : kernel.constants) {
            if (c.bytes == 0) {
                *w.slot<std::uint32_t>(c.slot) = c.bits != 0 ? kFullMask : 0;
                continue;
            }
            for (std::uint32_t lane = 0; lane < kLanes; ++lane) std::memcpy(w.registers + c.slot + std::size_t{c.bytes} * lane, &c.bits, c.bytes);
        }
    }
}

void Block::start(std::uint64_t index) {
    position = {static_cast<std::uint32_t>(index % launch.grid[0]), static_cast<std::uint32_t>(index / launch.grid[0] % launch.grid[1]),
                static_cast<std::uint32_t>(index / launch.grid[0] / launch.grid[1])};
    random_.seed(launch.seed * 0x9e3779b97f4a7c15ULL + index);
    liveThreads_ = launch.threads();
    executed_ = 0;
    for (Barrier& b : barriers_) b = Barrier{};
    if (launch.checks) sharedShadow.reset(shared.size(), static_cast<unsigned>(warps_.size()));
    for (Warp& w : warps_) {
        const std::uint32_t first = w.index * kLanes;
        const std::uint32_t lanes = std::min(kLanes, launch.threads() - first);
        w.start(lanes == kLanes ? kFullMask : (1U << lanes) - 1);
        local[w.index].clear();
        initialiseSpecials(w);
    }
}

void Block::initialiseSpecials(Warp& warp) {
    const auto value = [&](Special special, std::uint32_t lane) -> std::uint64_t {
        const std::uint32_t thread = threadOf(warp, lane);
        switch (special) {
            case Special::TidX: return thread % launch.block[0];
            case Special::TidY: return thread / launch.block[0] % launch.block[1];
            case Special::TidZ: return thread / launch.block[0] / launch.block[1];
            case Special::NtidX: return launch.block[0];
            case Special::NtidY: return launch.block[1];
            case Special::NtidZ: return launch.block[2];
            case Special::CtaidX: return position[0];
            case Special::CtaidY: return position[1];
            case Special::CtaidZ: return position[2];
            case Special::NctaidX: return launch.grid[0];
            case Special::NctaidY: return launch.grid[1];
            case Special::NctaidZ: return launch.grid[2];
            case Special::LaneId: return lane;
            case Special::WarpId: return warp.index;
            case Special::NwarpId: return warps_.size();
            case Special::SmId: return position[0] % launch.multiprocessors;
            case Special::NsmId: return launch.multiprocessors;
            case Special::GridId: return launch.gridId;
            case Special::LaneMaskEq: return 1U << lane;
            case Special::LaneMaskLe: return (2ULL << lane) - 1;
            case Special::LaneMaskLt: return (1ULL << lane) - 1;
            case Special::LaneMaskGe: return static_cast<std::uint32_t>(kFullMask << lane);
            case Special::LaneMaskGt: return static_cast<std::uint32_t>((std::uint64_t{kFullMask} << lane) << 1);
            case Special::DynamicSharedSize: return launch.dynamicShared;
            case Special::TotalSharedSize: return launch.kernel->staticShared + launch.dynamicShared;
            case Special::Clusterctaid: case Special::Zero: return 0;
            case Special::Nclusterctaid: case Special::One: return 1;
        }
        return 0;
    };
    for (const auto& [slot, special] : launch.kernel->specials) {
        for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
            // Special registers are 32 bits wide; %gridid, of 64, is two of them apart.
            if (special == Special::GridId) warp.slot<std::uint64_t>(slot)[lane] = value(special, lane);
            else warp.slot<std::uint32_t>(slot)[lane] = static_cast<std::uint32_t>(value(special, lane));
        }
    }
}

Site Block::site(const Warp& warp, std::uint32_t lane, int line) const {
    const std::uint32_t thread = threadOf(warp, lane);
    const auto signedTriple = [](std::uint32_t x, std::uint32_t y, std::uint32_t z) {
        return std::array<int, 3>{static_cast<int>(x), static_cast<int>(y), static_cast<int>(z)};
    };
    return Site{launch.kernel->name, line, signedTriple(position[0], position[1], position[2]),
                signedTriple(thread % launch.block[0], thread / launch.block[0] % launch.block[1], thread / launch.block[0] / launch.block[1])};
}

bool Block::inSharedVariable(std::uint64_t offset, unsigned bytes) const {
    const Kernel& kernel = *launch.kernel;
    if (offset >= kernel.dynamicSharedOffset) return true;
    return std::any_of(kernel.sharedVariables.begin(), kernel.sharedVariables.end(),
                       [&](const ParamInfo& v) { return offset >= v.offset && offset + bytes <= std::uint64_t{v.offset} + v.bytes; });
}

std::string Block::describeShared(std::uint64_t offset) const {
    const Kernel& kernel = *launch.kernel;
    const ParamInfo* nearest = nullptr;
    for (const ParamInfo& v : kernel.sharedVariables) {
        if (v.offset <= offset) nearest = &v;
    }
    if (offset >= kernel.dynamicSharedOffset && (launch.dynamicShared != 0 || nearest == nullptr)) {
        return "offset " + std::to_string(offset - kernel.dynamicSharedOffset) + " of " + std::to_string(launch.dynamicShared) + " bytes of dynamic shared memory";
    }
    if (nearest == nullptr) return "offset " + std::to_string(offset) + ", before any variable";
    return "offset " + std::to_string(offset - nearest->offset) + " of variable " + nearest->name + " of " + std::to_string(nearest->bytes) + " bytes";
}

std::uint64_t Block::turnLength() { return launch.seed == 0 ? kTurn : 8 + random_() % 500; }

bool Block::run(std::uint64_t budget) {
    const std::uint64_t limit = executed_ + budget;
    std::vector<Warp*> order;
    for (Warp& w : warps_) order.push_back(&w);
    while (executed_ < limit) {
        if (launch.seed != 0) std::shuffle(order.begin(), order.end(), random_);
        bool finished = true;
        bool progress = false;
        for (Warp* w : order) {
            if (w->live == 0) continue;
            const std::uint64_t turn = turnLength();
            std::uint64_t left = turn;
            const Warp::Status status = w->run(left);
            executed_ += turn - left;
            progress |= left != turn;
            finished &= status == Warp::Status::Finished;
        }
        if (finished) return true;
        if (!progress) reportDeadlock();
        if (launch.maxInstructions != 0 && executed_ > launch.maxInstructions) {
            Warp& w = **std::find_if(order.begin(), order.end(), [](const Warp* o) { return o->live != 0; });
            const Group& g = w.groups().front();
            launch.findings->report("timeout", site(w, static_cast<std::uint32_t>(std::countr_zero(g.mask)), launch.kernel->code[g.pc].line), [&] {
                return "the block has executed more than max_instructions = " + std::to_string(launch.maxInstructions) + " warp instructions";
            });
            throw Fault{CUDA_ERROR_LAUNCH_TIMEOUT};
        }
    }
    return false;
}

void Block::arrive(Warp& warp, const Instr& in, std::uint32_t lanes, BarrierUse use, std::uint32_t predicate) {
    Barrier& b = barriers_[use.id];
    ++counters[Counter::barriers];
    if (b.arrivals.empty()) b.expected = use.threads;
    if (b.expected != use.threads) {
        launch.findings->report("barrier-divergence", site(warp, static_cast<std::uint32_t>(std::countr_zero(lanes)), in.line), [&] {
            return "barrier " + std::to_string(use.id) + " is used for " + std::to_string(use.threads) + " threads here and for " + std::to_string(b.expected) +
                   " by threads that arrived before (0: all of the block)";
        });
    }
    b.arrivals.push_back({&warp, lanes, &in, use.wait});
    // With an explicit number of threads, hardware counts whole warps.
    b.arrived += use.threads != 0 ? kLanes : static_cast<unsigned>(std::popcount(lanes));
    b.holding += static_cast<unsigned>(std::popcount(predicate));
    if (use.wait) {
        if (lanes != warp.mask) warp.split(warp.mask & ~lanes, warp.pc);
        warp.mask = lanes;
        warp.waitForBlock(use.id);
    }
    if (b.arrived >= (b.expected != 0 ? b.expected : liveThreads_)) complete(use.id);
}

void Block::complete(std::uint32_t id) {
    const Barrier b = std::move(barriers_[id]);
    barriers_[id] = Barrier{};
    const Arrival& last = b.arrivals.back();
    if (b.expected == 0 && liveThreads_ != launch.threads()) {
        launch.findings->report("barrier-divergence", site(*last.warp, static_cast<std::uint32_t>(std::countr_zero(last.lanes)), last.instr->line), [&] {
            return std::to_string(launch.threads() - liveThreads_) + " of the " + std::to_string(launch.threads()) +
                   " threads of the block had exited before this barrier, which all of them must reach";
        });
    }
    std::vector<unsigned> warps;
    for (const Arrival& a : b.arrivals) {
        if (std::find(warps.begin(), warps.end(), a.warp->index) == warps.end()) warps.push_back(a.warp->index);
        // barrier.red: mode 1 popc, 2 and, 3 or
        if (a.instr->mode == 1) {
            for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
                if ((a.lanes >> lane & 1U) != 0) a.warp->slot<std::uint32_t>(a.instr->d)[lane] = b.holding;
            }
        } else if (a.instr->mode != 0) {
            const bool holds = a.instr->mode == 2 ? b.holding == b.arrived : b.holding != 0;
            std::uint32_t& p = *a.warp->slot<std::uint32_t>(a.instr->d);
            p = (p & ~a.lanes) | (holds ? a.lanes : 0);
        }
    }
    if (launch.checks) {
        if (b.expected == 0 || warps.size() == warps_.size()) sharedShadow.blockBarrier();
        else sharedShadow.partialBarrier(warps);
    }
    for (const Arrival& a : b.arrivals) {
        if (a.waits) a.warp->release(id);
    }
}

void Block::threadsExited() {
    liveThreads_ = 0;
    for (const Warp& w : warps_) liveThreads_ += static_cast<unsigned>(std::popcount(w.live));
    for (std::uint32_t id = 0; id < barriers_.size(); ++id) {
        const Barrier& b = barriers_[id];
        if (!b.arrivals.empty() && b.expected == 0 && b.arrived >= liveThreads_) complete(id);
    }
}

void Block::reportDeadlock() {
    for (Warp& w : warps_) {
        for (const Group& g : w.groups()) {
            if (g.state == GroupState::Runnable || w.live == 0) continue;
            const bool atBarrier = g.state == GroupState::Barrier;
            const Instr& in = launch.kernel->code[atBarrier ? g.pc - 1 : g.pc];
            launch.findings->report("deadlock", site(w, static_cast<std::uint32_t>(std::countr_zero(g.mask)), in.line), [&] {
                const Barrier& b = barriers_[g.barrier];
                return atBarrier ? "barrier " + std::to_string(g.barrier) + " waits for " + std::to_string(b.expected != 0 ? b.expected : liveThreads_) +
                                       " threads, " + std::to_string(b.arrived) + " arrived, and no other thread can run"
                                 : std::string("the other threads named in the member mask never reach this instruction");
            });
        }
    }
    throw Fault{CUDA_ERROR_LAUNCH_FAILED};
}

}  // namespace cudasim
