package dev.nightjar;

import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.train.Predictions;
import dev.nightjar.train.TokenizedRows;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

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
     * Runs a model over a data set, texts cut at {@link SentimentModel#maxLength()}. Rows without label or score are left out.
     *
     * @throws IllegalArgumentException naming a label or target that the model does not know, or if no row is left
     */
    public static Evaluation of(SentimentModel model, Dataset data) {
        DistilBertConfig config = model.config();
        TokenizedRows rows = EncodedDataset.of("data set", data, config, model, model.maxLength());
        float[][] probabilities = new float[rows.size()][config.classes()];
        float[][] scores = new float[rows.size()][config.scores()];
        try (InferenceSession session = model.newSession()) {
            int end = 0;
            while (end < rows.size()) {
                int begin = end;
                session.clear();
                while (end < rows.size() && session.fits(rows.get(end).ids().length)) {
                    session.add(rows.get(end).ids());
                    end++;
                }
                session.run();
                for (int row = begin; row < end; row++) {
                    for (int c = 0; c < config.classes(); c++) {
                        probabilities[row][c] = session.probability(row - begin, c);
                    }
                    for (int k = 0; k < config.scores(); k++) {
                        scores[row][k] = session.score(row - begin, k);
                    }
                }
            }
        }
        return measure(config, rows, new Predictions(probabilities, scores));
    }

    /** Compares what a model said with what the rows have. */
    static Evaluation measure(DistilBertConfig config, TokenizedRows rows, Predictions predictions) {
        int[] labels = rows.rows().stream().mapToInt(TokenizedRows.Row::label).toArray();
        boolean labelled = IntStream.of(labels).anyMatch(label -> label != Example.NO_LABEL);
        List<RegressionMetrics> regression = new ArrayList<>();
        for (int k = 0; k < config.scores(); k++) {
            float[] expected = new float[rows.size()];
            float[] predicted = new float[rows.size()];
            boolean scored = false;
            for (int row = 0; row < rows.size(); row++) {
                expected[row] = rows.get(row).scores()[k];
                predicted[row] = predictions.scores()[row][k];
                scored |= !Float.isNaN(expected[row]);
            }
            if (scored) {
                regression.add(RegressionMetrics.of(config.targets().get(k), expected, predicted));
            }
        }
        return new Evaluation(
                labelled
                        ? Optional.of(ClassificationMetrics.of(config.labels(), labels, predictions.probabilities()))
                        : Optional.empty(),
                regression);
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
