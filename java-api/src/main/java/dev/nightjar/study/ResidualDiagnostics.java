package dev.nightjar.study;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * Tests of what a regression's classical errors assume.
 *
 * @param skewness of the residuals, moments divided by runs
 * @param kurtosis of the residuals; 3 if normal
 * @param jarqueBera normality of the residuals (Jarque and Bera 1980), chi² of 2 degrees of freedom
 * @param breuschPagan equal variance along the terms, studentized (Koenker 1981), chi² of terms - 1 degrees of freedom
 * @param lackOfFit whether degree 2 suffices: F of the configurations' means about the fit against the spread within configurations; NaN
 *        where no configuration was repeated or there are no more of them than terms
 * @param largestLeverage diagonal of the hat matrix, of the run where it is largest
 * @param largestCooksDistance of the run where it is largest
 * @param influentialRuns runs with a Cook's distance above 4 / runs, a customary limit
 */
public record ResidualDiagnostics(double skewness, double kurtosis, TestResult jarqueBera, TestResult breuschPagan,
        TestResult lackOfFit, double largestLeverage, double largestCooksDistance, int influentialRuns) {

    static ResidualDiagnostics of(PolynomialRegression regression, double[][] x, double[] y) {
        double[] residuals = regression.residuals();
        double variance = moment(residuals, 2);
        double skewness = moment(residuals, 3) / Math.pow(variance, 1.5);
        double kurtosis = moment(residuals, 4) / (variance * variance);
        int n = y.length;
        double jarqueBera = n / 6.0 * (skewness * skewness + (kurtosis - 3) * (kurtosis - 3) / 4);
        double[] squares = DoubleStream.of(residuals).map(e -> e * e).toArray();
        double[] cooks = regression.cooksDistances();
        int k = n - regression.residualDegreesOfFreedom();
        return new ResidualDiagnostics(skewness, kurtosis, TestResult.ofChiSquared(jarqueBera, 2),
                TestResult.ofChiSquared(n * regression.r2Of(squares), k - 1), lackOfFit(regression, x, y),
                DoubleStream.of(regression.leverages()).max().orElseThrow(), DoubleStream.of(cooks).max().orElseThrow(),
                (int) DoubleStream.of(cooks).filter(d -> d > 4.0 / n).count());
    }

    private static double moment(double[] residuals, int power) {
        return DoubleStream.of(residuals).map(e -> Math.pow(e, power)).average().orElseThrow();
    }

    private static TestResult lackOfFit(PolynomialRegression regression, double[][] x, double[] y) {
        Map<String, List<Integer>> configurations = IntStream.range(0, y.length).boxed()
                .collect(Collectors.groupingBy(i -> Arrays.toString(x[i]), TreeMap::new, Collectors.toList()));
        double pure = 0;
        for (List<Integer> runs : configurations.values()) {
            double mean = runs.stream().mapToDouble(i -> y[i]).average().orElseThrow();
            pure += runs.stream().mapToDouble(i -> (y[i] - mean) * (y[i] - mean)).sum();
        }
        int within = y.length - configurations.size();
        int between = regression.residualDegreesOfFreedom() - within;
        if (within == 0 || between == 0 || pure == 0) {
            return TestResult.IMPOSSIBLE;
        }
        double rest = regression.residualVariance() * regression.residualDegreesOfFreedom() - pure;
        return TestResult.ofF(Math.max(0, rest) / between / (pure / within), between, within);
    }
}
