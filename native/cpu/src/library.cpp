// Choice of the instruction set. Compiled for the baseline, because it runs before anything is known about the processor.
#include "kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

#if defined(__x86_64__)
// Whether there are tile registers with products of int8 and bfloat16, and this process may use them: Linux saves their 8 KiB only for
// processes that asked. Asking again changes nothing.
bool amx() {
    uint32_t eax, ebx, ecx, edx;
    const uint32_t features = 1u << 22 | 1u << 24 | 1u << 25;  // AMX-BF16, AMX-TILE, AMX-INT8
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (edx & features) != features) {
        return false;
    }
    const uint32_t states = 1u << 17 | 1u << 18;  // XTILECFG, XTILEDATA
    uint32_t enabled, upper;
    asm("xgetbv" : "=a"(enabled), "=d"(upper) : "c"(0));
    const long ask_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return (enabled & states) == states && syscall(SYS_arch_prctl, ask_permission, tile_data) == 0;
}
#endif

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
        case NJ_ISA_AMX:
            return supported(NJ_ISA_AVX512_BF16) && amx();
        default:
            return false;
    }
#else
    return isa == NJ_ISA_BASELINE;
#endif
}

}  // namespace

int32_t nj_cpu_abi(void) { return NJ_CPU_ABI; }

const nj_kernels* nj_kernels_for(int32_t isa) {
    if (!supported(isa)) {
        return nullptr;
    }
#if defined(__x86_64__)
    if (isa >= NJ_ISA_AVX512) {
        return &nj::avx512_kernels;
    }
    if (isa == NJ_ISA_AVX2) {
        return &nj::avx2_kernels;
    }
#endif
    return &nj::baseline_kernels;
}

const nj_kernels* nj_bfloat16_kernels_for(int32_t isa) {
#if defined(__x86_64__)
    if (isa >= NJ_ISA_AVX512_BF16 && supported(isa)) {
        return &nj::avx512bf16_kernels;
    }
#else
    static_cast<void>(isa);
#endif
    return nullptr;
}

const nj_products* nj_float_products_for(int32_t isa) {
    if (!supported(isa)) {
        return nullptr;
    }
#if defined(__x86_64__)
    if (isa >= NJ_ISA_AVX512) {
        return &nj::avx512_float_products;
    }
    if (isa == NJ_ISA_AVX2) {
        return &nj::avx2_float_products;
    }
#endif
    return &nj::baseline_float_products;
}

const nj_low_precision* nj_low_precision_for(int32_t isa) {
#if defined(__x86_64__)
    if (supported(isa)) {
        switch (isa) {
            case NJ_ISA_AVX512_VNNI:
                return &nj::avx512vnni_low_precision;
            case NJ_ISA_AVX512_BF16:
                return &nj::avx512bf16_low_precision;
            case NJ_ISA_AMX:
                return &nj::amx_low_precision;
            default:
                break;
        }
    }
#else
    static_cast<void>(isa);
#endif
    return nullptr;
}
