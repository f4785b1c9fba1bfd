package dev.nightjar.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CurveTest {
    @Test
    void fallsFromTheUpperLeftToTheLowerRight() {
        List<String> lines = Curve.draw(IntStream.rangeClosed(0, 9).mapToDouble(i -> 0.9 - i / 10.0).toArray());
        assertThat(lines).hasSize(11).first().isEqualTo("  0.9000 |*");
        assertThat(lines.get(9)).isEqualTo("  0.0000 |         *");
        assertThat(lines.getLast()).isEqualTo("         +----------");
    }

    @Test
    void averagesWhatDoesNotFitIntoTheColumns() {
        double[] values = IntStream.range(0, 1_000).mapToDouble(i -> i % 2).toArray();
        values[999] = 100;
        List<String> lines = Curve.draw(values);
        assertThat(lines.getLast()).hasSize(10 + 64);
        assertThat(lines.getFirst()).endsWith("*").hasSize(10 + 64);
    }

    @Test
    void drawsASingleValueAndAConstant() {
        assertThat(Curve.draw(3)).anyMatch(line -> line.equals("  3.0000 |*"));
        assertThat(Curve.draw(2, 2, 2)).anyMatch(line -> line.equals("  2.0000 |***"));
    }
}
