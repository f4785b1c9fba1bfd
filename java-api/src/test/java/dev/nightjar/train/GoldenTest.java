package dev.nightjar.train;

import static dev.nightjar.train.GoldenModel.all;
import static dev.nightjar.train.GoldenModel.maxDistance;
import static dev.nightjar.train.GoldenModel.open;
import static dev.nightjar.train.GoldenModel.relativeDistance;
import static dev.nightjar.train.GoldenModel.rows;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.Schedule;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.LossReport;
import dev.nightjar.io.Json;
import dev.nightjar.io.WeightSource;
import dev.nightjar.loss.ConstantWeighting;
import dev.nightjar.loss.DynamicAdaptiveWeighting;
import dev.nightjar.loss.TaskWeighting.Scope;
import dev.nightjar.loss.TaskWeighting;
import dev.nightjar.model.Activations;
import dev.nightjar.model.DropoutPlan;
import dev.nightjar.model.Parameters;
import dev.nightjar.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/** Every backend against what PyTorch computed in float64 for a tiny model; see the README beside the files. */
class GoldenTest {
    /** Its gradient is zero but for rounding: softmax does not notice what is added to all keys. */
    private static final String KEY_BIAS = "k_lin.bias";

    static Stream<Named<Backend>> backends() {
        return TestBackends.all().map(backend -> Named.of(backend.name(), backend));
    }

    static Stream<Arguments> backendsAndScopes() {
        return backends().flatMap(backend -> Arrays.stream(Scope.values()).map(scope -> Arguments.of(backend, scope)));
    }

    static Stream<Arguments> backendsAndTasks() {
        Map<String, ConstantWeighting> tasks = Map.of("ce.", new ConstantWeighting(1, 0, false), "mse.",
                new ConstantWeighting(0, 1, false), "total.", new ConstantWeighting(1, 1, false));
        return backends().flatMap(
                backend -> tasks.entrySet().stream()
                        .map(task -> Arguments.of(backend, task.getKey(), task.getValue())));
    }

