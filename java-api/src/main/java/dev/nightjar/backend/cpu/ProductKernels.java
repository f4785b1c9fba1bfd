package dev.nightjar.backend.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightjar.backend.Activation;
import dev.nightjar.ffi.Downcalls;
import dev.nightjar.tensor.DType;
import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;

/**
 * The entries of {@code nj_products} in {@code nightjar_cpu.h}, which documents them, for one instruction set: of float32, or of bfloat16
 * and int8. As in {@link NativeKernels} a call allocates nothing and nothing is checked. Thread-safe.
 */
final class ProductKernels {
    /** Entries of the table. */
    static final int ENTRIES = 6;
    /** Columns of a packed weight's panels: products begin at a multiple. */
    static final int PANEL = 32;
    /** {@code NJ_BLOCK_ROWS}. */
    static final int BLOCK_ROWS = 32;
    /** Bytes of an {@code nj_row}. */
    static final int ROW_STATS_BYTES = 8;
    private static final MemoryLayout P = JAVA_LONG;
    private static final MemoryLayout I = JAVA_INT;
    private static final MemoryLayout L = JAVA_LONG;

    private final MethodHandle packedWeightSize;
    private final MethodHandle packWeight;
    private final MethodHandle rowBlocks;
    private final MethodHandle packedRowsSize;
    private final MethodHandle packRows;
    private final MethodHandle linear;

    /** Takes the next {@link #ENTRIES} of a table. */
    ProductKernels(FunctionTable entries) {
        packedWeightSize = entries.next(L, I, I, I);
        packWeight = entries.next(null, I, I, I, P, P);
        rowBlocks = entries.next(I, I);
        packedRowsSize = entries.next(L, I, I, I);
        packRows = entries.next(null, I, I, I, I, I, P, P, P, P);
        linear = entries.next(null, I, I, I, I, I, I, I, I, P, P, P, P, I, P, I, I, P);
    }

    /** {@code NJ_FLOAT32} and so on. */
    static int code(DType type) {
        return switch (type) {
            case F32 -> 0;
            case BF16 -> 1;
            case I8 -> 2;
            default -> throw new IllegalArgumentException("no code for " + type);
        };
    }

    /** Bytes of a packed weight. */
    long packedWeightSize(DType type, int n, int k) {
        try {
            return (long) packedWeightSize.invokeExact(code(type), n, k);
        } catch (Throwable t) {
            throw Downcalls.failure("packed_weight_size", t);
        }
    }

    void packWeight(DType type, int n, int k, long matrix, long packed) {
        try {
            packWeight.invokeExact(code(type), n, k, matrix, packed);
        } catch (Throwable t) {
            throw Downcalls.failure("pack_weight", t);
        }
    }

    int rowBlocks(int rows) {
        try {
            return (int) rowBlocks.invokeExact(rows);
        } catch (Throwable t) {
            throw Downcalls.failure("row_blocks", t);
        }
    }

    /** Bytes of packed rows. */
    long packedRowsSize(DType type, int rows, int k) {
        try {
            return (long) packedRowsSize.invokeExact(code(type), rows, k);
        } catch (Throwable t) {
            throw Downcalls.failure("packed_rows_size", t);
        }
    }

    void packRows(DType type, int begin, int end, int rows, int k, long x, long scratch, long stats, long packed) {
        try {
            packRows.invokeExact(code(type), begin, end, rows, k, x, scratch, stats, packed);
        } catch (Throwable t) {
            throw Downcalls.failure("pack_rows", t);
        }
    }

    /** Blocks of rows and columns of a product with a weight; {@code left} and {@code stats} are of {@link #packRows}. */
    void linear(int firstBlock, int lastBlock, int begin, int end, int rows, PackedWeight weight, long left, long stats,
            DType biasType, long bias, Activation activation, DType outType, long out) {
        try {
            linear.invokeExact(code(weight.type()), firstBlock, lastBlock, begin, end, rows, weight.rows(),
                    weight.cols(), left, stats, weight.address(), weight.scales(), code(biasType), bias,
                    NativeKernels.code(activation), code(outType), out);
        } catch (Throwable t) {
            throw Downcalls.failure("linear", t);
        }
    }
}
