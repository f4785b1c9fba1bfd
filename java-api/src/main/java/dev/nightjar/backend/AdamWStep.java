package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The scalars of one AdamW step (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2), which {@link
 * Ops#adamW} reads from memory of the backend, in the order here as elements of 4 bytes followed by {@link #correction1} and {@link
 * #correction2}, so that an operation recorded once serves every step. All are float32 but the step, which is int32.
 *
 * @param step counted from 1
 * @param learningRate of this step, after the schedule
 * @param maxGradientNorm global norm to which gradients are clipped, scale = min(1, max / (norm + 1e-6)); infinity for no clipping
 */
public record AdamWStep(int step, float learningRate, float beta1, float beta2, float epsilon, float weightDecay,
        float maxGradientNorm) {
    /** Elements in memory. */
    public static final int SIZE = 9;

    /** What the running mean of the gradients is divided by: 1 - beta1^step. */
    public double correction1() {
        return 1 - Math.pow(beta1, step);
    }

    /** What the running mean of the gradients' squares is divided by: 1 - beta2^step. */
    public double correction2() {
        return 1 - Math.pow(beta2, step);
    }

    /** Writes this to the first {@link #SIZE} elements of host memory. */
    public void write(MemorySegment memory) {
        float[] values = {Float.intBitsToFloat(step), learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm,
                (float) correction1(), (float) correction2()};
        MemorySegment.copy(values, 0, memory, ValueLayout.JAVA_FLOAT, 0, SIZE);
    }

    /** What {@link #write} wrote to a host tensor. */
    public static AdamWStep read(Tensor step) {
        return new AdamWStep(step.getInt(0), step.get(1), step.get(2), step.get(3), step.get(4), step.get(5),
                step.get(6));
    }
}
