package dev.nightjar.backend.cuda;

import dev.nightjar.backend.Activation;

/** Products of training by Nightjar's own kernels: the activation and its argument, and the bias's gradient, in the launch of the product. */
final class NightjarTrainingGemm implements CudaTrainingGemm {
    /** The least rows of dOut that are worth a share of their own. */
    private static final int ROWS_OF_A_SHARE = 256;

    private final KernelLauncher launcher;
    private final Scratch scratch;
    private final long tickets;
    private final NightjarGemm forward;
    private final GemmTiles inputs;
    private final GemmTiles weights;

    NightjarTrainingGemm(GemmProvider.Site site, Scratch scratch) {
        this.launcher = site.launcher();
        this.scratch = scratch;
        this.tickets = site.tickets();
        this.forward = new NightjarGemm(site);
        this.inputs = GemmTiles.of(site, "gemm_backward", "gemm_dgrad");
        this.weights = GemmTiles.of(site, "gemm_backward", "gemm_wgrad");
    }

    @Override
    public void linear(CudaGemm.Product p, Activation activation, long preActivation) {
        forward.launch(p, activation, preActivation, 0, 0, 0);
    }

    @Override
    public void backwardInput(Gradient g, long weight, boolean accumulate, long dX) {
        GemmTiles.Tile tile = inputs.choose(g.rows(), g.k());
        launcher.argument(dX).argument(g.dOut()).argument(weight).argument(accumulate ? 1 : 0).argument(g.rows())
                .argument(g.rowCount()).argument(g.n()).argument(g.k());
        launcher.launch(tile.function(), tile.across(g.k()), tile.down(g.rows()), 1, tile.threads(), 0);
    }

    @Override
    public void backwardWeight(Gradient g, long dWeight, long dBias) {
        GemmTiles.Tile tile = weights.choose(g.n(), g.k());
        int across = tile.across(g.k());
        int down = tile.down(g.n());
        int splits = Math.clamp(weights.blocksToFill() / ((long) across * down), 1,
                Math.ceilDiv(g.rows(), ROWS_OF_A_SHARE));
        long share = ((long) g.n() * g.k() + g.n()) * Float.BYTES;
        launcher.argument(dWeight).argument(dBias).argument(g.dOut()).argument(g.x())
                .argument(splits == 1 ? 0 : scratch.address(splits * share)).argument(splits == 1 ? 0 : tickets)
                .argument(g.rows()).argument(g.rowCount()).argument(g.n()).argument(g.k());
        launcher.launch(tile.function(), across, down, splits, tile.threads(), 0);
    }

    @Override
    public void close() {
        // Everything belongs to the operations it works for.
    }
}
