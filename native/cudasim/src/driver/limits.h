// What the simulated device says about itself.
#pragma once

#include <cuda.h>

#include <optional>

#include "driver/options.h"

namespace cudasim {

inline constexpr int kDefaultSharedLimit = 48 * 1024;

/// Shared memory that one block may have when its function opts in, by compute capability (CUDA C++ Programming Guide, technical specifications).
int sharedLimitOptIn(int computeCapability);

std::optional<int> deviceAttribute(const Options& options, CUdevice_attribute attribute);

}  // namespace cudasim
