package dev.nightjar.backend.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.Activation;
import dev.nightjar.backend.reference.Erf;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The choice of who computes products, and what each makes of every storage type, on the simulated driver. */
class GemmProvidersTest {
    private static final List<String> NAMES = List.of(GemmProviders.CUBLASLT, GemmProviders.JCUBLAS,
            GemmProviders.NIGHTJAR);

    @AutoClose
    private final CudaSimulator simulator = CudaSimulator.openWithKernels();

    private static CudaContext context() {
        return new CudaContext(CudaDriver.load(), 0);
    }

    // ---- products

    /** A product with room for {@code rows} rows of which {@code count} matter. */
    private record Shape(int rows, int count, int n, int k) {
    }

    private static final List<Shape> SHAPES = List.of(new Shape(1, 1, 24, 40), new Shape(16, 5, 96, 32),
            new Shape(17, 17, 33, 19), new Shape(129, 97, 64, 128));

    static Stream<Object[]> providersAndTypes() {
        return Stream.concat(NAMES.stream(), Stream.of(GemmProviders.AUTO))
                .flatMap(name -> Stream.of(DType.F32, DType.F16, DType.BF16)
                        .map(type -> new Object[]{name, type}));
    }

    @ParameterizedTest
    @MethodSource("providersAndTypes")
    void everyStorageTypeIsSummedInFloat32(String name, DType type) {
        simulator.backend(name, false).close(); // Skips on a real machine without the library.
        try (CudaContext context = context();
                CudaKernels kernels = CudaKernels.of(context, getClass().getClassLoader());
                GemmProvider provider = GemmProviders.load(name, context);
                Device device = new Device(context, kernels, provider, type)) {
            for (Shape shape : SHAPES) {
                device.compare(shape);
                // The second time nothing is planned.
                device.compare(shape);
            }
        }
        simulator.assertClean();
    }

    /** Device memory of one storage type, and products in it. */
    private static final class Device implements AutoCloseable {
        private final CudaContext context;
        private final KernelLauncher launcher;
        private final DType type;
        private final CudaBuffer tickets;
        private final CudaGemm gemm;
        private final List<CudaBuffer> buffers = new ArrayList<>();
        private final Random random = new Random(3);

        Device(CudaContext context, CudaKernels kernels, GemmProvider provider, DType type) {
            this.context = context;
            this.type = type;
            launcher = new KernelLauncher(context);
            tickets = context.allocateZeroed(64 * Integer.BYTES);
            gemm = provider.open(new GemmProvider.Site(context, kernels, launcher, type, tickets.address()));
        }

        /** What a number is after it was stored. */
        private float stored(float value) {
            return switch (type) {
                case F16 -> Float.float16ToFloat(Float.floatToFloat16(value));
                // Cut off, which is as good as rounding for what is only to be representable.
                case BF16 -> Float.intBitsToFloat(Float.floatToIntBits(value) & 0xFFFF0000);
                default -> value;
            };
        }

        private float[] values(int count, double scale) {
            float[] values = new float[count];
            for (int i = 0; i < count; i++) {
                values[i] = stored((float) (random.nextGaussian() * scale));
            }
            return values;
        }

        private long upload(float[] values) {
            int bytes = type.bytes();
            try (HostBuffer host = context.allocatePinned((long) bytes * values.length)) {
                MemorySegment memory = host.segment();
                for (int i = 0; i < values.length; i++) {
                    switch (type) {
                        case F16 -> memory.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(values[i]));
                        case BF16 -> memory.setAtIndex(ValueLayout.JAVA_SHORT, i,
                                (short) (Float.floatToRawIntBits(values[i]) >>> 16));
                        default -> memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
                    }
                }
                return upload(host);
            }
        }

        private long upload(HostBuffer host) {
            CudaBuffer buffer = context.allocate(host.segment().byteSize());
            buffers.add(buffer);
            context.driver().memcpyHtoDAsync(buffer.address(), host.segment().address(), buffer.byteSize(),
                    launcher.stream());
            context.driver().streamSynchronize(launcher.stream());
            return buffer.address();
        }

