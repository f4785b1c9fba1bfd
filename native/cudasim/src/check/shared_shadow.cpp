#include "check/shared_shadow.h"

namespace cudasim {
namespace {

constexpr unsigned kWarpSize = 32;
constexpr std::uint16_t kLastClock = 0xfff0;

}  // namespace

void SharedShadow::reset(std::size_t bytes, unsigned warps) {
    cells_.assign(bytes, Cell{});
    warps_ = warps;
    partial_ = false;
    full_ = 0;
    clock_.assign(warps, 1);
    known_.assign(std::size_t{warps} * warps, 0);
}

// Of a thread or of several threads of one warp.
unsigned SharedShadow::warpOf(std::uint16_t who) {
    return who >= kManyOfWarp ? who - kManyOfWarp : (who - 1U) / kWarpSize;
}

int SharedShadow::threadOf(std::uint16_t who) { return who >= kManyOfWarp ? kManyThreads : who - 1; }

// `who` and another thread of `warp`: "many", if possible of one warp, which a bar.warp.sync orders.
std::uint16_t SharedShadow::merged(std::uint16_t who, unsigned warp) {
    return who != kMany && warpOf(who) == warp ? static_cast<std::uint16_t>(kManyOfWarp + warp) : kMany;
}

bool SharedShadow::ordered(std::uint16_t who, std::uint16_t clock, std::uint16_t me, const View& view) const {
    if (clock < full_ || who == me) return true;
    if (who == kMany) {
        // Which threads these were is forgotten. After barriers of only some warps one ordered warp is taken for all.
        if (!partial_) return false;
        for (unsigned w = 0; w < warps_; ++w) {
            if (w != view.warp && known_[std::size_t{view.warp} * warps_ + w] >= clock) return true;
        }
        return false;
    }
    const unsigned warp = warpOf(who);
    if (warp == view.warp) return clock < view.clock;
    return known_[std::size_t{view.warp} * warps_ + warp] >= clock;
}

Hazard SharedShadow::read(std::size_t offset, unsigned bytes, unsigned thread, View view, int& other) {
    const auto me = static_cast<std::uint16_t>(thread + 1);
    Cell* cell = &cells_[offset];
    for (Cell* const end = cell + bytes; cell != end; ++cell) {
        if (cell->writeClock >= full_) [[unlikely]] {
            if (cell->writer == 0) return Hazard::Uninitialized;
            const auto writer = static_cast<std::uint16_t>(cell->writer & ~kStrong);
            const bool bothStrong = view.strong && (cell->writer & kStrong) != 0;
            if (!bothStrong && !ordered(writer, cell->writeClock, me, view)) {
                other = threadOf(writer);
                return Hazard::ReadAfterWrite;
            }
        } else if (cell->writer == 0) [[unlikely]] {
            return Hazard::Uninitialized;
        }
        if (view.strong) continue;
        // Keep the reader that is hardest to be ordered with: one of this clock, or "many" of them.
        const bool stale = cell->reader == 0 || cell->readClock < full_ ||
                           ordered(cell->reader, cell->readClock, me, view);
        cell->reader = stale ? me : merged(cell->reader, view.warp);
        cell->readClock = view.clock;
    }
    return Hazard::None;
}

Hazard SharedShadow::write(std::size_t offset, unsigned bytes, unsigned thread, View view, int& other) {
    const auto me = static_cast<std::uint16_t>(thread + 1);
    Cell* cell = &cells_[offset];
    Hazard hazard = Hazard::None;
    for (Cell* const end = cell + bytes; cell != end; ++cell) {
        std::uint16_t becomes = view.strong ? me | kStrong : me;
        if (cell->readClock >= full_ && cell->reader != 0 &&
            !ordered(cell->reader, cell->readClock, me, view)) [[unlikely]] {
            hazard = Hazard::WriteAfterRead;
            other = threadOf(cell->reader);
        }
        if (cell->writeClock >= full_ && cell->writer != 0) {
            const auto writer = static_cast<std::uint16_t>(cell->writer & ~kStrong);
            if (!ordered(writer, cell->writeClock, me, view)) [[unlikely]] {
                if (view.strong && (cell->writer & kStrong) != 0) {
                    becomes = merged(writer, view.warp) | kStrong;
                } else {
                    hazard = Hazard::WriteAfterWrite;
                    other = threadOf(writer);
                }
            }
        }
        cell->writer = becomes;
        cell->writeClock = view.clock;
    }
    return hazard;
}

void SharedShadow::blockBarrier() {
    const std::uint16_t latest = *std::max_element(clock_.begin(), clock_.end());
    full_ = static_cast<std::uint16_t>(latest + 1);
    std::fill(clock_.begin(), clock_.end(), full_);
    if (partial_) std::fill(known_.begin(), known_.end(), latest);
    if (full_ >= kLastClock) renumber();
}

void SharedShadow::partialBarrier(std::span<const unsigned> warps) {
    partial_ = true;
    std::vector<std::uint16_t> joined(warps_, 0);
    for (const unsigned w : warps) {
        for (unsigned o = 0; o < warps_; ++o) joined[o] = std::max(joined[o], known_[std::size_t{w} * warps_ + o]);
    }
    for (const unsigned w : warps) joined[w] = std::max(joined[w], clock_[w]);
    for (const unsigned w : warps) {
        std::copy(joined.begin(), joined.end(), known_.begin() + static_cast<std::ptrdiff_t>(std::size_t{w} * warps_));
        if (++clock_[w] >= kLastClock) renumber();
    }
}

void SharedShadow::warpBarrier(unsigned warp) {
    if (++clock_[warp] >= kLastClock) renumber();
}

// The clocks are about to overflow: start again, taking everything so far as ordered. That can hide a race once in
// 65000 barriers, never invent one.
void SharedShadow::renumber() {
    for (Cell& cell : cells_) {
        cell.reader = 0;
        cell.readClock = 0;
        cell.writeClock = 0;
    }
    full_ = 1;
    std::fill(clock_.begin(), clock_.end(), std::uint16_t{1});
    std::fill(known_.begin(), known_.end(), std::uint16_t{0});
}

}  // namespace cudasim
