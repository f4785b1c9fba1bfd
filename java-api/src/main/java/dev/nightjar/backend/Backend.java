package dev.nightjar.backend;

import dev.nightjar.tensor.Buffer;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/**
 * One way to compute: it owns a device's memory and makes the operations that run on it. Thread-safe; the operations it
 * makes are not. Close it after everything made from it.
 */
public interface Backend extends AutoCloseable {
    /** {@code reference}, {@code cpu} or {@code cuda}. */
    String name();

    /** What a user should know when asking why it is fast or slow: instruction sets, libraries and their versions. */
    Map<String, String> details();

    /** Zeroed memory of the device. */
    Buffer allocate(long bytes);

    /**
     * A matrix [N, K] as the right-hand side of this backend's products.
     *
     * @param constant whether the values never change from here on, so that a copy in a better layout may be made
     */
    Weight prepare(Tensor matrix, boolean constant);

    /** Copies host memory into a tensor of the same size in bytes; done when it returns. */
    void upload(MemorySegment source, Tensor destination);

    /** Copies a tensor into host memory of the same size in bytes; done when it returns. */
    void download(Tensor source, MemorySegment destination);

    /**
     * Element type of weights and activations in inference; {@link #prepare} and {@link #newOps} are always given
     * float32.
     */
    default DType storage() {
        return DType.F32;
    }

    /**
     * Operations of training for one caller at a time.
     *
     * @param threads threads that one operation may use, at least 1; results do not depend on it
     * @throws dev.nightjar.UnavailableException if this backend does not train
     */
    Ops newOps(int threads);

    /**
     * Operations of inference for one caller at a time.
     *
     * @param threads threads that one operation may use, at least 1; results do not depend on it
     */
    default InferenceOps newInferenceOps(int threads) {
        return newOps(threads);
    }

    @Override
    void close();
}
