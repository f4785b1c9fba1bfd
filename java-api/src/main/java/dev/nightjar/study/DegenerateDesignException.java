package dev.nightjar.study;

import dev.nightjar.NightjarException;

/** Runs from which the asked statistics cannot be computed; the message names what is wrong with them. */
public class DegenerateDesignException extends NightjarException {
    private static final long serialVersionUID = 1L;

    /** What is wrong with the runs. */
    public enum Defect {
        /** A term is a linear combination of others, as the square of a predictor with two values. */
        COLLINEAR,
        /** Fewer runs than the statistics need. */
        TOO_FEW_RUNS,
        /** The response has the same value in every run. */
        CONSTANT_RESPONSE,
        /** No run has the baseline's configuration. */
        NO_BASELINE
    }

    private final Defect defect;

    public DegenerateDesignException(Defect defect, String message) {
        super(message);
        this.defect = defect;
    }

    /** What is wrong with the runs. */
    public Defect defect() {
        return defect;
    }
}
