package dev.nightjar.study;

/** How the errors of a regression's coefficients are estimated. */
public enum StandardErrors {
    /** Every run's error has the same variance and is independent of the others'. */
    CLASSICAL,
    /** Every run's error has a variance of its own (MacKinnon and White 1985). */
    HC3,
    /**
     * Errors of one cluster (here: runs of one seed) may depend on each other. With the usual small-sample factor and t of clusters - 1 degrees
     * of freedom (Cameron and Miller 2015); with fewer than about ten clusters too small all the same.
     */
    CLUSTERED
}
