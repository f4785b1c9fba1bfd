package dev.nightjar.study;

import dev.nightjar.study.DegenerateDesignException.Defect;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.hipparchus.linear.Array2DRowRealMatrix;
import org.hipparchus.linear.MatrixUtils;
import org.hipparchus.linear.QRDecomposition;
import org.hipparchus.linear.RRQRDecomposition;
import org.hipparchus.linear.RealMatrix;
import org.hipparchus.linear.SingularValueDecomposition;

/**
 * Ordinary least squares of degree 2: intercept, every predictor, its square, and the product of every two predictors.
 *
 * <p>Terms are in that order; products by their first, then their second predictor. Immutable.
 */
public final class PolynomialRegression {
    /** Below this ratio of the centred and scaled design's singular values, its terms count as collinear. */
    private static final double RANK_TOLERANCE = 1e-10;

    /** A product of at most two predictors, by their indices; {@link #NONE} where there are fewer. */
    private record Term(int first, int second) {
        static final int NONE = -1;

        static List<Term> ofDegreeTwo(int predictors) {
            List<Term> terms = new ArrayList<>(List.of(new Term(NONE, NONE)));
            IntStream.range(0, predictors).forEach(i -> terms.add(new Term(i, NONE)));
            IntStream.range(0, predictors).forEach(i -> terms.add(new Term(i, i)));
            for (int i = 0; i < predictors; i++) {
                for (int j = i + 1; j < predictors; j++) {
                    terms.add(new Term(i, j));
                }
            }
            return terms;
        }

        boolean has(int predictor) {
            return first == predictor || second == predictor;
        }

        double value(double[] x) {
            return (first == NONE ? 1 : x[first]) * (second == NONE ? 1 : x[second]);
        }

        /** Partial derivative with respect to a predictor. */
        double derivative(int predictor, double[] x) {
            double derivative = 0;
            if (first == predictor) {
                derivative += second == NONE ? 1 : x[second];
            }
            if (second == predictor) {
                derivative += x[first];
            }
            return derivative;
        }

        String name(List<String> predictors) {
            if (first == NONE) {
                return "const";
            }
            String name = predictors.get(first);
            if (second == NONE) {
                return name;
            }
            return first == second ? name + "^2" : name + "*" + predictors.get(second);
        }
    }

    private final List<String> predictors;
    private final List<Term> terms;
    private final double[][] x;
    private final double[] y;
    private final double conditionNumber;
    /** [terms][runs]: pseudo-inverse of the design, so that coefficients are its product with the response. */
    private final RealMatrix pseudoInverse;
    private final double[] coefficients;
    private final double[] fitted;
    private final double[] residuals;
    private final double[] leverages;
    private final double residualSquares;
    private final double totalSquares;
    private final Map<StandardErrors, RealMatrix> covariances = new EnumMap<>(StandardErrors.class);
    private final int clusters;

    private PolynomialRegression(List<String> predictors, double[][] x, double[] y, int[] clusterOf) {
        this.predictors = List.copyOf(predictors);
        this.terms = Term.ofDegreeTwo(predictors.size());
        this.x = Arrays.stream(x).map(double[]::clone).toArray(double[][]::new);
        this.y = y.clone();
        RealMatrix design = expand(this.x);
        conditionNumber = new SingularValueDecomposition(design).getConditionNumber();
        // Columns of length one, so that the predictors' units do not cost digits.
        double[] lengths = columnLengths(design);
        QRDecomposition qr = new QRDecomposition(scaled(design, lengths));
        int k = terms.size();
        RealMatrix q = qr.getQ().getSubMatrix(0, y.length - 1, 0, k - 1);
        RealMatrix inverseR = MatrixUtils.inverse(qr.getR().getSubMatrix(0, k - 1, 0, k - 1));
        for (int row = 0; row < k; row++) {
            for (int column = 0; column < k; column++) {
                inverseR.multiplyEntry(row, column, 1 / lengths[row]);
            }
        }
        pseudoInverse = inverseR.multiplyTransposed(q);
        coefficients = pseudoInverse.operate(this.y);
        fitted = design.operate(coefficients);
        residuals = IntStream.range(0, y.length).mapToDouble(i -> y[i] - fitted[i]).toArray();
        leverages = IntStream.range(0, y.length).mapToDouble(i -> squares(q.getRow(i))).toArray();
        residualSquares = squares(residuals);
        double mean = DoubleStream.of(y).average().orElseThrow();
        totalSquares = DoubleStream.of(y).map(v -> (v - mean) * (v - mean)).sum();
        covariances.put(StandardErrors.CLASSICAL,
                inverseR.multiplyTransposed(inverseR).scalarMultiply(residualVariance()));
        covariances.put(StandardErrors.HC3, hc3());
        clusters = clusterOf == null ? 0 : (int) IntStream.of(clusterOf).distinct().count();
        if (clusters > 1) {
            covariances.put(StandardErrors.CLUSTERED, clustered(clusterOf));
        }
    }

