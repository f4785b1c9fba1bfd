package dev.nightjar.train;

import static dev.nightjar.train.GoldenModel.all;
import static dev.nightjar.train.GoldenModel.open;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.Schedule;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.LossReport;
import dev.nightjar.io.Json;
import dev.nightjar.io.WeightSource;
import dev.nightjar.loss.DualBalancingWeighting;
import dev.nightjar.loss.FamoWeighting;
import dev.nightjar.loss.GradNormWeighting;
import dev.nightjar.loss.TaskWeighting;
import dev.nightjar.loss.TaskWeighting.Scope;
import dev.nightjar.train.TokenizedRows.Row;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/** 20 steps under each weighting that learns from losses and gradients, against PyTorch's; golden/tiny/weightings.py says how. */
class WeightingGoldenTest {
    private static final Map<String, Supplier<TaskWeighting>> WEIGHTINGS = Map.of(
            "gradnorm", () -> new GradNormWeighting(Scope.POOLED_REPRESENTATION, 1.5, 0.025),
            "gradnorm-shared", () -> new GradNormWeighting(Scope.SHARED_PARAMETERS, 1.5, 0.025),
            "db-mtl", () -> new DualBalancingWeighting(0.9),
            "famo", () -> new FamoWeighting(0.025, 1e-3));

    static Stream<Arguments> backendsAndWeightings() {
        return WEIGHTINGS.keySet().stream().sorted().flatMap(
                name -> TestBackends.all().map(backend -> Arguments.of(Named.of(backend.name(), backend), name)));
    }

    @ParameterizedTest
    @MethodSource("backendsAndWeightings")
    void twentySteps(Backend backend, String name) throws IOException {
        TaskWeighting weighting = WEIGHTINGS.get(name).get();
        JsonNode curve = Json.object("weightings.json", Files.readAllBytes(GoldenModel.path("weightings.json"))).get(
                name);
        try (backend;
                GoldenModel tiny = new GoldenModel(backend);
                WeightSource golden = open("train20.safetensors");
                TrainingStep step = tiny.step(weighting)) {
            for (int t = 0; t < 20; t++) {
                int at = t;
                TokenizedRows rows = without(GoldenModel.rows(golden, "batch" + t % 5 + "."), t);
                List<int[]> batches = List.of(all(rows));
                step.run(rows, batches, t, 1e-3 * Schedule.LINEAR.factor(t, 5, 20));
                TrainingStep.Result result = step.read();
                LossReport report = result.losses();
                weighting.observe(report, () -> step.losses(rows, batches, at));
                double[] actual = {report.classificationLoss(), report.regressionLoss(), report.classificationWeight(),
                        report.regressionWeight(), report.classificationNorm(), report.regressionNorm(),
                        result.gradientNorm()};
                for (int i = 0; i < actual.length; i++) {
                    double expected = curve.get(t).get(i).doubleValue();
                    assertThat(actual[i]).as("column %d of step %d", i, t)
                            .isCloseTo(expected, within(1e-4 * Math.max(Math.abs(expected), 0.1)));
                }
            }
        }
    }

    /** The targets that the golden steps lack. */
    private static TokenizedRows without(TokenizedRows rows, int step) {
        List<Row> left = new ArrayList<>();
        for (int b = 0; b < rows.size(); b++) {
            Row row = rows.get(b);
            boolean unlabelled = step % 7 == 3 || (step % 4 == 1 && b == 0);
            boolean unscored = step % 7 == 5 || (step % 4 == 1 && b == 1);
            left.add(new Row(row.ids(), row.key(), unlabelled ? -1 : row.label(),
                    unscored ? new float[]{Float.NaN} : row.scores()));
        }
        return new TokenizedRows(left);
    }
}
