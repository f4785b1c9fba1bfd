// The tile registers of AMX in plain C++, after the operations in Intel's instruction set reference (LDTILECFG, TILELOADD, TILESTORED,
// TILEZERO, TILERELEASE, TDPBSUD, TDPBF16PS). What a processor would refuse is counted and does nothing.
#pragma once

#include <cstdint>

namespace emulation {

void load_config(const void* config);
void release();
void zero(int tile);
void load(int tile, const void* from, int64_t step);
void store(int tile, void* to, int64_t step);
void dpbsud(int sum, int left, int right);
void dpbf16ps(int sum, int left, int right);

// Whether tiles are configured, which a thread must not be after a call.
bool configured();

// So many instructions would have faulted; `reason` of the last one.
int faults();
const char* reason();

}  // namespace emulation