        private long count(int value) {
            try (HostBuffer host = context.allocatePinned(Integer.BYTES)) {
                host.segment().set(ValueLayout.JAVA_INT, 0, value);
                return upload(host);
            }
        }

        private float[] download(long address, int count) {
            try (HostBuffer host = context.allocatePinned((long) type.bytes() * count)) {
                context.driver().memcpyDtoHAsync(host.segment().address(), address, host.segment().byteSize(),
                        launcher.stream());
                context.driver().streamSynchronize(launcher.stream());
                float[] values = new float[count];
                for (int i = 0; i < count; i++) {
                    values[i] = switch (type) {
                        case F16 -> Float.float16ToFloat(host.segment().getAtIndex(ValueLayout.JAVA_SHORT, i));
                        case BF16 -> Float.intBitsToFloat(host.segment().getAtIndex(ValueLayout.JAVA_SHORT, i) << 16);
                        default -> host.segment().getAtIndex(ValueLayout.JAVA_FLOAT, i);
                    };
                }
                return values;
            }
        }

        /** Everything a {@link CudaGemm} does against float64. */
        void compare(Shape shape) {
            int n = shape.n;
            float[] x = values(shape.rows * shape.k, 1);
            // What is in the rows past the count must not get out of them.
            Arrays.fill(x, shape.count * shape.k, x.length, Float.NaN);
            float[] weight = values(n * shape.k, 1 / Math.sqrt(shape.k));
            float[] bias = values(n, 0.5);
            float[] residual = values(shape.rows * n, 1);
            float[] gamma = values(n, 1);
            float[] beta = values(n, 1);
            double[] expected = new double[shape.count * n];
            for (int i = 0; i < expected.length; i++) {
                expected[i] = bias[i % n];
                for (int l = 0; l < shape.k; l++) {
                    expected[i] += (double) x[i / n * shape.k + l] * weight[i % n * shape.k + l];
                }
            }
            long out = upload(new float[shape.rows * n]);
            CudaGemm.Product product = new CudaGemm.Product(shape.rows, count(shape.count), upload(x), upload(weight),
                    upload(bias), n, shape.k, out);
            for (Activation activation : Activation.values()) {
                gemm.linear(product, activation);
                check(shape, activation.name(), download(out, expected.length),
                        Arrays.stream(expected).map(value -> apply(activation, value)).toArray());
            }
            for (int i = 0; i < expected.length; i++) {
                expected[i] += residual[i];
            }
            gemm.linearResidualLayerNorm(product, upload(new float[shape.rows * n]), upload(residual), upload(gamma),
                    upload(beta));
            check(shape, "layer norm", download(out, expected.length), normalised(expected, gamma, beta));
        }

        /** Two roundings to the type, that of the product and that of the result, of values up to a few units. */
        private void check(Shape shape, String what, float[] actual, double[] expected) {
            double step = switch (type) {
                case F16 -> 0x1p-11;
                case BF16 -> 0x1p-8;
                default -> 0;
            };
            for (int i = 0; i < expected.length; i++) {
                assertThat((double) actual[i]).as("%s of %s, element %d", what, shape, i).isCloseTo(expected[i],
                        within(1e-5 + step * (6 + Math.abs(expected[i]))));
            }
        }

        private static double apply(Activation activation, double x) {
            return switch (activation) {
                case NONE -> x;
                case GELU -> x * 0.5 * (1 + Erf.erf(x / Math.sqrt(2)));
                case RELU -> Math.max(x, 0);
            };
        }

        private static double[] normalised(double[] rows, float[] gamma, float[] beta) {
            int n = gamma.length;
            double[] out = new double[rows.length];
            for (int row = 0; row < rows.length / n; row++) {
                double[] values = Arrays.copyOfRange(rows, row * n, (row + 1) * n);
                double mean = Arrays.stream(values).average().orElseThrow();
                double variance = Arrays.stream(values).map(v -> (v - mean) * (v - mean)).average().orElseThrow();
                for (int c = 0; c < n; c++) {
                    out[row * n + c] = (values[c] - mean) / Math.sqrt(variance + DistilBertConfig.LAYER_NORM_EPSILON)
                            * gamma[c] + beta[c];
                }
            }
            return out;
        }

