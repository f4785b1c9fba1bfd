#include "machine/warp.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <cuda.h>

#include "machine/block.h"

namespace cudasim {
namespace {

constexpr std::uint32_t kNever = 0xffffffffU;
// How long one group may run before the others of its warp get a turn. Structured code never gets there: it is for threads that spin until another thread
// of their warp has done something.
constexpr std::uint32_t kPatience = 50'000;
constexpr std::uint32_t kLocalLimit = 512 * 1024;

}  // namespace

void Warp::start(std::uint32_t lanes) {
    live = everLive = mask = lanes;
    pc = 0;
    copies.clear();
    copyGroup.fill(0);
    groups_.clear();
    groups_.emplace_back().mask = lanes;
    current_ = 0;
    divergentSteps_ = 0;
    rotate_ = false;
}

const FunctionInfo& Warp::function(const Group& group) const {
    return kernel->functions[group.frames.empty() ? 0 : group.frames.back().call->function];
}

Warp::Status Warp::run(std::uint64_t& turn) {
    if (!schedule()) return live == 0 ? Status::Finished : Status::Waiting;
    const Instr* const code = kernel->code.data();
    Counters& count = *counters;
    while (turn > 0) {
        --turn;
        const Instr& in = code[pc];
        std::uint32_t lanes = mask;
        if (in.guarded) lanes &= *slot<std::uint32_t>(in.guard) ^ (in.guardNegated ? kFullMask : 0);
        ++pc;
        if (lanes != 0 || in.control) {
            count[in.cls] += static_cast<unsigned>(std::popcount(lanes));
            count[Counter::warp_instructions] += lanes != 0 ? 1 : 0;
            in.run(*this, in, lanes);
        }
        if (pc >= yieldPc_ && !schedule()) return live == 0 ? Status::Finished : Status::Waiting;
        if (groups_.size() > 1 && ++divergentSteps_ >= kPatience) {
            rotate_ = true;
            if (!schedule()) return Status::Waiting;
        }
    }
    current().pc = pc;
    return Status::Turn;
}

// Chooses the group to run next and how far: up to the place of another one.
bool Warp::schedule() {
    if (current_ < groups_.size()) {
        groups_[current_].pc = pc;
        groups_[current_].mask = mask;
    }
    std::erase_if(groups_, [](const Group& g) { return g.mask == 0; });
    if (groups_.size() > 1) mergeEqual();
    for (;;) {
        const std::size_t none = groups_.size();
        std::size_t best = none;
        for (std::size_t i = 0; i < groups_.size(); ++i) {
            const std::size_t candidate = rotate_ ? (current_ + 1 + i) % groups_.size() : i;
            const Group& g = groups_[candidate];
            if (g.state != GroupState::Runnable) continue;
            if (best == none) {
                best = candidate;
                if (rotate_) break;
            }
            const Group& b = groups_[best];
            if (g.frames.size() > b.frames.size() || (g.frames.size() == b.frames.size() && g.pc < b.pc)) best = candidate;
        }
        if (best != none) {
            current_ = best;
            break;
        }
        if (groups_.empty() || !unblock()) {
            current_ = none;
            mask = 0;
            return false;
        }
    }
    const Group& g = groups_[current_];
    if (rotate_ || groups_.size() == 1) divergentSteps_ = 0;
    rotate_ = false;
    pc = g.pc;
    mask = g.mask;
    yieldPc_ = kNever;
    for (const Group& other : groups_) {
        if (&other != &g && other.state != GroupState::Barrier && other.frames.size() == g.frames.size() && other.pc > pc) {
            yieldPc_ = std::min(yieldPc_, other.pc);
        }
    }
    return true;
}

void Warp::mergeEqual() {
    for (std::size_t i = 0; i < groups_.size(); ++i) {
        for (std::size_t j = i + 1; j < groups_.size();) {
            Group& a = groups_[i];
            const Group& b = groups_[j];
            if (a.pc == b.pc && a.state != GroupState::Barrier && b.state != GroupState::Barrier && !a.alone && !b.alone && a.frames == b.frames) {
                a.mask |= b.mask;
                a.state = GroupState::Runnable;
                groups_.erase(groups_.begin() + static_cast<std::ptrdiff_t>(j));
                divergentSteps_ = 0;
            } else {
                ++j;
            }
        }
    }
}

// Nobody can run. Lanes that wait at an aligned barrier for lanes that are elsewhere will wait for ever: that is the finding; then each group is let through
// by itself, as hardware does. Likewise __syncwarp() reached at different places of the program.
bool Warp::unblock() {
    for (Group& g : groups_) {
        if (g.state != GroupState::AlignedBarrier) continue;
        const Instr& in = kernel->code[g.pc];
        const std::uint32_t away = live & ~g.mask;
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(g.mask));
        block->launch.findings->report("barrier-divergence", block->site(*this, lane, in.line), [&] {
            return "only " + std::to_string(std::popcount(g.mask)) + " of the " + std::to_string(std::popcount(live)) + " live threads of warp " +
                   std::to_string(index) + " reached this barrier; the others wait elsewhere (thread mask " + std::to_string(away) + ")";
        });
        g.alone = true;
        g.state = GroupState::Runnable;
        return true;
    }
    std::uint32_t syncing = 0;
    for (const Group& g : groups_) {
        if (g.state == GroupState::WarpSync && kernel->code[g.pc].cls == Counter::inst_barrier) syncing |= g.mask;
    }
    for (Group& g : groups_) {
        if (g.state != GroupState::WarpSync || kernel->code[g.pc].cls != Counter::inst_barrier) continue;
        const std::uint32_t* need = slot<std::uint32_t>(kernel->code[g.pc].a);
        bool complete = syncing != g.mask;
        for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
            if ((g.mask >> lane & 1U) != 0 && (need[lane] & live & ~syncing) != 0) complete = false;
        }
        if (!complete) continue;
        for (Group& other : groups_) {
            if (other.state != GroupState::WarpSync || kernel->code[other.pc].cls != Counter::inst_barrier) continue;
            other.state = GroupState::Runnable;
            ++other.pc;
        }
        block->sharedShadow.warpBarrier(index);
        return true;
    }
    for (const Group& g : groups_) {
        if (g.state == GroupState::Barrier) return false;  // the block may yet let them go on
    }
    const Group& g = groups_.front();
    const Instr& in = kernel->code[g.pc];
    block->launch.findings->report("warp-sync", block->site(*this, static_cast<std::uint32_t>(std::countr_zero(g.mask)), in.line), [&] {
        return "threads of warp " + std::to_string(index) +
               " named in the member mask never reach this instruction: they wait at other instructions, so that none can go on";
    });
    throw Fault{CUDA_ERROR_LAUNCH_FAILED};
}

