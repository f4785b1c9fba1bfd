package dev.nightjar.backend.cpu;

import static dev.nightjar.backend.reference.RoundingErrors.BATCHES;
import static dev.nightjar.backend.reference.RoundingErrors.assertClose;
import static dev.nightjar.backend.reference.RoundingErrors.largest;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.nightjar.Device;
import dev.nightjar.UnavailableException;
import dev.nightjar.backend.Backends;
import dev.nightjar.backend.InferenceOps;
import dev.nightjar.backend.cpu.CpuBackend.Kernels;
import dev.nightjar.backend.reference.PlainOps;
import dev.nightjar.backend.reference.ReferenceBackend;
import dev.nightjar.model.NetworkOutputs;
import dev.nightjar.model.TestNetwork;
import dev.nightjar.tensor.DType;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class IsaLimitTest {
    @AfterEach
    void unlimited() {
        System.clearProperty(IsaLimit.PROPERTY);
    }

    private static void limit(Kernels most) {
        System.setProperty(IsaLimit.PROPERTY, most.name().toLowerCase(Locale.ROOT));
    }

    @Test
    void thePropertyGoesBeforeTheVariable() {
        assertThat(IsaLimit.of(null, null)).isEqualTo(new IsaLimit(Kernels.AUTO, null));
        assertThat(IsaLimit.of(null, "avx2")).isEqualTo(new IsaLimit(Kernels.AVX2, "NIGHTJAR_MAX_CPU_ISA=avx2"));
        assertThat(IsaLimit.of("AVX512_VNNI", "avx3"))
                .isEqualTo(new IsaLimit(Kernels.AVX512_VNNI, "nightjar.cpu.maxIsa=AVX512_VNNI"));
    }

    @Test
    void whatIsNoInstructionSetIsRefused() {
        System.setProperty(IsaLimit.PROPERTY, "avx3");
        String expected = "nightjar.cpu.maxIsa=avx3 is not an instruction set, expected one of java, baseline, avx2, avx512, "
                + "avx512_vnni, avx512_bf16, amx";
        assertThatThrownBy(CpuBackend::new).isInstanceOf(UnavailableException.class).hasMessage(expected);
        assertThatThrownBy(() -> Backends.open("cpu")).isInstanceOf(UnavailableException.class).hasMessage(expected);
        assertThat(Device.statuses()).filteredOn(status -> status.backend().equals("cpu")).singleElement()
                .extracting(Device.Status::reason).isEqualTo(expected);
        for (String value : List.of("", "auto")) {
            assertThatThrownBy(() -> IsaLimit.of(null, value)).isInstanceOf(UnavailableException.class)
                    .hasMessageStartingWith("NIGHTJAR_MAX_CPU_ISA=" + value + " is not");
        }
    }

    /** A limit beyond the processor is none, so no level is left out anywhere. */
    @ParameterizedTest
    @EnumSource(value = Kernels.class, mode = EnumSource.Mode.EXCLUDE, names = "AUTO")
    void everyLevelGivesRightResultsInEveryTypeItHas(Kernels most) {
        limit(most);
        ReferenceBackend reference = new ReferenceBackend();
        try (CpuBackend backend = new CpuBackend()) {
            for (DType type : backend.inferenceTypes()) {
                try (TestNetwork model = TestNetwork.random(backend, type, 36, 4, 151);
                        TestNetwork exact = model.copy(reference);
                        InferenceOps ops = backend.newInferenceOps(1, type);
                        InferenceOps oracle = reference.newInferenceOps(1, DType.F32);
                        InferenceOps plain = new PlainOps(type)) {
                    List<int[]> batch = BATCHES.getFirst();
                    NetworkOutputs actual = NetworkOutputs.of(model.network, ops, batch);
                    NetworkOutputs expected = NetworkOutputs.of(exact.network, oracle, batch);
                    if (type == DType.F32) {
                        assertThat(largest(actual.embeddings(), expected.embeddings())).isLessThan(1e-5);
                        assertThat(largest(actual.logits(), expected.logits())).isLessThan(1e-5);
                    } else {
                        assertClose(type + " at most " + most, actual.embeddings(),
                                NetworkOutputs.of(exact.network, plain, batch).embeddings(), expected.embeddings());
                    }
                }
            }
        }
    }

    @Test
    void javaMeansJavaAlone() {
        limit(Kernels.JAVA);
        try (CpuBackend backend = new CpuBackend()) {
            String java = "pure Java (limited by nightjar.cpu.maxIsa=java)";
            assertThat(backend.details()).containsEntry("kernels", java).containsEntry("matrix products", java);
        }
    }

    /** On any processor: the baseline is everywhere. */
    @Test
    void detailsNameTheLimitWhereItIsOne() {
        assumeTrue(NativeKernels.isPackaged(), "built without a C++ compiler");
        limit(Kernels.BASELINE);
        try (CpuBackend backend = new CpuBackend()) {
            assertThat(backend.details()).containsEntry("kernels",
                    "native, baseline (limited by nightjar.cpu.maxIsa=baseline)");
            assertThat(backend.inferenceTypes()).containsExactly(DType.F32);
        }
        System.clearProperty(IsaLimit.PROPERTY);
        try (CpuBackend backend = new CpuBackend()) {
            assertThat(backend.details().get("kernels")).startsWith("native, ").doesNotContain("limited");
            assertThat(backend.details().get("matrix products")).doesNotContain("limited");
        }
    }

    @ParameterizedTest
    @CsvSource({"BF16, bfloat16, avx512_bf16", "I8, int8, avx512_vnni"})
    void aRefusedTypeNamesTheLimit(DType type, String name, String needed) {
        assumeTrue(NativeKernels.isPackaged(), "built without a C++ compiler");
        limit(Kernels.BASELINE);
        try (CpuBackend backend = new CpuBackend()) {
            assertThatThrownBy(() -> backend.newInferenceOps(1, type)).isInstanceOf(UnavailableException.class)
                    .hasMessageContainingAll(name + " needs native kernels for " + needed,
                            "native, baseline (limited by nightjar.cpu.maxIsa=baseline)");
        }
    }
}
