package dev.nightjar.backend.cuda;

import dev.nightjar.UnavailableException;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;

/**
 * Nightjar's kernels from the resources of its kernels jar, of the build that suits a device, loaded when first asked
 * for. What the entry points want is in {@code kernels/README.md}. Thread-safe.
 */
final class CudaKernels implements AutoCloseable {
    private static final String FOLDER = "dev/nightjar/kernels/";
    private static final String INDEX = FOLDER + "kernels.properties";

    private final CudaContext context;
    private final ClassLoader resources;
    private final String build;
    private final Map<String, CudaHandle> modules = new HashMap<>();

    private CudaKernels(CudaContext context, ClassLoader resources, String build) {
        this.context = context;
        this.resources = resources;
        this.build = build;
    }

    /**
     * Chooses machine code where the jar has it, else the PTX of the highest architecture up to the device's.
     *
     * @param resources where the kernels jar is
     * @throws UnavailableException if no kernels were built, the driver is older than the compiler that built them, or
     *         the device older than all of them
     */
    static CudaKernels of(CudaContext context, ClassLoader resources) {
        Properties index = index(resources);
        if (index.containsKey("fatbin")) {
            requireDriver(context, index, 1000);
            return new CudaKernels(context, resources, "fatbin");
        }
        // The driver translates PTX only of a compiler that is not newer than itself.
        requireDriver(context, index, 10);
        int capability = context.computeCapability();
        int[] built = Arrays.stream(index.getProperty("ptx").split(",", -1)).mapToInt(Integer::parseInt).toArray();
        int best = Arrays.stream(built).filter(architecture -> architecture <= capability).max()
                .orElseThrow(() -> new UnavailableException(context.deviceName() + " has compute capability "
                        + capability / 10 + "." + capability % 10 + ", but the kernels are built for "
                        + Arrays.toString(built) + " and later"));
        return new CudaKernels(context, resources, "sm_" + best);
    }

    /** @param step of version numbers within which an older driver will do: 10 for a minor, 1000 for a major version */
    private static void requireDriver(CudaContext context, Properties index, int step) {
        String compiler = index.getProperty("nvcc");
        String[] parts = compiler.split("\\.", -1);
        int needed = (Integer.parseInt(parts[0]) * 1000 + Integer.parseInt(parts[1]) * 10) / step * step;
        int present = context.driver().version();
        if (present < needed) {
            throw new UnavailableException("the NVIDIA driver is too old: it supports CUDA "
                    + CudaDriver.versionText(present) + ", and the kernels were built by nvcc " + compiler
                    + ", which needs " + CudaDriver.versionText(needed) + " or later");
        }
    }

    private static Properties index(ClassLoader resources) {
        Properties index = new Properties();
        try (InputStream in = resources.getResourceAsStream(INDEX)) {
            if (in == null) {
                throw new UnavailableException("the CUDA kernels were not built: " + INDEX
                        + " is not on the class path (build with nvcc installed, or set NVCC or CUDA_HOME)");
            }
            index.load(in);
            return index;
        } catch (IOException e) {
            throw new UnavailableException(INDEX + " cannot be read", e);
        }
    }

    /** Which build was chosen: {@code fatbin} or, as PTX, {@code sm_80}. */
    String build() {
        return build;
    }

    /** How kernels call a storage type: {@code f32}, {@code f16} or {@code bf16}. */
    static String suffix(DType type) {
        return type.name().toLowerCase(Locale.ROOT);
    }

    /** The kernel {@code nj_<entry>_<type>} of the module {@code <operation>_<type>}. */
    long function(String operation, String entry, DType type) {
        String suffix = "_" + suffix(type);
        return function(operation + suffix, "nj_" + entry + suffix);
    }

    /**
     * A kernel by the names of its module and entry point.
     *
     * @throws UnavailableException if the jar lacks the module
     */
    synchronized long function(String module, String entry) {
        long handle = modules.computeIfAbsent(module, this::load).value();
        context.bind();
        return context.driver().moduleGetFunction(handle, entry);
    }

    private CudaHandle load(String module) {
        String name = FOLDER + build + "/" + module + (build.equals("fatbin") ? ".fatbin" : ".ptx");
        try (InputStream in = resources.getResourceAsStream(name); Arena arena = Arena.ofConfined()) {
            if (in == null) {
                throw new UnavailableException("the kernels jar lacks " + name);
            }
            byte[] image = in.readAllBytes();
            MemorySegment terminated = arena.allocate(image.length + 1L, Long.BYTES);
            MemorySegment.copy(image, 0, terminated, ValueLayout.JAVA_BYTE, 0, image.length);
            return context.loadModule(name, terminated);
        } catch (IOException e) {
            throw new UnavailableException(name + " cannot be read", e);
        }
    }

    /** Unloads what was loaded. */
    @Override
    public synchronized void close() {
        modules.values().forEach(CudaHandle::close);
        modules.clear();
    }
}
