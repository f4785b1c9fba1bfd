package dev.nightjar.backend.cpu;

import dev.nightjar.tensor.HostBuffer;

/** Memory that one caller uses again and again and that grows to the largest request. */
final class ScratchMemory implements AutoCloseable {
    private HostBuffer buffer = new HostBuffer(0);

    /** The address of at least {@code count} bytes, a multiple of a cache line, whose content and address hold until the next call. */
    long bytes(long count) {
        if (buffer.byteSize() < count) {
            buffer.close();
            buffer = new HostBuffer(count);
        }
        return buffer.segment().address();
    }

    /** As {@link #bytes}, for {@code count} floats. */
    long floats(long count) {
        return bytes(Math.multiplyExact(count, (long) Float.BYTES));
    }

    @Override
    public void close() {
        buffer.close();
    }
}