    @ParameterizedTest
    @MethodSource("backends")
    void hiddenStatesAndHeads(Backend backend) throws IOException {
        try (backend; GoldenModel tiny = new GoldenModel(backend); WeightSource golden = open("forward.safetensors")) {
            TokenizedRows rows = rows(golden, "");
            float[] mask = golden.read("attention_mask");
            Activations activations = tiny.buffers.activations();
            tiny.buffers.load(rows, all(rows), 0);
            tiny.model.forward(tiny.ops, tiny.buffers.packed(), activations, DropoutPlan.NONE);

            List<Tensor> hidden = List.of(activations.embeddings(), activations.layerOutput(0),
                    activations.layerOutput(1));
            for (int i = 0; i < hidden.size(); i++) {
                float[] expected = unpadded(golden.read("hidden_states." + i), mask);
                assertThat(maxDistance(fetch(backend, hidden.get(i), expected.length), expected))
                        .as("hidden_states." + i).isLessThanOrEqualTo(1e-5);
            }
            Map<String, Tensor> outputs = Map.of("pooled", activations.pooled(), "logits", activations.logits(),
                    "regression", activations.scores());
            outputs.forEach((name, tensor) -> {
                float[] expected = golden.read(name);
                assertThat(maxDistance(fetch(backend, tensor, expected.length), expected)).as(name)
                        .isLessThanOrEqualTo(1e-5);
            });
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void predictionsInSeveralPasses(Backend backend) throws IOException {
        try (backend;
                GoldenModel tiny = new GoldenModel(backend);
                WeightSource golden = open("forward.safetensors");
                BatchBuffers small = new BatchBuffers(backend, tiny.ops, tiny.config,
                        new BatchBuffers.Capacity(40, 2, 1, false))) {
            TokenizedRows rows = rows(golden, "");
            Predictions predictions = Predictions.of(tiny.model, tiny.ops, small, rows);
            float[] logits = golden.read("logits");
            float[] scores = golden.read("regression");
            for (int b = 0; b < rows.size(); b++) {
                float[] expected = softmax(Arrays.copyOfRange(logits, 3 * b, 3 * b + 3));
                assertThat(maxDistance(predictions.probabilities()[b], expected)).isLessThanOrEqualTo(1e-5);
                assertThat(predictions.scores()[b][0]).isCloseTo(scores[b], within(1e-5f));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backendsAndTasks")
    void gradients(Backend backend, String task, ConstantWeighting weighting) throws IOException {
        try (backend;
                GoldenModel tiny = new GoldenModel(backend);
                WeightSource batch = open("forward.safetensors");
                WeightSource golden = open("grads.safetensors");
                TrainingStep step = tiny.step(weighting)) {
            TokenizedRows rows = rows(batch, "");
            step.accumulate(rows, List.of(all(rows)), 0);
            assertThat(step.read().losses().classificationLoss()).isCloseTo(batch.read("loss_ce")[0], within(1e-5f));
            assertThat(step.read().losses().regressionLoss()).isCloseTo(batch.read("loss_mse")[0], within(1e-5f));
            assertGradients(step.gradients(), golden, task);
        }
    }

    /** Rows of a step may come in several batches without changing its gradient. */
    @ParameterizedTest
    @MethodSource("backends")
    void accumulatedGradients(Backend backend) throws IOException {
        try (backend;
                GoldenModel tiny = new GoldenModel(backend);
                WeightSource batch = open("forward.safetensors");
                WeightSource golden = open("grads.safetensors");
                TrainingStep step = tiny.step(new ConstantWeighting(1, 1, false))) {
            TokenizedRows rows = rows(batch, "");
            step.accumulate(rows, List.of(new int[]{3, 0, 5}, new int[]{4}, new int[]{1, 2}), 0);
            assertThat(step.read().losses().loss()).isCloseTo(batch.read("loss")[0], within(1e-5f));
            assertGradients(step.gradients(), golden, "total.");
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void twentyStepsOfAdamW(Backend backend) throws IOException {
        try (backend;
                GoldenModel tiny = new GoldenModel(backend);
                WeightSource golden = open("train20.safetensors");
                TrainingStep step = tiny.step(new ConstantWeighting(1, 1, false))) {
            float[] curve = golden.read("curve");
            for (int t = 0; t < 20; t++) {
                TokenizedRows rows = rows(golden, "batch" + t % 5 + ".");
                double learningRate = 1e-3 * Schedule.LINEAR.factor(t, 5, 20);
                step.run(rows, List.of(all(rows)), t, learningRate);
                TrainingStep.Result result = step.read();
                float[] actual = {(float) learningRate, result.losses().classificationLoss(),
                        result.losses().regressionLoss(), result.losses().loss()};
                assertThat(maxDistance(actual, Arrays.copyOfRange(curve, 5 * t, 5 * t + 4))).as("losses of step " + t)
                        .isLessThanOrEqualTo(2e-5);
                assertThat(result.gradientNorm()).as("gradient norm of step " + t)
                        .isCloseTo(curve[5 * t + 4], within(2e-5 * curve[5 * t + 4]));
            }
            for (String name : tiny.parameters.layout().names()) {
                if (!name.endsWith(KEY_BIAS)) {
                    assertThat(maxDistance(fetch(tiny.parameters, name), golden.read("final." + name))).as(name)
                            .isLessThanOrEqualTo(5e-6);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backendsAndScopes")
    void dynamicAdaptiveOptimization(Backend backend, Scope scope) throws IOException {
        TaskWeighting weighting = new DynamicAdaptiveWeighting(scope, true);
        JsonNode expected = Json.object("dao.json", Files.readAllBytes(GoldenModel.path("dao.json")));
        String scopeName = scope.name().toLowerCase(Locale.ROOT);
        JsonNode expectedOfScope = expected.get(scopeName);
        try (backend;
                GoldenModel tiny = new GoldenModel(backend);
                WeightSource golden = open("dao.safetensors");
                TrainingStep step = tiny.step(weighting)) {
            TokenizedRows rows = rows(golden, "");
            step.accumulate(rows, List.of(all(rows)), 0);
            LossReport report = step.read().losses();
            assertClose(report.classificationLoss(), expected.get("Lc"));
            assertClose(report.regressionLoss(), expected.get("Lr"));
            assertClose(report.classificationNorm(), expectedOfScope.get("norm_c"));
            assertClose(report.regressionNorm(), expectedOfScope.get("norm_r"));
            assertClose(report.classificationWeight(), expectedOfScope.get("lambda_c"));
            assertClose(report.regressionWeight(), expectedOfScope.get("lambda_r"));
            assertClose(report.loss(), expectedOfScope.get("loss"));
            assertGradients(step.gradients(), golden, scopeName + ".grad.");
        }
    }

    private static void assertClose(double actual, JsonNode expected) {
        assertThat(actual).isCloseTo(expected.doubleValue(), within(1e-5 * Math.abs(expected.doubleValue())));
    }

    private static void assertGradients(Parameters gradients, WeightSource golden, String prefix) {
        for (String name : gradients.layout().names()) {
            float[] actual = fetch(gradients, name);
            float[] expected = golden.read(prefix + name);
            if (name.endsWith(KEY_BIAS)) {
                assertThat(maxDistance(actual, expected)).as(name).isLessThanOrEqualTo(1e-6);
            } else {
                assertThat(relativeDistance(actual, expected)).as(name).isLessThanOrEqualTo(2e-5);
            }
        }
    }

    private static float[] fetch(Parameters parameters, String name) {
        try (Arena arena = Arena.ofConfined()) {
            return parameters.fetch(name, arena).toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /** The first elements of a tensor. */
    private static float[] fetch(Backend backend, Tensor tensor, int count) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tensor.byteSize(), Float.BYTES);
            backend.download(tensor, host);
            return Arrays.copyOf(host.toArray(ValueLayout.JAVA_FLOAT), count);
        }
    }

    /** The rows of a padded [B, length, width] that stand for real tokens, end to end. */
    private static float[] unpadded(float[] padded, float[] mask) {
        int width = padded.length / mask.length;
        int[] real = IntStream.range(0, mask.length).filter(i -> mask[i] == 1).toArray();
        float[] packed = new float[real.length * width];
        for (int i = 0; i < real.length; i++) {
            System.arraycopy(padded, real[i] * width, packed, i * width, width);
        }
        return packed;
    }

    private static float[] softmax(float[] logits) {
        double sum = IntStream.range(0, logits.length).mapToDouble(i -> Math.exp(logits[i])).sum();
        float[] result = new float[logits.length];
        for (int i = 0; i < result.length; i++) {
            result[i] = (float) (Math.exp(logits[i]) / sum);
        }
        return result;
    }
}
