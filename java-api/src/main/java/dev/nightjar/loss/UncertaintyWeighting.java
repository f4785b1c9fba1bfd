package dev.nightjar.loss;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Homoscedastic uncertainty (Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to weigh losses", CVPR 2018, equations 7 and
 * 10): L = exp(-s_c) L_c + s_c / 2 + exp(-s_r) L_r / 2 + s_r / 2 with learned log-variances s, both 0 at first.
 *
 * <p>The log-variances have an Adam of their own (beta 0.9 and 0.999, no decay, no schedule): with the encoder's learning rate they would
 * not move within a fine-tuning. A step moves s by at most about the learning rate. A task without targets in a step leaves its s alone.
 */
public final class UncertaintyWeighting implements TaskWeighting {
    private static final double BETA1 = 0.9;
    private static final double BETA2 = 0.999;
    private static final double EPSILON = 1e-8;

    private final double learningRate;
    private final LogVariance classification = new LogVariance("classification");
    private final LogVariance regression = new LogVariance("regression");

    /** @param learningRate of the log-variances */
    public UncertaintyWeighting(double learningRate) {
        this.learningRate = learningRate;
    }

    @Override
    public LossWeights weights(Tasks present, float gradientScale) {
        return new LossWeights(false, false, (float) Math.exp(-classification.value),
                (float) (0.5 * Math.exp(-regression.value)), gradientScale);
    }

    @Override
    public boolean observesSteps() {
        return true;
    }

    @Override
    public void observe(LossReport report) {
        if (report.labelledRows() > 0) {
            classification.descend(0.5 - Math.exp(-classification.value) * report.classificationLoss(), learningRate);
        }
        if (report.scoredRows() > 0) {
            regression.descend(0.5 - 0.5 * Math.exp(-regression.value) * report.regressionLoss(), learningRate);
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

    /** One scalar with its moments. */
    private static final class LogVariance {
        final String name;
        double value;
        double firstMoment;
        double secondMoment;
        double updates;

        LogVariance(String name) {
            this.name = name;
        }

        void descend(double gradient, double learningRate) {
            updates++;
            firstMoment = BETA1 * firstMoment + (1 - BETA1) * gradient;
            secondMoment = BETA2 * secondMoment + (1 - BETA2) * gradient * gradient;
            double unbiasedFirst = firstMoment / (1 - Math.pow(BETA1, updates));
            double unbiasedSecond = secondMoment / (1 - Math.pow(BETA2, updates));
            value -= learningRate * unbiasedFirst / (Math.sqrt(unbiasedSecond) + EPSILON);
        }

        void save(Map<String, Double> state) {
            state.put(name + ".log_variance", value);
            state.put(name + ".first_moment", firstMoment);
            state.put(name + ".second_moment", secondMoment);
            state.put(name + ".updates", updates);
        }

        void restore(Map<String, Double> state) {
            value = WeightingState.get(state, name + ".log_variance");
            firstMoment = WeightingState.get(state, name + ".first_moment");
            secondMoment = WeightingState.get(state, name + ".second_moment");
            updates = WeightingState.get(state, name + ".updates");
        }
    }
}
