package dev.nightjar.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** Against scipy and statsmodels: {@code statistics.json}, written by {@code statistics.py} beside it. */
class PairedComparisonTest {
    private static final Offset<Double> CLOSE = Offset.offset(1e-10);

    @Test
    void figuresAreThoseOfScipy() throws IOException {
        for (JsonNode expected : GoldenRuns.json("/dev/nightjar/study/statistics.json").get("paired")) {
            PairedComparison comparison = PairedComparison.of(values(expected.get("treatment")),
                    values(expected.get("control")));
            assertThat(comparison.difference().value()).isCloseTo(expected.get("difference").asDouble(), CLOSE);
            assertThat(comparison.difference().standardError()).isCloseTo(expected.get("se").asDouble(), CLOSE);
            assertThat(comparison.difference().t()).isCloseTo(expected.get("t").asDouble(), CLOSE);
            assertThat(comparison.difference().p()).isCloseTo(expected.get("p").asDouble(), CLOSE);
            assertThat(comparison.difference().low()).isCloseTo(expected.get("low").asDouble(), CLOSE);
            assertThat(comparison.difference().high()).isCloseTo(expected.get("high").asDouble(), CLOSE);
            assertThat(comparison.cohenDz()).isCloseTo(expected.get("cohen_dz").asDouble(), CLOSE);
            assertThat(comparison.hedgesGz()).isCloseTo(expected.get("hedges_gz").asDouble(), CLOSE);
            assertThat(comparison.wilcoxonP()).isCloseTo(expected.get("wilcoxon_p").asDouble(), CLOSE);
        }
    }

    @Test
    void relativeDifferenceAndWinsFollowTheDirection() {
        PairedComparison comparison = PairedComparison.of(new double[]{1, 2, 2}, new double[]{2, 4, 1});
        assertThat(comparison.relativeDifference()).isCloseTo(-2 / 7.0, CLOSE);
        assertThat(comparison.wins()).isEqualTo(1);
        assertThat(comparison.difference().significant()).isFalse();
    }

    @Test
    void equalTreatmentsHaveNoTest() {
        PairedComparison comparison = PairedComparison.of(new double[]{1, 2}, new double[]{1, 2});
        assertThat(comparison.difference().value()).isZero();
        assertThat(comparison.difference().p()).isNaN();
        assertThat(comparison.difference().significant()).isFalse();
        assertThat(comparison.wilcoxonP()).isEqualTo(1);
    }

    @Test
    void onePairIsTooFew() {
        assertThatThrownBy(() -> PairedComparison.of(new double[]{1}, new double[]{2}))
                .isInstanceOf(DegenerateDesignException.class).hasMessageContaining("1 pairs: expected at least 2");
    }

    @Test
    void adjustedPValuesAreThoseOfStatsmodels() throws IOException {
        JsonNode expected = GoldenRuns.json("/dev/nightjar/study/statistics.json").get("adjusted");
        double[] p = values(expected.get("p"));
        assertThat(MultipleTesting.holm(p)).containsExactly(values(expected.get("holm")), CLOSE);
        assertThat(MultipleTesting.benjaminiHochberg(p)).containsExactly(values(expected.get("benjamini_hochberg")),
                CLOSE);
        assertThatThrownBy(() -> MultipleTesting.holm(0.5, Double.NaN)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("NaN");
    }

    private static double[] values(JsonNode array) {
        return IntStream.range(0, array.size()).mapToDouble(i -> array.get(i).asDouble()).toArray();
    }
}
