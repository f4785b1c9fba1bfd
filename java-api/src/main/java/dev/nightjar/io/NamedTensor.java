package dev.nightjar.io;

import dev.nightjar.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;

/**
 * A float32 tensor to be written, without a copy.
 *
 * @param name as it shall stand in the file
 * @param shape row-major extents
 * @param data native-order float32 of exactly the shape's elements
 */
public record NamedTensor(String name, List<Long> shape, MemorySegment data) {

    /** @throws IllegalArgumentException if the data's size is not the shape's */
    public NamedTensor {
        Objects.requireNonNull(name, "name");
        shape = List.copyOf(shape);
        WeightSource.requireSize("tensor to be written", new TensorInfo(name, DType.F32, shape), data);
    }
}
