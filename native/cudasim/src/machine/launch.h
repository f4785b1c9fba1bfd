// A kernel launch, and the worker threads that execute its blocks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "check/findings.h"
#include "isa/instr.h"
#include "machine/counters.h"
#include "machine/memory.h"

namespace cudasim {

struct Launch {
    const Kernel* kernel = nullptr;
    std::array<std::uint32_t, 3> grid{1, 1, 1};
    std::array<std::uint32_t, 3> block{1, 1, 1};
    std::uint32_t dynamicShared = 0;
    std::vector<std::byte> params;
    bool cooperative = false;
    std::uint64_t gridId = 0;

    DeviceMemory* memory = nullptr;
    Findings* findings = nullptr;
    bool checks = true;
    std::uint64_t seed = 0;
    unsigned workers = 1;
    unsigned multiprocessors = 1;
    std::uint64_t maxInstructions = 0;
    std::uint32_t epoch = 0;  // of DRAM accounting

    std::uint32_t threads() const { return block[0] * block[1] * block[2]; }
    std::uint64_t blocks() const { return std::uint64_t{grid[0]} * grid[1] * grid[2]; }
};

struct LaunchResult {
    int result = 0;  // a CUresult
    Counters counters;
};

/// Executes all blocks. Findings are reported; the first that ends the launch decides the result.
LaunchResult execute(Launch& launch);

}  // namespace cudasim
