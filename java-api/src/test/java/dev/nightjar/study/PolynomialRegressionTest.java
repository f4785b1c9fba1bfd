package dev.nightjar.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.study.DegenerateDesignException.Defect;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/**
 * Against statsmodels: {@code golden/regression/expected_ols.json}, and {@code statistics.json}, written by {@code statistics.py} beside it.
 */
class PolynomialRegressionTest {
    private static final double RELATIVE = 1e-8;
    private static final double[] POINT = {Math.log10(2e-5), 16, 2};
    private static final double[] OTHER = {Math.log10(2e-4), 64, 5};

    @Test
    void allSixFitsAreThoseOfStatsmodels() throws IOException {
        JsonNode golden = GoldenRuns.json("/golden/regression/expected_ols.json");
        assertThat(golden.get("fits")).hasSize(6);
        for (JsonNode expected : golden.get("fits")) {
            PolynomialRegression fit = goldenFit(expected, golden.get("baseline"));
            assertThat(fit.runs()).isEqualTo(expected.get("n").asInt());
            assertThat(fit.residualDegreesOfFreedom()).isEqualTo(expected.get("df_resid").asInt());
            assertClose(fit.r2(), expected, "r2");
            assertClose(fit.adjustedR2(), expected, "adj_r2");
            assertClose(fit.overall().statistic(), expected, "f");
            assertThat(fit.overall().p()).isCloseTo(expected.get("f_pvalue").asDouble(), Offset.offset(1e-6));
            assertThat(fit.overall().p() / expected.get("f_pvalue").asDouble()).isCloseTo(1, Offset.offset(1e-6));
            assertClose(fit.residualVariance(), expected, "sigma2");
            assertClose(fit.conditionNumber(), expected, "condition_number");
            List<Estimate> classical = fit.coefficients(StandardErrors.CLASSICAL);
            List<Estimate> hc3 = fit.coefficients(StandardErrors.HC3);
            for (int term = 0; term < 10; term++) {
                JsonNode row = expected.get("terms").get(term);
                assertThat(fit.termNames().get(term)).isEqualTo(row.get("name").asString());
                assertClose(classical.get(term).value(), row, "coef");
                assertClose(classical.get(term).standardError(), row, "se");
                assertClose(classical.get(term).t(), row, "t");
                assertClose(classical.get(term).low(), row, "ci_low");
                assertClose(classical.get(term).high(), row, "ci_high");
                assertClose(hc3.get(term).standardError(), row, "hc3_se");
                assertP(classical.get(term).p(), row, "p");
                assertP(hc3.get(term).p(), row, "hc3_p");
            }
        }
    }

    private static PolynomialRegression goldenFit(JsonNode expected, JsonNode baseline) throws IOException {
        double[][] x = GoldenRuns.predictors();
        double[] y = GoldenRuns.column(expected.get("response").asString());
        if (expected.get("analysis").asString().equals("relative")) {
            double[] origin = {Math.log10(baseline.get("learning_rate").asDouble()),
                    baseline.get("batch_size").asDouble(), baseline.get("epochs").asDouble()};
            double mean = IntStream.range(0, y.length).filter(i -> Arrays.equals(x[i], origin)).mapToDouble(i -> y[i])
                    .average().orElseThrow();
            for (int i = 0; i < y.length; i++) {
                y[i] -= mean;
                for (int j = 0; j < origin.length; j++) {
                    x[i][j] -= origin[j];
                }
            }
        }
        return PolynomialRegression.fit(GoldenRuns.PREDICTORS, x, y);
    }

    @Test
    void clusteredErrorsAreThoseOfStatsmodels() throws IOException {
        double[] seeds = GoldenRuns.column("seed");
        double[][] x = GoldenRuns.predictors();
        List<String> configurations = Arrays.stream(x).map(Arrays::toString).distinct().toList();
        for (JsonNode expected : figures().get("regressions")) {
            double[] y = response(expected);
            assertClusters(expected.get("clustered").get("seed"), x, y,
                    Arrays.stream(seeds).mapToInt(s -> (int) s).toArray());
            assertClusters(expected.get("clustered").get("configuration"), x, y,
                    Arrays.stream(x).mapToInt(row -> configurations.indexOf(Arrays.toString(row))).toArray());
        }
    }

    private static void assertClusters(JsonNode expected, double[][] x, double[] y, int[] clusters) {
        PolynomialRegression fit = PolynomialRegression.fit(GoldenRuns.PREDICTORS, x, y, clusters);
        for (int term = 0; term < 10; term++) {
            Estimate estimate = fit.coefficients(StandardErrors.CLUSTERED).get(term);
            assertClose(estimate.standardError(), expected.get(term), "se");
            assertP(estimate.p(), expected.get(term), "p");
            assertClose(estimate.low(), expected.get(term), "low");
            assertClose(estimate.high(), expected.get(term), "high");
        }
    }

