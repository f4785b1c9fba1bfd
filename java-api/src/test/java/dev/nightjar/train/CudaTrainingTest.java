package dev.nightjar.train;

import static dev.nightjar.train.GoldenModel.all;
import static dev.nightjar.train.GoldenModel.open;
import static dev.nightjar.train.GoldenModel.rows;
import static org.assertj.core.api.Assertions.assertThat;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.LossScale;
import dev.nightjar.backend.cuda.CudaBackend;
import dev.nightjar.backend.cuda.CudaSimulator;
import dev.nightjar.backend.reference.PlainTrainingOps;
import dev.nightjar.backend.reference.ReferenceBackend;
import dev.nightjar.io.WeightSource;
import dev.nightjar.loss.ConstantWeighting;
import dev.nightjar.loss.TaskWeighting.Scope;
import dev.nightjar.tensor.DType;
import dev.nightjar.train.GoldenModel.Types;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Whole training steps of the tiny golden model through Java, the driver binding and PTX on the simulated driver. */
class CudaTrainingTest {
    @AutoClose
    private final CudaSimulator simulator = CudaSimulator.openWithKernels();
    private final GoldenTest golden = new GoldenTest();

    @ParameterizedTest
    @CsvSource({"ce., 1, 0, nightjar, 75", "mse., 0, 1, nightjar, 80", "total., 1, 1, nightjar, 90",
            "total., 1, 1, cublaslt, 80", "total., 1, 1, jcublas, 80"})
    void gradients(String task, float classification, float regression, String gemm, int computeCapability)
            throws IOException {
        simulator.gemm(gemm);
        simulator.computeCapability(computeCapability);
        golden.gradients(new CudaBackend(), task, new ConstantWeighting(classification, regression, false));
        simulator.assertClean();
    }

    @Test
    void gradientsOfBatchesOfOneStep() throws IOException {
        golden.accumulatedGradients(new CudaBackend());
        simulator.assertClean();
    }

    @Test
    void twentyStepsOfAdamW() throws IOException {
        golden.twentyStepsOfAdamW(new CudaBackend());
        simulator.assertClean();
    }

    @ParameterizedTest
    @EnumSource
    void dynamicAdaptiveOptimization(Scope scope) throws IOException {
        golden.dynamicAdaptiveOptimization(new CudaBackend(), scope);
        simulator.assertClean();
    }

    @Test
    void evaluationWithTheOperationsOfTraining() throws IOException {
        golden.predictionsInSeveralPasses(new CudaBackend());
        simulator.assertClean();
    }

    /** The gradients of each layer, against those of the same rounded weights in float64; the error of a few numbers is a matter of luck. */
    @ParameterizedTest
    @CsvSource({"BF16, nightjar, 2", "F16, nightjar, 3", "BF16, cublaslt, 2", "F16, jcublas, 3"})
    void gradientsInSixteenBits(DType type, String gemm, double allowed) throws IOException {
        simulator.gemm(gemm);
        ReferenceBackend reference = new ReferenceBackend();
        try (Backend backend = new CudaBackend();
                GoldenModel model = new GoldenModel(backend, backend.newOps(1, type), new Types(type, type));
                GoldenModel plain = new GoldenModel(reference, new PlainTrainingOps(type), new Types(DType.F32, type));
                GoldenModel exact = new GoldenModel(reference, reference.newOps(1), new Types(DType.F32, type));
                WeightSource batch = open("forward.safetensors")) {
            TokenizedRows rows = rows(batch, "");
            GoldenModel.assertClose(model.gradients(rows, type == DType.F16 ? 1 / LossScale.INITIAL.factor() : 1),
                    plain.gradients(rows, 1), exact.gradients(rows, 1), allowed);
        }
        simulator.assertClean();
    }

    /** A gradient beyond float16's range leaves everything as it was but the scale of the loss, which is halved until it fits. */
    @Test
    void stepsThatOverflowAreSkipped() throws IOException {
        try (Backend backend = new CudaBackend();
                GoldenModel model = new GoldenModel(backend, backend.newOps(1, DType.F16),
                        new Types(DType.F16, DType.F16));
                WeightSource batch = open("forward.safetensors");
                TrainingStep step = model.step(new ConstantWeighting(1, 1, false));
                Arena arena = Arena.ofConfined()) {
            String name = "pre_classifier.weight";
            float[] before = model.parameters.fetch(name, arena).toArray(ValueLayout.JAVA_FLOAT);
            TokenizedRows rows = rows(batch, "");
            model.optimizer.lossScale(new LossScale(LossScale.LARGEST, 5, 0, LossScale.LARGEST));
            step.run(rows, List.of(all(rows)), 0, 1e-3);
            TrainingStep.Result skipped = step.read();
            assertThat(skipped.skipped()).isTrue();
            assertThat(skipped.finite()).isTrue();
            assertThat(model.optimizer.fetchLossScale())
                    .isEqualTo(new LossScale(LossScale.LARGEST / 2, 0, 1, LossScale.LARGEST));
            assertThat(model.parameters.fetch(name, arena).toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(before);
            assertThat(model.optimizer.firstMoment().fetch(name, arena).toArray(ValueLayout.JAVA_FLOAT))
                    .containsOnly(0);

            model.optimizer.lossScale(new LossScale(1024, LossScale.GROWTH_INTERVAL - 1, 1, 1024));
            step.run(rows, List.of(all(rows)), 1, 1e-3);
            assertThat(step.read().skipped()).isFalse();
            assertThat(step.read().gradientNorm()).isBetween(0.1, 100.0);
            assertThat(model.optimizer.fetchLossScale()).isEqualTo(new LossScale(2048, 0, 1, 1024));
            assertThat(model.parameters.fetch(name, arena).toArray(ValueLayout.JAVA_FLOAT)).isNotEqualTo(before);
        }
        simulator.assertClean();
    }
}
