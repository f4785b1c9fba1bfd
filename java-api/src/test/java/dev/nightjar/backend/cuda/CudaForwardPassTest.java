package dev.nightjar.backend.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Backends;
import dev.nightjar.backend.reference.ReferenceBackend;
import dev.nightjar.io.HuggingFaceFolder;
import dev.nightjar.io.PretrainedModel;
import dev.nightjar.io.SafetensorsFile;
import dev.nightjar.io.WeightSource;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ForwardPass;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.Parameters;
import dev.nightjar.text.TokenBatch;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole predictions through Java, the driver binding and PTX on the simulated driver. */
class CudaForwardPassTest {
    private static final float TOLERANCE = 1e-5f;
    /** Batches of awkward lengths; several of one size must share a recording without seeing each other's tokens. */
    private static final List<List<Integer>> BATCHES = List.of(List.of(40), List.of(1), List.of(5, 17),
            List.of(17, 1, 5, 1, 1, 12), List.of(2, 2, 2), List.of(40, 40, 17), List.of(1));

    @AutoClose
    private final CudaSimulator simulator = CudaSimulator.openWithKernels();

    /** The tiny model of the golden values on a backend. */
    private static final class Model implements AutoCloseable {
        final DistilBertConfig config;
        final Parameters parameters;
        final DistilBert network;

        Model(Backend backend) throws IOException {
            try (PretrainedModel pretrained = HuggingFaceFolder.open(golden("config.json").getParent())) {
                config = pretrained.config();
                parameters = new Parameters(backend, new ParameterLayout(config));
                for (String name : parameters.layout().names()) {
                    parameters.set(name, MemorySegment.ofArray(pretrained.weights().read(name)));
                }
            }
            network = new DistilBert(config, parameters, true);
        }

        @Override
        public void close() {
            network.close();
            parameters.close();
        }
    }

