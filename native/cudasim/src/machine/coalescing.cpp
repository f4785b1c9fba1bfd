#include "machine/coalescing.h"

#include <algorithm>
#include <bit>

namespace cudasim {
namespace {

constexpr unsigned kBanks = 32;
constexpr unsigned kBankBytes = 4;

struct CounterSet {
    Counter requests, units, bytes, conflicts;
};

// Lane 0 to 31 access consecutive elements.
bool isUnitStride(std::uint32_t mask, unsigned bytes, const LaneAddresses& a) {
    if (mask != kFullMask) return false;
    bool unit = true;
    for (std::uint32_t lane = 1; lane < kLanes; ++lane) unit &= a[lane] == a[0] + std::uint64_t{lane} * bytes;
    return unit;
}

}  // namespace

void countGlobal(Counters& counters, DeviceMemory& memory, std::uint32_t epoch, std::uint32_t mask, unsigned bytes, AccessKind kind,
                 const LaneAddresses& addresses) {
    // The distinct sectors, by number. Addresses usually ascend, so that a new sector is beyond all others.
    std::array<std::uint64_t, kLanes> sectors;
    unsigned count = 0;
    std::uint64_t greatest = 0;
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        // Accesses are aligned and at most a sector wide: each lies in one sector.
        const std::uint64_t sector = addresses[lane] / kSectorBytes;
        if (sector <= greatest && std::find(sectors.begin(), sectors.begin() + count, sector) != sectors.begin() + count) continue;
        greatest = std::max(greatest, sector);
        sectors[count++] = sector;
        if (!memory.inWindow(addresses[lane])) continue;  // host memory
        if (kind != AccessKind::Store && memory.firstRead(addresses[lane], epoch)) counters[Counter::dram_read_bytes] += kSectorBytes;
        if (kind != AccessKind::Load && memory.firstWrite(addresses[lane], epoch)) counters[Counter::dram_write_bytes] += kSectorBytes;
    }
    static constexpr std::array<CounterSet, 3> kSets{{
        {Counter::global_load_requests, Counter::global_load_sectors, Counter::global_load_bytes, {}},
        {Counter::global_store_requests, Counter::global_store_sectors, Counter::global_store_bytes, {}},
        {Counter::global_atomic_requests, Counter::global_atomic_sectors, Counter::global_atomic_bytes, {}},
    }};
    const CounterSet& set = kSets[static_cast<std::size_t>(kind)];
    ++counters[set.requests];
    counters[set.units] += count;
    counters[set.bytes] += static_cast<unsigned>(std::popcount(mask)) * bytes;
}

unsigned wavefronts(std::uint32_t mask, unsigned bytes, const LaneAddresses& offsets) {
    std::array<std::array<std::uint64_t, kLanes>, kBanks> words;
    std::array<unsigned, kBanks> count{};
    unsigned worst = 0;
    const unsigned wordsPerLane = std::max(1U, bytes / kBankBytes);
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        for (unsigned i = 0; i < wordsPerLane; ++i) {
            const std::uint64_t word = offsets[lane] / kBankBytes + i;
            auto& seen = words[word % kBanks];
            unsigned& n = count[word % kBanks];
            if (std::find(seen.begin(), seen.begin() + n, word) != seen.begin() + n) continue;
            seen[n++] = word;
            worst = std::max(worst, n);
        }
    }
    return worst;
}

void countShared(Counters& counters, std::uint32_t mask, unsigned bytes, AccessKind kind, const LaneAddresses& offsets) {
    static constexpr std::array<CounterSet, 3> kSets{{
        {Counter::shared_load_requests, Counter::shared_load_wavefronts, Counter::shared_load_bytes, Counter::shared_load_bank_conflicts},
        {Counter::shared_store_requests, Counter::shared_store_wavefronts, Counter::shared_store_bytes, Counter::shared_store_bank_conflicts},
        {Counter::shared_atomic_requests, Counter::shared_atomic_wavefronts, Counter::shared_atomic_bytes, Counter::shared_atomic_bank_conflicts},
    }};
    const CounterSet& set = kSets[static_cast<std::size_t>(kind)];
    // A pass moves 128 bytes: lanes with 8 bytes go in two halves of the warp, with 16 bytes in four quarters.
    const unsigned lanesPerPhase = std::min(kLanes, kBanks * kBankBytes / bytes);
    unsigned passes = 0;
    unsigned phases = 0;
    if (isUnitStride(mask, bytes, offsets) && offsets[0] % (bytes < kBankBytes ? kBankBytes : bytes) == 0) {
        passes = phases = kLanes / lanesPerPhase;
    } else {
        for (unsigned first = 0; first < kLanes; first += lanesPerPhase) {
            const std::uint32_t phase = mask & (lanesPerPhase == kLanes ? kFullMask : ((1U << lanesPerPhase) - 1) << first);
            if (phase == 0) continue;
            ++phases;
            passes += wavefronts(phase, bytes, offsets);
        }
    }
    ++counters[set.requests];
    counters[set.units] += passes;
    counters[set.conflicts] += passes - phases;
    counters[set.bytes] += static_cast<unsigned>(std::popcount(mask)) * bytes;
}

}  // namespace cudasim