void Warp::branch(std::uint32_t taken, std::uint32_t target) {
    ++(*counters)[Counter::branches];
    if (taken == mask) {
        pc = target;
        return;
    }
    if (taken == 0) return;
    ++(*counters)[Counter::divergent_branches];
    split(taken, target);
}

void Warp::split(std::uint32_t lanes, std::uint32_t target) {
    mask &= ~lanes;
    Group other = groups_[current_];
    other.mask = lanes;
    other.pc = target;
    groups_.push_back(std::move(other));
    yieldPc_ = 0;
}

void Warp::exit(std::uint32_t lanes) {
    live &= ~lanes;
    mask &= ~lanes;
    wake();
    yieldPc_ = 0;
    block->threadsExited();
}

void Warp::wake() {
    for (Group& g : groups_) {
        if (g.state == GroupState::WarpSync || g.state == GroupState::AlignedBarrier) g.state = GroupState::Runnable;
    }
}

// Takes the execution of `in` by `lanes` back: they will execute it again.
void Warp::retry(const Instr& in, std::uint32_t lanes) { (*counters)[in.cls] -= static_cast<unsigned>(std::popcount(lanes)); }

bool Warp::converge(const Instr& in, std::uint32_t& lanes, const std::uint32_t* need) {
    std::uint32_t incomplete = 0;
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        if ((lanes >> lane & 1U) != 0 && (need[lane] & live & ~lanes) != 0) incomplete |= 1U << lane;
    }
    if (incomplete == 0) return true;
    retry(in, incomplete);
    if (incomplete == lanes) {
        if (lanes != mask) split(mask & ~lanes, pc);  // those that the guard excludes go on
        mask = lanes;
        --pc;
        current().state = GroupState::WarpSync;
        (*counters)[Counter::warp_instructions] -= 1;
        yieldPc_ = 0;
        return false;
    }
    split(incomplete, pc - 1);
    groups_.back().state = GroupState::WarpSync;
    lanes &= ~incomplete;
    return true;
}

