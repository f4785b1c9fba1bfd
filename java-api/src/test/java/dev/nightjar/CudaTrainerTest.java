package dev.nightjar;

import static dev.nightjar.TrainerTest.LABELS;
import static dev.nightjar.TrainerTest.rows;
import static dev.nightjar.TrainerTest.settings;
import static dev.nightjar.TrainerTest.weights;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.TrainingConfig.Checkpoints;
import dev.nightjar.backend.cuda.CudaSimulator;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole trainings on the simulated driver: that they can be repeated, stopped, continued, and agree with the cpu backend's. */
class CudaTrainerTest {
    private static final String GRAPHS = "nightjar.cuda.graphs";

    @TempDir
    Path folder;

    @AutoClose
    private final CudaSimulator simulator = CudaSimulator.openWithKernels();

    private SentimentModel load(String backend) throws IOException {
        return TinyModel.load(folder.resolve("model-" + UUID.randomUUID()), LABELS, List.of("mood"),
                Device.of(backend));
    }

    /** The weights that two epochs of 20 rows lead to. */
    private Map<String, List<Float>> train(TrainingConfig config) throws IOException {
        try (SentimentModel model = load("cuda");
                SentimentModel trained = new Trainer(model, config).train(rows(20, 1)).model()) {
            return weights(trained);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"dao", "dao-shared"})
    void aRunGoesOnFromAnyCheckpointAsIfItHadNeverStopped(String weighting) throws IOException {
        Dataset training = rows(20, 1);
        TrainingConfig.Builder settings = settings().epochs(2).weighting(Weighting.parse(weighting))
                .accumulationSteps(2);
        TrainerTest.Recorder recorder = new TrainerTest.Recorder();
        try (SentimentModel model = load("cuda")) {
            TrainingConfig saving = settings.checkpoints(new Checkpoints(folder.resolve("checkpoints"), 1, 100))
                    .build();
            Map<String, List<Float>> expected;
            try (SentimentModel trained = new Trainer(model, saving).listener(recorder).train(training).model()) {
                expected = weights(trained);
            }
            assertThat(recorder.checkpoints).hasSize(4);
            for (int from : new int[]{1, 3}) {
                try (SentimentModel trained = new Trainer(model, saving)
                        .resume(recorder.checkpoints.get(from - 1), training).model()) {
                    assertThat(weights(trained)).as("from step %d", from).isEqualTo(expected);
                }
            }
        }
        simulator.assertClean();
    }

    @ParameterizedTest
    @ValueSource(strings = {"cpu", "cuda"})
    void aRunBegunOnOneBackendGoesOnOnTheOther(String first) throws IOException {
        Dataset training = rows(20, 1);
        Path checkpoints = folder.resolve("checkpoints");
        TrainingConfig config = settings().epochs(2).checkpoints(new Checkpoints(checkpoints, 2, 100)).build();
        Map<String, List<Float>> expected;
        try (SentimentModel model = load(first)) {
            try (SentimentModel trained = new Trainer(model, config).train(training).model()) {
                expected = weights(trained);
            }
        }
        Path middle = checkpoints.resolve("step-00000002");
        try (SentimentModel model = load(first.equals("cpu") ? "cuda" : "cpu");
                SentimentModel trained = new Trainer(model, settings().epochs(2).build()).resume(middle, training)
                        .model()) {
            assertClose(weights(trained), expected);
        }
    }

    /** Adam's first steps turn rounding of a gradient that is zero but for it into whole steps: keys' biases are left out. */
    private static void assertClose(Map<String, List<Float>> actual, Map<String, List<Float>> expected) {
        actual.forEach((name, values) -> {
            for (int i = 0; i < values.size() && !name.endsWith("k_lin.bias"); i++) {
                assertThat(values.get(i)).as(name).isCloseTo(expected.get(name).get(i), within(2e-4f));
            }
        });
    }

