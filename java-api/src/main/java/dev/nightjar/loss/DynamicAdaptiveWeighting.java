package dev.nightjar.loss;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import java.util.function.Supplier;

/**
 * The task and data weights of Dynamic Adaptive Optimization (DAO, arXiv 2408.11856): lambda_c = |g_r| / (|g_c| + |g_r|), lambda_r the
 * other way round, so that both weighted gradients have the same norm; and in both losses every row counts omega_i, its class's inverse
 * frequency in the batch. The formula of omega and the scope of g are our reconstruction; the paper gives neither.
 *
 * <p>Gradient accumulation: over the pooled representation every batch has a lambda of its own, as nothing else is known when its
 * backward pass starts; over the shared parameters lambda comes from the gradients accumulated in the step. A batch (or step) in which
 * only one task has targets counts that task fully: the ratio would silence it.
 *
 * @param scope with respect to what g is taken
 * @param balanceClasses whether omega is as above instead of 1
 */
public record DynamicAdaptiveWeighting(Scope scope, boolean balanceClasses) implements TaskWeighting {
    private static final double EPSILON = 1e-12;

    @Override
    public LossWeights weights(Tasks present, Supplier<LossReport> losses, float gradientScale) {
        boolean crossRatio = scope == Scope.POOLED_REPRESENTATION && present.both();
        return new LossWeights(balanceClasses, crossRatio, 1, 1, gradientScale);
    }

    @Override
    public boolean separatesTasks() {
        return scope == Scope.SHARED_PARAMETERS;
    }

    @Override
    public TaskWeights combine(Tasks present, double classificationNorm, double regressionNorm) {
        if (!present.both()) {
            return new TaskWeights(1, 1);
        }
        if (classificationNorm == 0 && regressionNorm == 0) {
            return new TaskWeights(0.5, 0.5);
        }
        double sum = classificationNorm + regressionNorm + EPSILON;
        return new TaskWeights(regressionNorm / sum, classificationNorm / sum);
    }
}
