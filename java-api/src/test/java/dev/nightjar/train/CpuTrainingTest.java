package dev.nightjar.train;

import static dev.nightjar.train.GoldenModel.all;
import static dev.nightjar.train.GoldenModel.open;
import static dev.nightjar.train.GoldenModel.relativeDistance;
import static dev.nightjar.train.GoldenModel.rows;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import dev.nightjar.Schedule;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.cpu.CpuBackend;
import dev.nightjar.backend.reference.PlainTrainingOps;
import dev.nightjar.backend.reference.ReferenceBackend;
import dev.nightjar.backend.reference.RoundingErrors;
import dev.nightjar.io.WeightSource;
import dev.nightjar.loss.ConstantWeighting;
import dev.nightjar.model.TestNetwork;
import dev.nightjar.tensor.DType;
import dev.nightjar.train.GoldenModel.Types;
import dev.nightjar.train.TokenizedRows.Row;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Whole training steps of the cpu backend in bfloat16 with float32 master weights, against a {@linkplain PlainTrainingOps plain run}, whose
 * error against float64 theirs may be twice. Skips where the processor lacks the instructions.
 */
class CpuTrainingTest {
    private static final double ALLOWED = 2;
    private static final Types MIXED = new Types(DType.BF16, DType.BF16);
    private static final Types ROUNDED = new Types(DType.F32, DType.BF16);

    private final Backend backend = new CpuBackend();
    private final ReferenceBackend reference = new ReferenceBackend();

    @BeforeEach
    void requireType() {
        assumeTrue(backend.trainingTypes().contains(DType.BF16), "no training in bfloat16 here");
    }

    /** Against the gradients of the same rounded weights in float64. */
    @Test
    void gradientsOfTheGoldenModel() throws IOException {
        try (GoldenModel model = new GoldenModel(backend, backend.newOps(1, DType.BF16), MIXED);
                GoldenModel plain = new GoldenModel(reference, new PlainTrainingOps(DType.BF16), ROUNDED);
                GoldenModel exact = new GoldenModel(reference, reference.newOps(1), ROUNDED);
                WeightSource batch = open("forward.safetensors")) {
            TokenizedRows rows = rows(batch, "");
            GoldenModel.assertClose(model.gradients(rows, 1), plain.gradients(rows, 1), exact.gradients(rows, 1),
                    ALLOWED);
        }
    }

    /** Dimensions that neither vectors nor tiles divide, and all awkward lengths in one batch. */
    @ParameterizedTest
    @CsvSource({"36, 4, 151", "90, 2, 390", "128, 1, 96"})
    void gradientsOfRandomModels(int dim, int heads, int hiddenDim) {
        TokenizedRows rows = awkwardRows();
        try (TestNetwork source = TestNetwork.random(reference, DType.F32, dim, heads, hiddenDim);
                GoldenModel model = model(source, backend, backend.newOps(2, DType.BF16), MIXED);
                GoldenModel plain = model(source, reference, new PlainTrainingOps(DType.BF16), ROUNDED);
                GoldenModel exact = model(source, reference, reference.newOps(1), ROUNDED)) {
            GoldenModel.assertClose(model.gradients(rows, 1), plain.gradients(rows, 1), exact.gradients(rows, 1),
                    ALLOWED);
        }
    }

    private static GoldenModel model(TestNetwork source, Backend backend, Ops ops, Types types) {
        try (Arena arena = Arena.ofConfined()) {
            return new GoldenModel(backend, ops, types, GoldenModel.Source.of(source.network.config(),
                    name -> source.parameters.fetch(name, arena).toArray(ValueLayout.JAVA_FLOAT)), 800);
        }
    }

    private static TokenizedRows awkwardRows() {
        List<Row> rows = new ArrayList<>();
        for (int[] ids : RoundingErrors.sequences(1, 5, 17, 97, 129, 512)) {
            rows.add(new Row(ids, rows.size(), rows.size() % 3, new float[]{0.3f * rows.size(), -0.5f}));
        }
        return new TokenizedRows(rows);
    }

    /** Against PyTorch in float64, so the error of rounded weights counts too. */
    @Test
    void twentyStepsOfAdamW() throws IOException {
        try (GoldenModel model = new GoldenModel(backend, backend.newOps(1, DType.BF16),
                new Types(DType.BF16, DType.F32));
                GoldenModel plain = new GoldenModel(reference, new PlainTrainingOps(DType.BF16),
                        new Types(DType.BF16, DType.F32, DType.F32));
                WeightSource golden = open("train20.safetensors")) {
            float[] losses = train(model, golden);
            float[] usual = train(plain, golden);
            float[] curve = golden.read("curve");
            float[] expected = new float[20];
            for (int t = 0; t < 20; t++) {
                expected[t] = curve[5 * t + 3];
            }
            RoundingErrors.assertClose("losses", losses, usual, expected);
            double error = 0;
            double allowed = 0;
            for (String name : model.parameters.layout().names()) {
                float[] end = golden.read("final." + name);
                error += relativeDistance(fetch(model, name), end);
                allowed += ALLOWED * relativeDistance(fetch(plain, name), end);
            }
            assertThat(error).as("parameters").isLessThanOrEqualTo(allowed);
        }
    }

    private static float[] train(GoldenModel model, WeightSource golden) {
        float[] losses = new float[20];
        try (TrainingStep step = model.step(new ConstantWeighting(1, 1, false))) {
            for (int t = 0; t < losses.length; t++) {
                TokenizedRows rows = rows(golden, "batch" + t % 5 + ".");
                step.run(rows, List.of(all(rows)), t, 1e-3 * Schedule.LINEAR.factor(t, 5, 20));
                losses[t] = step.read().losses().loss();
            }
        }
        return losses;
    }

    private static float[] fetch(GoldenModel model, String name) {
        try (Arena arena = Arena.ofConfined()) {
            return model.parameters.fetch(name, arena).toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    @Test
    void bitsDoNotDependOnTheNumberOfThreads() {
        TokenizedRows rows = awkwardRows();
        try (TestNetwork source = TestNetwork.random(reference, DType.F32, 90, 2, 390);
                GoldenModel one = model(source, backend, backend.newOps(1, DType.BF16), MIXED);
                GoldenModel three = model(source, backend, backend.newOps(3, DType.BF16), MIXED)) {
            for (GoldenModel model : List.of(one, three)) {
                try (TrainingStep step = model.step(new ConstantWeighting(1, 1, false))) {
                    for (int t = 0; t < 3; t++) {
                        step.run(rows, List.of(all(rows)), t, 1e-3);
                    }
                }
            }
            for (String name : one.parameters.layout().names()) {
                assertThat(fetch(three, name)).as(name).isEqualTo(fetch(one, name));
            }
        }
    }

    /** A step leaves the garbage collector small objects alone: its activations take megabytes. */
    @ParameterizedTest
    @CsvSource({"F32", "BF16"})
    void stepsAllocateNoBuffers(DType type) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        TokenizedRows rows = awkwardRows();
        try (TestNetwork source = TestNetwork.random(reference, DType.F32, 36, 4, 151);
                GoldenModel model = model(source, backend, backend.newOps(1, type), new Types(type, DType.F32));
                TrainingStep step = model.step(new ConstantWeighting(1, 1, false))) {
            step.run(rows, List.of(all(rows)), 0, 1e-3);
            long before = threads.getCurrentThreadAllocatedBytes();
            for (int t = 1; t <= 10; t++) {
                step.run(rows, List.of(all(rows)), t, 1e-3);
            }
            assertThat((threads.getCurrentThreadAllocatedBytes() - before) / 10).isLessThan(128 << 10);
        }
    }
}
