package dev.nightjar;

import java.util.List;

/**
 * What a model says about one text.
 *
 * @param label name of the most probable class; null for a model without classification head
 * @param labelIndex its index; {@link Example#NO_LABEL} without classification head
 * @param probabilities of the classes in order of their index; empty without classification head
 * @param scores of the regression targets in order; empty without regression head
 * @param tokenCount tokens that were read, special ones included
 * @param truncated whether the text was longer than that
 */
public record Prediction(String label, int labelIndex, List<Float> probabilities, List<Float> scores, int tokenCount,
        boolean truncated) {
    public Prediction {
        probabilities = List.copyOf(probabilities);
        scores = List.copyOf(scores);
    }

    /** Probability of {@link #label()}; NaN without classification head. */
    public float confidence() {
        return label == null ? Float.NaN : probabilities.get(labelIndex);
    }

    /** Score of the first regression target; NaN without regression head. */
    public float score() {
        return scores.isEmpty() ? Float.NaN : scores.getFirst();
    }
}
