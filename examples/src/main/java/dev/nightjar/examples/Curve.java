package dev.nightjar.examples;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** A line chart in characters. */
final class Curve {
    private static final int COLUMNS = 64;
    private static final int ROWS = 10;

    private Curve() {
    }

    /**
     * Draws values over their index; where there are more than columns, the mean of each column's.
     *
     * @param values at least one, all finite
     */
    static List<String> draw(double... values) {
        int columns = Math.min(COLUMNS, values.length);
        double[] means = new double[columns];
        for (int c = 0; c < columns; c++) {
            int from = (int) ((long) c * values.length / columns);
            int to = (int) ((long) (c + 1) * values.length / columns);
            means[c] = Arrays.stream(values, from, to).average().orElseThrow();
        }
        double low = Arrays.stream(means).min().orElseThrow();
        double high = Arrays.stream(means).max().orElseThrow();
        double step = high > low ? (high - low) / (ROWS - 1) : 1;
        List<String> lines = new ArrayList<>();
        for (int row = ROWS - 1; row >= 0; row--) {
            StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%8.4f |", low + row * step));
            for (double mean : means) {
                line.append(Math.round((mean - low) / step) == row ? '*' : ' ');
            }
            lines.add(line.toString().stripTrailing());
        }
        lines.add(" ".repeat(9) + "+" + "-".repeat(columns));
        return lines;
    }
}
