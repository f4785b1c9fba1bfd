// The widest vector of floats of the instruction set that a file is compiled for.
#pragma once

#include <cstdint>

namespace {

#if defined(__AVX512F__)
constexpr int32_t kLanes = 16;
#elif defined(__AVX2__)
constexpr int32_t kLanes = 8;
#else
constexpr int32_t kLanes = 4;
#endif

// At any float.
typedef float Vector __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

}  // namespace
