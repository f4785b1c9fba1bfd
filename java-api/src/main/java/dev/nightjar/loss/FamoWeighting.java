package dev.nightjar.loss;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Fast adaptive multitask optimization, FAMO (Liu, Feng, Stone and Liu, NeurIPS 2023, section 3, algorithm 1): lambda_i = c z_i / L_i with
 * z = softmax(w) and c such that the weights sum to one, a step on the z-weighted logarithms of the losses. After the update w descends the
 * Jacobian of the softmax times ln(L_i before) - ln(L_i after), plus gamma w: the task whose loss fell less counts more.
 *
 * <p>Like the authors' code, this adds 1e-8 to losses before their logarithm, takes 0 for the least loss there can be, gives w an Adam with
 * gamma as its weight decay, and measures the losses after the update on the same batches, which costs their forward passes a second time.
 * Where it differs:
 * <ul>
 * <li>The second measurement drops the same activations as the first; the authors draw anew.
 * <li>Each batch of a step has a lambda by its own losses; w learns from the losses of the whole step.
 * <li>The authors always have both tasks. Here a batch in which only one has targets counts that one fully, and such a step leaves w alone.
 * <li>Clipping is that of the optimizer, over all parameters; the authors clip what the tasks share to norm 1.
 * </ul>
 */
public final class FamoWeighting implements TaskWeighting {
    private static final double EPSILON = 1e-8;

    private final double learningRate;
    private final double decay;
    /** w of the classification; that of the regression is the opposite, as the gradients always are. */
    private final AdamScalar logit = new AdamScalar("logit");

    /**
     * @param learningRate of w; the authors use 0.025
     * @param decay gamma, which draws the weights towards equal z; the authors use 1e-5 to 1e-2, and LibMTL 1e-3
     */
    public FamoWeighting(double learningRate, double decay) {
        this.learningRate = learningRate;
        this.decay = decay;
    }

    /** z of the classification. */
    private double share() {
        return 1 / (1 + Math.exp(-2 * logit.value()));
    }

    @Override
    public LossWeights weights(Tasks present, Supplier<LossReport> losses, float gradientScale) {
        if (!present.both()) {
            return new LossWeights(false, false, 1, 1, gradientScale);
        }
        LossReport report = losses.get();
        double classification = share() / (report.classificationLoss() + EPSILON);
        double regression = (1 - share()) / (report.regressionLoss() + EPSILON);
        double sum = classification + regression;
        return new LossWeights(false, false, (float) (classification / sum), (float) (regression / sum), gradientScale);
    }

    @Override
    public boolean observesSteps() {
        return true;
    }

    @Override
    public void observe(LossReport losses, Supplier<LossReport> updated) {
        if (losses.labelledRows() == 0 || losses.scoredRows() == 0) {
            return;
        }
        LossReport after = updated.get();
        double fallC = fall(losses.classificationLoss(), after.classificationLoss());
        double fallR = fall(losses.regressionLoss(), after.regressionLoss());
        double gradient = share() * (1 - share()) * (fallC - fallR);
        logit.descend(gradient + decay * logit.value(), learningRate);
    }

    private static double fall(double before, double after) {
        return Math.log(before + EPSILON) - Math.log(after + EPSILON);
    }

    @Override
    public Map<String, Double> state() {
        Map<String, Double> state = new LinkedHashMap<>();
        logit.save(state);
        return state;
    }

    @Override
    public void restore(Map<String, Double> state) {
        logit.restore(state);
    }
}
