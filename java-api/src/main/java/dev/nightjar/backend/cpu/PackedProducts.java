package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.Shapes;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;

/**
 * Products with {@linkplain PackedWeight packed weights}, cut into tiles of the result that the threads of an operation share. Arguments
 * are kept in objects made once, so that a product allocates nothing.
 */
final class PackedProducts implements AutoCloseable {
    /** Rows that are packed in one chunk, about. */
    private static final int PACK_ROWS = 64;
    /** Rows of a product's tile, about: of a feed-forward layer's 3,072 int8 columns so many stay in the second-level cache. */
    private static final int TILE_ROWS = 128;
    /** The same in float32. */
    private static final int TILE_ROWS_F32 = 56;
    /** Columns of a product's tile. */
    private static final int TILE_COLUMNS = 4 * ProductKernels.PANEL;

    private final ProductKernels kernels;
    private final IntraOp threads;
    private final ScratchMemory packedRows = new ScratchMemory();
    private final ScratchMemory rowStats = new ScratchMemory();
    private final ScratchMemory quantisedRows = new ScratchMemory();
    private final PackRows packRows = new PackRows();
    private final Product product = new Product();

    PackedProducts(IntraOp threads, ProductKernels kernels) {
        this.threads = threads;
        this.kernels = kernels;
    }

    /** Brings the left factor into the order, and the type, in which it is multiplied. */
    private final class PackRows implements IntraOp.Task {
        private DType type;
        private int blocks;
        private int chunkBlocks;
        private int rows;
        private int cols;
        private long x;
        private long scratch;
        private long stats;
        private long packed;

        @Override
        public void run(int chunk, int worker) {
            kernels.packRows(type, chunk * chunkBlocks, Math.min(blocks, (chunk + 1) * chunkBlocks), rows, cols, x,
                    scratch + (long) worker * ProductKernels.BLOCK_ROWS * cols, stats, packed);
        }
    }

    private final class Product implements IntraOp.Task {
        private int rows;
        private int blocks;
        private int tileBlocks;
        private int columnTiles;
        private PackedWeight weight;
        private Tensor bias;
        private Activation activation;
        private DType outType;
        private long out;

        @Override
        public void run(int chunk, int worker) {
            int block = chunk / columnTiles * tileBlocks;
            int column = chunk % columnTiles * TILE_COLUMNS;
            kernels.linear(block, Math.min(blocks, block + tileBlocks), column,
                    Math.min(weight.rows(), column + TILE_COLUMNS), rows, weight, packRows.packed, packRows.stats,
                    bias.dtype(), bias.address(), activation, outType, out);
        }
    }

    /**
     * out = activation(x weight' + bias) for the first {@code rows} rows.
     *
     * @param x [rows, K], float32 if the weight is and else bfloat16
     * @param bias [N], as {@code x} or float32
     * @param out [rows, N], where a matrix of {@code outType} begins, which is as {@code x} or float32
     */
    void multiply(int rows, Tensor x, PackedWeight weight, Tensor bias, Activation activation, DType outType,
            long out) {
        int k = weight.cols();
        Shapes.matrix("x", x, weight.type() == DType.F32 ? DType.F32 : DType.BF16, rows, k);
        Shapes.matrix("bias", bias, bias.dtype(), 1, weight.rows());
        packRows.type = weight.type();
        packRows.blocks = kernels.rowBlocks(rows);
        packRows.chunkBlocks = blocksOf(PACK_ROWS, rows, packRows.blocks);
        packRows.rows = rows;
        packRows.cols = k;
        packRows.x = x.address();
        packRows.scratch = quantisedRows.bytes((long) threads.threads() * ProductKernels.BLOCK_ROWS * k);
        packRows.stats = rowStats.bytes((long) rows * ProductKernels.ROW_STATS_BYTES);
        packRows.packed = packedRows.bytes(kernels.packedRowsSize(weight.type(), rows, k));
        threads.run(Math.ceilDiv(packRows.blocks, packRows.chunkBlocks), packRows);
        product.rows = rows;
        product.blocks = packRows.blocks;
        product.tileBlocks = blocksOf(weight.type() == DType.F32 ? TILE_ROWS_F32 : TILE_ROWS, rows, product.blocks);
        product.columnTiles = Math.ceilDiv(weight.rows(), TILE_COLUMNS);
        product.weight = weight;
        product.bias = bias;
        product.activation = activation;
        product.outType = outType;
        product.out = out;
        threads.run(Math.ceilDiv(product.blocks, product.tileBlocks) * product.columnTiles, product);
    }

    /** How many of the blocks of {@code rows} go together, so that they are about {@code most} rows and nearly as many everywhere. */
    private static int blocksOf(int most, int rows, int blocks) {
        return Math.ceilDiv(blocks, Math.ceilDiv(rows, most));
    }

    @Override
    public void close() {
        packedRows.close();
        rowStats.close();
        quantisedRows.close();
    }
}
