package dev.nightjar;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How well predicted class probabilities fit known classes. Quotients by zero count as 0, as in scikit-learn.
 *
 * @param rows rows with a label; the others were left out
 * @param logLoss mean cross-entropy, natural logarithm
 * @param accuracy part of the rows whose most probable class is right; of equally probable classes the first counts
 * @param matthews correlation coefficient of Matthews for any number of classes (Gorodkin 2004)
 * @param calibrationError expected calibration error of the predicted class's probability, {@value #CALIBRATION_BINS} bins of equal
 *        width, open below (Guo et al., ICML 2017, equation 5)
 * @param classes precision, recall and F1 of each class
 * @param confusion rows by true class (first) and predicted class (second)
 */
public record ClassificationMetrics(int rows, double logLoss, double accuracy, double matthews, double calibrationError,
        List<ClassMetrics> classes, List<List<Integer>> confusion) {
    /** Bins of {@link #calibrationError()}. */
    public static final int CALIBRATION_BINS = 15;

    /**
     * One class against all others.
     *
     * @param label its name
     * @param support rows that have it
     */
    public record ClassMetrics(String label, int support, double precision, double recall, double f1) {
    }

    public ClassificationMetrics {
        classes = List.copyOf(classes);
        confusion = confusion.stream().map(List::copyOf).toList();
    }

    /**
     * Measures predictions.
     *
     * @param labelNames names of the classes
     * @param labels [rows], {@link Example#NO_LABEL} where unknown
     * @param probabilities [rows][classes]
     * @throws IllegalArgumentException if no row has a label, or sizes do not fit
     */
    public static ClassificationMetrics of(List<String> labelNames, int[] labels, float[][] probabilities) {
        if (labels.length != probabilities.length) {
            throw new IllegalArgumentException(labels.length + " labels, but predictions for " + probabilities.length);
        }
        int classCount = labelNames.size();
        int[] labelled = IntStream.range(0, labels.length).filter(row -> labels[row] != Example.NO_LABEL).toArray();
        if (labelled.length == 0) {
            throw new IllegalArgumentException("no row has a label");
        }
        int[][] confusion = new int[classCount][classCount];
        Calibration calibration = new Calibration();
        double logLoss = 0;
        for (int row : labelled) {
            float[] p = probabilities[row];
            int predicted = largest(p);
            confusion[labels[row]][predicted]++;
            calibration.add(p[predicted], predicted == labels[row]);
            logLoss -= Math.log(Math.max(p[labels[row]], Float.MIN_NORMAL));
        }
        int rows = labelled.length;
        int right = IntStream.range(0, classCount).map(c -> confusion[c][c]).sum();
        return new ClassificationMetrics(rows, logLoss / rows, (double) right / rows, matthews(confusion),
                calibration.error(rows), classMetrics(labelNames, confusion), toLists(confusion));
    }

    /** Mean F1 of the classes. */
    public double macroF1() {
        return classes.stream().mapToDouble(ClassMetrics::f1).average().orElse(0);
    }

    /** Mean F1 of the classes, each counting by its support. */
    public double weightedF1() {
        return classes.stream().mapToDouble(c -> c.f1() * c.support()).sum() / rows;
    }

    private static int largest(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        return best;
    }

    private static List<ClassMetrics> classMetrics(List<String> labelNames, int[][] confusion) {
        List<ClassMetrics> result = new ArrayList<>();
        for (int c = 0; c < confusion.length; c++) {
            int hits = confusion[c][c];
            int support = sum(confusion[c]);
            int predictions = column(confusion, c);
            result.add(new ClassMetrics(labelNames.get(c), support, quotient(hits, predictions),
                    quotient(hits, support), quotient(2.0 * hits, (double) support + predictions)));
        }
        return result;
    }

    /** (s c - p t) / sqrt((s² - p p) (s² - t t)) with s rows, c right ones, p and t the classes' predicted and true counts. */
    private static double matthews(int[][] confusion) {
        double rows = 0;
        double right = 0;
        double both = 0;
        double predictedSquares = 0;
        double trueSquares = 0;
        for (int c = 0; c < confusion.length; c++) {
            double predicted = column(confusion, c);
            double support = sum(confusion[c]);
            rows += support;
            right += confusion[c][c];
            both += predicted * support;
            predictedSquares += predicted * predicted;
            trueSquares += support * support;
        }
        return quotient(rows * right - both,
                Math.sqrt(rows * rows - predictedSquares) * Math.sqrt(rows * rows - trueSquares));
    }

    private static int sum(int[] counts) {
        return IntStream.of(counts).sum();
    }

    private static int column(int[][] confusion, int index) {
        int sum = 0;
        for (int[] row : confusion) {
            sum += row[index];
        }
        return sum;
    }

    private static double quotient(double numerator, double denominator) {
        return denominator == 0 ? 0 : numerator / denominator;
    }

    private static List<List<Integer>> toLists(int[][] confusion) {
        List<List<Integer>> lists = new ArrayList<>();
        for (int[] row : confusion) {
            lists.add(IntStream.of(row).boxed().toList());
        }
        return lists;
    }

    /** Sums of confidence and of hits by bin. */
    private static final class Calibration {
        private final double[] confidence = new double[CALIBRATION_BINS];
        private final double[] hits = new double[CALIBRATION_BINS];

        void add(double probability, boolean hit) {
            int bin = (int) Math.ceil(probability * CALIBRATION_BINS) - 1;
            bin = Math.clamp(bin, 0, CALIBRATION_BINS - 1);
            confidence[bin] += probability;
            hits[bin] += hit ? 1 : 0;
        }

        double error(int rows) {
            return IntStream.range(0, CALIBRATION_BINS).mapToDouble(i -> Math.abs(hits[i] - confidence[i]))
                    .sum() / rows;
        }
    }
}
