package dev.nightjar.backend.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.Activation;
import dev.nightjar.backend.Dropout;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.ffi.Downcalls;
import dev.nightjar.ffi.NativeLibrary;
import dev.nightjar.model.DistilBertConfig;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Comparator;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * The kernels of {@code libnightjar_cpu.so} for one instruction set and type of values, one method for each entry of {@code nj_kernels} in
 * {@code nightjar_cpu.h}, which documents them. Addresses are longs, so a call allocates nothing; nothing is checked here. Thread-safe.
 */
final class NativeKernels implements LinearKernels {
    /** Instruction sets, {@code NJ_ISA_*}, in ascending order. */
    enum Isa {
        BASELINE(0), AVX2(1), AVX512(2), AVX512_VNNI(3), AVX512_BF16(4), AMX(5);

        static final Isa BEST = AMX;

        private final int code;

        Isa(int code) {
            this.code = code;
        }

        /** As in {@code avx512_bf16}. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** {@code NJ_CPU_ABI} of the header this class was written against. */
    private static final int ABI = 5;
    private static final int ENTRIES = 17;
    private static final String FOLDER = "dev/nightjar/native/" + NativeLibrary.platform();
    private static final String LIBRARY = "libnightjar_cpu.so";
    private static final MemoryLayout P = JAVA_LONG;
    private static final MemoryLayout I = JAVA_INT;
    private static final MemoryLayout L = JAVA_LONG;
    private static final MemoryLayout F = JAVA_FLOAT;

    private final Isa isa;
    private final NativeKernels bfloat16;
    private final ProductKernels floatProducts;
    private final LowPrecisionKernels lowPrecision;
    private final MethodHandle embedding;
    private final MethodHandle scatterAdd;
    private final MethodHandle residualLayerNorm;
    private final MethodHandle layerNormBackward;
    private final MethodHandle dropout;
    private final MethodHandle biasActivation;
    private final MethodHandle activationBackward;
    private final MethodHandle columnSums;
    private final MethodHandle transpose;
    private final MethodHandle attentionScratch;
    private final MethodHandle attention;
    private final MethodHandle attentionBackward;
    private final MethodHandle squaredNorm;
    private final MethodHandle axpby;
    private final MethodHandle adamW;
    private final MethodHandle philox;
    private final MethodHandle storeSums;

    private NativeKernels(Isa isa, MemorySegment table, NativeKernels bfloat16, ProductKernels floatProducts,
            LowPrecisionKernels lowPrecision) {
        this.isa = isa;
        this.bfloat16 = bfloat16;
        this.floatProducts = floatProducts;
        this.lowPrecision = lowPrecision;
        FunctionTable entries = new FunctionTable(table, ENTRIES);
        embedding = entries.next(null, I, I, I, P, P, P, P, P, P, P, P, F, I, F, L, I, P, P, P);
        scatterAdd = entries.next(null, I, I, I, I, P, I, P, P);
        residualLayerNorm = entries.next(null, I, I, I, P, P, P, P, P, P, P, F, I, F, L, I, P, P);
        layerNormBackward = entries.next(null, I, I, I, P, P, P, P, P, P);
        dropout = entries.next(null, I, I, I, P, P, P, P, I, F, L, I, P);
        biasActivation = entries.next(null, I, I, I, P, I, P, I, P, P);
        activationBackward = entries.next(null, L, L, I, P, P);
        columnSums = entries.next(null, I, I, I, I, P, P);
        transpose = entries.next(null, I, I, I, I, P, P);
        attentionScratch = entries.next(L, I, I);
        attention = entries.next(null, I, I, I, I, I, P, P, P, I, F, L, I, P, P, P);
        attentionBackward = entries.next(null, I, I, I, I, P, P, P, P, P, P, I, F, L, I, P, P);
        squaredNorm = entries.next(JAVA_DOUBLE, L, L, P);
        axpby = entries.next(null, L, L, F, P, F, P);
        adamW = entries.next(null, L, L, F, F, F, F, F, F, F, P, P, P, P, P);
        philox = entries.next(null, L, I, I, I, I, I, P);
        storeSums = entries.next(null, I, I, I, P, I, I, P);
    }

    /** Whether the class path has the library for this machine. */
    static boolean isPackaged() {
        return NativeLibrary.isPackaged(FOLDER, LIBRARY);
    }

    /** What {@link #isPackaged} looks for. */
    static String resource() {
        return FOLDER + "/" + LIBRARY;
    }

    /**
     * Those of an instruction set.
     *
     * @throws UnavailableException if the library cannot be loaded, is of another version, or the processor lacks {@code isa}
     */
    static NativeKernels load(Isa isa) {
        NativeKernels kernels = load(library(), isa);
        if (kernels == null) {
            throw new UnavailableException("this processor or operating system has no " + isa);
        }
        return kernels;
    }

