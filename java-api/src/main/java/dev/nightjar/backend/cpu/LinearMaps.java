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
    private final Forward forward = new Forward();
    private final BackwardInput backwardInput = new BackwardInput();

    LinearMaps(IntraOp threads, Gemm gemm, LinearKernels kernels, ScratchMemory transposed) {
        this.threads = threads;
        this.gemm = gemm;
        this.kernels = kernels;
        this.transposed = transposed;
    }

    /** A product cut into tiles. An object serves all calls of its kind, so that an operation allocates nothing. */
    private abstract class Tiles implements IntraOp.Task {
        private int rows;
        private int cols;
        private int height;
        private int width;

        /** Runs the tiles of a result matrix; returns when all are done. */
        final void multiply(int rowCount, int colCount) {
            rows = rowCount;
            cols = colCount;
            if (rows <= TILE_ROWS) {
                height = rows;
                width = TILE_COLUMNS;
                threads.run(Math.ceilDiv(cols, width), this);
            } else {
                // Tiles of nearly equal size, in whole register blocks.
                height = Math.ceilDiv(Math.ceilDiv(rows, Math.ceilDiv(rows, TILE_ROWS)), 8) * 8;
                width = cols;
                threads.run(Math.ceilDiv(rows, height), this);
            }
        }

        @Override
        public final void run(int chunk, int worker) {
            int row = height == rows ? 0 : chunk * height;
            int col = width == cols ? 0 : chunk * width;
            tile(row, Math.min(rows, row + height), col, Math.min(cols, col + width));
        }

        /** The tile [rowBegin, rowEnd) x [colBegin, colEnd). */
        abstract void tile(int rowBegin, int rowEnd, int colBegin, int colEnd);
    }

    private final class Forward extends Tiles {
        private int n;
        private int k;
        private Activation activation;
        private long x;
        private boolean transpose;
        private long matrix;
        private long bias;
        private long pre;
        private long out;

        @Override
        void tile(int rowBegin, int rowEnd, int colBegin, int colEnd) {
            int rows = rowEnd - rowBegin;
            long at = 4L * rowBegin * n;
            gemm.multiply(false, transpose, rows, colEnd - colBegin, k, x + 4L * rowBegin * k, k,
                    matrix + 4L * colBegin * (transpose ? k : 1), transpose ? k : n, 0, out + at + 4L * colBegin, n);
            kernels.biasActivation(colBegin, colEnd, rows, n, activation, bias, pre == 0 ? 0 : pre + at, out + at);
        }
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
        forward.n = n;
        forward.k = k;
        forward.activation = activation;
        forward.x = x.address();
        forward.transpose = packed == 0;
        forward.matrix = packed == 0 ? w.address() : packed;
        forward.bias = bias.address();
        forward.pre = preActivation == null ? 0 : preActivation.address();
        forward.out = out.address();
        forward.multiply(rows, n);
    }

    private final class BackwardInput extends Tiles {
        private int n;
        private int k;
        private boolean accumulate;
        private long dOut;
        private long matrix;
        private long dX;

        @Override
        void tile(int rowBegin, int rowEnd, int colBegin, int colEnd) {
            gemm.multiply(false, false, rowEnd - rowBegin, colEnd - colBegin, n, dOut + 4L * rowBegin * n, n,
                    matrix + 4L * colBegin, k, accumulate ? 1 : 0, dX + 4L * rowBegin * k + 4L * colBegin, k);
        }
    }

    void backwardInput(int rows, Tensor dOut, Weight weight, boolean accumulate, Tensor dX) {
        Tensor w = weight.tensor();
        int n = w.rows();
        int k = w.cols();
        Shapes.matrix("dOut", dOut, rows, n);
        Shapes.matrix("dX", dX, rows, k);
        backwardInput.n = n;
        backwardInput.k = k;
        backwardInput.accumulate = accumulate;
        backwardInput.dOut = dOut.address();
        backwardInput.matrix = w.address();
        backwardInput.dX = dX.address();
        backwardInput.multiply(rows, k);
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
