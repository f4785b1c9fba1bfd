package dev.nightjar.loss;

import java.util.Map;

/** Reading a {@link TaskWeighting#state}. */
final class WeightingState {
    private WeightingState() {
    }

    static double get(Map<String, Double> state, String name) {
        Double value = state.get(name);
        if (value == null) {
            throw new IllegalArgumentException("the weighting's state has no " + name + ", only " + state.keySet());
        }
        return value;
    }
}
