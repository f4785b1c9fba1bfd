// Race and initialisation checking of one block's shared memory.
//
// Every byte remembers who last wrote and who last read it, and when. "When" is a clock per warp that a barrier
// advances; each warp knows up to which clock of every other warp it is ordered (a vector clock). Two accesses of one
// byte by different threads, one of them a write, race unless a barrier - or, within a warp, a bar.warp.sync - orders
// them. Accesses that are strong in PTX's sense (atomic, volatile, relaxed, acquire, release) do not race with each
// other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace cudasim {

enum class Hazard : std::uint8_t { None, Uninitialized, ReadAfterWrite, WriteAfterRead, WriteAfterWrite };

class SharedShadow {
public:
    static constexpr int kManyThreads = -1;

    /// Forgets everything: a new block of `warps` warps with `bytes` of shared memory.
    void reset(std::size_t bytes, unsigned warps);

    /// The accessing thread's view; made once per warp instruction.
    struct View {
        unsigned warp;
        std::uint16_t clock;
        bool strong;
    };
    View view(unsigned warp, bool strong) const { return {warp, clock_[warp], strong}; }

    /// `other` becomes the thread on the other side of a race, or kManyThreads.
    Hazard read(std::size_t offset, unsigned bytes, unsigned thread, View view, int& other);
    Hazard write(std::size_t offset, unsigned bytes, unsigned thread, View view, int& other);

    /// All live warps of the block met at a barrier.
    void blockBarrier();
    /// Some of them did.
    void partialBarrier(std::span<const unsigned> warps);
    /// The threads of a warp met.
    void warpBarrier(unsigned warp);

private:
    struct Cell {
        // 0 nobody, else thread + 1, kManyOfWarp + warp, kMany. kStrong is added to a writer whose access was strong.
        std::uint16_t writer = 0;
        std::uint16_t reader = 0;
        std::uint16_t writeClock = 0;
        std::uint16_t readClock = 0;
    };
    static constexpr std::uint16_t kStrong = 0x8000;
    static constexpr std::uint16_t kMany = 0x7fff;
    static constexpr std::uint16_t kManyOfWarp = 0x4000;

    static unsigned warpOf(std::uint16_t who);
    static int threadOf(std::uint16_t who);
    static std::uint16_t merged(std::uint16_t who, unsigned warp);
    bool ordered(std::uint16_t who, std::uint16_t clock, std::uint16_t me, const View& view) const;
    void renumber();

    std::vector<Cell> cells_;
    unsigned warps_ = 0;
    bool partial_ = false;               // a barrier of only some warps happened
    std::uint16_t full_ = 0;             // accesses at clocks below are ordered for everybody
    std::vector<std::uint16_t> clock_;   // per warp
    // [warp][other]: accesses of `other` up to this clock are ordered before what `warp` does now
    std::vector<std::uint16_t> known_;
};

}  // namespace cudasim
