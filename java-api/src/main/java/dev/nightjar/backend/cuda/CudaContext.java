package dev.nightjar.backend.cuda;

import dev.nightjar.UnavailableException;
import dev.nightjar.tensor.HostBuffer;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongConsumer;

/**
 * A device with its primary context, which is the one that CUDA libraries in the same process use too, and the owner of
 * everything made in it. Thread-safe.
 */
final class CudaContext implements AutoCloseable {
    private final CudaDriver driver;
    private final int device;
    private final String deviceName;
    private final int computeCapability;
    private final int multiprocessors;
    private final long memoryBytes;
    private final long context;
    private final Set<CudaHandle> live = ConcurrentHashMap.newKeySet();
    private final AtomicBoolean closed = new AtomicBoolean();

    /** @throws UnavailableException if the driver does not have a device of that number, counted from 0 */
    CudaContext(CudaDriver driver, int ordinal) {
        int count = driver.deviceGetCount();
        if (ordinal < 0 || ordinal >= count) {
            throw new UnavailableException("there is no CUDA device " + ordinal + ", the driver has " + count);
        }
        this.driver = driver;
        this.device = driver.deviceGet(ordinal);
        this.deviceName = driver.deviceGetName(device);
        this.computeCapability = 10 * driver.deviceGetAttribute(CudaDriver.COMPUTE_CAPABILITY_MAJOR, device)
                + driver.deviceGetAttribute(CudaDriver.COMPUTE_CAPABILITY_MINOR, device);
        this.multiprocessors = driver.deviceGetAttribute(CudaDriver.MULTIPROCESSOR_COUNT, device);
        this.memoryBytes = driver.deviceTotalMem(device);
        this.context = driver.devicePrimaryCtxRetain(device);
    }

    CudaDriver driver() {
        return driver;
    }

    String deviceName() {
        return deviceName;
    }

    /** 10 * major + minor. */
    int computeCapability() {
        return computeCapability;
    }

    int multiprocessors() {
        return multiprocessors;
    }

    long memoryBytes() {
        return memoryBytes;
    }

    /**
     * Makes this the calling thread's context. To be called before driver calls by whoever comes from outside: the
     * driver keeps the current context per operating-system thread, so what a Java thread remembers is wrong as soon as
     * it is virtual, or some other library in the process changes it. It costs a few nanoseconds.
     */
    void bind() {
        driver.ctxSetCurrent(context);
    }

    /** Takes over a handle; its owner is listed in {@link #live} until it is closed. */
    CudaHandle own(String description, long value, LongConsumer destroy) {
        CudaHandle handle = new CudaHandle(this, description, value, destroy);
        live.add(handle);
        return handle;
    }

    void forget(CudaHandle handle) {
        live.remove(handle);
    }

    /** What was made in this context and not closed yet. */
    List<String> live() {
        return live.stream().map(CudaHandle::toString).sorted().toList();
    }

    /** Device memory whose content is arbitrary. */
    CudaBuffer allocate(long bytes) {
        bind();
        // The driver refuses to allocate nothing.
        long address = driver.memAlloc(Math.max(bytes, 1));
        return new CudaBuffer(own("device memory of " + bytes + " bytes", address, driver::memFree), bytes);
    }

    /** Device memory of zeros. */
    CudaBuffer allocateZeroed(long bytes) {
        CudaBuffer buffer = allocate(bytes);
        try (CudaHandle stream = newStream()) {
            driver.memsetD8Async(buffer.address(), (byte) 0, bytes, stream.value());
            driver.streamSynchronize(stream.value());
            return buffer;
        } catch (RuntimeException | Error e) {
            buffer.close();
            throw e;
        }
    }

    /** Page-locked host memory, zeroed. */
    HostBuffer allocatePinned(long bytes) {
        bind();
        MemorySegment memory = driver.memHostAlloc(Math.max(bytes, 1));
        CudaHandle owner = own("pinned memory of " + bytes + " bytes", memory.address(),
                address -> driver.memFreeHost(MemorySegment.ofAddress(address)));
        return new HostBuffer(memory.asSlice(0, bytes).fill((byte) 0), owner::close);
    }

    CudaHandle newStream() {
        bind();
        return own("stream", driver.streamCreate(), driver::streamDestroy);
    }

    CudaHandle newEvent() {
        bind();
        return own("event", driver.eventCreate(), driver::eventDestroy);
    }

    /** @param image see {@link CudaDriver#moduleLoadData} */
    CudaHandle loadModule(String name, MemorySegment image) {
        bind();
        return own("module " + name, driver.moduleLoadData(image), driver::moduleUnload);
    }

    /** Waits until the device has done everything that anybody asked of it in this context. */
    synchronized void synchronize() {
        // Not while a stream is being captured: the driver refuses, and the capture is lost.
        bind();
        driver.ctxSynchronize();
    }

    /**
     * Records what {@code work} does on a stream as a graph that can be launched again and again.
     *
     * @throws RuntimeException what {@code work} threw; the stream is usable afterwards
     */
    synchronized CudaHandle capture(long stream, Runnable work) {
        bind();
        driver.streamBeginCapture(stream);
        long graph;
        try {
            work.run();
        } catch (RuntimeException | Error e) {
            discardCapture(stream, e);
            throw e;
        }
        graph = driver.streamEndCapture(stream);
        try {
            return own("executable graph", driver.graphInstantiate(graph), driver::graphExecDestroy);
        } finally {
            driver.graphDestroy(graph);
        }
    }

    private void discardCapture(long stream, Throwable cause) {
        try {
            long graph = driver.streamEndCapture(stream);
            if (graph != 0) {
                driver.graphDestroy(graph);
            }
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
        }
    }

    /**
     * Destroys what is left and releases the context; idempotent.
     *
     * @throws IllegalStateException if something was left, naming it, after everything was released
     */
    @Override
    public void close() {
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        List<String> left = live();
        live.forEach(CudaHandle::close);
        driver.devicePrimaryCtxRelease(device);
        if (!left.isEmpty()) {
            throw new IllegalStateException("not closed before the CUDA context: " + left);
        }
    }
}
