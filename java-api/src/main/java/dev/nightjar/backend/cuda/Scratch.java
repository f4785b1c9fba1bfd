package dev.nightjar.backend.cuda;

import java.util.ArrayList;
import java.util.List;

/**
 * Device memory for what one operation passes from one of its launches to the next; every operation of a stream may use all of it. It grows
 * when it must, but not while a graph is captured, when nothing can be allocated. Memory that graphs may still use lives as long as this.
 * Not thread-safe.
 */
final class Scratch implements AutoCloseable {
    /** Says that a capture must be begun again after {@link #grow}. */
    static final class ExhaustedException extends RuntimeException {
        private static final long serialVersionUID = 1;

        private final long bytes;

        private ExhaustedException(long bytes) {
            super("scratch memory of " + bytes + " bytes is needed while a graph is captured");
            this.bytes = bytes;
        }

        long bytes() {
            return bytes;
        }
    }

    private static final long SMALLEST = 1 << 16;

    private final CudaContext context;
    private final List<CudaBuffer> buffers = new ArrayList<>();
    private boolean capturing;

    Scratch(CudaContext context) {
        this.context = context;
    }

    /** Whether a graph is being captured. */
    void capturing(boolean isCapturing) {
        capturing = isCapturing;
    }

    /**
     * The address of as many bytes, whose content is arbitrary.
     *
     * @throws ExhaustedException if there are fewer while a graph is captured
     */
    long address(long bytes) {
        if (buffers.isEmpty() || buffers.getLast().byteSize() < bytes) {
            if (capturing) {
                throw new ExhaustedException(bytes);
            }
            grow(bytes);
        }
        return buffers.getLast().address();
    }

    void grow(long bytes) {
        long last = buffers.isEmpty() ? SMALLEST / 2 : buffers.getLast().byteSize();
        buffers.add(context.allocate(Math.max(bytes, 2 * last)));
    }

    @Override
    public void close() {
        buffers.forEach(CudaBuffer::close);
    }
}