    /** Neither the order of blocks and warps, nor graphs, nor recomputed activations change a bit. */
    @Test
    void bitsDoNotDependOnTheSchedule() throws IOException {
        TrainingConfig config = settings().epochs(1).build();
        Map<String, List<Float>> expected = train(config);
        for (int seed : new int[]{7, 8}) {
            simulator.option("seed", seed);
            simulator.option("workers", seed == 8 ? 2 : 1);
            assertThat(train(config)).as("seed %d", seed).isEqualTo(expected);
        }
        System.setProperty(GRAPHS, "false");
        try {
            assertThat(train(config)).as("without graphs").isEqualTo(expected);
        } finally {
            System.clearProperty(GRAPHS);
        }
        assertThat(train(config.toBuilder().recomputeActivations(true).build())).as("recomputed").isEqualTo(expected);
        simulator.assertClean();
    }

    /** From one report to the next the host asks for graphs and one loss a batch, and waits only to read the report. */
    @Test
    void nothingWaitsInsideAStep() throws IOException {
        record Calls(long graphs, long kernels, long waits, long downloads) {
        }
        List<Calls> seen = new ArrayList<>();
        TrainingConfig config = settings().epochs(3).bucketing(false).reportEvery(3).build();
        try (SentimentModel model = load("cuda")) {
            new Trainer(model, config).listener(new TrainingListener() {
                @Override
                public void onStep(StepReport report) {
                    seen.add(new Calls(simulator.calls("cuGraphLaunch"), simulator.calls("cuLaunchKernel"),
                            simulator.calls("cuCtxSynchronize"), simulator.calls("cuMemcpyDtoHAsync_v2")));
                }
            }).train(rows(24, 3)).model().close();
        }
        assertThat(seen).hasSize(3);
        Calls second = seen.get(1);
        Calls third = seen.get(2);
        assertThat(third.graphs - second.graphs).as("forward, backward and update").isEqualTo(3 * 3);
        assertThat(third.kernels - second.kernels).as("losses").isEqualTo(3);
        assertThat(third.downloads - second.downloads).as("report and norm").isEqualTo(2);
        assertThat(third.waits - second.waits).isEqualTo(2);
        simulator.assertClean();
    }

    /** The loss curve in a 16-bit type is near that in float32. */
    @ParameterizedTest
    @EnumSource(names = {"BFLOAT16", "FLOAT16"})
    void mixedPrecisionFollowsSinglePrecision(Precision precision) throws IOException {
        List<StepReport> single = losses(Precision.FLOAT32);
        List<StepReport> mixed = losses(precision);
        assertThat(mixed).hasSameSizeAs(single);
        for (int i = 0; i < single.size(); i++) {
            assertThat(mixed.get(i).loss()).as("step %d", i + 1).isCloseTo(single.get(i).loss(), within(0.03));
        }
        simulator.assertClean();
    }

    private List<StepReport> losses(Precision precision) throws IOException {
        TrainerTest.Recorder recorder = new TrainerTest.Recorder();
        TrainingConfig config = settings().epochs(2).precision(precision).build();
        try (SentimentModel model = load("cuda")) {
            new Trainer(model, config).listener(recorder).train(rows(24, 1)).model().close();
        }
        return recorder.steps;
    }

    @Test
    void aDeviceThatIsTooSmallSaysSoBeforehand() throws IOException {
        simulator.option("memory_bytes", 24L << 20);
        List<MemoryPlan> plans = new ArrayList<>();
        TrainingListener listener = new TrainingListener() {
            @Override
            public void onPlan(MemoryPlan plan) {
                plans.add(plan);
            }
        };
        TrainingConfig.Builder settings = settings().epochs(1).batchSize(2000);
        try (SentimentModel model = load("cuda")) {
            Dataset many = rows(2000, 1);
            assertThatThrownBy(() -> new Trainer(model, settings.build()).listener(listener).train(many))
                    .isInstanceOf(UnavailableException.class)
                    .hasMessageContainingAll("this training needs", "activations", "MiB free", "recomputed");
            assertThat(plans).isEmpty();
            new Trainer(model, settings.batchSize(8).build()).listener(listener).train(rows(8, 1)).model().close();
            assertThat(plans).hasSize(1);
        }
        simulator.assertClean();
    }
}
