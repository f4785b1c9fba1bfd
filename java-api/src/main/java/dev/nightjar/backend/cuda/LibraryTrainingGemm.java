package dev.nightjar.backend.cuda;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.cuda.LibraryGemm.Multiplication;
import dev.nightjar.tensor.DType;

/**
 * Products of training by a library of NVIDIA's, and by Nightjar's kernels what those cannot add to them.
 *
 * <p>Libraries do not know of a count of rows. Where rows are summed over, those past the count are made zero before.
 */
final class LibraryTrainingGemm implements CudaTrainingGemm {
    private static final int ELEMENTS_PER_BLOCK = 2048;
    private static final int THREADS = 256;
    private static final int ROWS_PER_BLOCK = 4;
    private static final int ROW_THREADS = 128;

    private final LibraryGemm library;
    private final KernelLauncher launcher;
    private final Scratch scratch;
    private final DType type;
    private final long activate;
    private final long zeroTails;
    private final long axpby;

    /** @param library is closed with this */
    LibraryTrainingGemm(LibraryGemm library, GemmProvider.Site site, Scratch scratch) {
        this.library = library;
        this.launcher = site.launcher();
        this.scratch = scratch;
        this.type = site.type();
        this.activate = site.kernels().function("activation", "activation", site.type());
        this.zeroTails = site.kernels().function("vectors", "nj_zero_tails");
        this.axpby = site.kernels().function("vectors", "nj_axpby");
    }

    @Override
    public void linear(CudaGemm.Product p, Activation activation, long preActivation) {
        if (preActivation == 0) {
            library.linear(p, activation);
            return;
        }
        library.linear(p, preActivation);
        launcher.argument(p.out()).argument(preActivation).argument(NightjarGemm.code(activation)).argument(p.rows())
                .argument(p.rowCount()).argument(p.n());
        launcher.launch(activate, Math.toIntExact(Math.ceilDiv((long) p.rows() * p.n(), (long) ELEMENTS_PER_BLOCK)), 1,
                1, THREADS, 0);
    }

    @Override
    public void backwardInput(Gradient g, long weight, boolean accumulate, long dX) {
        library.multiply(new Multiplication(false, false, g.k(), g.rows(), g.n(), weight, g.dOut(), dX, false,
                accumulate, 0, 0));
    }

    @Override
    public void backwardWeight(Gradient g, long dWeight, long dBias) {
        zeroTails(g);
        long sums = scratch.address((long) g.n() * Float.BYTES);
        Multiplication withSums = product(g, dWeight, sums);
        if (library.sumsColumns(withSums)) {
            library.multiply(withSums);
            launcher.argument(dBias).argument(sums).argument(1f).argument(1f).argument((long) g.n());
            launcher.launch(axpby, Math.ceilDiv(g.n(), ELEMENTS_PER_BLOCK), 1, 1, THREADS, 0);
        } else {
            library.multiply(product(g, dWeight, 0));
            sumByOnes(g, dBias);
        }
    }

    private static Multiplication product(Gradient g, long dWeight, long sums) {
        return new Multiplication(false, true, g.k(), g.n(), g.rows(), g.x(), g.dOut(), dWeight, true, true, 0, sums);
    }

    /** dBias += ones' dOut. */
    private void sumByOnes(Gradient g, long dBias) {
        int words = Math.ceilDiv(g.rows() * type.bytes(), Integer.BYTES);
        long ones = scratch.address((long) words * Integer.BYTES);
        launcher.driver().memsetD32Async(ones, oneInWord(), words, launcher.stream());
        library.multiply(new Multiplication(false, true, 1, g.n(), g.rows(), ones, g.dOut(), dBias, true, true, 0, 0));
    }

    /** One, or two of them where the type has 16 bits. */
    private int oneInWord() {
        return switch (type) {
            case F16 -> 0x3C00_3C00;
            case BF16 -> 0x3F80_3F80;
            default -> Float.floatToRawIntBits(1);
        };
    }

    private void zeroTails(Gradient g) {
        launcher.argument(g.x()).argument(g.k() * type.bytes()).argument(g.dOut()).argument(g.n() * type.bytes())
                .argument(g.rows()).argument(g.rowCount());
        launcher.launch(zeroTails, Math.ceilDiv(g.rows(), ROWS_PER_BLOCK), 1, 1, ROW_THREADS, 0);
    }

    @Override
    public void close() {
        library.close();
    }
}
