package dev.nightjar.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Matrices quantised symmetrically, row by row: element = q scale with q an int8 in [-127, 127] and one float32 scale a row, which
 * takes the row's largest magnitude to 127.
 *
 * <p>Scales are rounded up to 16 significant bits, so that every q scale is exact in float32: a matrix that was quantised, restored
 * and quantised again is the same bit for bit.
 */
public final class Int8Rows {
    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
    /** Largest magnitude of a quantised element. */
    public static final float LIMIT = 127;
    /** Low bits of a float32 that a scale does without. */
    private static final int SPARE_BITS = 0xFF;

    private Int8Rows() {
    }

    /**
     * Quantises.
     *
     * @param matrix [rows, cols] in float32
     * @param values [rows, cols] in int8
     * @param scales [rows] in float32; 0 for a row of zeros
     * @throws ArithmeticException naming the row, if an element is not finite or so large that its row has no scale
     */
    public static void quantise(int rows, int cols, MemorySegment matrix, MemorySegment values, MemorySegment scales) {
        for (int r = 0; r < rows; r++) {
            long row = (long) r * cols;
            float max = 0;
            boolean finite = true;
            for (int c = 0; c < cols; c++) {
                float magnitude = Math.abs(matrix.get(F32, 4 * (row + c)));
                finite &= magnitude <= Float.MAX_VALUE;
                max = Math.max(max, magnitude);
            }
            float scale = scale(max);
            if (!finite || !(scale * LIMIT <= Float.MAX_VALUE)) {
                throw new ArithmeticException("row " + r + " has an element that cannot be quantised");
            }
            float factor = scale == 0 ? 0 : 1 / scale;
            for (int c = 0; c < cols; c++) {
                values.set(ValueLayout.JAVA_BYTE, row + c,
                        (byte) Math.rint(matrix.get(F32, 4 * (row + c)) * factor));
            }
            scales.set(F32, 4L * r, scale);
        }
    }

    private static float scale(float max) {
        int bits = Float.floatToRawIntBits(max / LIMIT);
        return Float.intBitsToFloat((bits + SPARE_BITS) & ~SPARE_BITS);
    }

    /** The inverse: {@code matrix} [rows, cols] in float32. */
    public static void restore(int rows, int cols, MemorySegment values, MemorySegment scales, MemorySegment matrix) {
        for (int r = 0; r < rows; r++) {
            float scale = scales.get(F32, 4L * r);
            for (long i = (long) r * cols; i < (r + 1L) * cols; i++) {
                matrix.set(F32, 4 * i, values.get(ValueLayout.JAVA_BYTE, i) * scale);
            }
        }
    }
}
