// Checks a launch's geometry and arguments, and makes the work that executes it.
#pragma once

#include "driver/state.h"

namespace cudasim {

/// @throws ApiError after a finding `launch` that says what is wrong
Work kernelWork(Driver& driver, const CUDA_KERNEL_NODE_PARAMS& params, bool cooperative);

}  // namespace cudasim