    /** Fits without clusters; see {@link #fit(List, double[][], double[], int[])}. */
    public static PolynomialRegression fit(List<String> predictors, double[][] x, double[] y) {
        return fit(predictors, x, y, null);
    }

    /**
     * Fits.
     *
     * @param predictors their names
     * @param x [runs][predictors]
     * @param y [runs], the response
     * @param clusters [runs], a number for each cluster of runs whose errors may depend on each other, or null; with a single cluster there
     *        are no clustered errors
     * @throws DegenerateDesignException if terms are collinear, there are no more runs than terms, or the response is constant
     * @throws IllegalArgumentException if sizes do not fit or a value is not finite
     */
    public static PolynomialRegression fit(List<String> predictors, double[][] x, double[] y, int[] clusters) {
        requireFinite(predictors, x, y);
        if (clusters != null && clusters.length != y.length) {
            throw new IllegalArgumentException(clusters.length + " clusters of " + y.length + " runs");
        }
        int k = Term.ofDegreeTwo(predictors.size()).size();
        if (y.length <= k) {
            throw new DegenerateDesignException(Defect.TOO_FEW_RUNS, y.length + " runs for a regression with " + k
                    + " terms: expected at least " + (k + 1));
        }
        if (DoubleStream.of(y).distinct().count() == 1) {
            throw new DegenerateDesignException(Defect.CONSTANT_RESPONSE,
                    "the response is " + y[0] + " in every run: there is nothing to explain");
        }
        requireIndependentTerms(predictors, x);
        return new PolynomialRegression(predictors, x, y, clusters);
    }

    private static void requireFinite(List<String> predictors, double[][] x, double[] y) {
        if (x.length != y.length) {
            throw new IllegalArgumentException(x.length + " rows of predictors, but " + y.length + " responses");
        }
        for (int i = 0; i < y.length; i++) {
            if (x[i].length != predictors.size()) {
                throw new IllegalArgumentException(
                        "run " + i + " has " + x[i].length + " predictors, expected " + predictors);
            }
            if (!Double.isFinite(y[i]) || !DoubleStream.of(x[i]).allMatch(Double::isFinite)) {
                throw new IllegalArgumentException("run " + i + " has predictors " + Arrays.toString(x[i])
                        + " and response " + y[i] + ", expected finite numbers");
            }
        }
    }

    private static void requireIndependentTerms(List<String> predictors, double[][] x) {
        for (int j = 0; j < predictors.size(); j++) {
            int column = j;
            long values = Arrays.stream(x).mapToDouble(row -> row[column]).distinct().count();
            if (values < 3) {
                throw new DegenerateDesignException(Defect.COLLINEAR, predictors.get(j) + " takes "
                        + values + " different value" + (values == 1 ? "" : "s")
                        + ": its square is a combination of the other terms; expected at least 3");
            }
        }
        // Centring and scaling change neither the span nor the rank, but tell collinear from merely far from 0.
        List<Term> terms = Term.ofDegreeTwo(predictors.size());
        RealMatrix design = expand(terms, standardized(x));
        design = scaled(design, columnLengths(design));
        double[] singular = new SingularValueDecomposition(design).getSingularValues();
        if (singular[singular.length - 1] < RANK_TOLERANCE * singular[0]) {
            RRQRDecomposition pivoted = new RRQRDecomposition(design);
            RealMatrix permutation = pivoted.getP();
            List<String> dependent = new ArrayList<>();
            for (int column = 0; column < terms.size(); column++) {
                if (Math.abs(pivoted.getR().getEntry(column, column)) < 1e-8) {
                    int pivot = column;
                    dependent.add(IntStream.range(0, terms.size()).filter(t -> permutation.getEntry(t, pivot) == 1)
                            .mapToObj(t -> terms.get(t).name(predictors)).findFirst().orElseThrow());
                }
            }
            throw new DegenerateDesignException(Defect.COLLINEAR,
                    "the runs do not vary enough for degree 2: combinations of the other terms are " + dependent);
        }
    }

