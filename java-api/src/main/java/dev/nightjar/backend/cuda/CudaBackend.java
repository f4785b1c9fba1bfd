package dev.nightjar.backend.cuda;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.Buffer;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;

/**
 * An NVIDIA GPU through the CUDA driver alone: kernels from the kernels jar, products from a {@link GemmProvider}.
 */
public final class CudaBackend implements Backend {
    /** Bytes that one step of a copy moves through pinned memory. */
    private static final int STAGING_BYTES = 4 << 20;
    private static final int BFLOAT16_CAPABILITY = 80;
    /** System property that is {@code false} to launch kernels one by one, as a profiler may want it. */
    private static final String GRAPHS_PROPERTY = "nightjar.cuda.graphs";

    private final CudaContext context;
    private final CudaKernels kernels;
    private final GemmProvider gemm;
    private final boolean graphs;
    private final CudaHandle copies;
    private final HostBuffer staging;

    /** The first device, products by whom the user chose, graphs unless the user refused. */
    public CudaBackend() {
        this(0, GemmProviders.chosen(), !"false".equals(System.getProperty(GRAPHS_PROPERTY)));
    }

    /**
     * @param device number of the device, from 0
     * @param gemm name of a provider of products, see {@link GemmProviders}
     * @param graphs whether recorded operations become CUDA graphs
     * @throws UnavailableException if there is no driver, no device or no kernels, the driver is too old, or that
     *         provider cannot be used
     */
    CudaBackend(int device, String gemm, boolean graphs) {
        this.graphs = graphs;
        context = new CudaContext(CudaDriver.load(), device);
        try {
            kernels = CudaKernels.of(context, CudaBackend.class.getClassLoader());
            this.gemm = GemmProviders.load(gemm, context);
            copies = context.newStream();
            staging = context.allocatePinned(STAGING_BYTES);
        } catch (RuntimeException | Error e) {
            release(e);
            throw e;
        }
    }

    private void release(Throwable cause) {
        try {
            context.close();
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
        }
    }

    @Override
    public String name() {
        return "cuda";
    }

    @Override
    public Map<String, String> details() {
        Map<String, String> details = new LinkedHashMap<>();
        int capability = context.computeCapability();
        details.put("device", context.deviceName() + ", compute capability " + capability / 10 + "." + capability % 10
                + ", " + context.multiprocessors() + " multiprocessors, " + (context.memoryBytes() >> 20) + " MiB");
        details.put("driver", context.driver().libraryName() + ", CUDA "
                + CudaDriver.versionText(context.driver().version()));
        details.put("kernels", kernels.build() + (graphs ? ", launched as CUDA graphs" : ", launched one by one"));
        details.put("matrix products", gemm.description());
        GemmProviders.others(gemm, context).forEach((name, state) -> details.put(name, state));
        return details;
    }

    @Override
    public Buffer allocate(long bytes) {
        return context.allocateZeroed(bytes);
    }

    @Override
    public Weight prepare(Tensor matrix, boolean constant) {
        return () -> matrix;
    }

    static void requireSize(MemorySegment host, Tensor tensor) {
        if (host.byteSize() != tensor.byteSize()) {
            throw new IllegalArgumentException("host memory of " + host.byteSize() + " bytes for " + tensor);
        }
    }

    private static long address(Tensor tensor) {
        return ((CudaBuffer) tensor.buffer()).address() + tensor.byteOffset();
    }

    @Override
    public void upload(MemorySegment source, Tensor destination) {
        requireSize(source, destination);
        context.synchronize();
        synchronized (staging) {
            for (long done = 0; done < source.byteSize(); done += STAGING_BYTES) {
                long bytes = Math.min(STAGING_BYTES, source.byteSize() - done);
                MemorySegment.copy(source, done, staging.segment(), 0, bytes);
                context.driver().memcpyHtoDAsync(address(destination) + done, staging.segment().address(), bytes,
                        copies.value());
                context.driver().streamSynchronize(copies.value());
            }
        }
    }

    @Override
    public void download(Tensor source, MemorySegment destination) {
        requireSize(destination, source);
        context.synchronize();
        synchronized (staging) {
            for (long done = 0; done < destination.byteSize(); done += STAGING_BYTES) {
                long bytes = Math.min(STAGING_BYTES, destination.byteSize() - done);
                context.driver().memcpyDtoHAsync(staging.segment().address(), address(source) + done, bytes,
                        copies.value());
                context.driver().streamSynchronize(copies.value());
                MemorySegment.copy(staging.segment(), 0, destination, done, bytes);
            }
        }
    }

    /** The types of inference: where a type is worth its kernels, it is for both. */
    @Override
    public List<DType> trainingTypes() {
        return inferenceTypes();
    }

    @Override
    public OptionalLong freeBytes() {
        context.bind();
        return OptionalLong.of(context.driver().memGetFree());
    }

    @Override
    public Ops newOps(int threads) {
        return newOps(threads, DType.F32);
    }

    @Override
    public CudaTrainingOps newOps(int threads, DType type) {
        requireTrainingType(type);
        return new CudaTrainingOps(context, kernels, type, gemm, graphs);
    }

    /** bfloat16 only where tensor cores know it: the kernels for older devices would be slower in it than in float32. */
    @Override
    public List<DType> inferenceTypes() {
        return context.computeCapability() >= BFLOAT16_CAPABILITY
                ? List.of(DType.F32, DType.BF16, DType.F16)
                : List.of(DType.F32, DType.F16);
    }

    @Override
    public CudaOps newInferenceOps(int threads, DType type) {
        requireInferenceType(type);
        return new CudaOps(context, kernels, type, gemm, graphs);
    }

    /**
     * Releases the device.
     *
     * @throws IllegalStateException if something made by this backend was not closed, naming it, after it was released
     */
    @Override
    public void close() {
        staging.close();
        copies.close();
        gemm.close();
        kernels.close();
        context.close();
    }
}
