// A warp: registers of 32 threads, and the groups of threads that stand at different places of the program.
//
// Threads that are at the same instruction run in lock step. A branch that they do not agree on splits the group; of several groups the one with the deepest
// call stack and then the lowest address runs until it meets another (they merge), so that structured code reconverges where the compiler
// meant it to. Whoever has run for long without meeting anybody lets the others go on: every thread makes progress, as on hardware since Volta.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "isa/instr.h"
#include "machine/counters.h"

namespace cudasim {

class Block;
struct Launch;

/// Ends the launch; the finding has been reported.
struct Fault {
    int result;  // a CUresult
};

struct Frame {
    std::uint32_t returnPc;
    std::uint32_t localBase;                          // of the caller
    const CallSite* call;
    std::shared_ptr<std::vector<std::byte>> saved;    // the caller's registers, when the call may be recursive
    friend bool operator==(const Frame&, const Frame&) = default;
};

enum class GroupState : std::uint8_t {
    Runnable,
    WarpSync,        // at an instruction that other threads of the warp must reach, too
    AlignedBarrier,  // at a barrier that the whole warp must reach together
    Barrier          // arrived at a barrier of the block
};

struct Group {
    std::uint32_t mask = 0;
    std::uint32_t pc = 0;
    std::uint32_t localBase = 0;
    GroupState state = GroupState::Runnable;
    std::uint32_t barrier = 0;
    bool alone = false;  // goes through the aligned barrier without the rest of its warp: that was reported
    std::vector<Frame> frames;
};

/// A cp.async that has not been waited for. The bytes are copied when it is, so that whoever does not wait does not see them.
struct PendingCopy {
    const Instr* instr;
    std::uint32_t lanes;                              // that have not waited for it
    std::array<std::uint32_t, kLanes> group;          // number of groups the lane had committed before
    std::array<std::uint64_t, kLanes> to;             // offset in shared memory
    std::array<const std::byte*, kLanes> from;
    std::array<std::uint8_t, kLanes> sourceBytes;     // the rest is zero
};

struct Warp {
    enum class Status { Finished, Waiting, Turn };

    // What handlers use.
    std::byte* registers = nullptr;
    const Kernel* kernel = nullptr;
    Block* block = nullptr;
    Counters* counters = nullptr;
    std::uint32_t index = 0;
    std::uint32_t live = 0;       // lanes that have not exited
    std::uint32_t everLive = 0;   // lanes that exist
    std::uint32_t mask = 0;       // lanes of the running group
    std::uint32_t pc = 0;         // of the next instruction of the running group
    std::vector<PendingCopy> copies;
    std::array<std::uint32_t, kLanes> copyGroup{};  // groups that the lane has committed

    template <class T>
    T* slot(std::uint32_t offset) {
        return reinterpret_cast<T*>(registers + offset);
    }

    void start(std::uint32_t lanes);
    /// Runs for at most `turn` instructions, and takes those it ran from it.
    Status run(std::uint64_t& turn);

    Group& current() { return groups_[current_]; }
    std::uint32_t localBase() const { return groups_[current_].localBase; }
    std::vector<Group>& groups() { return groups_; }
    const FunctionInfo& function(const Group& group) const;

    // Control flow, for handlers; pc is already at the next instruction.

    /// Lanes of `taken` go to `target`.
    void branch(std::uint32_t taken, std::uint32_t target);
    /// Lanes of `lanes` become a group of their own at `target`.
    void split(std::uint32_t lanes, std::uint32_t target);
    void exit(std::uint32_t lanes);
    /// For an instruction that lane l executes together with all live lanes of need[l]: true when all of them are here. Lanes that miss some wait; those that
    /// do not go on, and `lanes` (as the group itself) is narrowed to them. False when none can go on: the handler must return.
    bool converge(const Instr& in, std::uint32_t& lanes, const std::uint32_t* need);
    /// The group waits at the barrier instruction for the rest of its warp.
    void waitForWarp(const Instr& in, std::uint32_t lanes);
    /// The group waits behind the barrier instruction for the rest of its block.
    void waitForBlock(std::uint32_t barrier);
    void release(std::uint32_t barrier);
    void call(const CallSite& site);
    void returnFromCall();

private:
    bool schedule();
    void mergeEqual();
    bool unblock();
    void retry(const Instr& in, std::uint32_t lanes);
    void wake();

    std::vector<Group> groups_;
    std::size_t current_ = 0;
    std::uint32_t yieldPc_ = 0;
    std::uint32_t divergentSteps_ = 0;
    bool rotate_ = false;
};

}  // namespace cudasim
