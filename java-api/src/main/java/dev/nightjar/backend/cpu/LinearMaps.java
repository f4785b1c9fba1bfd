package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.Shapes;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.Tensor;

/**
 * The three products of a linear layer, cut into tiles of the result that the threads of an operation share. Tiles depend on the shape
 * alone: some of oneDNN's kernels give other bits for other tiles.
 */
final class LinearMaps {
    /**
     * Rows of one tile, and the number of rows above which tiles are rows and not columns. A tile of 64 rows by the 1,536 columns of a
     * feed-forward layer stays in the second-level cache until bias and activation are done.
     */
    private static final int TILE_ROWS = 64;
    private static final int TILE_COLUMNS = 128;
    /** Rows of a weight gradient; divides 384, 768 and their multiples into an even number of tiles. */
    private static final int TILE_WEIGHT_ROWS = 96;

    private final IntraOp threads;
    private final Gemm gemm;
    private final LinearKernels kernels;
    private final ScratchMemory transposed;

    LinearMaps(IntraOp threads, Gemm gemm, LinearKernels kernels, ScratchMemory transposed) {
        this.threads = threads;
        this.gemm = gemm;
        this.kernels = kernels;
        this.transposed = transposed;
    }

    /** Receives tiles of a result matrix, [rowBegin, rowEnd) x [colBegin, colEnd). */
    @FunctionalInterface
    private interface Tile {
        void run(int rowBegin, int rowEnd, int colBegin, int colEnd);
    }

    private void tiles(int rows, int cols, Tile tile) {
        if (rows <= TILE_ROWS) {
            threads.run(Math.ceilDiv(cols, TILE_COLUMNS), (chunk, worker) -> tile.run(0, rows, chunk * TILE_COLUMNS,
                    Math.min(cols, (chunk + 1) * TILE_COLUMNS)));
            return;
        }
        // Tiles of nearly equal size, in whole register blocks.
        int height = Math.ceilDiv(Math.ceilDiv(rows, Math.ceilDiv(rows, TILE_ROWS)), 8) * 8;
        threads.run(Math.ceilDiv(rows, height),
                (chunk, worker) -> tile.run(chunk * height, Math.min(rows, (chunk + 1) * height), 0, cols));
    }

    void forward(int rows, Tensor x, Weight weight, Tensor bias, Activation activation, Tensor preActivation,
            Tensor out) {
        Tensor w = weight.tensor();
        int n = w.rows();
        int k = w.cols();
        Shapes.matrix("x", x, rows, k);
        Shapes.matrix("bias", bias, 1, n);
        Shapes.optional("preActivation", preActivation, rows, n);
        Shapes.matrix("out", out, rows, n);
        long packed = weight instanceof CpuWeight cpuWeight ? cpuWeight.transposed() : 0;
        if (packed == 0 && rows > TILE_ROWS) {
            // Transposing once costs less than multiplying every tile by a transposed matrix (100 against 115 GFLOP/s).
            packed = transposed.floats((long) n * k);
            transpose(threads, kernels, w, packed);
        }
        boolean transpose = packed == 0;
        long b = transpose ? w.address() : packed;
        int ldb = transpose ? k : n;
        long xAddress = x.address();
        long biasAddress = bias.address();
        long pre = preActivation == null ? 0 : preActivation.address();
        long c = out.address();
        tiles(rows, n, (r0, r1, c0, c1) -> {
            long at = 4L * r0 * n;
            gemm.multiply(false, transpose, r1 - r0, c1 - c0, k, xAddress + 4L * r0 * k, k,
                    b + 4L * c0 * (transpose ? k : 1), ldb, 0, c + at + 4L * c0, n);
            kernels.biasActivation(c0, c1, r1 - r0, n, activation, biasAddress, pre == 0 ? 0 : pre + at, c + at);
        });
    }

    void backwardInput(int rows, Tensor dOut, Weight weight, boolean accumulate, Tensor dX) {
        Tensor w = weight.tensor();
        int n = w.rows();
        int k = w.cols();
        Shapes.matrix("dOut", dOut, rows, n);
        Shapes.matrix("dX", dX, rows, k);
        long a = dOut.address();
        long b = w.address();
        long c = dX.address();
        tiles(rows, k, (r0, r1, c0, c1) -> gemm.multiply(false, false, r1 - r0, c1 - c0, n, a + 4L * r0 * n, n,
                b + 4L * c0, k, accumulate ? 1 : 0, c + 4L * r0 * k + 4L * c0, k));
    }

    void backwardWeight(int rows, Tensor x, Tensor dOut, Tensor dWeight, Tensor dBias) {
        int n = dWeight.rows();
        int k = dWeight.cols();
        Shapes.matrix("x", x, rows, k);
        Shapes.matrix("dOut", dOut, rows, n);
        Shapes.matrix("dBias", dBias, 1, n);
        long a = dOut.address();
        long b = x.address();
        long c = dWeight.address();
        long sums = dBias.address();
        threads.run(Math.ceilDiv(n, TILE_WEIGHT_ROWS), (chunk, worker) -> {
            int begin = chunk * TILE_WEIGHT_ROWS;
            int end = Math.min(n, begin + TILE_WEIGHT_ROWS);
            kernels.columnSums(begin, end, rows, n, a, sums);
            gemm.multiply(true, false, end - begin, k, rows, a + 4L * begin, n, b, k, 1, c + 4L * begin * k, k);
        });
    }

    /** Writes the transpose [K, N] of a matrix [N, K] to {@code to}. */
    static void transpose(IntraOp threads, LinearKernels kernels, Tensor matrix, long to) {
        long from = matrix.address();
        threads.run(Math.ceilDiv(matrix.cols(), TILE_ROWS), (chunk, worker) -> kernels.transpose(chunk * TILE_ROWS,
                Math.min(matrix.cols(), (chunk + 1) * TILE_ROWS), matrix.rows(), matrix.cols(), from, to));
    }
}
