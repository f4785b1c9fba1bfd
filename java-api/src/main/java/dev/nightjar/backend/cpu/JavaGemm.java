package dev.nightjar.backend.cpu;

import dev.nightjar.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Products in plain Java, for machines without oneDNN. Blocks of both factors are copied to arrays, one for each row and all indexed
 * alike, which is the form of loop that HotSpot's compiler turns into vector instructions.
 */
final class JavaGemm implements Gemm {
    private static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
    /** Rows of A and steps of k that one pass over a row of B serves. */
    private static final int UNROLL = 4;
    private static final int BLOCK_K = 128;
    private static final int BLOCK_N = 256;

    /** A block of each matrix; 140 kB, so a block of B stays in the second-level cache while all rows of A pass over it. */
    private static final class Blocks {
        final float[][] a = new float[UNROLL][BLOCK_K];
        final float[][] b = new float[BLOCK_K][BLOCK_N];
        final float[][] c = new float[UNROLL][BLOCK_N];
    }

    private final ThreadLocal<Blocks> blocks = ThreadLocal.withInitial(Blocks::new);

    @Override
    public void multiply(DType type, boolean transposeA, boolean transposeB, int m, int n, int k, long a, int lda,
            long b,
            int ldb, float beta, long c, int ldc) {
        Blocks block = blocks.get();
        for (int k0 = 0; k0 < k; k0 += BLOCK_K) {
            int depth = Math.min(BLOCK_K, k - k0);
            boolean accumulate = k0 > 0 || beta != 0;
            for (int n0 = 0; n0 < n; n0 += BLOCK_N) {
                int width = Math.min(BLOCK_N, n - n0);
                load(b, ldb, transposeB, k0, depth, n0, width, block.b);
                for (int m0 = 0; m0 < m; m0 += UNROLL) {
                    int height = Math.min(UNROLL, m - m0);
                    load(a, lda, transposeA, m0, height, k0, depth, block.a);
                    // Rows past the last one hold old values and their results are dropped.
                    for (int i = 0; i < height; i++) {
                        long row = 4 * ((long) (m0 + i) * ldc + n0);
                        if (accumulate) {
                            MemorySegment.copy(MEMORY, ValueLayout.JAVA_FLOAT, c + row, block.c[i], 0, width);
                        } else {
                            Arrays.fill(block.c[i], 0, width, 0f);
                        }
                    }
                    multiplyBlock(block, depth, width);
                    for (int i = 0; i < height; i++) {
                        long row = 4 * ((long) (m0 + i) * ldc + n0);
                        MemorySegment.copy(block.c[i], 0, MEMORY, ValueLayout.JAVA_FLOAT, c + row, width);
                    }
                }
            }
        }
    }

    private static void load(long matrix, int ld, boolean transposed, int row0, int rows, int col0, int cols,
            float[][] to) {
        if (!transposed) {
            for (int r = 0; r < rows; r++) {
                MemorySegment.copy(MEMORY, ValueLayout.JAVA_FLOAT, matrix + 4 * ((long) (row0 + r) * ld + col0), to[r],
                        0, cols);
            }
            return;
        }
        for (int c = 0; c < cols; c++) {
            long column = matrix + 4 * ((long) (col0 + c) * ld + row0);
            for (int r = 0; r < rows; r++) {
                to[r][c] = MEMORY.get(ValueLayout.JAVA_FLOAT, column + 4L * r);
            }
        }
    }

    private static void multiplyBlock(Blocks block, int depth, int width) {
        float[][] a = block.a;
        float[][] b = block.b;
        int p = 0;
        for (; p + UNROLL <= depth; p += UNROLL) {
            for (int i = 0; i < UNROLL; i++) {
                addFour(block.c[i], a[i][p], b[p], a[i][p + 1], b[p + 1], a[i][p + 2], b[p + 2], a[i][p + 3], b[p + 3],
                        width);
            }
        }
        for (; p < depth; p++) {
            for (int i = 0; i < UNROLL; i++) {
                addOne(block.c[i], a[i][p], b[p], width);
            }
        }
    }

    private static void addFour(float[] c, float a0, float[] b0, float a1, float[] b1, float a2, float[] b2, float a3,
            float[] b3, int width) {
        for (int j = 0; j < width; j++) {
            c[j] += a0 * b0[j] + a1 * b1[j] + (a2 * b2[j] + a3 * b3[j]);
        }
    }

    private static void addOne(float[] c, float a0, float[] b0, int width) {
        for (int j = 0; j < width; j++) {
            c[j] += a0 * b0[j];
        }
    }
}
