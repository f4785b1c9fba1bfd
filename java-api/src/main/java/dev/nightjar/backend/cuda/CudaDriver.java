package dev.nightjar.backend.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightjar.UnavailableException;
import dev.nightjar.ffi.Downcalls;
import dev.nightjar.ffi.NativeLibrary;
import dev.nightjar.ffi.StatusLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The CUDA driver API, as far as Nightjar needs it, without the CUDA runtime library. Methods are the functions of
 * {@code cuda.h} without {@code cu}. Every status but that of {@code cuInit} goes through {@link #check}.
 *
 * <p>Functions of the hot path are called through handles that the compiler knows as constants, one per signature, with
 * the function's address as first argument, and allocate nothing. None is {@link Linker.Option#critical}: a launch waits
 * while the driver's queue is full and other calls may wait for its locks, and until a critical call returns no garbage
 * is collected. All others may take their time. Thread-safe, as the driver is.
 */
final class CudaDriver extends StatusLibrary {
    /** System property that names the driver's library file. */
    static final String LIBRARY_PROPERTY = "nightjar.cuda.library";
    /** Environment variable that does the same. */
    static final String LIBRARY_VARIABLE = "NIGHTJAR_CUDA_LIBRARY";

    /** {@code CUDA_ERROR_NO_DEVICE}. */
    private static final int NO_DEVICE = 100;

    /** {@code CUdevice_attribute}. */
    static final int MULTIPROCESSOR_COUNT = 16;
    /** {@code CUdevice_attribute}. */
    static final int COMPUTE_CAPABILITY_MAJOR = 75;
    /** {@code CUdevice_attribute}. */
    static final int COMPUTE_CAPABILITY_MINOR = 76;

    private static final int STREAM_NON_BLOCKING = 1;
    private static final int CAPTURE_MODE_THREAD_LOCAL = 1;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final MethodHandle LONG = hot(JAVA_LONG);
    private static final MethodHandle LONG_LONG = hot(JAVA_LONG, JAVA_LONG);
    private static final MethodHandle FOUR_LONGS = hot(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle LAUNCH = hot(JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT,
            JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);

    private final MemorySegment ctxSetCurrent;
    private final MemorySegment launchKernel;
    private final MemorySegment graphLaunch;
    private final MemorySegment streamSynchronize;
    private final MemorySegment memcpyHtoDAsync;
    private final MemorySegment memcpyDtoHAsync;
    private final MemorySegment eventRecord;

    private CudaDriver(NativeLibrary library) {
        super(library);
        ctxSetCurrent = library.address("cuCtxSetCurrent");
        launchKernel = library.address("cuLaunchKernel");
        graphLaunch = library.address("cuGraphLaunch");
        streamSynchronize = library.address("cuStreamSynchronize");
        memcpyHtoDAsync = library.address("cuMemcpyHtoDAsync_v2");
        memcpyDtoHAsync = library.address("cuMemcpyDtoHAsync_v2");
        eventRecord = library.address("cuEventRecord");
    }

    private static MethodHandle hot(MemoryLayout... parameters) {
        return LINKER.downcallHandle(FunctionDescriptor.of(JAVA_INT, parameters));
    }

    /**
     * Finds and initialises the driver: the library named by {@value #LIBRARY_PROPERTY} or {@value #LIBRARY_VARIABLE},
     * else {@code libcuda.so.1}, which comes with NVIDIA's driver.
     *
     * @throws UnavailableException if there is no driver, or it finds no device, or refuses to work
     */
    static CudaDriver load() {
        NativeLibrary library;
        try {
            library = NativeLibrary.find(LIBRARY_PROPERTY, LIBRARY_VARIABLE, "libcuda.so.1", "libcuda.so");
        } catch (UnavailableException e) {
            throw new UnavailableException("no NVIDIA driver: " + e.getMessage(), e);
        }
        CudaDriver driver = new CudaDriver(library);
        int status = driver.status("cuInit", 0);
        if (status != 0) {
            throw new UnavailableException("the NVIDIA driver " + library.name() + " (CUDA "
                    + versionText(driver.version()) + ") "
                    + (status == NO_DEVICE ? "finds no CUDA device" : "does not start") + ": cuInit returned " + status
                    + " (" + driver.errorText(status) + ")");
        }
        return driver;
    }

    /** As in {@code 13.0}, from 13000. */
    static String versionText(int version) {
        return version / 1000 + "." + version % 1000 / 10;
    }

    @Override
    protected String errorText(int status) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            if (status("cuGetErrorName", status, out) != 0) {
                return "unknown to this driver";
            }
            String name = out.get(ADDRESS, 0).reinterpret(Long.MAX_VALUE).getString(0);
            return status("cuGetErrorString", status, out) != 0
                    ? name
                    : name + ", " + out.get(ADDRESS, 0).reinterpret(Long.MAX_VALUE).getString(0);
        }
    }

    // ---- driver and devices

    /** The CUDA version the driver supports, such as 13000 for 13.0. */
    int version() {
        return intResult("cuDriverGetVersion");
    }

    int deviceGetCount() {
        return intResult("cuDeviceGetCount");
    }

    int deviceGet(int ordinal) {
        return intResult("cuDeviceGet", ordinal);
    }

    String deviceGetName(int device) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = arena.allocate(256);
            call("cuDeviceGetName", name, (int) name.byteSize(), device);
            return name.getString(0);
        }
    }

    int deviceGetAttribute(int attribute, int device) {
        return intResult("cuDeviceGetAttribute", attribute, device);
    }

    /** Bytes that can be allocated in the current context. */
    long memGetFree() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment free = arena.allocate(JAVA_LONG);
            call("cuMemGetInfo_v2", free, arena.allocate(JAVA_LONG));
            return free.get(JAVA_LONG, 0);
        }
    }

    long deviceTotalMem(int device) {
        return result("cuDeviceTotalMem_v2", device);
    }

    // ---- contexts

    long devicePrimaryCtxRetain(int device) {
        return result("cuDevicePrimaryCtxRetain", device);
    }

    void devicePrimaryCtxRelease(int device) {
        call("cuDevicePrimaryCtxRelease_v2", device);
    }

    /** Makes a context that of the calling operating-system thread. */
    void ctxSetCurrent(long context) {
        int status;
        try {
            status = (int) LONG.invokeExact(ctxSetCurrent, context);
        } catch (Throwable t) {
            throw Downcalls.failure("cuCtxSetCurrent", t);
        }
        check("cuCtxSetCurrent", status);
    }

    void ctxSynchronize() {
        call("cuCtxSynchronize");
    }

    // ---- modules and functions

    /** @param image PTX ending in a zero byte, a cubin or a fat binary */
    long moduleLoadData(MemorySegment image) {
        return result("cuModuleLoadData", image);
    }

    void moduleUnload(long module) {
        call("cuModuleUnload", module);
    }

    long moduleGetFunction(long module, String name) {
        try (Arena arena = Arena.ofConfined()) {
            return result("cuModuleGetFunction", module, arena.allocateFrom(name));
        }
    }

    /** Blocks of {@code blockSize} threads that one multiprocessor holds at a time. */
    int occupancyMaxActiveBlocksPerMultiprocessor(long function, int blockSize, long dynamicSharedMemory) {
        return intResult("cuOccupancyMaxActiveBlocksPerMultiprocessor", function, blockSize, dynamicSharedMemory);
    }

    /** @param arguments address of an array of the arguments' addresses; read before this returns */
    void launchKernel(long function, int gridX, int gridY, int gridZ, int blockX, int sharedMemory, long stream,
            long arguments) {
        int status;
        try {
            status = (int) LAUNCH.invokeExact(launchKernel, function, gridX, gridY, gridZ, blockX, 1, 1, sharedMemory,
                    stream, arguments, 0L);
        } catch (Throwable t) {
            throw Downcalls.failure("cuLaunchKernel", t);
        }
        check("cuLaunchKernel", status);
    }

    // ---- memory

    long memAlloc(long bytes) {
        return result("cuMemAlloc_v2", bytes);
    }

    void memFree(long address) {
        call("cuMemFree_v2", address);
    }

    /** Page-locked host memory that the device copies from and to without a detour. */
    MemorySegment memHostAlloc(long bytes) {
        return MemorySegment.ofAddress(result("cuMemHostAlloc", bytes, 0)).reinterpret(bytes);
    }

    void memFreeHost(MemorySegment memory) {
        call("cuMemFreeHost", memory);
    }

    void memsetD8Async(long address, byte value, long bytes, long stream) {
        call("cuMemsetD8Async", address, value, bytes, stream);
    }

    /** @param count of 4-byte words */
    void memsetD32Async(long address, int value, long count, long stream) {
        call("cuMemsetD32Async", address, value, count, stream);
    }

    void memcpyHtoDAsync(long destination, long host, long bytes, long stream) {
        int status;
        try {
            status = (int) FOUR_LONGS.invokeExact(memcpyHtoDAsync, destination, host, bytes, stream);
        } catch (Throwable t) {
            throw Downcalls.failure("cuMemcpyHtoDAsync", t);
        }
        check("cuMemcpyHtoDAsync", status);
    }

    void memcpyDtoHAsync(long host, long source, long bytes, long stream) {
        int status;
        try {
            status = (int) FOUR_LONGS.invokeExact(memcpyDtoHAsync, host, source, bytes, stream);
        } catch (Throwable t) {
            throw Downcalls.failure("cuMemcpyDtoHAsync", t);
        }
        check("cuMemcpyDtoHAsync", status);
    }

    // ---- streams and events

    /** A stream that does not wait for the legacy default stream. */
    long streamCreate() {
        return result("cuStreamCreate", STREAM_NON_BLOCKING);
    }

    void streamDestroy(long stream) {
        call("cuStreamDestroy_v2", stream);
    }

    void streamSynchronize(long stream) {
        int status;
        try {
            status = (int) LONG.invokeExact(streamSynchronize, stream);
        } catch (Throwable t) {
            throw Downcalls.failure("cuStreamSynchronize", t);
        }
        check("cuStreamSynchronize", status);
    }

    long eventCreate() {
        return result("cuEventCreate", 0);
    }

    void eventDestroy(long event) {
        call("cuEventDestroy_v2", event);
    }

    void eventRecord(long event, long stream) {
        int status;
        try {
            status = (int) LONG_LONG.invokeExact(eventRecord, event, stream);
        } catch (Throwable t) {
            throw Downcalls.failure("cuEventRecord", t);
        }
        check("cuEventRecord", status);
    }

    void eventSynchronize(long event) {
        call("cuEventSynchronize", event);
    }

    /** Milliseconds between two events that were reached. */
    float eventElapsedTime(long start, long end) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_FLOAT);
            call("cuEventElapsedTime", out, start, end);
            return out.get(JAVA_FLOAT, 0);
        }
    }

    // ---- graphs

    /**
     * From here on the stream's work becomes nodes of a graph; other threads may go on doing what a capture forbids.
     */
    void streamBeginCapture(long stream) {
        call("cuStreamBeginCapture_v2", stream, CAPTURE_MODE_THREAD_LOCAL);
    }

    long streamEndCapture(long stream) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_LONG);
            call("cuStreamEndCapture", stream, out);
            return out.get(JAVA_LONG, 0);
        }
    }

    void graphDestroy(long graph) {
        call("cuGraphDestroy", graph);
    }

    long graphInstantiate(long graph) {
        return result("cuGraphInstantiateWithFlags", graph, 0L);
    }

    void graphExecDestroy(long executable) {
        call("cuGraphExecDestroy", executable);
    }

    void graphLaunch(long executable, long stream) {
        int status;
        try {
            status = (int) LONG_LONG.invokeExact(graphLaunch, executable, stream);
        } catch (Throwable t) {
            throw Downcalls.failure("cuGraphLaunch", t);
        }
        check("cuGraphLaunch", status);
    }
}
