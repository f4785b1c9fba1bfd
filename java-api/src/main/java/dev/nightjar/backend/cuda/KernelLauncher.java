package dev.nightjar.backend.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightjar.backend.Dropout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Launches kernels on one stream. Arguments are put one after the other into memory that was laid out once, which the
 * driver copies at the launch, so a launch allocates nothing. Not thread-safe; the context must be current.
 */
final class KernelLauncher implements AutoCloseable {
    private static final int MAX_ARGUMENTS = 32;

    private final CudaDriver driver;
    private final CudaHandle stream;
    private final Arena arena = Arena.ofShared();
    /** Slots of 8 bytes, each for one argument of any type. */
    private final MemorySegment values = arena.allocate(JAVA_LONG, MAX_ARGUMENTS);
    /** Addresses of the slots, as the driver wants them. */
    private final MemorySegment addresses = arena.allocate(JAVA_LONG, MAX_ARGUMENTS);
    private int count;

    KernelLauncher(CudaContext context) {
        driver = context.driver();
        stream = context.newStream();
        for (int i = 0; i < MAX_ARGUMENTS; i++) {
            addresses.setAtIndex(JAVA_LONG, i, values.address() + JAVA_LONG.byteSize() * i);
        }
    }

    CudaDriver driver() {
        return driver;
    }

    long stream() {
        return stream.value();
    }

    /** The next argument: a device address, or a {@code long long}. */
    KernelLauncher argument(long value) {
        values.setAtIndex(JAVA_LONG, count++, value);
        return this;
    }

    KernelLauncher argument(int value) {
        values.set(JAVA_INT, JAVA_LONG.byteSize() * count++, value);
        return this;
    }

    KernelLauncher argument(float value) {
        values.set(JAVA_FLOAT, JAVA_LONG.byteSize() * count++, value);
        return this;
    }

    /** The five arguments of a dropout. */
    KernelLauncher argument(Dropout dropout) {
        boolean active = dropout.active();
        return argument(active ? dropout.threshold() : 0).argument(dropout.scale()).argument(dropout.seed())
                .argument(dropout.site()).argument(active ? CudaOps.address(dropout.step()) : 0);
    }

    /** Launches with the arguments given since the last launch. */
    void launch(long function, int gridX, int gridY, int gridZ, int block, int sharedMemory) {
        count = 0;
        driver.launchKernel(function, gridX, gridY, gridZ, block, sharedMemory, stream.value(), addresses.address());
    }

    @Override
    public void close() {
        stream.close();
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
