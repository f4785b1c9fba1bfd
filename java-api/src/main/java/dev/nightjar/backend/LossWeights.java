package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * How {@link Ops#multiTaskLoss} weighs rows and tasks, which it reads from memory of the backend, as float32 in the order here with 1 for
 * true, so that an operation recorded once serves every step.
 *
 * @param balanceClasses whether rows get the weight omega_i = B / (K * n[c_i]) of their class inside the batch (the data weights of DAO,
 *        arXiv 2408.11856 in our reconstruction), instead of 1
 * @param crossRatio whether the task weights are the cross ratio of the pooled gradients' norms (DAO), instead of those given here
 * @param classification weight of the classification loss where {@code crossRatio} is false
 * @param regression weight of the regression loss where {@code crossRatio} is false
 * @param gradientScale factor on both gradients, not on the losses: 1 / accumulation steps
 */
public record LossWeights(boolean balanceClasses, boolean crossRatio, float classification, float regression,
        float gradientScale) {
    /** Elements in memory. */
    public static final int SIZE = 5;

    /** Writes this to the first {@link #SIZE} floats of host memory. */
    public void write(MemorySegment memory) {
        float[] values = {balanceClasses ? 1 : 0, crossRatio ? 1 : 0, classification, regression, gradientScale};
        MemorySegment.copy(values, 0, memory, ValueLayout.JAVA_FLOAT, 0, SIZE);
    }

    /** What {@link #write} wrote to a host tensor. */
    public static LossWeights read(Tensor weights) {
        return new LossWeights(weights.get(0) != 0, weights.get(1) != 0, weights.get(2), weights.get(3),
                weights.get(4));
    }
}
