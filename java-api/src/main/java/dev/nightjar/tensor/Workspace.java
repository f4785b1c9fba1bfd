package dev.nightjar.tensor;

import java.util.function.LongFunction;

/**
 * Bump allocation of tensors from one buffer. The plan is written once, as a method that takes a workspace and asks it
 * for tensors: run on {@link #planning()} it only adds up, and {@link #allocate} then makes the one buffer the plan
 * needs.
 *
 * <p>Not thread-safe. Closing frees the buffer.
 */
public final class Workspace implements AutoCloseable {
    private final Buffer buffer;
    private final boolean owner;
    private long used;

    private Workspace(Buffer buffer, boolean owner) {
        this.buffer = buffer;
        this.owner = owner;
    }

    /** A workspace that counts bytes; its tensors are null. */
    public static Workspace planning() {
        return new Workspace(null, false);
    }

    /** A workspace of {@code bytes} bytes from {@code allocator}. */
    public static Workspace allocate(LongFunction<? extends Buffer> allocator, long bytes) {
        return new Workspace(allocator.apply(bytes), true);
    }

    /** Another plan for the memory of this workspace, from its start; closing it frees nothing. */
    public Workspace overlay() {
        return new Workspace(buffer, false);
    }

    /** The next matrix, or null when planning. */
    public Tensor matrix(DType dtype, int rows, int cols) {
        long offset = advance((long) rows * cols * dtype.bytes());
        return buffer == null ? null : Tensor.matrix(buffer, offset, dtype, rows, cols);
    }

    /** The next vector, or null when planning. */
    public Tensor vector(DType dtype, int length) {
        long offset = advance((long) length * dtype.bytes());
        return buffer == null ? null : Tensor.vector(buffer, offset, dtype, length);
    }

    /** Bytes handed out so far, each tensor rounded up to {@link HostBuffer#ALIGNMENT}. */
    public long used() {
        return used;
    }

    private long advance(long bytes) {
        long offset = used;
        used = Math.addExact(offset, Math.ceilDiv(bytes, HostBuffer.ALIGNMENT) * HostBuffer.ALIGNMENT);
        if (buffer != null && used > buffer.byteSize()) {
            throw new IllegalStateException("workspace of " + buffer.byteSize() + " bytes is used up at " + used);
        }
        return offset;
    }

    @Override
    public void close() {
        if (owner) {
            buffer.close();
        }
    }
}
