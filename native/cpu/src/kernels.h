// The tables that kernels.cpp defines once for each instruction set.
#pragma once

#include "nightjar_cpu.h"

namespace nj {
extern const nj_kernels baseline_kernels;
#if defined(__x86_64__)
extern const nj_kernels avx2_kernels;
extern const nj_kernels avx512_kernels;
#endif
}  // namespace nj