        @Override
        public void close() {
            gemm.close();
            gemm.close();
            buffers.forEach(CudaBuffer::close);
            tickets.close();
            launcher.close();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {GemmProviders.CUBLASLT, GemmProviders.JCUBLAS})
    void memoryThatIsTooSmallForAWorkspaceIsLeftFree(String name) {
        simulator.assumeSimulated();
        simulator.option("memory_bytes", 2 << 20);
        try (CudaBackend backend = new CudaBackend(0, name, false)) {
            assertThatThrownBy(() -> backend.newInferenceOps(1, DType.F32))
                    .hasMessageContainingAll("cuMemAlloc", "CUDA_ERROR_OUT_OF_MEMORY");
        }
        simulator.assertClean();
    }

    // ---- the choice

    @Test
    void autoTakesTheFirstLibraryThatIsThereForManyRows() {
        simulator.assumeSimulated();
        try (CudaContext context = context()) {
            String few = "nightjar up to 128 rows, beyond ";
            assertThat(load(GemmProviders.AUTO, context)).isEqualTo(few +
                    "cublaslt 12.0.0 (" + CudaSimulator.file("libcublasLt.so.12") + ")");
            System.setProperty(CublasLt.LIBRARY_PROPERTY, "missing-cublaslt");
            assertThat(load(GemmProviders.AUTO, context)).isEqualTo(few +
                    "jcublas 12.6.0 with cuBLAS 12.0.0 (" + CudaSimulator.file("libcublas.so.12") + ")");
            System.setProperty(JCublas.LIBRARY_PROPERTY, "missing-cublas");
            assertThat(load(GemmProviders.AUTO, context)).isEqualTo("nightjar");
        }
        simulator.assertClean();
    }

    private static String load(String name, CudaContext context) {
        try (GemmProvider provider = GemmProviders.load(name, context)) {
            return provider.description();
        }
    }

    @Test
    void aNameIsThatProviderOrRefusedWithTheCause() {
        simulator.assumeSimulated();
        try (CudaContext context = context()) {
            for (String name : NAMES) {
                assertThat(load(name, context)).startsWith(name);
            }
            System.setProperty(CublasLt.LIBRARY_PROPERTY, "missing-cublaslt");
            System.setProperty(JCublas.LIBRARY_PROPERTY, "missing-cublas");
            assertRefused(GemmProviders.CUBLASLT, context,
                    "no cuBLASLt: native library missing-cublaslt cannot be loaded (looked there because of"
                            + " system property nightjar.cublaslt.library or environment variable"
                            + " NIGHTJAR_CUBLASLT_LIBRARY)");
            assertRefused(GemmProviders.JCUBLAS, context,
                    "no cuBLAS for JCublas2: native library missing-cublas cannot be loaded (looked there because of"
                            + " system property nightjar.cublas.library or environment variable"
                            + " NIGHTJAR_CUBLAS_LIBRARY)");
            String other = CudaSimulator.file("libcublas.so.12").toString();
            System.setProperty(CublasLt.LIBRARY_PROPERTY, other);
            assertRefused(GemmProviders.CUBLASLT, context,
                    "no cuBLASLt: native library " + other + " has no symbol cublasLtMatmul");
            assertRefused("oneDNN", context,
                    "no provider of matrix products is called oneDNN, expected auto, cublaslt, jcublas, nightjar"
                            + " (system property nightjar.cuda.gemm or environment variable NIGHTJAR_CUDA_GEMM)");
        }
        simulator.gemm(GemmProviders.CUBLASLT);
        assertThatThrownBy(CudaBackend::new).isInstanceOf(UnavailableException.class)
                .hasMessageStartingWith("no cuBLASLt");
        simulator.assertClean();
    }

    private static void assertRefused(String name, CudaContext context, String message) {
        assertThatThrownBy(() -> GemmProviders.load(name, context)).isInstanceOf(UnavailableException.class)
                .hasMessage(message);
    }

