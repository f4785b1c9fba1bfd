package dev.nightjar.backend.cuda;

import dev.nightjar.backend.Activation;
import dev.nightjar.model.DistilBertConfig;

/** Nightjar's own kernels: bias, activation, residual and normalisation in the launch of the product. */
final class NightjarGemm implements CudaGemm {
    private final KernelLauncher launcher;
    private final long tickets;
    private final GemmTiles tiles;

    NightjarGemm(GemmProvider.Site site) {
        this.launcher = site.launcher();
        this.tickets = site.tickets();
        this.tiles = GemmTiles.withFewRows(site, "gemm", "gemm");
    }

    @Override
    public void linear(Product product, Activation activation) {
        launch(product, activation, 0, 0, 0, 0);
    }

    @Override
    public void linearResidualLayerNorm(Product product, long sum, long residual, long gamma, long beta) {
        launch(product, Activation.NONE, 0, residual, gamma, beta);
    }

    /**
     * out = activation(x weight' + bias) + residual, then the normalisation where there is a {@code gamma}.
     *
     * @param preActivation [rows, n], gets the argument of the activation; 0 for no such memory
     */
    void launch(Product p, Activation activation, long preActivation, long residual, long gamma, long beta) {
        GemmTiles.Tile tile = tiles.choose(p.rows(), p.n());
        launcher.argument(p.out()).argument(preActivation).argument(p.x()).argument(p.weight()).argument(p.bias())
                .argument(residual).argument(gamma).argument(beta).argument(gamma == 0 ? 0 : tickets)
                .argument(code(activation)).argument(p.rows()).argument(p.rowCount()).argument(p.n()).argument(p.k())
                .argument(DistilBertConfig.LAYER_NORM_EPSILON);
        launcher.launch(tile.function(), tile.across(p.n()), tile.down(p.rows()), 1, tile.threads(), 0);
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
