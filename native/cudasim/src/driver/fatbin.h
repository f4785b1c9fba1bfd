#pragma once

#include <cstddef>
#include <string>

namespace cudasim {

/// The PTX text in what cuModuleLoadData got: the text itself, or that of the newest architecture up to `computeCapability` in a fat binary.
/// @throws std::runtime_error that says what was found instead
std::string ptxFromImage(const void* image, int computeCapability);

}  // namespace cudasim