    private static double[][] standardized(double[][] x) {
        double[][] z = new double[x.length][x[0].length];
        for (int j = 0; j < x[0].length; j++) {
            int column = j;
            double[] values = Arrays.stream(x).mapToDouble(row -> row[column]).toArray();
            double mean = DoubleStream.of(values).average().orElseThrow();
            double scale = DoubleStream.of(values).map(v -> Math.abs(v - mean)).max().orElseThrow();
            for (int i = 0; i < x.length; i++) {
                z[i][j] = (values[i] - mean) / scale;
            }
        }
        return z;
    }

    /** [points][terms], the terms' values at points. */
    RealMatrix expand(double[][] points) {
        return expand(terms, points);
    }

    private static RealMatrix expand(List<Term> terms, double[][] points) {
        return new Array2DRowRealMatrix(Arrays.stream(points)
                .map(point -> terms.stream().mapToDouble(term -> term.value(point)).toArray())
                .toArray(double[][]::new), false);
    }

    private static double[] columnLengths(RealMatrix matrix) {
        return IntStream.range(0, matrix.getColumnDimension())
                .mapToDouble(column -> Math.sqrt(squares(matrix.getColumn(column)))).toArray();
    }

    private static RealMatrix scaled(RealMatrix matrix, double[] lengths) {
        RealMatrix scaled = matrix.copy();
        for (int row = 0; row < matrix.getRowDimension(); row++) {
            for (int column = 0; column < lengths.length; column++) {
                scaled.multiplyEntry(row, column, 1 / lengths[column]);
            }
        }
        return scaled;
    }

    private static double squares(double[] values) {
        return DoubleStream.of(values).map(v -> v * v).sum();
    }

    /** A diag(e² / (1 - h)²) A' with A the pseudo-inverse: NaN or infinite where a run alone determines its fit (leverage 1). */
    private RealMatrix hc3() {
        RealMatrix weighted = pseudoInverse.copy();
        for (int run = 0; run < y.length; run++) {
            double error = jackknifeResidual(run);
            for (int term = 0; term < terms.size(); term++) {
                weighted.multiplyEntry(term, run, error);
            }
        }
        return weighted.multiplyTransposed(weighted);
    }

    private double jackknifeResidual(int run) {
        return residuals[run] / (1 - leverages[run]);
    }

    /** Sum over clusters of s s' with s = A e of the cluster's runs, times G / (G - 1) (n - 1) / (n - k). */
    private RealMatrix clustered(int[] clusterOf) {
        Map<Integer, double[]> scores = new LinkedHashMap<>();
        for (int run = 0; run < y.length; run++) {
            double[] score = scores.computeIfAbsent(clusterOf[run], _ -> new double[terms.size()]);
            for (int term = 0; term < score.length; term++) {
                score[term] += pseudoInverse.getEntry(term, run) * residuals[run];
            }
        }
        RealMatrix s = new Array2DRowRealMatrix(scores.values().toArray(double[][]::new));
        double factor = clusters / (clusters - 1.0) * (y.length - 1.0) / residualDegreesOfFreedom();
        return s.transposeMultiply(s).scalarMultiply(factor);
    }

    /** Names of the terms: {@code const}, {@code a}, {@code b}, {@code a^2}, {@code b^2}, {@code a*b}. */
    public List<String> termNames() {
        return terms.stream().map(term -> term.name(predictors)).toList();
    }

    /** Names of the predictors. */
    public List<String> predictors() {
        return predictors;
    }

