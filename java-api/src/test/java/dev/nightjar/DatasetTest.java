package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class DatasetTest {

    @Test
    void splitKeysAreThoseOfSplitmix64() {
        // 0xe220a8397b1dcdaf is the first output of Vigna's reference implementation from state 0.
        assertThat(Dataset.splitKey(0, 0)).isEqualTo(0xe220a8397b1dcdafL);
        assertThat(Dataset.splitKey(1, 0)).isEqualTo(0x6e789e6aa1b965f4L);
        assertThat(Dataset.splitKey(42, 7)).isEqualTo(0x61cc42d4094b9c40L);
        assertThat(Dataset.splitKey(-3, 100)).isEqualTo(0xde0993ec662b934bL);
    }

    @Test
    void splitHoldsOutTheRowsOfTheSmallestUnsignedKeysAndKeepsTheOrder() {
        Dataset ten = rows(10);
        assertThat(texts(ten.split(0.3, 1).validation())).containsExactly("row0", "row6", "row7");
        assertThat(texts(ten.split(0.3, 1).training())).containsExactly("row1", "row2", "row3", "row4", "row5", "row8",
                "row9");
        assertThat(texts(ten.split(0.3, 2).validation())).containsExactly("row0", "row5", "row6");
    }

    @Test
    void halfRowsRoundUp() {
        assertThat(texts(rows(7).split(0.5, 5).validation())).containsExactly("row0", "row2", "row4", "row5");
    }

    @Test
    void splitMayBeEmptyOnEitherSide() {
        assertThat(rows(5).split(0, 1).validation().size()).isZero();
        assertThat(rows(5).split(1, 1).training().size()).isZero();
        assertThat(rows(0).split(0.2, 1).training().size()).isZero();
    }

    @Test
    void fractionOutsideTheUnitIntervalIsRefused() {
        assertThatThrownBy(() -> rows(5).split(-0.1, 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> rows(5).split(1.1, 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> rows(5).split(Double.NaN, 1)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void rowsMustFitTheNames() {
        List<String> labels = List.of("bad", "good");
        assertThatThrownBy(() -> new Dataset(List.of(new Example("a", 0), new Example("b", 2)), labels, List.of()))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("row 1 has label 2");
        assertThatThrownBy(() -> new Dataset(List.of(new Example("a", 0, 0.5f)), labels, List.of()))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("row 0 has 1 scores");
        assertThatThrownBy(() -> new Dataset(List.of(), List.of("a", "a"), List.of()))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void exampleCopiesItsScoresAndKnowsWhatIsMissing() {
        float[] scores = {0.25f, Float.NaN};
        Example example = new Example("text", Example.NO_LABEL, scores);
        scores[0] = 9;
        assertThat(example.score(0)).isEqualTo(0.25f);
        assertThat(example.hasScore(0)).isTrue();
        assertThat(example.hasScore(1)).isFalse();
        assertThat(example.hasLabel()).isFalse();
        assertThat(example).isEqualTo(new Example("text", -1, 0.25f, Float.NaN))
                .hasSameHashCodeAs(new Example("text", -1, 0.25f, Float.NaN));
    }

    @Test
    void exampleRefusesBlankTextBadLabelsAndInfiniteScores() {
        assertThatThrownBy(() -> new Example("  ", 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Example("a", -2)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Example("a", 0, Float.NEGATIVE_INFINITY))
                .isInstanceOf(IllegalArgumentException.class);
    }

    private static Dataset rows(int count) {
        return new Dataset(IntStream.range(0, count).mapToObj(i -> new Example("row" + i, i % 2)).toList(),
                List.of("even", "odd"), List.of());
    }

    private static List<String> texts(Dataset dataset) {
        return dataset.examples().stream().map(Example::text).toList();
    }
}
