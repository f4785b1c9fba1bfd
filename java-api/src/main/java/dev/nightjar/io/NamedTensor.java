package dev.nightjar.io;

import dev.nightjar.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;

/**
 * A tensor to be written, without a copy.
 *
 * @param name as it shall stand in the file
 * @param shape row-major extents
 * @param type of the data: F32, or I8, which is written as it is
 * @param data of exactly the shape's elements, in native order
 */
public record NamedTensor(String name, List<Long> shape, DType type, MemorySegment data) {

    /** @throws IllegalArgumentException if the data's size is not the shape's */
    public NamedTensor {
        Objects.requireNonNull(name, "name");
        shape = List.copyOf(shape);
        if (type != DType.F32 && type != DType.I8) {
            throw new IllegalArgumentException("tensor to be written " + name + " is " + type + ", not F32 or I8");
        }
        long bytes = new TensorInfo(name, type, shape).byteCount();
        if (data.byteSize() != bytes) {
            throw new IllegalArgumentException("tensor to be written, tensor " + name + " " + shape + ": needs " + bytes
                    + " bytes as " + type.fullName() + ", the data has " + data.byteSize());
        }
    }

    /** A tensor of float32. */
    public NamedTensor(String name, List<Long> shape, MemorySegment data) {
        this(name, shape, DType.F32, data);
    }
}
