package dev.nightjar.backend;

import dev.nightjar.UnavailableException;
import dev.nightjar.tensor.Buffer;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.stream.Collectors;

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

    /**
     * A matrix [N, K] that never changes, as the right-hand side of products of operations in a type, which need not be that of the
     * matrix: it is rounded or, for int8, quantised row by row.
     *
     * @throws UnavailableException if {@code type} is not one of {@link #inferenceTypes}
     */
    default Weight prepareForInference(Tensor matrix, DType type) {
        requireInferenceType(type);
        return prepare(matrix, true);
    }

    /** Copies host memory into a tensor of the same size in bytes; done when it returns. */
    void upload(MemorySegment source, Tensor destination);

    /** Copies a tensor into host memory of the same size in bytes; done when it returns. */
    void download(Tensor source, MemorySegment destination);

    /**
     * What inference can compute in on this device, float32 among them. Weights and activations are of the type, except for
     * int8: there the encoder's weights are int8 and the heads' and all activations bfloat16.
     */
    default List<DType> inferenceTypes() {
        return List.of(DType.F32);
    }

    /**
     * Refuses what {@link #inferenceTypes} does not list.
     *
     * @throws UnavailableException naming the type and those that there are
     */
    default void requireInferenceType(DType type) {
        if (!inferenceTypes().contains(type)) {
            throw new UnavailableException("the " + name() + " backend does not compute in " + type.fullName()
                    + " on this machine, only in "
                    + inferenceTypes().stream().map(DType::fullName).collect(Collectors.joining(" and ")));
        }
    }

    /**
     * Which of {@link #inferenceTypes} is fastest here for models of a shape, as far as this backend knows or measures.
     *
     * @param dim model dimension
     * @param hiddenDim of the feed-forward layers
     */
    default DType fastestInferenceType(int dim, int hiddenDim) {
        return DType.F32;
    }

    /**
     * What weights, activations and their gradients of training can be on this device, float32 among them. Master
     * parameters, their gradients and moments are float32 with each.
     */
    default List<DType> trainingTypes() {
        return List.of(DType.F32);
    }

    /**
     * Refuses what {@link #trainingTypes} does not list.
     *
     * @throws UnavailableException naming the type and those that there are
     */
    default void requireTrainingType(DType type) {
        if (!trainingTypes().contains(type)) {
            throw new UnavailableException("the " + name() + " backend does not train in " + type.fullName()
                    + " on this machine, only in "
                    + trainingTypes().stream().map(DType::fullName).collect(Collectors.joining(" and ")));
        }
    }

    /** Bytes of its memory that are free; empty where it is the host's, which may be swapped. */
    default OptionalLong freeBytes() {
        return OptionalLong.empty();
    }

    /** Operations of training in float32; see {@link #newOps(int, DType)}. */
    Ops newOps(int threads);

    /**
     * Operations of training for one caller at a time.
     *
     * @param threads threads that one operation may use, at least 1; results do not depend on it
     * @param type of weights, activations and their gradients
     * @throws UnavailableException if {@code type} is not one of {@link #trainingTypes}
     */
    default Ops newOps(int threads, DType type) {
        requireTrainingType(type);
        return newOps(threads);
    }

    /**
     * Operations of inference for one caller at a time.
     *
     * @param threads threads that one operation may use, at least 1; results do not depend on it
     * @param type in which it computes
     * @throws UnavailableException if {@code type} is not one of {@link #inferenceTypes}
     */
    default InferenceOps newInferenceOps(int threads, DType type) {
        requireInferenceType(type);
        return newOps(threads);
    }

    @Override
    void close();
}
