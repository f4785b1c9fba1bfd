package dev.nightjar.backend.cpu;

import dev.nightjar.tensor.HostBuffer;

/** Memory that one caller uses again and again and that grows to the largest request. */
final class ScratchMemory implements AutoCloseable {
    private HostBuffer buffer = new HostBuffer(0);

    /** The address of at least {@code count} floats, whose content and address hold until the next call. */
    long floats(long count) {
        long bytes = Math.multiplyExact(count, (long) Float.BYTES);
        if (buffer.byteSize() < bytes) {
            buffer.close();
            buffer = new HostBuffer(bytes);
        }
        return buffer.segment().address();
    }

    @Override
    public void close() {
        buffer.close();
    }
}
