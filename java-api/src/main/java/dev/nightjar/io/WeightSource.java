package dev.nightjar.io;

import dev.nightjar.FormatException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Set;

/**
 * Named tensors that can be read as float32, whatever file they come from.
 *
 * <p>Safe for concurrent readers. After {@link #close()} the names and shapes remain, reading throws
 * {@link IllegalStateException}.
 */
public interface WeightSource extends AutoCloseable {

    /** The file or resource, as messages should show it. */
    String location();

    /** Names of the tensors in file order. */
    Set<String> names();

    /**
     * Type and shape of a tensor.
     *
     * @throws FormatException naming this source and the tensor, if there is none of that name
     */
    TensorInfo info(String name);

    /**
     * Writes a tensor as row-major float32 in native byte order. F64 is rounded to nearest; integers beyond 2^24 may
     * round too.
     *
     * @param destination exactly {@code 4 * elementCount} bytes, of any alignment
     * @throws FormatException naming this source and the tensor, if there is none of that name
     * @throws IllegalArgumentException if the destination has another size
     */
    void read(String name, MemorySegment destination);

    /** A tensor as a new array; for one of at most 2^31 - 8 elements. */
    default float[] read(String name) {
        float[] elements = new float[Math.toIntExact(info(name).elementCount())];
        read(name, MemorySegment.ofArray(elements));
        return elements;
    }

    /** Releases the mapping; idempotent. */
    @Override
    void close();

    /** The check every implementation of {@link #read(String, MemorySegment)} starts with. */
    static void requireSize(String location, TensorInfo info, MemorySegment destination) {
        long expected = Math.multiplyExact(info.elementCount(), ValueLayout.JAVA_FLOAT.byteSize());
        if (destination.byteSize() != expected) {
            throw new IllegalArgumentException(
                    location + ", tensor " + info.name() + " " + info.shape() + ": needs " + expected
                            + " bytes as float32, the destination has " + destination.byteSize());
        }
    }
}
