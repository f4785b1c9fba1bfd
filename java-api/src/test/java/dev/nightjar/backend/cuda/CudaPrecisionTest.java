package dev.nightjar.backend.cuda;

import static dev.nightjar.backend.reference.RoundingErrors.BATCHES;
import static dev.nightjar.backend.reference.RoundingErrors.assertClose;
import static dev.nightjar.backend.reference.RoundingErrors.sequences;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Backends;
import dev.nightjar.backend.InferenceOps;
import dev.nightjar.backend.cpu.CpuBackend;
import dev.nightjar.backend.reference.PlainOps;
import dev.nightjar.backend.reference.ReferenceBackend;
import dev.nightjar.backend.reference.RoundingErrors;
import dev.nightjar.io.EmbeddedModels;
import dev.nightjar.io.PretrainedModel;
import dev.nightjar.model.ForwardPass;
import dev.nightjar.model.GoldenForward;
import dev.nightjar.model.NetworkOutputs;
import dev.nightjar.model.TestNetwork;
import dev.nightjar.tensor.DType;
import dev.nightjar.text.TextEncoder;
import dev.nightjar.text.TokenBatch;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Inference in float16 and bfloat16 on the simulated driver, within the bounds of {@link RoundingErrors} of a computation
 * with the same rounded weights.
 */
class CudaPrecisionTest {
    private static final List<String> HEADLINES = List.of("Harbour operator lifts its dividend for a third year",
            "Chipmaker warns that orders from carmakers are drying up",
            "Court clears the merger of two regional insurers", "Brewer says barley costs will eat half of its margin",
            "No change in the supervisory board of the shipyard");

    @AutoClose
    private final CudaSimulator simulator = CudaSimulator.openWithKernels();
    private final ReferenceBackend reference = new ReferenceBackend();

    /** Head dimensions from 8 to 128, in batches that take different ways through the kernels. */
    @ParameterizedTest
    @CsvSource({"F16, 75, 32, 4, 64, nightjar", "F16, 80, 48, 2, 150, nightjar", "F16, 90, 128, 1, 96, nightjar",
            "BF16, 80, 64, 1, 128, nightjar", "BF16, 80, 80, 1, 96, nightjar", "BF16, 90, 32, 2, 150, nightjar",
            "F16, 80, 32, 1, 150, cublaslt", "BF16, 80, 32, 1, 150, jcublas"})
    void errorsOfRandomModels(DType type, int computeCapability, int dim, int heads, int hiddenDim, String gemm) {
        simulator.computeCapability(computeCapability);
        try (Backend backend = simulator.backend(gemm, true);
                TestNetwork model = TestNetwork.random(backend, type, dim, heads, hiddenDim);
                TestNetwork rounded = model.copy(reference);
                InferenceOps ops = backend.newInferenceOps(1, type);
                InferenceOps oracle = reference.newInferenceOps(1, DType.F32);
                InferenceOps plain = new PlainOps(type)) {
            List<NetworkOutputs> actual = new ArrayList<>();
            List<NetworkOutputs> usual = new ArrayList<>();
            List<NetworkOutputs> exact = new ArrayList<>();
            for (List<int[]> batch : BATCHES) {
                actual.add(NetworkOutputs.of(model.network, ops, batch));
                usual.add(NetworkOutputs.of(rounded.network, plain, batch));
                exact.add(NetworkOutputs.of(rounded.network, oracle, batch));
            }
            assertClose(type.toString(), actual, usual, exact);
        }
        simulator.assertClean();
    }

    /** Against PyTorch in float64 with unrounded weights, so the error of the weights counts too. */
    @ParameterizedTest
    @CsvSource({"F16, 75, nightjar", "F16, 80, nightjar", "F16, 90, nightjar", "BF16, 80, nightjar",
            "BF16, 90, nightjar", "F16, 80, cublaslt", "BF16, 80, cublaslt", "F16, 75, jcublas", "BF16, 90, jcublas"})
    void goldenValuesOfPyTorch(DType type, int computeCapability, String gemm) throws IOException {
        simulator.computeCapability(computeCapability);
        try (Backend backend = simulator.backend(gemm, true);
                TestNetwork model = TestNetwork.golden(backend, type);
                TestNetwork rounded = model.copy(reference);
                InferenceOps ops = backend.newInferenceOps(1, type);
                InferenceOps plain = new PlainOps(type)) {
            GoldenForward golden = GoldenForward.read();
            assertClose(type.toString(), List.of(NetworkOutputs.of(model.network, ops, golden.sequences())),
                    List.of(NetworkOutputs.of(rounded.network, plain, golden.sequences())),
                    List.of(golden.outputs()));
        }
        simulator.assertClean();
    }

