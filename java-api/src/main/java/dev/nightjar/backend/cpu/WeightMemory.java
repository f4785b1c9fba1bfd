package dev.nightjar.backend.cpu;

import dev.nightjar.tensor.HostBuffer;
import java.lang.foreign.MemorySegment;

/**
 * Memory for the weights of models, side by side in slabs large enough for huge pages, which hardly a weight alone would fill. A slab
 * goes when its last weight is closed. Thread-safe.
 */
final class WeightMemory {
    private static final long SLAB = 64L << 20;
    /** Where the next weight goes if it fits; null if there is none. */
    private static Slab current;

    private static final class Slab {
        private final HostBuffer memory;
        private long used;
        private int weights;

        private Slab(long bytes) {
            memory = new HostBuffer(bytes);
        }
    }

    private WeightMemory() {
    }

    /** Zeroed memory at a cache line, to be closed. */
    static synchronized HostBuffer allocate(long bytes) {
        long size = Math.ceilDiv(bytes, HostBuffer.ALIGNMENT) * HostBuffer.ALIGNMENT;
        if (current == null || current.memory.byteSize() - current.used < size) {
            current = new Slab(Math.max(SLAB, size));
        }
        Slab slab = current;
        MemorySegment part = slab.memory.segment().asSlice(slab.used, bytes);
        slab.used += size;
        slab.weights++;
        return new HostBuffer(part, () -> release(slab));
    }

    private static synchronized void release(Slab slab) {
        slab.weights--;
        if (slab.weights == 0) {
            if (current == slab) {
                current = null;
            }
            slab.memory.close();
        }
    }
}
