package dev.nightjar.backend.cuda;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongConsumer;

/**
 * The owner of one handle or address of the driver: made by {@link CudaContext#own}, which knows it until it is closed.
 * Closing is idempotent and may happen on any thread.
 */
final class CudaHandle implements AutoCloseable {
    private final CudaContext context;
    private final String description;
    private final long value;
    private final LongConsumer destroy;
    private final AtomicBoolean closed = new AtomicBoolean();

    CudaHandle(CudaContext context, String description, long value, LongConsumer destroy) {
        this.context = context;
        this.description = description;
        this.value = value;
        this.destroy = destroy;
    }

    /**
     * The handle.
     *
     * @throws IllegalStateException if it is closed
     */
    long value() {
        if (closed.getPlain()) {
            throw new IllegalStateException("the " + description + " is closed");
        }
        return value;
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            context.forget(this);
            context.bind();
            destroy.accept(value);
        }
    }

    @Override
    public String toString() {
        return description;
    }
}
