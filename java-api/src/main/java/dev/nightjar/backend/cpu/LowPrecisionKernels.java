package dev.nightjar.backend.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.ffi.Downcalls;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The entries of {@code nj_low_precision} in {@code nightjar_cpu.h}, which documents them, for one instruction set. As in
 * {@link NativeKernels} a call allocates nothing and nothing is checked. Thread-safe.
 */
final class LowPrecisionKernels {
    /** Entries of the table. */
    static final int ENTRIES = ProductKernels.ENTRIES + 4;
    private static final MemoryLayout P = JAVA_LONG;
    private static final MemoryLayout I = JAVA_INT;
    private static final MemoryLayout L = JAVA_LONG;
    private static final MemoryLayout F = JAVA_FLOAT;

    private final ProductKernels products;
    private final MethodHandle embedding;
    private final MethodHandle residualLayerNorm;
    private final MethodHandle attentionScratch;
    private final MethodHandle attention;

    /** @param table an {@code nj_low_precision} */
    LowPrecisionKernels(MemorySegment table) {
        FunctionTable entries = new FunctionTable(table, ENTRIES);
        products = new ProductKernels(entries);
        embedding = entries.next(null, I, I, I, I, P, P, P, P, P, P, F, P);
        residualLayerNorm = entries.next(null, I, I, I, I, P, P, P, P, F, P);
        attentionScratch = entries.next(L, I, I);
        attention = entries.next(null, I, I, I, I, I, P, P, P, P);
    }

    ProductKernels products() {
        return products;
    }

    void embedding(int begin, int end, PackedBatch batch, Tensor words, Tensor positions, LayerNorm norm, Tensor out) {
        try {
            embedding.invokeExact(ProductKernels.code(words.dtype()), begin, end, out.cols(), batch.ids().address(),
                    batch.positions().address(), words.address(), positions.address(), norm.weight().address(),
                    norm.bias().address(), DistilBertConfig.LAYER_NORM_EPSILON, out.address());
        } catch (Throwable t) {
            throw Downcalls.failure("embedding", t);
        }
    }

    void residualLayerNorm(int begin, int end, long x, Tensor residual, LayerNorm norm, Tensor out) {
        try {
            residualLayerNorm.invokeExact(ProductKernels.code(norm.weight().dtype()), begin, end, out.cols(), x,
                    residual.address(),
                    norm.weight().address(), norm.bias().address(), DistilBertConfig.LAYER_NORM_EPSILON,
                    out.address());
        } catch (Throwable t) {
            throw Downcalls.failure("residual_layer_norm", t);
        }
    }

    /** Bytes of scratch for one worker. */
    long attentionScratch(int maxLength, int headDim) {
        try {
            return (long) attentionScratch.invokeExact(maxLength, headDim);
        } catch (Throwable t) {
            throw Downcalls.failure("attention_scratch", t);
        }
    }

    void attention(int begin, int end, int heads, int headDim, boolean firstOnly, PackedBatch batch, long qkv, long out,
            long scratch) {
        try {
            attention.invokeExact(begin, end, heads, headDim, firstOnly ? 1 : 0, batch.cuSeqlens().address(), qkv, out,
                    scratch);
        } catch (Throwable t) {
            throw Downcalls.failure("attention", t);
        }
    }
}