    @Test
    void versionsThatDoNotFit() {
        simulator.assumeSimulated();
        String library = CudaSimulator.file("libcublasLt.so.13").toString();
        System.setProperty(CublasLt.LIBRARY_PROPERTY, library);
        try (CudaContext context = context()) {
            assertThat(load(GemmProviders.CUBLASLT, context)).startsWith("cublaslt 13.0.0");
            assertThatThrownBy(() -> GemmProviders.requireVersion("cuBLASLt", 110_403, context.driver()))
                    .isInstanceOf(UnavailableException.class)
                    .hasMessage("cuBLASLt is too old: it has version 11.4.3, and Nightjar needs 12.0.0 or later");
        }
        simulator.reset();
        simulator.option("driver_version", 12040);
        try (CudaContext context = context()) {
            assertRefused(GemmProviders.CUBLASLT, context,
                    "no cuBLASLt: the NVIDIA driver is too old for cuBLASLt (" + library
                            + ") 13.0.0: it supports CUDA 12.4, and 13.0 or later is needed");
        }
        simulator.assertClean();
    }

    @Test
    void theBackendTellsWhoComputesAndWhyNotTheOthers() {
        simulator.assumeSimulated();
        System.setProperty(CublasLt.LIBRARY_PROPERTY, "missing-cublaslt");
        try (CudaBackend backend = new CudaBackend(0, GemmProviders.AUTO, true)) {
            Map<String, String> details = backend.details();
            assertThat(details.get("matrix products")).contains("beyond jcublas 12.6.0");
            assertThat(details.get("cublaslt")).startsWith("not available: no cuBLASLt").contains("missing-cublaslt");
            assertThat(details).containsEntry("nightjar", "available").doesNotContainKey("jcublas");
        }
        simulator.assertClean();
    }

    // ---- without JCuda, in processes of their own

    @Test
    void withoutJCudaTheOthersWork() throws IOException, InterruptedException {
        simulator.assumeSimulated();
        assertThat(child(entry -> !entry.contains("/org/jcuda/"), System.getProperty("java.io.tmpdir")))
                .contains("jcublas: no JCublas2: org.jcuda:jcublas 12.6.0 is not on the class path\n")
                .contains("beyond cublaslt 12.0.0");
    }

    @Test
    void withoutTheLibraryOfJCudaTheCauseIsToldEveryTime() throws IOException, InterruptedException {
        simulator.assumeSimulated();
        String output = child(entry -> true, "/dev/null/missing");
        for (String part : List.of("jcublas: no cuBLAS for JCublas2: the JNI library of JCublas2 cannot be loaded with "
                + CudaSimulator.file("libcublas.so.12"), "Error while loading native library")) {
            assertThat(output.split(part, -1)).as(output).hasSize(3);
        }
    }

    /** What {@link Child} prints with some of this process's class path. */
    private static String child(Predicate<String> entries, String temporary)
            throws IOException, InterruptedException {
        String classPath = Stream.of("java.class.path", "jdk.module.path").map(name -> System.getProperty(name, ""))
                .flatMap(path -> Arrays.stream(path.split(File.pathSeparator)))
                .filter(entry -> !entry.isEmpty() && entries.test(entry))
                .collect(Collectors.joining(File.pathSeparator))
                + File.pathSeparator + Path.of("target", "classes").toAbsolutePath()
                + File.pathSeparator + Path.of("target", "test-classes").toAbsolutePath();
        Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m", "--enable-native-access=ALL-UNNAMED", "-Djava.io.tmpdir=" + temporary,
                "-Dnightjar.test.cudasim=" + CudaSimulator.file("").toString(), "-cp", classPath,
                Child.class.getName()).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }

    /** Asks for providers. */
    static final class Child {
        private Child() {
        }

        public static void main(String[] args) {
            try (CudaSimulator simulator = CudaSimulator.open()) {
                try (CudaContext context = context()) {
                    for (String name : List.of("jcublas", "jcublas", "auto")) {
                        System.out.println(name + ": " + outcome(name, context));
                    }
                }
                simulator.assertClean();
            }
        }

        private static String outcome(String name, CudaContext context) {
            try {
                return load(name, context);
            } catch (UnavailableException e) {
                return e.getMessage();
            }
        }
    }
}
