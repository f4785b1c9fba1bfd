// Choice of the instruction set. Compiled for the baseline, because it runs before anything is known about the processor.
#include "kernels.h"

namespace {

bool supported(int32_t isa) {
#if defined(__x86_64__)
    // The builtins also ask whether the operating system saves the wider registers.
    switch (isa) {
        case NJ_ISA_BASELINE:
            return true;
        case NJ_ISA_AVX2:
            return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        case NJ_ISA_AVX512:
            return supported(NJ_ISA_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
        case NJ_ISA_AVX512_VNNI:
            return supported(NJ_ISA_AVX512) && __builtin_cpu_supports("avx512vnni");
        case NJ_ISA_AVX512_BF16:
            return supported(NJ_ISA_AVX512_VNNI) && __builtin_cpu_supports("avx512bf16");
        default:
            return false;
    }
#else
    return isa == NJ_ISA_BASELINE;
#endif
}

}  // namespace

int32_t nj_cpu_abi(void) { return NJ_CPU_ABI; }

int32_t nj_best_isa(void) {
    int32_t isa = NJ_ISA_COUNT - 1;
    while (!supported(isa)) {
        isa--;
    }
    return isa;
}

const nj_kernels* nj_kernels_for(int32_t isa) {
    if (!supported(isa)) {
        return nullptr;
    }
    switch (isa) {
#if defined(__x86_64__)
        case NJ_ISA_AVX2:
            return &nj::avx2_kernels;
        case NJ_ISA_AVX512:
        case NJ_ISA_AVX512_VNNI:
        case NJ_ISA_AVX512_BF16:
            return &nj::avx512_kernels;
#endif
        default:
            return &nj::baseline_kernels;
    }
}

const nj_low_precision* nj_low_precision_for(int32_t isa) {
#if defined(__x86_64__)
    if (isa >= NJ_ISA_AVX512_VNNI && supported(isa)) {
        return isa == NJ_ISA_AVX512_VNNI ? &nj::avx512vnni_low_precision : &nj::avx512bf16_low_precision;
    }
#else
    static_cast<void>(isa);
#endif
    return nullptr;
}
