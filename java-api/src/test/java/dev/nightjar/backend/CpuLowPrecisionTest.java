package dev.nightjar.backend;

import static dev.nightjar.backend.reference.RoundingErrors.assertClose;
import static dev.nightjar.backend.reference.RoundingErrors.assertUnbiased;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.OpsRig.Output;
import dev.nightjar.backend.OpsRig.Poison;
import dev.nightjar.backend.cpu.CpuBackend;
import dev.nightjar.backend.cpu.CpuBackend.Kernels;
import dev.nightjar.backend.cpu.CpuBackend.Products;
import dev.nightjar.backend.reference.PlainOps;
import dev.nightjar.backend.reference.ReferenceBackend;
import dev.nightjar.backend.reference.ReferenceOps;
import dev.nightjar.backend.reference.RoundingErrors;
import dev.nightjar.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every operation of inference in bfloat16 and int8 on the processor, one by one, with errors within the bounds of
 * {@link RoundingErrors} and memory around tensors poisoned.
 */
class CpuLowPrecisionTest {
    /** Kernels under test, which are skipped where the processor lacks them. */
    record Variant(Kernels kernels, DType type) {
        Map<String, Output> run(String name, OpsShape shape, int threads, Poison poison) {
            try (Backend backend = open()) {
                return CpuLowPrecisionTest.run(backend, backend.newInferenceOps(threads, type), type, true, name, shape,
                        poison);
            }
        }

        private Backend open() {
            try {
                Backend backend = new CpuBackend(kernels, Products.AUTO);
                assumeTrue(backend.inferenceTypes().contains(type), "no " + type + " by " + kernels);
                return backend;
            } catch (UnavailableException e) {
                return abort(e.getMessage());
            }
        }
    }

    private static final List<Variant> VARIANTS = List.of(new Variant(Kernels.AVX512_BF16, DType.BF16),
            new Variant(Kernels.AVX512_BF16, DType.I8), new Variant(Kernels.AVX512_VNNI, DType.I8),
            new Variant(Kernels.AMX, DType.BF16), new Variant(Kernels.AMX, DType.I8));

    /** Of an odd dimension, and of dimensions that no dword, panel or tile divides. */
    private static final List<OpsShape> SHAPES = List.of(OpsShape.of(36, 4, 1), OpsShape.of(33, 3, 5),
            OpsShape.of(33, 3, 17, 1, 97), OpsShape.of(36, 4, 1, 5, 17, 97, 129, 3), OpsShape.of(32, 1, 512),
            OpsShape.of(384, 6, 17, 32));
    private static final OpsShape POISONED = OpsShape.of(36, 4, 5, 17, 70);

    private static final ReferenceBackend REFERENCE = new ReferenceBackend();
    /** What every variant is compared with. */
    private static final Map<List<Object>, Map<String, Output>> EXPECTED = new HashMap<>();

    @AfterAll
    static void forget() {
        EXPECTED.clear();
    }

    static List<Object[]> variantsAndCases() {
        List<Object[]> result = new ArrayList<>();
        for (Variant variant : VARIANTS) {
            for (String name : OpsCases.inference().keySet()) {
                result.add(new Object[]{variant, name});
            }
        }
        return result;
    }

    private static Map<String, Output> run(Backend backend, InferenceOps ops, DType type, boolean typed, String name,
            OpsShape shape, Poison poison) {
        try (OpsRig rig = new OpsRig(backend, ops, type, typed, shape, poison)) {
            OpsCases.inference().get(name).run(rig);
            return rig.outputs();
        }
    }

    /** In float64, of the same values. */
    private static Map<String, Output> exact(DType type, String name, OpsShape shape, Poison poison) {
        return EXPECTED.computeIfAbsent(List.of("exact", type, name, shape, poison),
                key -> run(REFERENCE, new ReferenceOps(), type, false, name, shape, poison));
    }

    private static Map<String, Output> plain(DType type, String name, OpsShape shape) {
        return EXPECTED.computeIfAbsent(List.of("plain", type, name, shape),
                key -> run(REFERENCE, new PlainOps(type), type, false, name, shape, Poison.NONE));
    }

