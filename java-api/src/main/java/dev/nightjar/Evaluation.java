package dev.nightjar;

import java.util.List;
import java.util.Optional;

/**
 * How well a model does on labelled texts.
 *
 * @param classification empty where the model has no classification head or no row a label
 * @param regression one for each regression target that any row has a value of
 */
public record Evaluation(Optional<ClassificationMetrics> classification, List<RegressionMetrics> regression) {
    /** One number of an evaluation that training can watch. */
    public enum Metric {
        /** Log loss plus the targets' mean squared error, as far as there are any; less is better. */
        LOSS(false),
        /** Accuracy. */
        ACCURACY(true),
        /** Mean F1 of the classes. */
        MACRO_F1(true),
        /** Correlation coefficient of Matthews. */
        MATTHEWS(true),
        /** Mean squared error, averaged over the targets; less is better. */
        MEAN_SQUARED_ERROR(false),
        /** Pearson's correlation, averaged over the targets. */
        PEARSON(true);

        private final boolean largerIsBetter;

        Metric(boolean largerIsBetter) {
            this.largerIsBetter = largerIsBetter;
        }

        /** Whether the first value is better than the second; NaN is never better, and everything is better than NaN. */
        public boolean better(double value, double than) {
            if (Double.isNaN(than)) {
                return !Double.isNaN(value);
            }
            return largerIsBetter ? value > than : value < than;
        }
    }

    public Evaluation {
        regression = List.copyOf(regression);
    }

    /**
     * One of its numbers.
     *
     * @throws IllegalArgumentException if the evaluation has no part that the metric is about
     */
    public double value(Metric metric) {
        return switch (metric) {
            case LOSS -> classification.map(ClassificationMetrics::logLoss).orElse(0.0)
                    + (regression.isEmpty() ? 0 : meanSquaredError());
            case ACCURACY -> classified(metric).accuracy();
            case MACRO_F1 -> classified(metric).macroF1();
            case MATTHEWS -> classified(metric).matthews();
            case MEAN_SQUARED_ERROR -> {
                requireRegression(metric);
                yield meanSquaredError();
            }
            case PEARSON -> {
                requireRegression(metric);
                yield regression.stream().mapToDouble(RegressionMetrics::pearson).average().orElseThrow();
            }
        };
    }

    private double meanSquaredError() {
        return regression.stream().mapToDouble(RegressionMetrics::meanSquaredError).average().orElseThrow();
    }

    private ClassificationMetrics classified(Metric metric) {
        return classification
                .orElseThrow(() -> new IllegalArgumentException(metric + " needs a classification head and labels"));
    }

    private void requireRegression(Metric metric) {
        if (regression.isEmpty()) {
            throw new IllegalArgumentException(metric + " needs a regression head and scores");
        }
    }
}
