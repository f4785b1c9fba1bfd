// Memory accesses of a warp: addresses become host pointers; bounds, alignment, initialisation and races are checked; sectors and bank conflicts counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "machine/warp.h"

namespace cudasim {

enum class AccessKind : std::uint8_t { Load, Store, Atomic };

inline constexpr unsigned kMaxAccessBytes = 32;

using LaneAddresses = std::array<std::uint64_t, kLanes>;
using LanePointers = std::array<std::byte*, kLanes>;
/// What a store is about to write, per lane: writing the value that is there already is no race.
using LaneData = std::array<std::array<std::byte, kMaxAccessBytes>, kLanes>;

/// The addresses that `in` forms: of its state space, or generic.
void formAddresses(Warp& warp, const Instr& in, std::uint32_t mask, LaneAddresses& out);

/// Pointers to `bytes` bytes at the addresses of the lanes of `mask`, in the space of the instruction.
/// @throws Fault after a finding, when an address is out of bounds, misaligned or freed
void resolve(Warp& warp, const Instr& in, std::uint32_t mask, unsigned bytes, AccessKind kind, const LaneAddresses& addresses, LanePointers& out,
             const LaneData* data = nullptr);

/// As resolve, for a space other than the instruction's (cp.async reads one and writes another).
void resolveIn(ptx::Space space, Warp& warp, const Instr& in, std::uint32_t mask, unsigned bytes, AccessKind kind, const LaneAddresses& addresses,
               LanePointers& out, const LaneData* data = nullptr);

/// One host pointer for a C string argument of vprintf and the like.
const char* resolveString(Warp& warp, const Instr& in, std::uint32_t lane, std::uint64_t generic);

}  // namespace cudasim