    /** How many runs were fitted. */
    public int runs() {
        return y.length;
    }

    /** How many clusters the runs came in; 0 without. */
    public int clusters() {
        return clusters;
    }

    /** The kinds of standard errors there are: clustered ones only with two clusters or more. */
    public List<StandardErrors> standardErrors() {
        return List.copyOf(covariances.keySet());
    }

    /** Every term's coefficient, in the order of {@link #termNames()}. */
    public List<Estimate> coefficients(StandardErrors errors) {
        return IntStream.range(0, terms.size()).mapToObj(term -> {
            double[] contrast = new double[terms.size()];
            contrast[term] = 1;
            return contrast(contrast, errors);
        }).toList();
    }

    /** The coefficient of a term, by its name. */
    public Estimate coefficient(String term, StandardErrors errors) {
        int index = termNames().indexOf(term);
        if (index < 0) {
            throw new IllegalArgumentException("no term \"" + term + "\" among " + termNames());
        }
        return coefficients(errors).get(index);
    }

    /** The mean response at a point of the predictors, with the confidence interval of that mean. */
    public Estimate predict(double[] point, StandardErrors errors) {
        return contrast(expanded(point), errors);
    }

    /** Main effect: the mean response over the runs, had they all this value of a predictor and the others as they are. */
    public Estimate mainEffect(String predictor, double value, StandardErrors errors) {
        int index = predictorIndex(predictor);
        double[] contrast = new double[terms.size()];
        for (double[] run : x) {
            double[] point = run.clone();
            point[index] = value;
            for (int term = 0; term < contrast.length; term++) {
                contrast[term] += terms.get(term).value(point) / x.length;
            }
        }
        return contrast(contrast, errors);
    }

    /** Mean response at a point less that at another. */
    public Estimate difference(double[] point, double[] other, StandardErrors errors) {
        double[] contrast = expanded(point);
        double[] subtrahend = expanded(other);
        Arrays.setAll(contrast, term -> contrast[term] - subtrahend[term]);
        return contrast(contrast, errors);
    }

    /**
     * Marginal effect: the slope of the mean response along a predictor at a point. As it is linear in the point, its average over
     * the runs is that at {@link #meanPoint()}.
     */
    public Estimate partialEffect(String predictor, double[] point, StandardErrors errors) {
        requirePoint(point);
        int index = predictorIndex(predictor);
        return contrast(terms.stream().mapToDouble(term -> term.derivative(index, point)).toArray(), errors);
    }

    /** Mean of the runs' predictors. */
    public double[] meanPoint() {
        return IntStream.range(0, predictors.size())
                .mapToDouble(j -> Arrays.stream(x).mapToDouble(row -> row[j]).average().orElseThrow()).toArray();
    }

    /** F test that no term with a predictor matters (Wald, by classical errors). Unlike the linear term's t it does not depend on the origin. */
    public TestResult jointTest(String predictor) {
        int index = predictorIndex(predictor);
        int[] selected = IntStream.range(0, terms.size()).filter(term -> terms.get(term).has(index)).toArray();
        RealMatrix covariance = covariance(StandardErrors.CLASSICAL).getSubMatrix(selected, selected);
        // Unit diagonal: variances of the terms differ by many orders of magnitude.
        double[] deviations = IntStream.range(0, selected.length)
                .mapToDouble(i -> Math.sqrt(covariance.getEntry(i, i))).toArray();
        RealMatrix correlation = covariance.copy();
        double[] b = new double[selected.length];
        for (int i = 0; i < selected.length; i++) {
            b[i] = coefficients[selected[i]] / deviations[i];
            for (int j = 0; j < selected.length; j++) {
                correlation.multiplyEntry(i, j, 1 / (deviations[i] * deviations[j]));
            }
        }
        double[] solved = new QRDecomposition(correlation).getSolver()
                .solve(MatrixUtils.createRealVector(b)).toArray();
        double wald = IntStream.range(0, b.length).mapToDouble(i -> b[i] * solved[i]).sum();
        return TestResult.ofF(wald / selected.length, selected.length, residualDegreesOfFreedom());
    }

    /** Coefficient of determination. */
    public double r2() {
        return 1 - residualSquares / totalSquares;
    }

