package dev.nightjar.backend.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.nightjar.UnavailableException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The simulated CUDA driver of {@code native/cudasim} in place of a real one, from opening to closing, and its control
 * functions. Tests that open it are skipped where it was not built.
 *
 * <p>With the system property {@value #REAL_DRIVER} naming a driver's library ({@code libcuda.so.1}), tests run on that
 * instead; those that need what only the simulator can do are then skipped where they need it.
 */
public final class CudaSimulator implements AutoCloseable {
    private static final Path FOLDER = Path.of(System.getProperty("nightjar.test.cudasim", "cudasim"));
    private static final String REAL_DRIVER = "nightjar.test.cuda.library";

    /** Null for a real driver. */
    private final SymbolLookup library;

    private CudaSimulator(String name, SymbolLookup library) {
        this.library = library;
        System.setProperty(CudaDriver.LIBRARY_PROPERTY, name);
        gemm(GemmProviders.NIGHTJAR);
    }

    /** A fresh simulated driver. */
    public static CudaSimulator open() {
        String real = System.getProperty(REAL_DRIVER);
        if (real != null) {
            return new CudaSimulator(real, null);
        }
        Path file = file("libcuda.so.1");
        assumeTrue(Files.exists(file), "the simulated CUDA driver was not built: no " + file);
        CudaSimulator simulator = new CudaSimulator(file.toString(),
                SymbolLookup.libraryLookup(file, Arena.global()));
        // Never the machine's own: those would talk to a real driver.
        System.setProperty(CublasLt.LIBRARY_PROPERTY, file("libcublasLt.so.12").toString());
        System.setProperty(JCublas.LIBRARY_PROPERTY, file("libcublas.so.12").toString());
        simulator.reset();
        return simulator;
    }

    /** As {@link #open}, for tests that launch kernels. */
    public static CudaSimulator openWithKernels() {
        // By the class loader: the kernels are in another module.
        ClassLoader resources = CudaSimulator.class.getClassLoader();
        assumeTrue(resources.getResource("dev/nightjar/kernels/kernels.properties") != null,
                "the CUDA kernels were not built");
        return open();
    }

    /** The first device's backend; skips the test where a real machine lacks the provider of products. */
    CudaBackend backend(String gemm, boolean graphs) {
        try {
            return new CudaBackend(0, gemm, graphs);
        } catch (UnavailableException e) {
            assumeTrue(library != null, e.getMessage());
            throw e;
        }
    }

    /** Skips a test that is about what the simulator pretends. */
    void assumeSimulated() {
        assumeTrue(library != null, "only for the simulated driver");
    }

    /** A file beside the simulator. */
    public static Path file(String name) {
        return FOLDER.resolve(name);
    }

    private Object call(String name, FunctionDescriptor descriptor, Object... arguments) {
        assumeTrue(library != null, "only the simulated driver has " + name);
        try {
            return Linker.nativeLinker().downcallHandle(library.find(name).orElseThrow(), descriptor)
                    .invokeWithArguments(arguments);
        } catch (Throwable t) {
            throw new AssertionError(name, t);
        }
    }

    /** Who is to compute the products of a {@link CudaBackend} that is not told otherwise; at first Nightjar itself. */
    public void gemm(String provider) {
        System.setProperty(GemmProviders.PROPERTY, provider);
    }

    /** Back to the state before {@code cuInit}. */
    public void reset() {
        call("cudasimReset", FunctionDescriptor.ofVoid());
    }

    /** What the device shall be, as 10 * major + minor; a real one is what it is. */
    public void computeCapability(int capability) {
        if (library != null) {
            option("compute_capability", capability);
        }
    }

    public void option(String name, long value) {
        try (Arena arena = Arena.ofConfined()) {
            Object status = call("cudasimSetOption", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG),
                    arena.allocateFrom(name), value);
            assertThat(status).as("option " + name).isEqualTo(0);
        }
    }

    /** Launches since the last {@link #clear}. */
    public int launches() {
        return (int) call("cudasimLaunchCount", FunctionDescriptor.of(JAVA_INT));
    }

    /** Calls of a function of the driver since the last {@link #clear}, by its name in the library. */
    public long calls(String function) {
        try (Arena arena = Arena.ofConfined()) {
            return (long) call("cudasimCallCount", FunctionDescriptor.of(JAVA_LONG, ADDRESS),
                    arena.allocateFrom(function));
        }
    }

    /** Forgets findings, launches and calls. */
    public void clear() {
        call("cudasimClear", FunctionDescriptor.ofVoid());
    }

    /** What the checks found, as JSON. */
    public String findings() {
        FunctionDescriptor descriptor = FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_LONG);
        long length = (long) call("cudasimGetErrors", descriptor, MemorySegment.NULL, 0L);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(length);
            call("cudasimGetErrors", descriptor, text, length);
            return text.getString(0);
        }
    }

    /** Fails if a check found anything, or a handle of the driver is still open. */
    public void assertClean() {
        if (library == null) {
            return;
        }
        call("cudasimCheckLeaks", FunctionDescriptor.of(JAVA_INT));
        int count = (int) call("cudasimErrorCount", FunctionDescriptor.of(JAVA_INT));
        assertThat(count).as(() -> findings()).isZero();
    }

    @Override
    public void close() {
        List.of(CudaDriver.LIBRARY_PROPERTY, CublasLt.LIBRARY_PROPERTY, JCublas.LIBRARY_PROPERTY,
                GemmProviders.PROPERTY).forEach(System::clearProperty);
        if (library != null) {
            reset();
        }
    }
}
