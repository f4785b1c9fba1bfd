package dev.nightjar.io;

import dev.nightjar.tensor.DType;
import java.util.List;
import java.util.Objects;

/**
 * What a file says about one of its tensors.
 *
 * @param name as in the file
 * @param dtype element type as stored
 * @param shape row-major extents, none for a scalar
 */
public record TensorInfo(String name, DType dtype, List<Long> shape) {

    /** @throws IllegalArgumentException for a negative extent, or a shape whose bytes do not fit into 63 bits */
    public TensorInfo {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(dtype, "dtype");
        shape = List.copyOf(shape);
        for (long extent : shape) {
            if (extent < 0) {
                throw new IllegalArgumentException("shape " + shape + " has a negative extent");
            }
        }
        try {
            Math.multiplyExact(product(shape), dtype.bytes());
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("shape " + shape + " overflows", e);
        }
    }

    /** Number of elements; 1 for a scalar. */
    public long elementCount() {
        return product(shape);
    }

    /** Size in bytes as stored. */
    public long byteCount() {
        return elementCount() * dtype.bytes();
    }

    private static long product(List<Long> shape) {
        long product = 1;
        for (long extent : shape) {
            product = Math.multiplyExact(product, extent);
        }
        return product;
    }
}
