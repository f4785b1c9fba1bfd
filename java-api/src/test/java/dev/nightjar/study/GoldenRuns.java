package dev.nightjar.study;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The 128 runs of {@code golden/regression/runs.csv}. */
final class GoldenRuns {
    static final List<String> PREDICTORS = List.of("log10_lr", "batch", "epochs");
    static final List<String> RESPONSES = List.of("accuracy", "f1", "loss");

    private GoldenRuns() {
    }

    static String csv() throws IOException {
        try (InputStream stream = GoldenRuns.class.getResourceAsStream("/golden/regression/runs.csv")) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    static JsonNode json(String resource) throws IOException {
        try (InputStream stream = GoldenRuns.class.getResourceAsStream(resource)) {
            return JsonMapper.shared().readTree(stream);
        }
    }

    private static double[][] columns() throws IOException {
        return csv().lines().skip(1)
                .map(line -> List.of(line.split(",", -1)).stream().mapToDouble(Double::parseDouble).toArray())
                .toArray(double[][]::new);
    }

    /** [runs][predictors]. */
    static double[][] predictors() throws IOException {
        double[][] rows = columns();
        double[][] x = new double[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            x[i] = new double[]{Math.log10(rows[i][0]), rows[i][1], rows[i][2]};
        }
        return x;
    }

    /** [runs] of a column of the file. */
    static double[] column(String name) throws IOException {
        int index = List.of(csv().lines().findFirst().orElseThrow().split(",", -1)).indexOf(name);
        double[][] rows = columns();
        double[] column = new double[rows.length];
        for (int i = 0; i < rows.length; i++) {
            column[i] = rows[i][index];
        }
        return column;
    }
}
