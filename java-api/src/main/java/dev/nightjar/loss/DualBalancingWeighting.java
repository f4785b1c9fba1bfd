package dev.nightjar.loss;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import java.util.function.Supplier;

/**
 * Dual balancing, DB-MTL (Lin, Jiang, Ye, Zhang, Chen, Chen, Liu, Tsang and Kwok, "Dual-balancing for multi-task learning", arXiv
 * 2308.12029, section 3, algorithm 1): the tasks' losses are balanced by descending ln(L_k + 1e-8) in place of L_k, and their gradients by
 * scaling each, over what the tasks share, to the larger of their norms. The norm is that of a moving average m_k of the gradient of
 * ln(L_k), and the average takes the gradient's place: g = sum_k m_k max_j |m_j| / (|m_k| + 1e-8). A head follows the gradient of its
 * own ln(L_k), neither averaged nor scaled.
 *
 * <p>Where this differs from the authors' code in LibMTL: its decay may fall as b / t^s, here it is constant (its default). They always have
 * both tasks; here a step in which only one has targets follows that one alone, and the other's average stays as it is. Of the batches of a
 * step each is descended by its own logarithm. Weights reported are factors on the losses' gradients: max_j |m_j| / |m_k| / L_k.
 */
public final class DualBalancingWeighting implements TaskWeighting {
    private static final double EPSILON = 1e-8;

    private final double averageDecay;

    /** @param averageDecay of the moving averages, b in m = b m + (1 - b) g; 0.9 in LibMTL, 0 for no averages */
    public DualBalancingWeighting(double averageDecay) {
        this.averageDecay = averageDecay;
    }

    /** The gradient of ln(L + 1e-8) is L's by L + 1e-8. */
    @Override
    public LossWeights weights(Tasks present, Supplier<LossReport> losses, float gradientScale) {
        LossReport report = losses.get();
        return new LossWeights(false, false,
                present.classification() ? (float) (1 / (report.classificationLoss() + EPSILON)) : 0,
                present.regression() ? (float) (1 / (report.regressionLoss() + EPSILON)) : 0, gradientScale);
    }

    @Override
    public boolean separatesTasks() {
        return true;
    }

    @Override
    public double averageDecay() {
        return averageDecay;
    }

    @Override
    public TaskWeights combine(Tasks present, double classificationNorm, double regressionNorm) {
        double classification = present.classification() ? classificationNorm : 0;
        double regression = present.regression() ? regressionNorm : 0;
        double max = Math.max(classification, regression);
        return new TaskWeights(present.classification() ? max / (classification + EPSILON) : 0,
                present.regression() ? max / (regression + EPSILON) : 0);
    }

    @Override
    public boolean weighsHeads() {
        return false;
    }
}
