package dev.nightjar.backend.cuda;

import dev.nightjar.tensor.HostBuffer;
import java.lang.foreign.MemorySegment;

/**
 * Copies from any host memory to the device in the order of a stream, without waiting for the device but where the host is a whole ring
 * ahead of it: pinned slots, each with an event that says when its copy is done. Not thread-safe; the context must be current.
 */
final class UploadRing implements AutoCloseable {
    private static final int SLOTS = 16;

    private static final class Slot {
        HostBuffer memory;
        CudaHandle copied;
    }

    private final CudaContext context;
    private final long stream;
    private final Slot[] slots = new Slot[SLOTS];
    private int next;

    UploadRing(CudaContext context, long stream) {
        this.context = context;
        this.stream = stream;
        for (int i = 0; i < SLOTS; i++) {
            slots[i] = new Slot();
        }
    }

    void upload(MemorySegment source, long destination) {
        CudaDriver driver = context.driver();
        Slot slot = slots[next];
        next = (next + 1) % SLOTS;
        if (slot.copied != null) {
            driver.eventSynchronize(slot.copied.value());
        } else {
            slot.copied = context.newEvent();
        }
        long bytes = source.byteSize();
        if (slot.memory == null || slot.memory.byteSize() < bytes) {
            if (slot.memory != null) {
                slot.memory.close();
            }
            slot.memory = context.allocatePinned(bytes);
        }
        MemorySegment.copy(source, 0, slot.memory.segment(), 0, bytes);
        driver.memcpyHtoDAsync(destination, slot.memory.segment().address(), bytes, stream);
        driver.eventRecord(slot.copied.value(), stream);
    }

    /** After the stream's work is done. */
    @Override
    public void close() {
        for (Slot slot : slots) {
            if (slot.memory != null) {
                slot.memory.close();
            }
            if (slot.copied != null) {
                slot.copied.close();
            }
        }
    }
}
