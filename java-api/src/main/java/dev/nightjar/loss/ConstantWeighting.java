package dev.nightjar.loss;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import java.util.function.Supplier;

/**
 * The same weights at every step: the control of every other weighting, and with (1, 1) the weighting of a model with one task.
 *
 * @param balanceClasses whether rows count by the inverse frequency of their class in the batch
 */
public record ConstantWeighting(float classification, float regression,
        boolean balanceClasses) implements TaskWeighting {
    @Override
    public LossWeights weights(Tasks present, Supplier<LossReport> losses, float gradientScale) {
        return new LossWeights(balanceClasses, false, classification, regression, gradientScale);
    }
}