    /**
     * Those of the best instruction set up to {@code most} that this processor has.
     *
     * @throws UnavailableException if the library cannot be loaded or is of another version
     */
    static NativeKernels loadBest(Isa most) {
        NativeLibrary library = library();
        return Stream.of(Isa.values()).filter(isa -> isa.compareTo(most) <= 0).sorted(Comparator.reverseOrder())
                .map(isa -> load(library, isa)).filter(Objects::nonNull).findFirst().orElseThrow();
    }

    private static NativeLibrary library() {
        NativeLibrary library = NativeLibrary.load(FOLDER, LIBRARY);
        int abi;
        try {
            abi = (int) library.downcall("nj_cpu_abi", FunctionDescriptor.of(JAVA_INT)).invokeExact();
        } catch (Throwable t) {
            throw Downcalls.failure("nj_cpu_abi", t);
        }
        if (abi != ABI) {
            throw new UnavailableException("native library " + resource() + " has ABI " + abi + ", expected " + ABI
                    + ": nightjar-native and nightjar are of different versions");
        }
        return library;
    }

    /** Null where the processor lacks {@code isa}; every one has {@code BASELINE}. */
    private static NativeKernels load(NativeLibrary library, Isa isa) {
        MemorySegment floats = table(library, "nj_kernels_for", isa);
        if (floats.equals(MemorySegment.NULL)) {
            return null;
        }
        MemorySegment bfloat16 = table(library, "nj_bfloat16_kernels_for", isa);
        MemorySegment products = table(library, "nj_float_products_for", isa);
        MemorySegment lowPrecision = table(library, "nj_low_precision_for", isa);
        return new NativeKernels(isa, floats,
                bfloat16.equals(MemorySegment.NULL) ? null : new NativeKernels(isa, bfloat16, null, null, null),
                new ProductKernels(new FunctionTable(products, ProductKernels.ENTRIES)),
                lowPrecision.equals(MemorySegment.NULL) ? null : new LowPrecisionKernels(lowPrecision));
    }

    private static MemorySegment table(NativeLibrary library, String function, Isa isa) {
        try {
            return (MemorySegment) library.downcall(function, FunctionDescriptor.of(ADDRESS, JAVA_INT))
                    .invokeExact(isa.code);
        } catch (Throwable t) {
            throw Downcalls.failure(function, t);
        }
    }

    Isa isa() {
        return isa;
    }

    /** These are of float32; the same for values of bfloat16, null where the instruction set has none. */
    NativeKernels bfloat16() {
        return bfloat16;
    }

    /** Products with weights packed in float32. */
    ProductKernels floatProducts() {
        return floatProducts;
    }

    /** Those for inference in bfloat16 and int8; null where the instruction set has none. */
    LowPrecisionKernels lowPrecision() {
        return lowPrecision;
    }

    private static int threshold(Dropout dropout) {
        return dropout.active() ? dropout.threshold() : 0;
    }

    /** {@code NJ_ACTIVATION_*}. */
    static int code(Activation activation) {
        return switch (activation) {
            case NONE -> 0;
            case GELU -> 1;
            case RELU -> 2;
        };
    }

    void embedding(int begin, int end, int dim, PackedBatch batch, long words, long places, long gamma, long beta,
            Dropout drop, long sum, long stats, long out) {
        try {
            embedding.invokeExact(begin, end, dim, batch.ids().address(), batch.positions().address(),
                    batch.tokenSequences().address(), batch.keys().address(), words, places, gamma, beta,
                    DistilBertConfig.LAYER_NORM_EPSILON, threshold(drop), drop.scale(), drop.seed(), drop.stream(),
                    sum, stats, out);
        } catch (Throwable t) {
            throw Downcalls.failure("embedding", t);
        }
    }

    void scatterAdd(int begin, int end, int dim, int tokens, long rows, int skip, long d, long table) {
        try {
            scatterAdd.invokeExact(begin, end, dim, tokens, rows, skip, d, table);
        } catch (Throwable t) {
            throw Downcalls.failure("scatter_add", t);
        }
    }

    void residualLayerNorm(int begin, int end, int dim, PackedBatch batch, long x, long residual, long gamma,
            long beta, Dropout drop, long stats, long out) {
        try {
            residualLayerNorm.invokeExact(begin, end, dim, batch.positions().address(),
                    batch.tokenSequences().address(), batch.keys().address(), x, residual, gamma, beta,
                    DistilBertConfig.LAYER_NORM_EPSILON, threshold(drop), drop.scale(), drop.seed(), drop.stream(),
                    stats, out);
        } catch (Throwable t) {
            throw Downcalls.failure("residual_layer_norm", t);
        }
    }

    void layerNormBackward(int begin, int end, int dim, long dOut, long sum, long stats, long gamma, long dSum,
            long partial) {
        try {
            layerNormBackward.invokeExact(begin, end, dim, dOut, sum, stats, gamma, dSum, partial);
        } catch (Throwable t) {
            throw Downcalls.failure("layer_norm_backward", t);
        }
    }

