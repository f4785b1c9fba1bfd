package dev.nightjar.loss;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Homoscedastic uncertainty (Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to weigh losses", CVPR 2018, equations 7 and
 * 10): L = exp(-s_c) L_c + s_c / 2 + exp(-s_r) L_r / 2 + s_r / 2 with learned log-variances s, both 0 at first.
 *
 * <p>The log-variances have an Adam of their own (no decay, no schedule): with the encoder's learning rate they would not move within a
 * fine-tuning. A step moves s by at most about the learning rate. A task without targets in a step leaves its s alone.
 */
public final class UncertaintyWeighting implements TaskWeighting {
    private final double learningRate;
    private final AdamScalar classification = new AdamScalar("classification.log_variance");
    private final AdamScalar regression = new AdamScalar("regression.log_variance");

    /** @param learningRate of the log-variances */
    public UncertaintyWeighting(double learningRate) {
        this.learningRate = learningRate;
    }

    @Override
    public LossWeights weights(Tasks present, Supplier<LossReport> losses, float gradientScale) {
        return new LossWeights(false, false, (float) Math.exp(-classification.value()),
                (float) (0.5 * Math.exp(-regression.value())), gradientScale);
    }

    @Override
    public boolean observesSteps() {
        return true;
    }

    @Override
    public void observe(LossReport losses, Supplier<LossReport> updated) {
        if (losses.labelledRows() > 0) {
            classification.descend(0.5 - Math.exp(-classification.value()) * losses.classificationLoss(), learningRate);
        }
        if (losses.scoredRows() > 0) {
            regression.descend(0.5 - 0.5 * Math.exp(-regression.value()) * losses.regressionLoss(), learningRate);
        }
    }

    @Override
    public Map<String, Double> state() {
        Map<String, Double> state = new LinkedHashMap<>();
        classification.save(state);
        regression.save(state);
        return state;
    }

    @Override
    public void restore(Map<String, Double> state) {
        classification.restore(state);
        regression.restore(state);
    }
}