    /** Largest errors of few numbers are a matter of luck, so those of all shapes count together. */
    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("variantsAndCases")
    void errorsAreThoseOfRounding(Variant variant, String name) {
        Map<String, List<float[]>> actual = new HashMap<>();
        Map<String, List<float[]>> plain = new HashMap<>();
        Map<String, List<float[]>> exact = new HashMap<>();
        for (OpsShape shape : SHAPES) {
            Map<String, Output> outputs = variant.run(name, shape, 2, Poison.NONE);
            outputs.forEach((output, value) -> value.assertGuarded(name + " " + shape + " " + output));
            collect(outputs, actual);
            collect(plain(variant.type, name, shape), plain);
            collect(exact(variant.type, name, shape, Poison.NONE), exact);
        }
        assertThat(actual.keySet()).isEqualTo(exact.keySet());
        exact.forEach((output, values) -> {
            String what = name + " " + output;
            float[] found = concatenated(actual.get(output));
            assertClose(what, found, concatenated(plain.get(output)), concatenated(values));
            assertUnbiased(what, found, concatenated(values));
        });
    }

    private static void collect(Map<String, Output> outputs, Map<String, List<float[]>> all) {
        outputs.forEach((output, value) -> all.computeIfAbsent(output, key -> new ArrayList<>()).add(value.values()));
    }

    private static float[] concatenated(List<float[]> parts) {
        float[] all = new float[parts.stream().mapToInt(part -> part.length).sum()];
        int end = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, all, end, part.length);
            end += part.length;
        }
        return all;
    }

    /**
     * What is no number makes no numbers where it does so in the reference, and leaves the bits of all that it does not
     * reach; an int8 product's row it reaches as a whole.
     */
    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("variantsAndCases")
    void nanAndInfinityStayInTheirRows(Variant variant, String name) {
        Map<String, Output> clean = variant.run(name, POISONED, 2, Poison.NONE);
        Map<String, Output> exactClean = exact(variant.type, name, POISONED, Poison.NONE);
        for (Poison poison : List.of(Poison.NAN, Poison.INFINITY)) {
            Map<String, Output> actual = variant.run(name, POISONED, 2, poison);
            exact(variant.type, name, POISONED, poison).forEach((output, exact) -> {
                float[] values = actual.get(output).values();
                for (int i = 0; i < values.length; i++) {
                    String what = name + ", " + output + "[" + i + "] with " + poison;
                    if (!Float.isFinite(exact.values()[i])) {
                        assertThat(Float.isFinite(values[i])).as("%s is %s", what, values[i]).isFalse();
                    } else if (exact.values()[i] == exactClean.get(output).values()[i]
                            && !(variant.type == DType.I8 && reached(exact, i))) {
                        assertThat(values[i]).as(what).isEqualTo(clean.get(output).values()[i]);
                    }
                }
            });
        }
    }

    /** Whether the row of an element has anything that is no number. */
    private static boolean reached(Output output, int element) {
        int row = element / output.cols() * output.cols();
        return IntStream.range(row, row + output.cols()).anyMatch(i -> !Float.isFinite(output.values()[i]));
    }

    /** A batch begins with what the sequence alone is. */
    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("variantsAndCases")
    void bitsDependNeitherOnThreadsNorOnTheRestOfTheBatch(Variant variant, String name) {
        for (int length : new int[]{1, 17, 97}) {
            OpsShape batch = OpsShape.of(36, 4, length, 129, 1, 5);
            Map<String, Output> together = variant.run(name, batch, 1, Poison.NONE);
            Map<String, Output> threaded = variant.run(name, batch, 3, Poison.NONE);
            Map<String, Output> alone = variant.run(name, OpsShape.of(36, 4, length), 1, Poison.NONE);
            together.forEach((output, value) -> {
                assertThat(Arrays.mismatch(value.values(), threaded.get(output).values()))
                        .as("first difference of 3 threads in %s %s", batch, output).isEqualTo(-1);
                float[] first = alone.get(output).values();
                assertThat(Arrays.mismatch(value.values(), 0, first.length, first, 0, first.length))
                        .as("first difference of one sequence of %s alone in %s", length, output).isEqualTo(-1);
            });
        }
    }
}