    @Test
    void diagnosticsAreThoseOfStatsmodels() throws IOException {
        for (JsonNode expected : figures().get("regressions")) {
            PolynomialRegression fit = fit(expected);
            ResidualDiagnostics diagnostics = fit.diagnostics();
            assertClose(diagnostics.skewness(), expected, "skewness");
            assertClose(diagnostics.kurtosis(), expected, "kurtosis");
            assertTest(diagnostics.jarqueBera(), expected.get("jarque_bera"));
            assertTest(diagnostics.breuschPagan(), expected.get("breusch_pagan"));
            assertTest(diagnostics.lackOfFit(), expected.get("lack_of_fit"));
            double largest = 0;
            for (int run = 0; run < fit.runs(); run++) {
                double leverage = expected.get("leverage").get(run).asDouble();
                assertThat(fit.leverages()[run]).isCloseTo(leverage, Offset.offset(1e-9));
                assertThat(fit.cooksDistances()[run]).isCloseTo(expected.get("cooks").get(run).asDouble(),
                        Offset.offset(1e-9));
                largest = Math.max(largest, leverage);
            }
            assertThat(diagnostics.largestLeverage()).isCloseTo(largest, Offset.offset(1e-9));
        }
    }

    @Test
    void partialEffectsPredictionsAndJointTestsAreThoseOfStatsmodels() throws IOException {
        for (JsonNode expected : figures().get("regressions")) {
            PolynomialRegression fit = fit(expected);
            for (StandardErrors errors : List.of(StandardErrors.CLASSICAL, StandardErrors.HC3)) {
                String name = errors == StandardErrors.HC3 ? "hc3" : "classical";
                assertEstimate(fit.predict(POINT, errors), expected.get("prediction").get(name));
                for (String predictor : GoldenRuns.PREDICTORS) {
                    assertEstimate(fit.partialEffect(predictor, POINT, errors),
                            expected.get("partial_effects").get(predictor).get(name));
                }
            }
            assertEstimate(fit.difference(POINT, OTHER, StandardErrors.CLASSICAL),
                    expected.get("difference").get("classical"));
            for (String predictor : GoldenRuns.PREDICTORS) {
                assertTest(fit.jointTest(predictor), expected.get("joint").get(predictor));
            }
        }
    }

    @Test
    void partialEffectAtTheMeanIsTheAverageOverRuns() throws IOException {
        double[][] x = GoldenRuns.predictors();
        PolynomialRegression fit = PolynomialRegression.fit(GoldenRuns.PREDICTORS, x, GoldenRuns.column("loss"));
        double average = Arrays.stream(x).mapToDouble(p -> fit.partialEffect("batch", p, StandardErrors.HC3).value())
                .average().orElseThrow();
        assertThat(fit.partialEffect("batch", fit.meanPoint(), StandardErrors.HC3).value()).isCloseTo(average,
                Offset.offset(1e-12));
    }

    @Test
    void aMainEffectIsTheMeanOverRunsWithThePredictorReplaced() throws IOException {
        double[][] x = GoldenRuns.predictors();
        PolynomialRegression fit = PolynomialRegression.fit(GoldenRuns.PREDICTORS, x, GoldenRuns.column("f1"));
        double average = Arrays.stream(x)
                .mapToDouble(p -> fit.predict(new double[]{p[0], 24, p[2]}, StandardErrors.HC3).value()).average()
                .orElseThrow();
        assertThat(fit.mainEffect("batch", 24, StandardErrors.HC3).value()).isCloseTo(average, Offset.offset(1e-12));
    }

    @Test
    void aWildBootstrapWithoutFlipsOfExactResponsesGivesTheCoefficients() throws IOException {
        double[][] x = GoldenRuns.predictors();
        double[] y = Arrays.stream(x).mapToDouble(p -> 1 + p[0] - p[1] * p[1] + p[0] * p[2]).toArray();
        PolynomialRegression fit = PolynomialRegression.fit(GoldenRuns.PREDICTORS, x, y);
        double[] coefficients = fit.wildBootstrap(IntStream.range(0, y.length).map(i -> 1 - i % 2 * 2).toArray());
        double[] expected = {1, 1, 0, 0, 0, -1, 0, 0, 1, 0};
        for (int term = 0; term < 10; term++) {
            assertThat(coefficients[term]).isCloseTo(expected[term], Offset.offset(1e-8));
        }
        assertThat(fit.expand(new double[][]{POINT}).operate(coefficients)[0])
                .isCloseTo(1 + POINT[0] - 256 + 2 * POINT[0], Offset.offset(1e-8));
    }

