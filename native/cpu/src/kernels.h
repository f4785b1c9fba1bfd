// The tables that kernels.cpp and its like define once for each instruction set.
#pragma once

#include "nightjar_cpu.h"

namespace nj {
extern const nj_kernels baseline_kernels;
extern const nj_products baseline_float_products;
#if defined(__x86_64__)
extern const nj_kernels avx2_kernels;
extern const nj_kernels avx512_kernels;
extern const nj_kernels avx512bf16_kernels;  // of bfloat16
extern const nj_products avx2_float_products;
extern const nj_products avx512_float_products;
extern const nj_low_precision avx512vnni_low_precision;
extern const nj_low_precision avx512bf16_low_precision;
extern const nj_low_precision amx_low_precision;
#endif
}  // namespace nj
