package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.reference.ReferenceOps;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@link LinearKernels} where the native library is absent. */
final class JavaLinearKernels implements LinearKernels {
    private static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

    private static float get(long base, long index) {
        return MEMORY.get(ValueLayout.JAVA_FLOAT, base + 4 * index);
    }

    private static void set(long base, long index, float value) {
        MEMORY.set(ValueLayout.JAVA_FLOAT, base + 4 * index, value);
    }

    @Override
    public void biasActivation(int rows, int cols, Activation activation, long sums, int sumsLd, long bias, int ld,
            long pre, long out) {
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < cols; c++) {
                long at = (long) r * ld + c;
                float value = get(sums, (long) r * sumsLd + c) + get(bias, c);
                if (pre != 0) {
                    set(pre, at, value);
                }
                set(out, at, ReferenceOps.activate(activation, value));
            }
        }
    }

    @Override
    public void columnSums(int begin, int end, int rows, int ld, long x, long out) {
        for (int c = begin; c < end; c++) {
            double sum = get(out, c);
            for (int r = 0; r < rows; r++) {
                sum += get(x, (long) r * ld + c);
            }
            set(out, c, (float) sum);
        }
    }

    @Override
    public void transpose(int begin, int end, int rows, int cols, long x, long out) {
        for (int c = begin; c < end; c++) {
            for (int r = 0; r < rows; r++) {
                set(out, (long) c * rows + r, get(x, (long) r * cols + c));
            }
        }
    }
}