    /** R² less what as many terms explain by chance. */
    public double adjustedR2() {
        return 1 - residualVariance() * (y.length - 1) / totalSquares;
    }

    /** F test that no term but the intercept matters. */
    public TestResult overall() {
        int k = terms.size() - 1;
        return TestResult.ofF((totalSquares - residualSquares) / k / residualVariance(), k,
                residualDegreesOfFreedom());
    }

    /** Largest by smallest singular value of the design as it is, unscaled: depends on units and origin of the predictors. */
    public double conditionNumber() {
        return conditionNumber;
    }

    /** Runs less terms. */
    public int residualDegreesOfFreedom() {
        return y.length - terms.size();
    }

    /** Sum of squared residuals by {@link #residualDegreesOfFreedom()}. */
    public double residualVariance() {
        return residualSquares / residualDegreesOfFreedom();
    }

    /** [runs], fitted responses. */
    public double[] fitted() {
        return fitted.clone();
    }

    /** [runs], response less fitted response. */
    public double[] residuals() {
        return residuals.clone();
    }

    /** [runs], diagonal of the hat matrix. */
    public double[] leverages() {
        return leverages.clone();
    }

    /** [runs], Cook's distances (1977). */
    public double[] cooksDistances() {
        double scale = terms.size() * residualVariance();
        return IntStream.range(0, y.length)
                .mapToDouble(i -> jackknifeResidual(i) * jackknifeResidual(i) * leverages[i] / scale).toArray();
    }

    /** Tests of what classical errors assume. */
    public ResidualDiagnostics diagnostics() {
        return ResidualDiagnostics.of(this, x, y);
    }

    /**
     * Coefficients of the same terms for the response of a wild bootstrap: fitted + sign * residual / (1 - leverage), which keeps every
     * run's own variance (Davidson and Flachaire 2008).
     *
     * @param signs [runs], 1 or -1
     */
    double[] wildBootstrap(int[] signs) {
        double[] response = IntStream.range(0, y.length)
                .mapToDouble(i -> fitted[i] + signs[i] * jackknifeResidual(i)).toArray();
        return pseudoInverse.operate(response);
    }

    /** R² of another response regressed on the same design. */
    double r2Of(double[] response) {
        double[] fit = expand(x).operate(pseudoInverse.operate(response));
        double mean = DoubleStream.of(response).average().orElseThrow();
        double rest = IntStream.range(0, fit.length).mapToDouble(i -> response[i] - fit[i]).map(e -> e * e).sum();
        return 1 - rest / DoubleStream.of(response).map(v -> (v - mean) * (v - mean)).sum();
    }

    private Estimate contrast(double[] contrast, StandardErrors errors) {
        RealMatrix covariance = covariance(errors);
        double[] product = covariance.operate(contrast);
        double value = 0;
        double variance = 0;
        for (int term = 0; term < contrast.length; term++) {
            value += contrast[term] * coefficients[term];
            variance += contrast[term] * product[term];
        }
        return Estimate.of(value, Math.sqrt(Math.max(0, variance)),
                errors == StandardErrors.CLUSTERED ? clusters - 1 : residualDegreesOfFreedom());
    }

    private RealMatrix covariance(StandardErrors errors) {
        RealMatrix covariance = covariances.get(errors);
        if (covariance == null) {
            throw new DegenerateDesignException(Defect.TOO_FEW_RUNS,
                    "clustered errors of " + clusters + " cluster" + (clusters == 1 ? "" : "s")
                            + ": expected at least 2");
        }
        return covariance;
    }

    private double[] expanded(double[] point) {
        requirePoint(point);
        return terms.stream().mapToDouble(term -> term.value(point)).toArray();
    }

    private void requirePoint(double[] point) {
        if (point.length != predictors.size()) {
            throw new IllegalArgumentException(
                    "a point of " + point.length + " coordinates, expected " + predictors);
        }
    }

    private int predictorIndex(String predictor) {
        int index = predictors.indexOf(predictor);
        if (index < 0) {
            throw new IllegalArgumentException("no predictor \"" + predictor + "\" among " + predictors);
        }
        return index;
    }
}
