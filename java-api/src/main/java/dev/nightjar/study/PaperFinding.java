package dev.nightjar.study;

import dev.nightjar.study.VariabilityAnalysis.Analysis;
import java.util.List;
import java.util.Optional;

/**
 * A p-value that arXiv 2501.00241 reports.
 *
 * @param term of the regression, as {@link PolynomialRegression#termNames()} has it
 * @param response name of a metric
 * @param analysis whose linear terms these are; empty where the paper's is not known to us, or where both agree
 * @param p as reported
 * @param direction sign of the effect as reported; 0 where it is not known to us
 */
public record PaperFinding(String term, String response, Optional<Analysis> analysis, double p, int direction) {
    /** All five. */
    public static final List<PaperFinding> ALL = List.of(
            new PaperFinding(VariabilityAnalysis.LEARNING_RATE, "loss", Optional.of(Analysis.RELATIVE), 0.027, -1),
            new PaperFinding(VariabilityAnalysis.BATCH_SIZE, "accuracy", Optional.of(Analysis.ABSOLUTE), 0.028, 0),
            new PaperFinding(VariabilityAnalysis.BATCH_SIZE, "f1", Optional.of(Analysis.ABSOLUTE), 0.005, 0),
            new PaperFinding(VariabilityAnalysis.BATCH_SIZE, "loss", Optional.empty(), 0.170, 0),
            new PaperFinding(VariabilityAnalysis.BATCH_SIZE + "*" + VariabilityAnalysis.EPOCHS, "f1",
                    Optional.empty(), 0.001, 0));

    /**
     * The same question asked of our runs.
     *
     * @param finding the paper's
     * @param coefficient ours of the same term, with classical errors; where the paper's analysis is not known, of the absolute one
     * @param averageEffect slope along the predictor averaged over the runs (HC3), which unlike a linear term does not depend on the
     *        origin; empty for products
     * @param joint F test of all terms with the predictor, neither; empty for products
     */
    public record Replication(PaperFinding finding, Estimate coefficient, Optional<Estimate> averageEffect,
            Optional<TestResult> joint) {
        /** Whether the coefficient is significant where the paper's is, and points where the paper's does. */
        public boolean coefficientAgrees() {
            return finding.agrees(coefficient);
        }

        /** The same of the average effect; of the coefficient where there is none. */
        public boolean effectAgrees() {
            return finding.agrees(averageEffect.orElse(coefficient));
        }
    }

    /** Whether the paper calls the effect significant. */
    public boolean significant() {
        return p < 1 - Estimate.CONFIDENCE;
    }

    private boolean agrees(Estimate estimate) {
        return estimate.significant() == significant()
                && (!significant() || direction == 0 || Math.signum(estimate.value()) == direction);
    }
}