void Warp::waitForWarp(const Instr& in, std::uint32_t lanes) {
    retry(in, lanes);
    (*counters)[Counter::warp_instructions] -= 1;
    if (lanes != mask) split(mask & ~lanes, pc);
    mask = lanes;
    --pc;
    current().state = GroupState::AlignedBarrier;
    yieldPc_ = 0;
}

void Warp::waitForBlock(std::uint32_t barrier) {
    current().state = GroupState::Barrier;
    current().barrier = barrier;
    current().alone = false;
    yieldPc_ = 0;
}

void Warp::release(std::uint32_t barrier) {
    for (Group& g : groups_) {
        if (g.state == GroupState::Barrier && g.barrier == barrier) g.state = GroupState::Runnable;
    }
}

// Registers of a function exist once per warp: a caller that may be called again before the call returns has its own saved.
void Warp::call(const CallSite& site) {
    Group& g = current();
    const FunctionInfo& caller = kernel->functions[site.caller];
    const FunctionInfo& callee = kernel->functions[site.function];
    Frame frame{pc, g.localBase, &site, nullptr};
    if (caller.recursive) {
        std::size_t bytes = 0;
        for (const auto& [offset, width] : caller.slots) bytes += width == 0 ? 4 : std::size_t{width} * kLanes;
        frame.saved = std::make_shared<std::vector<std::byte>>(bytes);
        std::byte* to = frame.saved->data();
        for (const auto& [offset, width] : caller.slots) {
            const std::size_t n = width == 0 ? 4 : std::size_t{width} * kLanes;
            std::memcpy(to, registers + offset, n);
            to += n;
        }
    }
    const std::uint32_t base = g.localBase + (caller.frameBytes + 15U) / 16U * 16U;
    LocalMemory& local = block->local[index];
    if (base + callee.frameBytes > kLocalLimit) {
        block->launch.findings->report("out-of-bounds", block->site(*this, static_cast<std::uint32_t>(std::countr_zero(mask)), kernel->code[pc - 1].line),
                                       [&] { return "stack overflow: call of " + callee.name + " needs more than " + std::to_string(kLocalLimit) + " bytes of local memory"; });
        throw Fault{CUDA_ERROR_ILLEGAL_ADDRESS};
    }
    local.reserve(base + callee.frameBytes);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        if ((mask >> lane & 1U) == 0) continue;
        std::memset(local.writtenAt(lane, base), 0, callee.frameBytes);
        for (std::size_t i = 0; i < site.arguments.size(); ++i) {
            const ParamInfo& p = callee.params[i];
            std::memcpy(local.at(lane, base + p.offset), local.at(lane, g.localBase + site.arguments[i]), p.bytes);
            std::memcpy(local.writtenAt(lane, base + p.offset), local.writtenAt(lane, g.localBase + site.arguments[i]), p.bytes);
        }
    }
    g.frames.push_back(std::move(frame));
    g.localBase = base;
    pc = callee.entry;
    yieldPc_ = 0;
}

void Warp::returnFromCall() {
    Group& g = current();
    const Frame frame = std::move(g.frames.back());
    g.frames.pop_back();
    const FunctionInfo& caller = kernel->functions[frame.call->caller];
    const FunctionInfo& callee = kernel->functions[frame.call->function];
    LocalMemory& local = block->local[index];
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        if ((mask >> lane & 1U) == 0) continue;
        for (std::size_t i = 0; i < frame.call->results.size(); ++i) {
            const ParamInfo& r = callee.returns[i];
            std::memcpy(local.at(lane, frame.localBase + frame.call->results[i]), local.at(lane, g.localBase + r.offset), r.bytes);
            std::memcpy(local.writtenAt(lane, frame.localBase + frame.call->results[i]), local.writtenAt(lane, g.localBase + r.offset), r.bytes);
        }
    }
    if (frame.saved) {
        const std::byte* from = frame.saved->data();
        for (const auto& [offset, width] : caller.slots) {
            if (width == 0) {
                std::uint32_t saved = 0;
                std::memcpy(&saved, from, 4);
                std::uint32_t& now = *slot<std::uint32_t>(offset);
                now = (now & ~mask) | (saved & mask);
                from += 4;
                continue;
            }
            for (std::uint32_t lane = 0; lane < kLanes; ++lane, from += width) {
                if ((mask >> lane & 1U) != 0) std::memcpy(registers + offset + std::size_t{lane} * width, from, width);
            }
        }
    }
    g.localBase = frame.localBase;
    pc = frame.returnPc;
    yieldPc_ = 0;
}

}  // namespace cudasim