    private static Path golden(String name) {
        try {
            return Path.of(CudaForwardPassTest.class.getResource("/golden/tiny/" + name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Probabilities and scores of every sequence, one after the other. */
    private static float[] run(Model model, ForwardPass pass, List<int[]> sequences) {
        try (TokenBatch batch = new TokenBatch(sequences.stream().mapToInt(ids -> ids.length).sum(),
                sequences.size())) {
            sequences.forEach(ids -> batch.add(ids, 0));
            pass.run(batch);
        }
        int classes = model.config.classes();
        float[] results = new float[sequences.size() * (classes + model.config.scores())];
        int i = 0;
        for (int row = 0; row < sequences.size(); row++) {
            for (int c = 0; c < classes; c++) {
                results[i++] = pass.probability(row, c);
            }
            for (int k = 0; k < model.config.scores(); k++) {
                results[i++] = pass.score(row, k);
            }
        }
        return results;
    }

    private static List<int[]> sequences(List<Integer> lengths, int seed) {
        Random random = new Random(seed);
        return lengths.stream().map(length -> random.ints(length, 0, 120).toArray()).toList();
    }

    @ParameterizedTest
    @CsvSource({"75," + GemmProviders.NIGHTJAR, "80," + GemmProviders.NIGHTJAR, "90," + GemmProviders.NIGHTJAR,
            "80," + GemmProviders.CUBLASLT, "90," + GemmProviders.JCUBLAS})
    void goldenValuesOfPyTorch(int computeCapability, String gemm) throws IOException {
        simulator.computeCapability(computeCapability);
        try (Backend backend = simulator.backend(gemm, true);
                Model model = new Model(backend);
                ForwardPass pass = ForwardPass.of(model.network, 1, 256, 8);
                WeightSource file = SafetensorsFile.open(golden("forward.safetensors"))) {
            float[] ids = file.read("input_ids");
            float[] mask = file.read("attention_mask");
            float[] scores = file.read("regression");
            float[] logits = file.read("logits");
            int width = ids.length / scores.length;
            List<int[]> sequences = new ArrayList<>();
            for (int row = 0; row < scores.length; row++) {
                sequences.add(IntStream.range(row * width, (row + 1) * width).filter(i -> mask[i] == 1)
                        .map(i -> (int) ids[i]).toArray());
            }
            float[] actual = run(model, pass, sequences);
            for (int row = 0; row < scores.length; row++) {
                double sum = Math.exp(logits[3 * row]) + Math.exp(logits[3 * row + 1]) + Math.exp(logits[3 * row + 2]);
                for (int c = 0; c < 3; c++) {
                    assertThat(actual[4 * row + c]).isCloseTo((float) (Math.exp(logits[3 * row + c]) / sum),
                            within(TOLERANCE));
                }
                assertThat(actual[4 * row + 3]).isCloseTo(scores[row], within(TOLERANCE));
            }
        }
        simulator.assertClean();
    }

    @ParameterizedTest
    @ValueSource(strings = {GemmProviders.NIGHTJAR, GemmProviders.CUBLASLT, GemmProviders.JCUBLAS})
    void recordingsServeEveryBatchOfTheirSize(String gemm) throws IOException {
        try (Backend reference = new ReferenceBackend();
                Backend backend = simulator.backend(gemm, true);
                Backend eager = simulator.backend(gemm, false);
                Model oracle = new Model(reference);
                Model model = new Model(backend);
                Model eagerModel = new Model(eager);
                ForwardPass expected = ForwardPass.of(oracle.network, 1, 128, 8);
                ForwardPass pass = ForwardPass.of(model.network, 1, 128, 8);
                ForwardPass eagerPass = ForwardPass.of(eagerModel.network, 1, 128, 8)) {
            int seed = 0;
            for (List<Integer> lengths : BATCHES) {
                List<int[]> sequences = sequences(lengths, seed++);
                float[] actual = run(model, pass, sequences);
                assertThat(actual).usingComparatorWithPrecision(TOLERANCE)
                        .containsExactly(run(oracle, expected, sequences));
                assertThat(run(eagerModel, eagerPass, sequences)).containsExactly(actual);
            }
        }
        simulator.assertClean();
    }

    /** Nightjar's products do what follows them in the same launch; those of the libraries cannot. */
    @ParameterizedTest
    @CsvSource({GemmProviders.NIGHTJAR + ",1,5", GemmProviders.CUBLASLT + ",1,8", GemmProviders.JCUBLAS + ",1,9",
            GemmProviders.AUTO + ",4,5", GemmProviders.AUTO + ",5,8"})
    void launchesOfOnePrediction(String gemm, int texts, int perLayer) throws IOException {
        try (Backend backend = simulator.backend(gemm, false);
                Model model = new Model(backend);
                ForwardPass pass = ForwardPass.of(model.network, 1, 256, 8)) {
            simulator.clear();
            run(model, pass, sequences(Collections.nCopies(texts, 32), 1));
            assertThat(simulator.launches()).isEqualTo(perLayer * model.config.layers() + 2);
            assertThat(simulator.calls("cuMemcpyHtoDAsync_v2")).isEqualTo(1);
            assertThat(simulator.calls("cuMemcpyDtoHAsync_v2")).isEqualTo(1);
        }
        simulator.assertClean();
    }

    /** The two copies and the kernels are captured once; from then on the driver is asked for one thing. */
    @Test
    void oneGraphLaunchIsOnePrediction() throws IOException {
        try (Backend backend = new CudaBackend();
                Model model = new Model(backend);
                ForwardPass pass = ForwardPass.of(model.network, 1, 128, 8)) {
            simulator.clear();
            run(model, pass, sequences(List.of(17), 1));
            assertThat(simulator.calls("cuMemcpyHtoDAsync_v2")).isEqualTo(1);
            assertThat(simulator.calls("cuMemcpyDtoHAsync_v2")).isEqualTo(1);
            assertThat(simulator.calls("cuGraphLaunch")).isEqualTo(1);

            simulator.clear();
            run(model, pass, sequences(List.of(20), 2));
            assertThat(simulator.calls("cuGraphLaunch")).isEqualTo(1);
            assertThat(simulator.calls("cuStreamSynchronize")).isEqualTo(1);
            for (String other : List.of("cuLaunchKernel", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2",
                    "cuStreamBeginCapture_v2", "cuMemAlloc_v2")) {
                assertThat(simulator.calls(other)).as(other).isZero();
            }
            assertThat(simulator.launches()).isEqualTo(5 * model.config.layers() + 2);
        }
        simulator.assertClean();
    }

    @Test
    void explanationsNameTheCause() {
        Backends.Explanation available = explanation();
        assertThat(available.available()).isTrue();
        assertThat(available.details()).containsEntry("kernels", "sm_80, launched as CUDA graphs")
                .containsEntry("matrix products", "nightjar");

        simulator.reset();
        simulator.option("driver_version", 12040);
        assertThat(explanation().cause()).hasMessageContainingAll("driver is too old", "12.4", "nvcc");

        simulator.reset();
        simulator.option("compute_capability", 61);
        assertThat(explanation().cause()).hasMessageContainingAll("compute capability 6.1", "75");

        simulator.reset();
        simulator.option("no_device", 1);
        assertThat(explanation().cause()).hasMessageContaining("CUDA_ERROR_NO_DEVICE");
        assertThatThrownBy(() -> Backends.open("cuda")).isInstanceOf(UnavailableException.class);

        System.setProperty(CudaDriver.LIBRARY_PROPERTY, "no-such-libcuda.so");
        assertThat(explanation().cause()).hasMessageContaining("no NVIDIA driver");
        try (Backend chosen = Backends.open("auto")) {
            assertThat(chosen.name()).isEqualTo("cpu");
        }
    }

    private static Backends.Explanation explanation() {
        return Backends.explain().stream().filter(e -> e.name().equals("cuda")).findFirst().orElseThrow();
    }

    @Test
    void kernelsThatWereNotBuilt() {
        try (CudaContext context = new CudaContext(CudaDriver.load(), 0)) {
            ClassLoader without = ClassLoader.getPlatformClassLoader();
            assertThatThrownBy(() -> CudaKernels.of(context, without)).isInstanceOf(UnavailableException.class)
                    .hasMessageContainingAll("kernels were not built", "nvcc");
        }
    }

    @Test
    void autoIsTheDeviceWhereThereIsOne() {
        try (Backend chosen = Backends.open("auto")) {
            assertThat(chosen.name()).isEqualTo("cuda");
        }
    }
}