    @Test
    void aPredictorWithTwoValuesIsRefusedByName() throws IOException {
        double[][] x = GoldenRuns.predictors();
        for (double[] row : x) {
            row[2] = row[2] > 2 ? 5 : 1;
        }
        assertDegenerate(Defect.COLLINEAR, "epochs takes 2 different values", x, GoldenRuns.column("loss"));
    }

    @Test
    void predictorsThatMoveTogetherAreRefusedByName() throws IOException {
        double[][] x = GoldenRuns.predictors();
        for (double[] row : x) {
            row[1] = 3e6 * row[0] + 7;
        }
        assertDegenerate(Defect.COLLINEAR, "combinations of the other terms are [", x, GoldenRuns.column("loss"));
    }

    @Test
    void aDesignFarFromTheOriginIsNotCollinear() {
        SplittableRandom random = new SplittableRandom(1);
        double[][] x = new double[40][];
        Arrays.setAll(x, _ -> new double[]{1e4 + random.nextDouble(), -1e4 + random.nextDouble()});
        double[] y = random.doubles(40).toArray();
        assertThat(PolynomialRegression.fit(List.of("a", "b"), x, y).termNames()).containsExactly("const", "a", "b",
                "a^2", "b^2", "a*b");
    }

    @Test
    void asManyRunsAsTermsAreTooFew() throws IOException {
        double[][] x = Arrays.copyOf(GoldenRuns.predictors(), 10);
        assertDegenerate(Defect.TOO_FEW_RUNS, "10 runs for a regression with 10 terms", x,
                Arrays.copyOf(GoldenRuns.column("loss"), 10));
    }

    @Test
    void aConstantResponseIsRefused() throws IOException {
        double[] y = new double[128];
        Arrays.fill(y, 0.9);
        assertDegenerate(Defect.CONSTANT_RESPONSE, "the response is 0.9 in every run", GoldenRuns.predictors(), y);
    }

    @Test
    void clusteredErrorsOfOneClusterAreRefused() throws IOException {
        PolynomialRegression fit = PolynomialRegression.fit(GoldenRuns.PREDICTORS, GoldenRuns.predictors(),
                GoldenRuns.column("loss"), new int[128]);
        assertThat(fit.standardErrors()).containsExactly(StandardErrors.CLASSICAL, StandardErrors.HC3);
        assertDegenerate(Defect.TOO_FEW_RUNS, "clustered errors of 1 cluster: expected at least 2",
                () -> fit.coefficients(StandardErrors.CLUSTERED));
    }

    @Test
    void valuesThatAreNotFiniteAreRefusedWithTheirRun() throws IOException {
        double[] y = GoldenRuns.column("loss");
        y[17] = Double.NaN;
        double[][] x = GoldenRuns.predictors();
        assertThatThrownBy(() -> PolynomialRegression.fit(GoldenRuns.PREDICTORS, x, y))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("run 17")
                .hasMessageContaining("NaN");
    }

    private static void assertDegenerate(Defect defect, String message, double[][] x, double[] y) {
        assertDegenerate(defect, message, () -> PolynomialRegression.fit(GoldenRuns.PREDICTORS, x, y));
    }

    private static void assertDegenerate(Defect defect, String message, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(DegenerateDesignException.class,
                e -> assertThat(e.defect()).isEqualTo(defect)).hasMessageContaining(message);
    }

    private static JsonNode figures() throws IOException {
        return GoldenRuns.json("/dev/nightjar/study/statistics.json");
    }

    private static double[] response(JsonNode expected) throws IOException {
        return GoldenRuns.column(expected.get("response").asString());
    }

    private static PolynomialRegression fit(JsonNode expected) throws IOException {
        return PolynomialRegression.fit(GoldenRuns.PREDICTORS, GoldenRuns.predictors(), response(expected));
    }

    private static void assertEstimate(Estimate actual, JsonNode expected) {
        assertClose(actual.value(), expected, "value");
        assertClose(actual.standardError(), expected, "se");
        assertP(actual.p(), expected, "p");
    }

    private static void assertTest(TestResult actual, JsonNode expected) {
        assertClose(actual.statistic(), expected, "statistic");
        assertP(actual.p(), expected, "p");
    }

    private static void assertClose(double actual, JsonNode parent, String name) {
        double expected = parent.get(name).asDouble();
        assertThat(actual).as(name).isCloseTo(expected, Offset.offset(RELATIVE * Math.abs(expected)));
    }

    /** Relative, so that small ones are held to their digits as well. */
    private static void assertP(double actual, JsonNode parent, String name) {
        double expected = parent.get(name).asDouble();
        assertThat(actual).as(name).isCloseTo(expected, Offset.offset(1e-6 * expected));
    }
}
