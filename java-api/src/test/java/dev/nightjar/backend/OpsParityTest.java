package dev.nightjar.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.OpsRig.Poison;
import dev.nightjar.backend.cpu.CpuBackend;
import dev.nightjar.backend.cpu.CpuBackend.Kernels;
import dev.nightjar.backend.cpu.CpuBackend.Products;
import dev.nightjar.backend.reference.ReferenceBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every operation of every backend against the reference, on awkward shapes, with poisoned surroundings. */
class OpsParityTest {
    /** A backend under test. */
    record Variant(String name, Supplier<Backend> open) {
        @Override
        public String toString() {
            return name;
        }
    }

    /** One line here puts another backend to the test. */
    private static final List<Variant> VARIANTS = List.of(
            new Variant("cpu as users get it", () -> new CpuBackend(Kernels.AUTO, Products.AUTO)),
            new Variant("cpu, baseline kernels", () -> new CpuBackend(Kernels.BASELINE, Products.AUTO)),
            new Variant("cpu, AVX2 kernels", () -> new CpuBackend(Kernels.AVX2, Products.AUTO)),
            new Variant("cpu, oneDNN in inference too", () -> new CpuBackend(Kernels.AUTO, Products.ONEDNN)),
            new Variant("cpu, AVX2 kernels, Java products", () -> new CpuBackend(Kernels.AVX2, Products.JAVA)),
            new Variant("cpu, Java kernels, oneDNN", () -> new CpuBackend(Kernels.JAVA, Products.AUTO)),
            new Variant("cpu, Java alone", () -> new CpuBackend(Kernels.JAVA, Products.JAVA)));

    private static final List<OpsShape> SHAPES = List.of(OpsShape.of(32, 2, 1), OpsShape.of(32, 1, 5, 17),
            OpsShape.of(36, 4, 97), OpsShape.of(36, 4, 1, 5, 17, 97, 129, 3), OpsShape.of(32, 1, 512),
            OpsShape.of(384, 12, 17, 1, 32, 32), OpsShape.of(384, 6, 129));
    private static final List<OpsShape> THREADED = List.of(OpsShape.of(36, 4, 97, 1, 17, 129),
            OpsShape.of(384, 12, 17, 1, 32, 32));
    private static final OpsShape POISONED = OpsShape.of(36, 4, 5, 17, 70);

    private static final ReferenceBackend REFERENCE = new ReferenceBackend();
    /** The oracle's answers, which every variant is compared with. */
    private static final Map<List<Object>, Map<String, OpsRig.Output>> EXPECTED = new HashMap<>();

    @AfterAll
    static void forget() {
        EXPECTED.clear();
    }

    static List<Object[]> variantsAndCases() {
        return variantsAndCases(VARIANTS);
    }

    private static List<Object[]> variantsAndCases(List<Variant> variants) {
        List<Object[]> result = new ArrayList<>();
        for (Variant variant : variants) {
            for (String name : OpsCases.all().keySet()) {
                result.add(new Object[]{variant, name});
            }
        }
        return result;
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("variantsAndCases")
    void agreesWithTheReference(Variant variant, String name) {
        try (Backend backend = open(variant)) {
            for (OpsShape shape : SHAPES) {
                compare(name, shape, Poison.NONE, run(backend, 2, name, shape, Poison.NONE));
            }
        }
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("variantsAndCases")
    void nanSpreadsAsInTheReference(Variant variant, String name) {
        try (Backend backend = open(variant)) {
            compare(name, POISONED, Poison.NAN, run(backend, 2, name, POISONED, Poison.NAN));
        }
    }

    /** The variants that divide work differently. */
    static List<Object[]> threadedVariantsAndCases() {
        return variantsAndCases(List.of(VARIANTS.getFirst(), VARIANTS.getLast()));
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("threadedVariantsAndCases")
    void bitsDoNotDependOnTheNumberOfThreads(Variant variant, String name) {
        try (Backend backend = open(variant)) {
            for (OpsShape shape : THREADED) {
                Map<String, OpsRig.Output> one = run(backend, 1, name, shape, Poison.NONE);
                Map<String, OpsRig.Output> three = run(backend, 3, name, shape, Poison.NONE);
                one.forEach((output, expected) -> assertThat(
                        Arrays.mismatch(expected.values(), three.get(output).values()))
                        .as("first difference in %s %s", shape, output).isEqualTo(-1));
            }
        }
    }

    private static Backend open(Variant variant) {
        try {
            return variant.open.get();
        } catch (UnavailableException e) {
            return abort(variant + " is not available: " + e.getMessage());
        }
    }

    private static Map<String, OpsRig.Output> run(Backend backend, int threads, String name, OpsShape shape,
            Poison poison) {
        try (OpsRig rig = new OpsRig(backend, threads, shape, poison)) {
            OpsCases.all().get(name).run(rig);
            return rig.outputs();
        }
    }

    static void compare(String name, OpsShape shape, Poison poison, Map<String, OpsRig.Output> actual) {
        List<Object> key = new ArrayList<>(List.of(name, shape, poison));
        Map<String, OpsRig.Output> expected = EXPECTED.computeIfAbsent(key,
                k -> run(REFERENCE, 1, name, shape, poison));
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach((output, oracle) -> {
            String what = name + " " + shape + " " + output;
            actual.get(output).assertGuarded(what);
            compare(what, oracle, actual.get(output).values());
        });
    }

    /**
     * Rounding errors of a float32 sum of n terms grow like sqrt(n); what they are relative to is the element or, where
     * terms cancel, the typical element.
     */
    private static void compare(String what, OpsRig.Output oracle, float[] actual) {
        float[] expected = oracle.values();
        double typical = 0;
        int finite = 0;
        for (float value : expected) {
            if (Float.isFinite(value)) {
                typical += (double) value * value;
                finite++;
            }
        }
        typical = Math.sqrt(typical / Math.max(finite, 1));
        double relative = oracle.terms() == 0 ? 0 : Math.ulp(1f) * (3 + 2 * Math.sqrt(oracle.terms()));
        for (int i = 0; i < expected.length; i++) {
            double tolerance = relative * Math.max(Math.abs(expected[i]), typical);
            boolean same = Float.isNaN(expected[i])
                    ? Float.isNaN(actual[i])
                    : Math.abs((double) actual[i] - expected[i]) <= tolerance;
            if (!same) {
                throw new AssertionError(what + "[" + i + "] is " + actual[i] + ", expected " + expected[i] + " +- "
                        + tolerance + " (typical " + typical + ")");
            }
        }
    }
}
