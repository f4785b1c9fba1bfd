package dev.nightjar.loss;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * GradNorm (Chen, Badrinarayanan, Lee and Rabinovich, "GradNorm: Gradient normalization for adaptive loss balancing in deep multitask
 * networks", ICML 2018, equations 1 and 2, algorithm 1): learned weights w that give each task's gradient the norm |w_i g_i| = G r_i^alpha,
 * where G is the mean of both norms and r_i the task's loss ratio L_i(t) / L_i(0) by the mean of both ratios, so that the task which learns
 * more slowly gets the larger gradient. After each step w descends sum_i | |w_i g_i| - G r_i^alpha | with G and r held constant.
 *
 * <p>Where this differs from the paper:
 * <ul>
 * <li>Of what g is the gradient. The paper chooses some shared weights W, usually those of the last shared layer. {@link
 * TaskWeighting.Scope#SHARED_PARAMETERS} takes them all; {@link TaskWeighting.Scope#POOLED_REPRESENTATION} takes what the last shared layer
 * puts out instead of its weights, as LibMTL's {@code rep_grad} does, for which no second backward pass is needed. Norms over the pooled
 * representation are means over the batches of a step.
 * <li>The paper's descent may leave a weight negative, as a step of Adam is as long as the learning rate however small the weight; it then
 * scales the weights to a sum of two. As in LibMTL w is a softmax here, of logits (v, -v), which stays positive, and whose sum of one is
 * that of the other weightings here (AdamW does not notice a common factor, clipping does).
 * <li>L_i(0) is the first loss above zero, of a single step: LibMTL instead takes the mean over a first epoch with equal weights, the paper
 * also offers what a random guess would lose.
 * <li>The paper always has both tasks. Here a step in which only one has targets, or before both have an L_i(0), does not move w.
 * </ul>
 */
public final class GradNormWeighting implements TaskWeighting {
    private static final String CLASSIFICATION = "classification.initial_loss";
    private static final String REGRESSION = "regression.initial_loss";

    private final Scope scope;
    private final double alpha;
    private final double learningRate;
    private final AdamScalar logit = new AdamScalar("logit");
    private double initialClassification;
    private double initialRegression;

    /**
     * @param alpha how strongly the slower task is favoured, 0 for equal norms; the authors use 1.5 for tasks that differ much
     * @param learningRate of w; the authors use 0.025
     */
    public GradNormWeighting(Scope scope, double alpha, double learningRate) {
        this.scope = scope;
        this.alpha = alpha;
        this.learningRate = learningRate;
    }

    private TaskWeights weights() {
        return new TaskWeights(1 / (1 + Math.exp(-2 * logit.value())), 1 / (1 + Math.exp(2 * logit.value())));
    }

    @Override
    public LossWeights weights(Tasks present, Supplier<LossReport> losses, float gradientScale) {
        if (separatesTasks()) {
            return new LossWeights(false, false, 1, 1, gradientScale);
        }
        TaskWeights w = weights();
        return new LossWeights(false, false, (float) w.classification(), (float) w.regression(), gradientScale);
    }

    @Override
    public boolean separatesTasks() {
        return scope == Scope.SHARED_PARAMETERS;
    }

    @Override
    public TaskWeights combine(Tasks present, double classificationNorm, double regressionNorm) {
        return weights();
    }

    @Override
    public boolean observesSteps() {
        return true;
    }

    @Override
    public void observe(LossReport losses, Supplier<LossReport> updated) {
        if (initialClassification == 0) {
            initialClassification = losses.classificationLoss();
        }
        if (initialRegression == 0) {
            initialRegression = losses.regressionLoss();
        }
        boolean both = losses.labelledRows() > 0 && losses.scoredRows() > 0;
        if (both && initialClassification > 0 && initialRegression > 0) {
            logit.descend(gradient(losses), learningRate);
        }
    }

    /** Of sum_i | |w_i g_i| - G r_i^alpha | with respect to the first logit; with respect to the second it is the opposite. */
    private double gradient(LossReport losses) {
        TaskWeights w = weights();
        double ratioC = losses.classificationLoss() / initialClassification;
        double ratioR = losses.regressionLoss() / initialRegression;
        double meanRatio = (ratioC + ratioR) / 2;
        double normC = w.classification() * losses.classificationNorm();
        double normR = w.regression() * losses.regressionNorm();
        double meanNorm = (normC + normR) / 2;
        double slopeC = losses.classificationNorm() * Math.signum(normC - target(meanNorm, ratioC, meanRatio));
        double slopeR = losses.regressionNorm() * Math.signum(normR - target(meanNorm, ratioR, meanRatio));
        return w.classification() * w.regression() * (slopeC - slopeR);
    }

    /** The norm a task's weighted gradient should have; both ratios are zero where both losses are. */
    private double target(double meanNorm, double ratio, double meanRatio) {
        return meanRatio == 0 ? meanNorm : meanNorm * Math.pow(ratio / meanRatio, alpha);
    }

    @Override
    public Map<String, Double> state() {
        Map<String, Double> state = new LinkedHashMap<>();
        logit.save(state);
        state.put(CLASSIFICATION, initialClassification);
        state.put(REGRESSION, initialRegression);
        return state;
    }

    @Override
    public void restore(Map<String, Double> state) {
        logit.restore(state);
        initialClassification = WeightingState.get(state, CLASSIFICATION);
        initialRegression = WeightingState.get(state, REGRESSION);
    }
}
