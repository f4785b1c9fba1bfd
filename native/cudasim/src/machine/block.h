// A thread block: its warps, shared memory and barriers. An object executes one block after another and keeps its buffers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "check/shared_shadow.h"
#include "machine/launch.h"
#include "machine/warp.h"

namespace cudasim {

/// Local memory of one warp: every lane has its own stack.
struct LocalMemory {
    std::uint32_t capacity = 0;  // bytes per lane
    std::vector<std::byte> data;
    std::vector<std::uint8_t> written;

    void reserve(std::uint32_t bytes);
    void clear() { std::fill(written.begin(), written.end(), std::uint8_t{0}); }
    std::byte* at(std::uint32_t lane, std::uint32_t offset) { return data.data() + std::size_t{lane} * capacity + offset; }
    std::uint8_t* writtenAt(std::uint32_t lane, std::uint32_t offset) { return written.data() + std::size_t{lane} * capacity + offset; }
};

class Block {
public:
    explicit Block(Launch& launch);

    void start(std::uint64_t index);
    /// Runs until the block has finished (true) or about `budget` instructions were executed.
    bool run(std::uint64_t budget);

    Launch& launch;
    Counters counters;
    std::array<std::uint32_t, 3> position{};
    std::vector<std::byte> shared;
    SharedShadow sharedShadow;
    std::vector<LocalMemory> local;  // per warp

    bool inSharedVariable(std::uint64_t offset, unsigned bytes) const;
    std::string describeShared(std::uint64_t offset) const;
    std::uint32_t threadOf(const Warp& warp, std::uint32_t lane) const { return warp.index * kLanes + lane; }
    Site site(const Warp& warp, std::uint32_t lane, int line) const;

    struct BarrierUse {
        std::uint32_t id = 0;
        std::uint32_t threads = 0;  // 0: all of the block
        bool wait = true;
    };
    /// The lanes of the running group of `warp` arrive; `predicate` are those whose predicate holds (barrier.red).
    void arrive(Warp& warp, const Instr& in, std::uint32_t lanes, BarrierUse use, std::uint32_t predicate);
    void threadsExited();

private:
    struct Arrival {
        Warp* warp;
        std::uint32_t lanes;
        const Instr* instr;
        bool waits;
    };
    struct Barrier {
        std::vector<Arrival> arrivals;
        std::uint32_t arrived = 0;
        std::uint32_t expected = 0;  // 0: all of the block
        std::uint32_t holding = 0;   // threads whose predicate holds
    };

    void initialiseSpecials(Warp& warp);
    void complete(std::uint32_t id);
    void reportDeadlock();
    std::uint64_t turnLength();

    std::unique_ptr<std::byte[]> registerStorage_;
    std::vector<Warp> warps_;
    std::array<Barrier, 16> barriers_;
    std::mt19937_64 random_;
    std::uint32_t liveThreads_ = 0;
    std::uint64_t executed_ = 0;
};

}  // namespace cudasim
