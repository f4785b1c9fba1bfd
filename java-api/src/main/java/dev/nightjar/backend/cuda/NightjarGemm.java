package dev.nightjar.backend.cuda;

import dev.nightjar.backend.Activation;
import dev.nightjar.model.DistilBertConfig;

/** Nightjar's own kernels: bias, activation, residual and normalisation in the launch of the product. */
final class NightjarGemm implements CudaGemm {
    /** Up to how many rows blocks of 16 rows, which split the sum among their warps, are used. */
    private static final int FEW_ROWS = 32;
    /** Blocks per multiprocessor from which on the larger tile is worth its smaller number of blocks. */
    private static final int BLOCKS_PER_MULTIPROCESSOR = 2;

    /** An entry point with the rows and columns of out that one block computes. */
    private record Tile(long function, int rows, int cols, int threads) {
        int gridX(int n) {
            return Math.ceilDiv(n, cols);
        }

        int gridY(int count) {
            return Math.ceilDiv(count, rows);
        }
    }

    private final KernelLauncher launcher;
    private final int multiprocessors;
    private final long tickets;
    private final Tile rows16;
    private final Tile tile64;
    private final Tile tile128;

    NightjarGemm(GemmProvider.Site site) {
        CudaKernels kernels = site.kernels();
        this.launcher = site.launcher();
        this.multiprocessors = site.context().multiprocessors();
        this.tickets = site.tickets();
        this.rows16 = new Tile(kernels.function("gemm", "gemm_rows16", site.type()), 16, 16, 256);
        this.tile64 = new Tile(kernels.function("gemm", "gemm_tile64", site.type()), 64, 64, 128);
        this.tile128 = new Tile(kernels.function("gemm", "gemm_tile128", site.type()), 128, 128, 256);
    }

    @Override
    public void linear(Product product, Activation activation) {
        launch(product, activation, 0, 0, 0);
    }

    @Override
    public void linearResidualLayerNorm(Product product, long sum, long residual, long gamma, long beta) {
        launch(product, Activation.NONE, residual, gamma, beta);
    }

    private void launch(Product p, Activation activation, long residual, long gamma, long beta) {
        Tile tile = tile(p);
        // No argument of the activation is kept for a backward pass.
        launcher.argument(p.out()).argument(0L).argument(p.x()).argument(p.weight()).argument(p.bias())
                .argument(residual)
                .argument(gamma).argument(beta).argument(gamma == 0 ? 0 : tickets).argument(code(activation))
                .argument(p.rows()).argument(p.rowCount()).argument(p.n()).argument(p.k())
                .argument(DistilBertConfig.LAYER_NORM_EPSILON);
        launcher.launch(tile.function, tile.gridX(p.n()), tile.gridY(p.rows()), 1, tile.threads, 0);
    }

    private Tile tile(Product p) {
        if (p.rows() <= FEW_ROWS) {
            return rows16;
        }
        long blocks = (long) tile128.gridX(p.n()) * tile128.gridY(p.rows());
        return blocks >= (long) BLOCKS_PER_MULTIPROCESSOR * multiprocessors ? tile128 : tile64;
    }

    /** How kernels number activations. */
    static int code(Activation activation) {
        return switch (activation) {
            case NONE -> 0;
            case GELU -> 1;
            case RELU -> 2;
        };
    }

    @Override
    public void close() {
        // Everything belongs to the operations it works for.
    }
}
