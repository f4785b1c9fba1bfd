package dev.nightjar.backend.cuda;

import dev.nightjar.backend.Activation;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.DType;

/**
 * Products by a library of NVIDIA's, and by Nightjar's kernels what those cannot add to them: the exact GELU, of which
 * cuBLASLt has only the tanh approximation, residual and normalisation, and the bias where the library cannot.
 *
 * <p>Libraries do not know of {@code rowCount}: they compute all {@code rows}, and what is in the rows past the count
 * stays in those rows. Launches of a layer, attention included: 8 where the library adds biases, else 9.
 */
abstract class LibraryGemm implements CudaGemm {
    /** {@code cublasComputeType_t}: float32, never TF32. */
    static final int COMPUTE_32F = 68;
    /** {@code cudaDataType_t}. */
    static final int CUDA_R_32F = 0;
    private static final int CUDA_R_16F = 2;
    private static final int CUDA_R_16BF = 14;

    private static final int HOPPER = 90;
    private static final int ELEMENTS_PER_BLOCK = 2048;
    private static final int BIAS_THREADS = 256;
    private static final int ROWS_PER_BLOCK = 4;
    private static final int ROW_THREADS = 128;

    private final KernelLauncher launcher;
    private final long biasKernel;
    private final long layerNormKernel;
    private final boolean addsBias;
    /** Scratch memory of the library. */
    private final CudaBuffer workspace;

    /** @param addsBias whether {@link #multiply} can add the bias */
    LibraryGemm(GemmProvider.Site site, boolean addsBias) {
        this.launcher = site.launcher();
        this.biasKernel = site.kernels().function("bias", "bias", site.type());
        this.layerNormKernel = site.kernels().function("layernorm", "layernorm", site.type());
        this.addsBias = addsBias;
        this.workspace = site.context().allocate(workspaceBytes(site.context()));
    }

    /** What NVIDIA recommends for the device ("cuBLAS Library", section "cublasSetWorkspace"). */
    private static long workspaceBytes(CudaContext context) {
        return (context.computeCapability() >= HOPPER ? 32L : 4L) << 20;
    }

    CudaBuffer workspace() {
        return workspace;
    }

    /** {@code cudaDataType_t} of a storage type. */
    static int dataType(DType type) {
        return switch (type) {
            case F32 -> CUDA_R_32F;
            case F16 -> CUDA_R_16F;
            case BF16 -> CUDA_R_16BF;
            default -> throw new IllegalArgumentException("no products of " + type);
        };
    }

    /**
     * Enqueues out = x weight', with float32 sums.
     *
     * @param out [rows, n], in place of the product's own
     * @param bias whether to add it; only if this can
     */
    abstract void multiply(Product product, long out, boolean bias);

    @Override
    public final void linear(Product p, Activation activation) {
        boolean fused = addsBias && activation == Activation.NONE;
        multiply(p, p.out(), fused);
        if (!fused) {
            launcher.argument(p.out()).argument(p.bias()).argument(NightjarGemm.code(activation)).argument(p.rows())
                    .argument(p.rowCount()).argument(p.n());
            int blocks = Math.toIntExact(Math.ceilDiv((long) p.rows() * p.n(), (long) ELEMENTS_PER_BLOCK));
            launcher.launch(biasKernel, blocks, 1, 1, BIAS_THREADS, 0);
        }
    }

    @Override
    public final void linearResidualLayerNorm(Product p, long sum, long residual, long gamma, long beta) {
        multiply(p, sum, false);
        launcher.argument(p.out()).argument(sum).argument(p.bias()).argument(residual).argument(gamma).argument(beta)
                .argument(p.rows()).argument(p.rowCount()).argument(p.n())
                .argument(DistilBertConfig.LAYER_NORM_EPSILON);
        launcher.launch(layerNormKernel, Math.ceilDiv(p.rows(), ROWS_PER_BLOCK), 1, 1, ROW_THREADS, 0);
    }

    @Override
    public void close() {
        workspace.close();
    }
}
