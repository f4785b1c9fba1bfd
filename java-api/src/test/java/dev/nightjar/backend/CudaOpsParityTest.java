package dev.nightjar.backend;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightjar.backend.OpsRig.Poison;
import dev.nightjar.backend.cuda.CudaBackend;
import dev.nightjar.backend.cuda.CudaSimulator;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every operation of the cuda backend, on the simulated driver, against the reference. */
class CudaOpsParityTest {
    private static final List<OpsShape> SHAPES = List.of(OpsShape.of(32, 4, 1), OpsShape.of(32, 1, 5, 17),
            OpsShape.of(48, 2, 97), OpsShape.of(64, 1, 1, 5, 17, 97, 129, 3), OpsShape.of(32, 4, 512),
            OpsShape.of(128, 1, 17, 129));
    private static final OpsShape POISONED = OpsShape.of(32, 4, 5, 17, 70);

    @AutoClose
    private final CudaSimulator simulator = CudaSimulator.openWithKernels();

    static Set<String> cases() {
        return OpsCases.all().keySet();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void agreesWithTheReference(String name) {
        try (Backend backend = new CudaBackend()) {
            for (OpsShape shape : SHAPES) {
                OpsParityTest.compare(name, shape, Poison.NONE, run(backend, name, shape, Poison.NONE));
            }
        }
        simulator.assertClean();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void nanSpreadsAsInTheReference(String name) {
        try (Backend backend = new CudaBackend()) {
            OpsParityTest.compare(name, POISONED, Poison.NAN, run(backend, name, POISONED, Poison.NAN));
        }
        simulator.assertClean();
    }

    /** As many rows, classes and scores as the kernel takes. */
    @ParameterizedTest
    @ValueSource(strings = {"multiTaskLoss", "multiTaskLoss, scaled"})
    void lossesOfManyRows(String name) {
        OpsShape shape = new OpsShape(Collections.nCopies(4096, 1), 32, 4);
        try (Backend backend = new CudaBackend()) {
            OpsParityTest.compare(name, shape, Poison.NONE, run(backend, name, shape, Poison.NONE));
        }
        simulator.assertClean();
    }

    @ParameterizedTest
    @ValueSource(strings = {"cublaslt", "jcublas"})
    void productsOfLibrariesAgreeWithTheReference(String gemm) {
        simulator.gemm(gemm);
        List<String> products = cases().stream().filter(name -> name.contains("linear")).toList();
        assertThat(products).isNotEmpty();
        try (Backend backend = new CudaBackend()) {
            for (String name : products) {
                for (OpsShape shape : SHAPES) {
                    OpsParityTest.compare(name, shape, Poison.NONE, run(backend, name, shape, Poison.NONE));
                }
                OpsParityTest.compare(name, POISONED, Poison.NAN, run(backend, name, POISONED, Poison.NAN));
            }
        }
        simulator.assertClean();
    }

    private static Map<String, OpsRig.Output> run(Backend backend, String name, OpsShape shape, Poison poison) {
        // What attention reads and writes is wanted aligned, and statistics of rows are pairs.
        int guard = name.contains("ttention") ? 16 : 18;
        try (OpsRig rig = new OpsRig(backend, 1, shape, poison, guard)) {
            OpsCases.all().get(name).run(rig);
            return rig.outputs();
        }
    }
}
