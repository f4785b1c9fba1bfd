package dev.nightjar.tensor;

import dev.nightjar.ffi.HugePages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Off-heap host memory, zeroed and, unless taken over, aligned to a cache line, so that vector loads never split one at
 * a row's start.
 */
public final class HostBuffer implements Buffer {
    /** Alignment of every buffer and of every tensor a {@link Workspace} hands out, in bytes. */
    public static final int ALIGNMENT = 64;

    /** From this size on, huge pages are asked for; the last one may be in part for nothing. */
    private static final long LARGE = 2 * HugePages.SIZE;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment segment;

    /** @param byteSize size in bytes, at least 0 */
    public HostBuffer(long byteSize) {
        if (byteSize < 0) {
            throw new IllegalArgumentException("byteSize " + byteSize + " is negative");
        }
        this.segment = (byteSize >= LARGE ? HugePages.map(byteSize, arena) : Optional.<MemorySegment>empty())
                .orElseGet(() -> arena.allocate(byteSize, ALIGNMENT));
    }

    /**
     * Takes over memory that somebody else allocated.
     *
     * @param free called once, by {@link #close()}
     */
    public HostBuffer(MemorySegment memory, Runnable free) {
        this.segment = memory.reinterpret(arena, ignored -> free.run());
    }

    /** The memory; accesses after {@link #close()} throw {@link IllegalStateException}. */
    public MemorySegment segment() {
        return segment;
    }

    @Override
    public long byteSize() {
        return segment.byteSize();
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
