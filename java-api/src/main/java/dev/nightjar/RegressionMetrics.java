package dev.nightjar;

import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * How well predicted values of one regression target fit known ones. What is not defined (correlations and R² of values that do not vary
 * or are fewer than two) is NaN.
 *
 * @param target its name
 * @param rows rows with a value; the others were left out
 * @param meanSquaredError mean of squared differences
 * @param meanAbsoluteError mean of absolute differences
 * @param pearson correlation coefficient
 * @param spearman correlation coefficient of ranks; equal values share the mean of their ranks
 * @param r2 coefficient of determination, 1 - residual by total sum of squares
 */
public record RegressionMetrics(String target, int rows, double meanSquaredError, double meanAbsoluteError,
        double pearson, double spearman, double r2) {

    /**
     * Measures predictions.
     *
     * @param target its name
     * @param expected [rows], NaN where unknown
     * @param predicted [rows]
     * @throws IllegalArgumentException if no row has a value, or sizes differ
     */
    public static RegressionMetrics of(String target, float[] expected, float[] predicted) {
        if (expected.length != predicted.length) {
            throw new IllegalArgumentException(expected.length + " values, but predictions for " + predicted.length);
        }
        int[] known = IntStream.range(0, expected.length).filter(row -> !Float.isNaN(expected[row])).toArray();
        if (known.length == 0) {
            throw new IllegalArgumentException("no row has a value of " + target);
        }
        double[] x = IntStream.of(known).mapToDouble(row -> expected[row]).toArray();
        double[] y = IntStream.of(known).mapToDouble(row -> predicted[row]).toArray();
        double squares = 0;
        double absolutes = 0;
        for (int i = 0; i < x.length; i++) {
            squares += (y[i] - x[i]) * (y[i] - x[i]);
            absolutes += Math.abs(y[i] - x[i]);
        }
        double variation = covariation(x, x);
        return new RegressionMetrics(target, x.length, squares / x.length, absolutes / x.length, correlation(x, y),
                correlation(ranks(x), ranks(y)), variation == 0 ? Double.NaN : 1 - squares / variation);
    }

    private static double correlation(double[] x, double[] y) {
        double product = Math.sqrt(covariation(x, x)) * Math.sqrt(covariation(y, y));
        return product == 0 ? Double.NaN : Math.clamp(covariation(x, y) / product, -1, 1);
    }

    /** Sum of products of the deviations from the means. */
    private static double covariation(double[] x, double[] y) {
        double meanX = mean(x);
        double meanY = mean(y);
        double sum = 0;
        for (int i = 0; i < x.length; i++) {
            sum += (x[i] - meanX) * (y[i] - meanY);
        }
        return sum;
    }

    private static double mean(double[] x) {
        double sum = 0;
        for (double value : x) {
            sum += value;
        }
        return sum / x.length;
    }

    private static double[] ranks(double[] values) {
        int[] order = IntStream.range(0, values.length).boxed().sorted(Comparator.comparingDouble(i -> values[i]))
                .mapToInt(Integer::intValue).toArray();
        double[] ranks = new double[values.length];
        for (int from = 0, to; from < order.length; from = to) {
            to = from + 1;
            while (to < order.length && values[order[to]] == values[order[from]]) {
                to++;
            }
            for (int i = from; i < to; i++) {
                ranks[order[i]] = (from + to - 1) / 2.0;
            }
        }
        return ranks;
    }
}
