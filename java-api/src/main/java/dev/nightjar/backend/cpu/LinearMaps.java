package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.Shapes;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;

/**
 * The three products of a linear layer, cut into tiles of the result that the threads of an operation share. Tiles depend on the shape
 * alone: some of oneDNN's kernels give other bits for other tiles. In bfloat16 products are summed up in float32 scratch memory, from
 * where a kernel rounds them; task heads' outputs and their gradients may be float32 there.
 */
final class LinearMaps implements AutoCloseable {
    /**
     * Of a tile. The larger, the less of the time goes into bringing factors into oneDNN's order, which it does for every tile; a tile's
     * sums (786 KB) stay in the second-level cache until bias and activation are done.
     */
    private static final int TILE_ROWS = 512;
    private static final int TILE_COLUMNS = 384;
    /** Rows of a weight gradient's tile, which is as wide as the matrix. */
    private static final int TILE_WEIGHT_ROWS = 384;
    private static final int TRANSPOSED_ROWS = 64;

    private final IntraOp threads;
    private final Gemm gemm;
    private final LinearKernels kernels;
    /** Null in float32. */
    private final NativeKernels bfloat16;
    private final DType type;
    private final ScratchMemory sums = new ScratchMemory();
    private final ScratchMemory rounded = new ScratchMemory();
    private final Forward forward = new Forward();
    private final BackwardInput backwardInput = new BackwardInput();

    /** In float32. */
    LinearMaps(IntraOp threads, Gemm gemm, LinearKernels kernels) {
        this(threads, gemm, kernels, null);
    }

    /** @param bfloat16 kernels of that type to work in it; null for float32 */
    LinearMaps(IntraOp threads, Gemm gemm, LinearKernels kernels, NativeKernels bfloat16) {
        this.threads = threads;
        this.gemm = gemm;
        this.kernels = kernels;
        this.bfloat16 = bfloat16;
        this.type = bfloat16 == null ? DType.F32 : DType.BF16;
    }

    /** A product cut into tiles. An object serves all calls of its kind, so that an operation allocates nothing. */
    private abstract class Tiles implements IntraOp.Task {
        private int rows;
        private int cols;
        private int height;
        private int width;
        private int across;
        /** Of float32 for a tile, one for each worker; 0 where products are summed up in the result itself. */
        private long scratch;

        /** Runs the tiles of a result matrix; returns when all are done. */
        final void multiply(int rowCount, int colCount, boolean rounds) {
            rows = rowCount;
            cols = colCount;
            height = part(rows, TILE_ROWS);
            width = part(cols, TILE_COLUMNS);
            across = Math.ceilDiv(cols, width);
            scratch = rounds ? sums.floats((long) height * width * threads.threads()) : 0;
            threads.run(Math.ceilDiv(rows, height) * across, this);
        }

        /** So many rows or columns in tiles of nearly equal size, in whole register blocks. */
        private int part(int count, int most) {
            return Math.ceilDiv(Math.ceilDiv(count, Math.ceilDiv(count, most)), 8) * 8;
        }

        @Override
        public final void run(int chunk, int worker) {
            int row = chunk / across * height;
            int col = chunk % across * width;
            tile(row, Math.min(rows, row + height) - row, col, Math.min(cols, col + width) - col,
                    scratch == 0 ? 0 : scratch + 4L * worker * height * width);
        }

        /** @param scratch of {@code rowCount} by {@code colCount} floats, or 0 */
        abstract void tile(int row, int rowCount, int col, int colCount, long scratch);
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
        void tile(int row, int rowCount, int col, int colCount, long scratch) {
            int size = type.bytes();
            long at = size * ((long) row * n + col);
            long to = scratch == 0 ? out + at : scratch;
            int ld = scratch == 0 ? n : colCount;
            gemm.multiply(type, false, transpose, rowCount, colCount, k, x + (long) size * row * k, k,
                    matrix + (long) size * col * (transpose ? k : 1), transpose ? k : n, 0, to, ld);
            (bfloat16 == null ? kernels : bfloat16).biasActivation(rowCount, colCount, activation, to, ld,
                    bias + (long) size * col, n, pre == 0 ? 0 : pre + at, out + at);
        }
    }

    void forward(int rows, Tensor x, Weight weight, Tensor bias, Activation activation, Tensor preActivation,
            Tensor out) {
        Tensor w = weight.tensor();
        int n = w.rows();
        int k = w.cols();
        Shapes.matrix("x", x, type, rows, k);
        Shapes.matrix("weight", w, type, n, k);
        Shapes.matrix("bias", bias, type, 1, n);
        if (type != DType.F32 && out.dtype() == DType.F32) {
            forwardToFloat32(rows, x, w, bias, activation, out);
            return;
        }
        Shapes.optional("preActivation", preActivation, type, rows, n);
        Shapes.matrix("out", out, type, rows, n);
        long packed = weight instanceof CpuWeight cpuWeight ? cpuWeight.transposed() : 0;
        forward.n = n;
        forward.k = k;
        forward.activation = activation;
        forward.x = x.address();
        forward.transpose = packed == 0;
        forward.matrix = packed == 0 ? w.address() : packed;
        forward.bias = bias.address();
        forward.pre = preActivation == null ? 0 : preActivation.address();
        forward.out = out.address();
        forward.multiply(rows, n, type != DType.F32);
    }

