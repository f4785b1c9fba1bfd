package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;

/** A matrix [N, K] prepared by {@link Backend#prepare} to be multiplied with; it does not own the tensor it was made from. */
public interface Weight extends AutoCloseable {
    /** The values, row-major [N, K]. */
    Tensor tensor();

    @Override
    default void close() {
        // Nothing to free where nothing was packed.
    }
}
