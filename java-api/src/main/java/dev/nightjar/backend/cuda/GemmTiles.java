package dev.nightjar.backend.cuda;

/** The entry points of one of Nightjar's products, which differ in the tile of the result that a block computes, and the choice of one. */
final class GemmTiles {
    /** Up to how many rows blocks of 16 rows, which split the sum among their warps, are used. */
    private static final int FEW_ROWS = 32;
    /** Blocks per multiprocessor from which on the larger tile is worth its smaller number of blocks. */
    private static final int BLOCKS_PER_MULTIPROCESSOR = 2;

    /** An entry point with the rows and columns of the result that one block computes. */
    record Tile(long function, int rows, int cols, int threads) {
        int across(int n) {
            return Math.ceilDiv(n, cols);
        }

        int down(int count) {
            return Math.ceilDiv(count, rows);
        }
    }

    private final int multiprocessors;
    private final Tile rows16;
    private final Tile tile64;
    private final Tile tile128;

    private GemmTiles(GemmProvider.Site site, String module, String entry, boolean fewRows) {
        CudaKernels kernels = site.kernels();
        this.multiprocessors = site.context().multiprocessors();
        this.rows16 = fewRows
                ? new Tile(kernels.function(module, entry + "_rows16", site.type()), 16, 16, 256)
                : null;
        this.tile64 = new Tile(kernels.function(module, entry + "_tile64", site.type()), 64, 64, 128);
        this.tile128 = new Tile(kernels.function(module, entry + "_tile128", site.type()), 128, 128, 256);
    }

    static GemmTiles of(GemmProvider.Site site, String module, String entry) {
        return new GemmTiles(site, module, entry, false);
    }

    /** With an entry point for few rows. */
    static GemmTiles withFewRows(GemmProvider.Site site, String module, String entry) {
        return new GemmTiles(site, module, entry, true);
    }

    /** The tile for a result [rows, n]. */
    Tile choose(int rows, int n) {
        if (rows16 != null && rows <= FEW_ROWS) {
            return rows16;
        }
        return (long) tile128.across(n) * tile128.down(rows) >= blocksToFill() ? tile128 : tile64;
    }

    /** Blocks that keep every multiprocessor busy. */
    int blocksToFill() {
        return BLOCKS_PER_MULTIPROCESSOR * multiprocessors;
    }
}
