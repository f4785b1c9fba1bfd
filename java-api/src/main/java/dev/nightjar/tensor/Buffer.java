package dev.nightjar.tensor;

/**
 * Owner of one contiguous block of a backend's memory. Closing frees it and is idempotent; every {@link Tensor} that views it is
 * unusable from then on. Not thread-safe: one owner closes it.
 */
public interface Buffer extends AutoCloseable {
    /** Size in bytes. */
    long byteSize();

    @Override
    void close();
}
