// How many sectors of global memory and how many passes over the banks of shared memory one access of a warp takes.
#pragma once

#include "machine/access.h"
#include "machine/counters.h"
#include "machine/memory.h"

namespace cudasim {

void countGlobal(Counters& counters, DeviceMemory& memory, std::uint32_t epoch, std::uint32_t mask, unsigned bytes, AccessKind kind,
                 const LaneAddresses& addresses);

void countShared(Counters& counters, std::uint32_t mask, unsigned bytes, AccessKind kind, const LaneAddresses& offsets);

/// Passes that the lanes of `mask` need together: the greatest number of distinct 4-byte words in one of the 32 banks.
unsigned wavefronts(std::uint32_t mask, unsigned bytes, const LaneAddresses& offsets);

}  // namespace cudasim
