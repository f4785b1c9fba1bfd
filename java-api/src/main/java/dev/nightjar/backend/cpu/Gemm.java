package dev.nightjar.backend.cpu;

import dev.nightjar.tensor.DType;

/** Products of matrices on the calling thread, summed up in float32. Thread-safe. */
interface Gemm {
    /** Whether factors may be of a type; float32 always. */
    default boolean multiplies(DType type) {
        return type == DType.F32;
    }

    /**
     * C = op(A) op(B) + beta C, everything row-major, op transposing where asked to. Equal arguments give equal bits.
     *
     * @param type of A and B, one that this {@linkplain #multiplies multiplies}; C is float32
     * @param m rows of C and op(A)
     * @param n columns of C and op(B)
     * @param k columns of op(A), rows of op(B)
     * @param a address of A, which is [m, k] or, transposed, [k, m]
     * @param lda elements between A's rows as they lie in memory
     * @param b address of B, which is [k, n] or, transposed, [n, k]
     * @param beta 0 or 1; with 0 C is not read
     * @param c address of C, [m, n]
     */
    void multiply(DType type, boolean transposeA, boolean transposeB, int m, int n, int k, long a, int lda, long b,
            int ldb, float beta, long c, int ldc);
}
