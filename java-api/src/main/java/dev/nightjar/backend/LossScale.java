package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Dynamic loss scaling, which keeps gradients in float16 above what rounds to zero (Micikevicius et al., "Mixed precision training", ICLR
 * 2018, section 3.2). It lives in memory of the backend, as float32 in the order here, where {@link Ops#updateLossScale} changes it: a step
 * whose gradients are not all finite halves the factor and is skipped; {@value #GROWTH_INTERVAL} good steps in a row double it.
 *
 * @param factor on the gradients of the loss, a power of two
 * @param goodSteps since the factor last changed
 * @param skippedSteps so far
 * @param lastFactor that the last step had
 */
public record LossScale(float factor, int goodSteps, int skippedSteps, float lastFactor) {
    /** Elements in memory. */
    public static final int SIZE = 4;
    /** Good steps in a row after which the factor doubles. */
    public static final int GROWTH_INTERVAL = 2000;
    /** The factor never gets larger: float32 sums of squares of scaled gradients must stay finite. */
    public static final float LARGEST = 0x1p24f;
    /** Of a new run. */
    public static final LossScale INITIAL = new LossScale(0x1p16f, 0, 0, 0x1p16f);

    /** What follows a step. */
    public LossScale after(boolean finite) {
        if (!finite) {
            return new LossScale(Math.max(factor / 2, 1), 0, skippedSteps + 1, factor);
        }
        return goodSteps + 1 < GROWTH_INTERVAL
                ? new LossScale(factor, goodSteps + 1, skippedSteps, factor)
                : new LossScale(Math.min(2 * factor, LARGEST), 0, skippedSteps, factor);
    }

    /** Writes this to the first {@link #SIZE} floats of host memory. */
    public void write(MemorySegment memory) {
        float[] values = {factor, goodSteps, skippedSteps, lastFactor};
        MemorySegment.copy(values, 0, memory, ValueLayout.JAVA_FLOAT, 0, SIZE);
    }

    /** What {@link #write} wrote. */
    public static LossScale read(MemorySegment memory) {
        return new LossScale(memory.getAtIndex(ValueLayout.JAVA_FLOAT, 0),
                (int) memory.getAtIndex(ValueLayout.JAVA_FLOAT, 1), (int) memory.getAtIndex(ValueLayout.JAVA_FLOAT, 2),
                memory.getAtIndex(ValueLayout.JAVA_FLOAT, 3));
    }

    /** The factor of a host tensor; 1 for null. */
    public static float factor(Tensor lossScale) {
        return lossScale == null ? 1 : lossScale.get(0);
    }
}
