package dev.nightjar.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Int8RowsTest {
    private static final int COLS = 37;

    /** Rows of magnitudes from 1e-30 to 1e30. */
    private static float[] matrix(int rows) {
        Random random = new Random(1);
        float[] values = new float[rows * COLS];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() * Math.pow(10, i / COLS % 61 - 30));
        }
        return values;
    }

    private static float[] restored(int rows, float[] matrix, byte[] values) {
        float[] scales = new float[rows];
        float[] result = new float[matrix.length];
        Int8Rows.quantise(rows, COLS, MemorySegment.ofArray(matrix), MemorySegment.ofArray(values),
                MemorySegment.ofArray(scales));
        Int8Rows.restore(rows, COLS, MemorySegment.ofArray(values), MemorySegment.ofArray(scales),
                MemorySegment.ofArray(result));
        return result;
    }

    @Test
    void everyElementIsWithinHalfAStepAndEveryRowReaches127() {
        int rows = 244;
        float[] matrix = matrix(rows);
        byte[] values = new byte[matrix.length];
        float[] restored = restored(rows, matrix, values);
        for (int r = 0; r < rows; r++) {
            float max = 0;
            int largest = 0;
            for (int i = r * COLS; i < (r + 1) * COLS; i++) {
                max = Math.max(max, Math.abs(matrix[i]));
                largest = Math.max(largest, Math.abs(values[i]));
            }
            assertThat(largest).isEqualTo(127);
            for (int i = r * COLS; i < (r + 1) * COLS; i++) {
                assertThat(Math.abs(restored[i] - matrix[i])).isLessThanOrEqualTo(max / 127 * 0.505f);
            }
        }
    }

    @Test
    void quantisingAgainChangesNoBit() {
        int rows = 244;
        byte[] values = new byte[rows * COLS];
        float[] once = restored(rows, matrix(rows), values);
        byte[] again = new byte[values.length];
        assertThat(restored(rows, once, again)).isEqualTo(once);
        assertThat(again).isEqualTo(values);
    }

    @Test
    void zerosStayZeroAndWhatHasNoScaleIsRefused() {
        assertThat(restored(1, new float[COLS], new byte[COLS])).containsOnly(0);
        for (float bad : new float[]{Float.NaN, Float.NEGATIVE_INFINITY, Float.MAX_VALUE}) {
            float[] matrix = matrix(3);
            matrix[2 * COLS + 5] = bad;
            assertThatThrownBy(() -> restored(3, matrix, new byte[matrix.length]))
                    .isInstanceOf(ArithmeticException.class).hasMessageContaining("row 2");
        }
    }
}
