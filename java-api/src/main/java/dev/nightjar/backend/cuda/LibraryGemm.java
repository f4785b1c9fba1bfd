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
     * A product as the libraries have it, which count columns first: c (m, n) = op(a) (m, k) op(b) (k, n), or c += that, without space between
     * columns; by device addresses.
     *
     * @param transposeA whether a is (k, m)
     * @param transposeB whether b is (n, k)
     * @param single whether c is float32 whatever the operations' type
     * @param bias [m], added to every column; 0 for none
     * @param columnSums [n] float32, gets the sums of op(b)'s columns; 0 for none
     */
    record Multiplication(boolean transposeA, boolean transposeB, int m, int n, int k, long a, long b, long c,
            boolean single, boolean accumulate, long bias, long columnSums) {
        /** out = x weight', without or with the bias. */
        static Multiplication of(Product p, long out, boolean addBias) {
            return new Multiplication(true, false, p.n(), p.rows(), p.k(), p.weight(), p.x(), out, false, false,
                    addBias ? p.bias() : 0, 0);
        }
    }

    /** Enqueues a product with float32 sums. */
    abstract void multiply(Multiplication multiplication);

    /** Whether the library can sum columns beside such a product. */
    abstract boolean sumsColumns(Multiplication multiplication);

    /** Enqueues what follows a product without a bias: x = activation(x + bias), in place. */
    void bias(Product p, long x, Activation activation) {
        launcher.argument(x).argument(p.bias()).argument(NightjarGemm.code(activation)).argument(p.rows())
                .argument(p.rowCount()).argument(p.n());
        int blocks = Math.toIntExact(Math.ceilDiv((long) p.rows() * p.n(), (long) ELEMENTS_PER_BLOCK));
        launcher.launch(biasKernel, blocks, 1, 1, BIAS_THREADS, 0);
    }

    /** Enqueues out = x weight' + bias. */
    void linear(Product p, long out) {
        multiply(Multiplication.of(p, out, addsBias));
        if (!addsBias) {
            bias(p, out, Activation.NONE);
        }
    }

    @Override
    public final void linear(Product p, Activation activation) {
        if (activation == Activation.NONE) {
            linear(p, p.out());
        } else {
            multiply(Multiplication.of(p, p.out(), false));
            bias(p, p.out(), activation);
        }
    }

    @Override
    public final void linearResidualLayerNorm(Product p, long sum, long residual, long gamma, long beta) {
        multiply(Multiplication.of(p, sum, false));
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
