package dev.nightjar.backend;

/**
 * How {@link Ops#multiTaskLoss} weighs rows and tasks.
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
}
