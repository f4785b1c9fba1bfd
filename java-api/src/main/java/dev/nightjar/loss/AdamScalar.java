package dev.nightjar.loss;

import java.util.Map;

/** One number that a weighting learns, with an Adam of its own (Kingma and Ba, ICLR 2015; beta 0.9 and 0.999), 0 at first. */
final class AdamScalar {
    private static final double BETA1 = 0.9;
    private static final double BETA2 = 0.999;
    private static final double EPSILON = 1e-8;

    private final String name;
    private double value;
    private double firstMoment;
    private double secondMoment;
    private double updates;

    /** @param name in the weighting's state */
    AdamScalar(String name) {
        this.name = name;
    }

    double value() {
        return value;
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
        state.put(name, value);
        state.put(name + ".first_moment", firstMoment);
        state.put(name + ".second_moment", secondMoment);
        state.put(name + ".updates", updates);
    }

    void restore(Map<String, Double> state) {
        value = WeightingState.get(state, name);
        firstMoment = WeightingState.get(state, name + ".first_moment");
        secondMoment = WeightingState.get(state, name + ".second_moment");
        updates = WeightingState.get(state, name + ".updates");
    }
}
