package dev.nightjar.backend.cpu;

import static dev.nightjar.backend.reference.RoundingErrors.BATCHES;
import static dev.nightjar.backend.reference.RoundingErrors.assertClose;
import static dev.nightjar.backend.reference.RoundingErrors.sequences;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.FirstTokenOps;
import dev.nightjar.backend.InferenceOps;
import dev.nightjar.backend.cpu.CpuBackend.Kernels;
import dev.nightjar.backend.cpu.CpuBackend.Products;
import dev.nightjar.backend.reference.PlainOps;
import dev.nightjar.backend.reference.ReferenceBackend;
import dev.nightjar.backend.reference.RoundingErrors;
import dev.nightjar.model.ForwardPass;
import dev.nightjar.model.GoldenForward;
import dev.nightjar.model.NetworkOutputs;
import dev.nightjar.model.TestNetwork;
import dev.nightjar.tensor.DType;
import dev.nightjar.text.TokenBatch;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Inference in bfloat16 and int8 on the processor, within the bounds of {@link RoundingErrors}: for bfloat16 of a computation with the
 * same rounded weights, for int8 with the unquantised ones. Skips what this processor does not have.
 */
class CpuPrecisionTest {
    private final ReferenceBackend reference = new ReferenceBackend();

    private static CpuBackend open(Kernels kernels, DType type) {
        CpuBackend backend;
        try {
            backend = new CpuBackend(kernels, Products.AUTO);
        } catch (UnavailableException e) {
            return abort(e.getMessage());
        }
        assumeTrue(backend.inferenceTypes().contains(type), "no " + type + " here");
        return backend;
    }

    private TestNetwork exact(TestNetwork model) {
        return model.copy(reference);
    }

    /** Head dimensions from 8 to 128 and dimensions that no block, panel or dword divides. */
    @ParameterizedTest
    @CsvSource({"BF16, AVX512_BF16, 32, 4, 64", "BF16, AVX512_BF16, 36, 4, 151", "BF16, AVX512_BF16, 128, 1, 96",
            "BF16, AVX512_BF16, 90, 2, 390", "I8, AVX512_BF16, 32, 4, 64", "I8, AVX512_BF16, 36, 4, 151",
            "I8, AVX512_BF16, 128, 1, 96", "I8, AVX512_BF16, 90, 2, 390", "I8, AVX512_VNNI, 36, 4, 151",
            "I8, AVX512_VNNI, 128, 2, 256", "BF16, AMX, 36, 4, 151", "BF16, AMX, 90, 2, 390", "I8, AMX, 36, 4, 151",
            "I8, AMX, 90, 2, 390"})
    void errorsOfRandomModels(DType type, Kernels kernels, int dim, int heads, int hiddenDim) {
        try (CpuBackend backend = open(kernels, type);
                TestNetwork model = TestNetwork.random(backend, type, dim, heads, hiddenDim);
                TestNetwork unquantised = exact(model);
                InferenceOps ops = backend.newInferenceOps(1, type);
                InferenceOps oracle = reference.newInferenceOps(1, DType.F32);
                InferenceOps plain = new PlainOps(type)) {
            List<NetworkOutputs> actual = new ArrayList<>();
            List<NetworkOutputs> usual = new ArrayList<>();
            List<NetworkOutputs> expected = new ArrayList<>();
            for (List<int[]> batch : BATCHES) {
                actual.add(NetworkOutputs.of(model.network, ops, batch));
                usual.add(NetworkOutputs.of(unquantised.network, plain, batch));
                expected.add(NetworkOutputs.of(unquantised.network, oracle, batch));
            }
            assertClose(type + " by " + kernels, actual, usual, expected);
        }
    }

    /** Against PyTorch in float64 with unrounded weights, so the error of the weights counts too. */
    @ParameterizedTest
    @CsvSource({"BF16", "I8"})
    void goldenValuesOfPyTorch(DType type) throws IOException {
        try (CpuBackend backend = open(Kernels.AUTO, type);
                TestNetwork model = TestNetwork.golden(backend, type);
                TestNetwork unquantised = exact(model);
                InferenceOps ops = backend.newInferenceOps(1, type);
                InferenceOps plain = new PlainOps(type)) {
            GoldenForward golden = GoldenForward.read();
            assertClose(type.toString(), List.of(NetworkOutputs.of(model.network, ops, golden.sequences())),
                    List.of(NetworkOutputs.of(unquantised.network, plain, golden.sequences())),
                    List.of(golden.outputs()));
        }
    }

