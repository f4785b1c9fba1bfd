package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.Evaluation.Metric;
import dev.nightjar.io.Json;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/** Against scikit-learn and SciPy; {@code metrics.py} wrote the cases. */
class MetricsTest {
    private static final double TOLERANCE = 1e-9;

    static Stream<Named<JsonNode>> classificationCases() throws IOException {
        return cases("classification");
    }

    static Stream<Named<JsonNode>> regressionCases() throws IOException {
        return cases("regression");
    }

    private static Stream<Named<JsonNode>> cases(String kind) throws IOException {
        try (InputStream in = MetricsTest.class.getResourceAsStream("metrics.json")) {
            return Json.object("metrics.json", in.readAllBytes()).get(kind).properties().stream()
                    .map(entry -> Named.of(entry.getKey(), entry.getValue()));
        }
    }

    @ParameterizedTest
    @MethodSource("classificationCases")
    void classification(JsonNode expected) {
        JsonNode rows = expected.get("probabilities");
        float[][] probabilities = new float[rows.size()][];
        for (int i = 0; i < probabilities.length; i++) {
            probabilities[i] = floats(rows.get(i));
        }
        int[] labels = IntStream.range(0, probabilities.length).map(i -> expected.get("labels").get(i).intValue())
                .toArray();
        List<String> names = IntStream.range(0, probabilities[0].length).mapToObj(c -> "class " + c).toList();

        ClassificationMetrics metrics = ClassificationMetrics.of(names, labels, probabilities);

        assertThat(metrics.rows()).isEqualTo(expected.get("rows").intValue());
        Map<String, Double> actual = Map.of("log_loss", metrics.logLoss(), "accuracy", metrics.accuracy(), "matthews",
                metrics.matthews(), "calibration_error", metrics.calibrationError(), "macro_f1", metrics.macroF1(),
                "weighted_f1", metrics.weightedF1());
        assertClose(actual, expected);
        for (int c = 0; c < names.size(); c++) {
            ClassificationMetrics.ClassMetrics ofClass = metrics.classes().get(c);
            assertThat(ofClass.label()).isEqualTo(names.get(c));
            assertThat(ofClass.support()).isEqualTo(expected.get("support").get(c).intValue());
            assertThat(ofClass.precision()).isCloseTo(expected.get("precision").get(c).doubleValue(),
                    within(TOLERANCE));
            assertThat(ofClass.recall()).isCloseTo(expected.get("recall").get(c).doubleValue(), within(TOLERANCE));
            assertThat(ofClass.f1()).isCloseTo(expected.get("f1").get(c).doubleValue(), within(TOLERANCE));
        }
        assertThat(metrics.confusion().toString().replace(" ", "")).isEqualTo(expected.get("confusion").toString());
    }

    @ParameterizedTest
    @MethodSource("regressionCases")
    void regression(JsonNode expected) {
        RegressionMetrics metrics = RegressionMetrics.of("score", floats(expected.get("expected")),
                floats(expected.get("predicted")));
        assertThat(metrics.rows()).isEqualTo(expected.get("rows").intValue());
        assertClose(Map.of("mse", metrics.meanSquaredError(), "mae", metrics.meanAbsoluteError(), "pearson",
                metrics.pearson(), "spearman", metrics.spearman(), "r2", metrics.r2()), expected);
    }

    @Test
    void whatIsNotDefinedIsNaN() {
        RegressionMetrics flat = RegressionMetrics.of("score", new float[]{1, 1, 1}, new float[]{1, 2, 3});
        assertThat(flat.pearson()).isNaN();
        assertThat(flat.spearman()).isNaN();
        assertThat(flat.r2()).isNaN();
        assertThat(flat.meanSquaredError()).isCloseTo(5.0 / 3, within(TOLERANCE));
    }

    @Test
    void nothingToMeasureIsRefused() {
        List<String> names = List.of("a", "b");
        assertThatThrownBy(() -> ClassificationMetrics.of(names, new int[]{-1}, new float[][]{{0.5f, 0.5f}}))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("no row has a label");
        assertThatThrownBy(() -> ClassificationMetrics.of(names, new int[]{0, 1}, new float[][]{{0.5f, 0.5f}}))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("2 labels");
        assertThatThrownBy(() -> RegressionMetrics.of("mood", new float[]{Float.NaN}, new float[]{1}))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("mood");
    }

    @Test
    void watchedMetrics() {
        ClassificationMetrics right = ClassificationMetrics.of(List.of("a", "b"), new int[]{0, 1},
                new float[][]{{0.75f, 0.25f}, {0.5f, 0.5f}});
        RegressionMetrics near = RegressionMetrics.of("score", new float[]{0, 1}, new float[]{0, 2});
        Evaluation both = new Evaluation(Optional.of(right), List.of(near));
        assertThat(both.value(Metric.LOSS)).isCloseTo(-(Math.log(0.75) + Math.log(0.5)) / 2 + 0.5, within(TOLERANCE));
        assertThat(both.value(Metric.ACCURACY)).isEqualTo(0.5);
        assertThat(both.value(Metric.MEAN_SQUARED_ERROR)).isEqualTo(0.5);
        Evaluation regressionOnly = new Evaluation(Optional.empty(), List.of(near));
        assertThat(regressionOnly.value(Metric.LOSS)).isEqualTo(0.5);
        assertThatThrownBy(() -> regressionOnly.value(Metric.MACRO_F1)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("MACRO_F1");

        assertThat(Metric.LOSS.better(0.1, 0.2)).isTrue();
        assertThat(Metric.ACCURACY.better(0.1, 0.2)).isFalse();
        assertThat(Metric.PEARSON.better(Double.NaN, 0.2)).isFalse();
        assertThat(Metric.PEARSON.better(-0.5, Double.NaN)).isTrue();
    }

    private static void assertClose(Map<String, Double> actual, JsonNode expected) {
        actual.forEach((name, value) -> assertThat(value).as(name).isCloseTo(expected.get(name).doubleValue(),
                within(TOLERANCE)));
    }

    /** JSON null is NaN. */
    private static float[] floats(JsonNode array) {
        float[] values = new float[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).isNull() ? Float.NaN : array.get(i).floatValue();
        }
        return values;
    }
}