    /**
     * Real weights, against the cpu backend: in float32 as they are, in 16 bits with the same rounded weights and for
     * fewer texts, as the plain run takes longer than the simulator.
     */
    @ParameterizedTest
    @CsvSource({"F32, 80", "F16, 75", "BF16, 90"})
    void tokenEmbeddingsOfMiniLm(DType type, int computeCapability) throws IOException {
        simulator.computeCapability(computeCapability);
        try (PretrainedModel pretrained = EmbeddedModels.miniLm(getClass().getClassLoader());
                TextEncoder encoder = TextEncoder.fromFiles("MiniLM", pretrained.tokenizerFiles());
                Backend backend = new CudaBackend();
                Backend cpu = new CpuBackend();
                TestNetwork model = TestNetwork.of(pretrained, backend, type);
                TestNetwork copy = model.copy(cpu);
                InferenceOps ops = backend.newInferenceOps(1, type);
                InferenceOps oracle = cpu.newInferenceOps(1, DType.F32)) {
            List<int[]> batch = HEADLINES.subList(0, type == DType.F32 ? 5 : 2).stream()
                    .map(text -> encoder.encode(text, 512).ids()).toList();
            float[] actual = NetworkOutputs.of(model.network, ops, batch).embeddings();
            float[] exact = NetworkOutputs.of(copy.network, oracle, batch).embeddings();
            if (type == DType.F32) {
                assertThat(RoundingErrors.largest(actual, exact)).isLessThanOrEqualTo(1e-4);
            } else {
                try (InferenceOps plain = new PlainOps(type)) {
                    assertClose("token embeddings, " + type, actual,
                            NetworkOutputs.of(copy.network, plain, batch).embeddings(), exact);
                }
            }
        }
        simulator.assertClean();
    }

    /** The same launches in the same order: recording may change nothing. */
    @ParameterizedTest
    @CsvSource({"F16, 75", "BF16, 90"})
    void aRecordedPassGivesTheSameBits(DType type, int computeCapability) {
        simulator.computeCapability(computeCapability);
        List<int[]> batch = sequences(16, 16, 16, 16);
        try (Backend backend = new CudaBackend();
                TestNetwork model = TestNetwork.random(backend, type, 64, 2, 128);
                InferenceOps ops = backend.newInferenceOps(1, type);
                ForwardPass pass = ForwardPass.of(model.network, 1, 64, 4);
                TokenBatch tokens = new TokenBatch(64, 4)) {
            batch.forEach(ids -> tokens.add(ids, 0));
            pass.run(tokens);
            NetworkOutputs expected = NetworkOutputs.of(model.network, ops, batch);
            for (int row = 0; row < batch.size(); row++) {
                for (int c = 0; c < 3; c++) {
                    assertThat(pass.probability(row, c)).isEqualTo(expected.probabilities()[3 * row + c]);
                }
                for (int k = 0; k < 2; k++) {
                    assertThat(pass.score(row, k)).isEqualTo(expected.scores()[2 * row + k]);
                }
            }
        }
        simulator.assertClean();
    }

    @Test
    void weightsAreRoundedOnce() {
        try (Backend backend = new CudaBackend();
                TestNetwork unrounded = TestNetwork.random(reference, DType.F32, 32, 4, 64)) {
            for (DType type : List.of(DType.F16, DType.BF16)) {
                try (TestNetwork model = TestNetwork.random(backend, type, 32, 4, 64);
                        TestNetwork rounded = model.copy(reference)) {
                    for (String name : unrounded.parameters.layout().names()) {
                        float[] expected = unrounded.parameters.get(name).toArray();
                        for (int i = 0; i < expected.length; i++) {
                            expected[i] = PlainOps.round(type, expected[i]);
                        }
                        assertThat(rounded.parameters.get(name).toArray()).as(name).isEqualTo(expected);
                    }
                }
            }
        }
        simulator.assertClean();
    }

    @Test
    void bfloat16NeedsComputeCapability8() {
        simulator.option("compute_capability", 75);
        assertThatThrownBy(() -> Backends.open("cuda", DType.BF16)).isInstanceOf(UnavailableException.class)
                .hasMessageContainingAll("cuda backend", "bfloat16", "only in float32 and float16");
        try (Backend backend = new CudaBackend()) {
            assertThat(backend.inferenceTypes()).containsExactly(DType.F32, DType.F16);
            assertThatThrownBy(() -> backend.newInferenceOps(1, DType.BF16)).isInstanceOf(UnavailableException.class);
        }
        simulator.assertClean();
        simulator.reset();
        simulator.option("compute_capability", 80);
        try (Backend backend = Backends.open("cuda", DType.BF16)) {
            assertThat(backend.inferenceTypes()).containsExactly(DType.F32, DType.BF16, DType.F16);
        }
        simulator.assertClean();
    }
}