    @ParameterizedTest
    @CsvSource({"BF16", "I8"})
    void bitsDependNeitherOnThreadsNorOnTheRestOfTheBatch(DType type) {
        List<int[]> batch = sequences(129, 1, 64, 300, 5);
        try (CpuBackend backend = open(Kernels.AUTO, type);
                TestNetwork model = TestNetwork.random(backend, type, 90, 2, 390);
                InferenceOps one = backend.newInferenceOps(1, type);
                InferenceOps three = backend.newInferenceOps(3, type)) {
            NetworkOutputs together = NetworkOutputs.of(model.network, one, batch);
            NetworkOutputs threaded = NetworkOutputs.of(model.network, three, batch);
            assertThat(threaded.embeddings()).isEqualTo(together.embeddings());
            assertThat(threaded.logits()).isEqualTo(together.logits());
            for (int i = 0; i < batch.size(); i++) {
                NetworkOutputs alone = NetworkOutputs.of(model.network, one, List.of(batch.get(i)));
                assertThat(alone.logits()).as("sequence " + i)
                        .isEqualTo(Arrays.copyOfRange(together.logits(), 3 * i, 3 * i + 3));
                assertThat(alone.scores()).isEqualTo(Arrays.copyOfRange(together.scores(), 2 * i, 2 * i + 2));
            }
        }
    }

    /** Sessions compute the last block for the first tokens alone. */
    @ParameterizedTest
    @CsvSource({"F32, 1e-6", "BF16, 0", "I8, 0"})
    void sessionsGiveWhatAllTokensGive(DType type, double tolerance) {
        List<int[]> batch = sequences(129, 1, 64, 300, 5);
        try (CpuBackend backend = open(Kernels.AUTO, type);
                TestNetwork model = TestNetwork.random(backend, type, 90, 2, 390);
                InferenceOps ops = backend.newInferenceOps(1, type);
                ForwardPass pass = ForwardPass.of(model.network, 2, 600, 7);
                TokenBatch tokens = new TokenBatch(600, 7)) {
            assertThat(ops).isInstanceOf(FirstTokenOps.class);
            batch.forEach(ids -> tokens.add(ids, 0));
            pass.run(tokens);
            NetworkOutputs expected = NetworkOutputs.of(model.network, ops, batch);
            for (int row = 0; row < batch.size(); row++) {
                for (int c = 0; c < 3; c++) {
                    assertThat((double) pass.probability(row, c)).isCloseTo(expected.probabilities()[3 * row + c],
                            within(tolerance));
                }
                for (int k = 0; k < 2; k++) {
                    assertThat((double) pass.score(row, k)).isCloseTo(expected.scores()[2 * row + k],
                            within(tolerance));
                }
            }
        }
    }

    /** A NaN in one word's embedding reaches the sequences with that word, and no other. */
    @ParameterizedTest
    @CsvSource({"BF16", "I8"})
    void nanStaysInItsSequence(DType type) {
        try (CpuBackend backend = open(Kernels.AUTO, type);
                TestNetwork model = TestNetwork.random(backend, type, 36, 4, 151);
                InferenceOps ops = backend.newInferenceOps(1, type)) {
            model.poisonWord(7);
            NetworkOutputs outputs = NetworkOutputs.of(model.network, ops,
                    List.of(new int[]{3, 4, 5}, new int[]{8, 9, 7, 1}, new int[]{6, 2}));
            for (int row = 0; row < 3; row++) {
                for (int c = 0; c < 3; c++) {
                    assertThat(Float.isNaN(outputs.logits()[3 * row + c])).isEqualTo(row == 1);
                }
            }
        }
    }

    @Test
    void aTypeWithoutItsInstructionsIsRefusedWithTheCause() {
        for (Kernels kernels : List.of(Kernels.JAVA, Kernels.AVX2, Kernels.AVX512)) {
            try (CpuBackend backend = open(kernels, DType.F32)) {
                assertThat(backend.inferenceTypes()).containsExactly(DType.F32);
                String present = kernels == Kernels.JAVA
                        ? "pure Java"
                        : kernels.name().toLowerCase(Locale.ROOT);
                assertThatThrownBy(() -> backend.newInferenceOps(1, DType.I8)).isInstanceOf(UnavailableException.class)
                        .hasMessageContainingAll("int8", "only in float32", "avx512_vnni", present);
                assertThatThrownBy(() -> TestNetwork.random(backend, DType.BF16, 32, 4, 64))
                        .isInstanceOf(UnavailableException.class)
                        .hasMessageContainingAll("bfloat16", "avx512_bf16", present);
                assertThat(backend.trainingTypes()).containsExactly(DType.F32);
                assertThatThrownBy(() -> backend.newOps(1, DType.BF16)).isInstanceOf(UnavailableException.class)
                        .hasMessageContainingAll("does not train in bfloat16", "only in float32", "avx512_bf16",
                                present);
            }
        }
        try (CpuBackend backend = new CpuBackend(Kernels.AUTO, Products.JAVA)) {
            assertThatThrownBy(() -> backend.newOps(1, DType.BF16)).isInstanceOf(UnavailableException.class)
                    .hasMessageContainingAll("oneDNN", "matrix products=pure Java");
        }
        try (CpuBackend backend = open(Kernels.AVX512_VNNI, DType.I8)) {
            assertThat(backend.inferenceTypes()).containsExactly(DType.F32, DType.I8);
        }
    }
}
