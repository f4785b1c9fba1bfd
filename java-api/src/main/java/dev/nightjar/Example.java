package dev.nightjar;

import java.util.Arrays;
import java.util.Objects;

/**
 * One row of a {@link Dataset}: a text with its class and its scores, either of which may be missing.
 *
 * <p>Immutable and safe for concurrent use; the scores are copied on the way in and read one by one.
 */
public final class Example {
    /** The {@link #label()} of a row that has none. */
    public static final int NO_LABEL = -1;

    private final String text;
    private final int label;
    private final float[] scores;

    /**
     * @param text what is classified; not blank
     * @param label index of the class, or {@link #NO_LABEL}
     * @param scores one value for each regression target, NaN where it is missing; copied
     * @throws IllegalArgumentException for a blank text, a label below -1 or an infinite score
     */
    public Example(String text, int label, float... scores) {
        this.text = Objects.requireNonNull(text, "text");
        this.label = label;
        this.scores = scores.clone();
        if (text.isBlank()) {
            throw new IllegalArgumentException("the text is blank");
        }
        if (label < NO_LABEL) {
            throw new IllegalArgumentException("label " + label + " is neither a class index nor -1 for a missing one");
        }
        for (float score : this.scores) {
            if (Float.isInfinite(score)) {
                throw new IllegalArgumentException("score " + score + " is infinite");
            }
        }
    }

    public String text() {
        return text;
    }

    /** Index of the class, or {@link #NO_LABEL}. */
    public int label() {
        return label;
    }

    public boolean hasLabel() {
        return label != NO_LABEL;
    }

    /** Number of regression targets, missing ones included. */
    public int scoreCount() {
        return scores.length;
    }

    /** Value of a regression target, or NaN where it is missing. */
    public float score(int target) {
        return scores[target];
    }

    public boolean hasScore(int target) {
        return !Float.isNaN(scores[target]);
    }

    /** The same row with another class. */
    public Example withLabel(int newLabel) {
        return new Example(text, newLabel, scores);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Example that && label == that.label && text.equals(that.text)
                && Arrays.equals(scores, that.scores);
    }

    @Override
    public int hashCode() {
        return Objects.hash(text, label, Arrays.hashCode(scores));
    }

    @Override
    public String toString() {
        return "Example[label=" + label + ", scores=" + Arrays.toString(scores) + ", text=" + text + "]";
    }
}
