// Tensor-core and asynchronous-copy instructions, with what sm_75 has instead, and the shared-memory layout that feeds them without bank
// conflicts.
#pragma once

#include "storage.cuh"

namespace nj {

__device__ inline unsigned sharedAddress(const void* pointer) {
    return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

/** Two neighbours in shared memory in one access: the compiler would sometimes take it apart, and halves would conflict. */
__device__ inline void storePair(float* shared, float x, float y) {
    asm volatile("st.shared.v2.f32 [%0], {%1, %2};\n" ::"r"(sharedAddress(shared)), "f"(x), "f"(y) : "memory");
}

/**
 * Shared memory = 16 bytes of global memory, or zeros where `present` is false (the address is then not read). From sm_80 on the copy is
 * asynchronous, until awaitCopies(); before that it is an ordinary load and store, and what follows has nothing to wait for.
 */
__device__ inline void copyPacket(void* shared, const void* global, bool present) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(sharedAddress(shared)), "l"(global),
                 "r"(present ? 16 : 0)
                 : "memory");
#else
    *static_cast<uint4*>(shared) = present ? *static_cast<const uint4*>(global) : make_uint4(0, 0, 0, 0);
#endif
}

/** Ends a group of copies. */
__device__ inline void commitCopies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}

/** Waits until at most `pending` of this thread's groups, the newest, are under way; other threads' need a barrier after it. */
template <int pending> __device__ inline void awaitCopies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;\n" ::"n"(pending) : "memory");
#endif
}

/**
 * Byte offset of 16-byte chunk `chunk` of row `row` in a tile whose rows take `rowBytes` (64, 128 or 256). Chunks are permuted inside each
 * 128-byte line so that the same chunk of eight consecutive rows falls on all 32 banks (ldmatrix reads that), and so do eight consecutive
 * chunks (copies write that).
 */
template <int rowBytes> __device__ inline int swizzled(int row, int chunk) {
    static_assert(rowBytes == 64 || rowBytes == 128 || rowBytes == 256, "rows are half a line, one or two");
    if constexpr (rowBytes == 64) return row * 64 + ((chunk ^ (row >> 1 & 3)) * 16);
    return row * rowBytes + ((chunk ^ (row & 7)) * 16);
}

#if NJ_TENSOR_CORES

/** Four 8x8 matrices of 16-bit elements; lane l gives the address of row l % 8 of matrix l / 8. */
__device__ inline void loadMatrices(unsigned (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(sharedAddress(row))
                 : "memory");
}

/** The same, each matrix transposed. */
__device__ inline void loadMatricesTransposed(unsigned (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(sharedAddress(row))
                 : "memory");
}

/**
 * c [16, 8] += a [16, 16] b [16, 8], float32 accumulation. With g = lane / 4 and t = lane % 4, two neighbours in each register:
 * a = (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8); b = (2t, g), (2t + 8, g); c = (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
 */
__device__ inline void multiplyAdd(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#if __CUDA_ARCH__ >= 800
#if defined(NJ_BF16)
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
#endif
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(b0));
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
}

/** Two floats rounded to the storage type, the first in the low half: how fragments hold neighbours. */
__device__ inline unsigned pack(float low, float high) {
    union {
        S element[2];
        unsigned bits;
    } pair;
    pair.element[0] = fromFloat<S>(low);
    pair.element[1] = fromFloat<S>(high);
    return pair.bits;
}

#endif  // NJ_TENSOR_CORES

}  // namespace nj