    /** A task head: a few columns of few rows. */
    private void forwardToFloat32(int rows, Tensor x, Tensor w, Tensor bias, Activation activation, Tensor out) {
        int n = w.rows();
        Shapes.matrix("out", out, rows, n);
        if (activation != Activation.NONE) {
            throw new IllegalArgumentException(activation + " of float32 in " + type);
        }
        gemm.multiply(type, false, true, rows, n, w.cols(), x.address(), w.cols(), w.address(), w.cols(), 0,
                out.address(), n);
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < n; c++) {
                long at = (long) r * n + c;
                out.set(at, out.get(at) + bias.get(c));
            }
        }
    }

    private final class BackwardInput extends Tiles {
        private int n;
        private int k;
        private boolean accumulate;
        private long dOut;
        private long matrix;
        private long dX;

        @Override
        void tile(int row, int rowCount, int col, int colCount, long scratch) {
            int size = type.bytes();
            long to = dX + size * ((long) row * k + col);
            boolean direct = scratch == 0;
            gemm.multiply(type, false, false, rowCount, colCount, n, dOut + (long) size * row * n, n,
                    matrix + (long) size * col, k, direct && accumulate ? 1 : 0, direct ? to : scratch,
                    direct ? k : colCount);
            if (!direct) {
                bfloat16.storeSums(rowCount, colCount, accumulate, scratch, colCount, k, to);
            }
        }
    }

    void backwardInput(int rows, Tensor dOut, Weight weight, boolean accumulate, Tensor dX) {
        Tensor w = weight.tensor();
        int n = w.rows();
        int k = w.cols();
        Shapes.matrix("weight", w, type, n, k);
        Shapes.matrix("dX", dX, type, rows, k);
        backwardInput.n = n;
        backwardInput.k = k;
        backwardInput.accumulate = accumulate;
        backwardInput.dOut = factor(rows, dOut, n);
        backwardInput.matrix = w.address();
        backwardInput.dX = dX.address();
        backwardInput.multiply(rows, k, type != DType.F32);
    }

    /** The address of a gradient, or of its rounded copy where it is float32 and factors are not. */
    private long factor(int rows, Tensor dOut, int n) {
        if (type == DType.F32 || dOut.dtype() == type) {
            Shapes.matrix("dOut", dOut, type, rows, n);
            return dOut.address();
        }
        Shapes.matrix("dOut", dOut, rows, n);
        long copy = rounded.bytes((long) type.bytes() * rows * n);
        bfloat16.storeSums(rows, n, false, dOut.address(), n, n, copy);
        return copy;
    }

    void backwardWeight(int rows, Tensor x, Tensor dOut, Tensor dWeight, Tensor dBias) {
        int n = dWeight.rows();
        int k = dWeight.cols();
        Shapes.matrix("x", x, type, rows, k);
        Shapes.matrix("dWeight", dWeight, n, k);
        Shapes.matrix("dBias", dBias, 1, n);
        long a = factor(rows, dOut, n);
        long b = x.address();
        long c = dWeight.address();
        long unrounded = dOut.address();
        long biasSums = dBias.address();
        LinearKernels summing = dOut.dtype() == DType.F32 ? kernels : bfloat16;
        threads.run(Math.ceilDiv(n, TILE_WEIGHT_ROWS), (chunk, worker) -> {
            int begin = chunk * TILE_WEIGHT_ROWS;
            int end = Math.min(n, begin + TILE_WEIGHT_ROWS);
            summing.columnSums(begin, end, rows, n, unrounded, biasSums);
            gemm.multiply(type, true, false, end - begin, k, rows, a + (long) type.bytes() * begin, n, b, k, 1,
                    c + 4L * begin * k, k);
        });
    }

    /** Writes the transpose [K, N] of a float32 matrix [N, K] to {@code to}. */
    static void transpose(IntraOp threads, LinearKernels kernels, Tensor matrix, long to) {
        long from = matrix.address();
        threads.run(Math.ceilDiv(matrix.cols(), TRANSPOSED_ROWS), (chunk, worker) -> kernels.transpose(
                chunk * TRANSPOSED_ROWS, Math.min(matrix.cols(), (chunk + 1) * TRANSPOSED_ROWS), matrix.rows(),
                matrix.cols(), from, to));
    }

    @Override
    public void close() {
        sums.close();
        rounded.close();
    }
}