    /** Rows are tokens of {@code batch}. */
    void dropoutTokens(int begin, int end, int dim, PackedBatch batch, long x, Dropout drop, long out) {
        dropout(begin, end, dim, batch.positions().address(), batch.tokenSequences().address(), batch.keys().address(),
                x, drop, out);
    }

    /** Rows are sequences of {@code batch}. */
    void dropoutSequences(int begin, int end, int dim, PackedBatch batch, long x, Dropout drop, long out) {
        dropout(begin, end, dim, 0, 0, batch.keys().address(), x, drop, out);
    }

    private void dropout(int begin, int end, int dim, long positions, long sequences, long keys, long x, Dropout drop,
            long out) {
        try {
            dropout.invokeExact(begin, end, dim, positions, sequences, keys, x, threshold(drop), drop.scale(),
                    drop.seed(), drop.stream(), out);
        } catch (Throwable t) {
            throw Downcalls.failure("dropout", t);
        }
    }

    @Override
    public void biasActivation(int rows, int cols, Activation activation, long sums, int sumsLd, long bias, int ld,
            long pre, long out) {
        try {
            biasActivation.invokeExact(rows, cols, code(activation), sums, sumsLd, bias, ld, pre, out);
        } catch (Throwable t) {
            throw Downcalls.failure("bias_activation", t);
        }
    }

    void activationBackward(long begin, long end, Activation activation, long pre, long gradient) {
        try {
            activationBackward.invokeExact(begin, end, code(activation), pre, gradient);
        } catch (Throwable t) {
            throw Downcalls.failure("activation_backward", t);
        }
    }

    @Override
    public void columnSums(int begin, int end, int rows, int ld, long x, long out) {
        try {
            columnSums.invokeExact(begin, end, rows, ld, x, out);
        } catch (Throwable t) {
            throw Downcalls.failure("column_sums", t);
        }
    }

    @Override
    public void transpose(int begin, int end, int rows, int cols, long x, long out) {
        try {
            transpose.invokeExact(begin, end, rows, cols, x, out);
        } catch (Throwable t) {
            throw Downcalls.failure("transpose", t);
        }
    }

    /** Floats of scratch for one worker. */
    long attentionScratch(int maxLength, int headDim) {
        try {
            return (long) attentionScratch.invokeExact(maxLength, headDim);
        } catch (Throwable t) {
            throw Downcalls.failure("attention_scratch", t);
        }
    }

    void attention(int begin, int end, int heads, int headDim, boolean firstOnly, PackedBatch batch, long qkv,
            Dropout drop, long logSumExp, long out, long scratch) {
        try {
            attention.invokeExact(begin, end, heads, headDim, firstOnly ? 1 : 0, batch.cuSeqlens().address(),
                    batch.keys().address(), qkv,
                    threshold(drop), drop.scale(), drop.seed(), drop.stream(), logSumExp, out, scratch);
        } catch (Throwable t) {
            throw Downcalls.failure("attention", t);
        }
    }

    void attentionBackward(int begin, int end, int heads, int headDim, PackedBatch batch, long qkv, long out,
            long logSumExp, long dOut, Dropout drop, long dQkv, long scratch) {
        try {
            attentionBackward.invokeExact(begin, end, heads, headDim, batch.cuSeqlens().address(),
                    batch.keys().address(), qkv, out, logSumExp, dOut, threshold(drop), drop.scale(), drop.seed(),
                    drop.stream(), dQkv, scratch);
        } catch (Throwable t) {
            throw Downcalls.failure("attention_backward", t);
        }
    }

    double squaredNorm(long begin, long end, long x) {
        try {
            return (double) squaredNorm.invokeExact(begin, end, x);
        } catch (Throwable t) {
            throw Downcalls.failure("squared_norm", t);
        }
    }

    void axpby(long begin, long end, float alpha, long x, float beta, long y) {
        try {
            axpby.invokeExact(begin, end, alpha, x, beta, y);
        } catch (Throwable t) {
            throw Downcalls.failure("axpby", t);
        }
    }

    void adamW(long begin, long end, float clip, float beta1, float beta2, float rate, float keep, float rootCorrection,
            float epsilon, long gradient, long m, long v, long p, long copy) {
        try {
            adamW.invokeExact(begin, end, clip, beta1, beta2, rate, keep, rootCorrection, epsilon, gradient, m, v, p,
                    copy);
        } catch (Throwable t) {
            throw Downcalls.failure("adamw", t);
        }
    }

    void philox(long seed, int first, int c1, int c2, int c3, int count, long words) {
        try {
            philox.invokeExact(seed, first, c1, c2, c3, count, words);
        } catch (Throwable t) {
            throw Downcalls.failure("philox", t);
        }
    }

    /** The first columns of some rows: out = sums, or out += sums. */
    void storeSums(int rows, int cols, boolean accumulate, long sums, int sumsLd, int ld, long out) {
        try {
            storeSums.invokeExact(rows, cols, accumulate ? 1 : 0, sums, sumsLd, ld, out);
        } catch (Throwable t) {
            throw Downcalls.failure("store_sums", t);
        }
    }
}
