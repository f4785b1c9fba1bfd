package dev.nightjar.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * A dense row-major view of a {@link Buffer}: an element type, a shape of one or two dimensions and an offset. Immutable; it does not
 * own the memory. A vector of n elements is one row of n columns to every operation.
 */
public final class Tensor {
    private final Buffer buffer;
    private final long byteOffset;
    private final DType dtype;
    private final int rank;
    private final int rows;
    private final int cols;
    private final MemorySegment segment;

    private Tensor(Buffer buffer, long byteOffset, DType dtype, int rank, int rows, int cols) {
        if (rows < 0 || cols < 0) {
            throw new IllegalArgumentException("shape [" + rows + ", " + cols + "] is negative");
        }
        long bytes = (long) rows * cols * dtype.bytes();
        if (byteOffset < 0 || byteOffset > buffer.byteSize() - bytes) {
            throw new IllegalArgumentException(
                    "a tensor of " + bytes + " bytes at offset " + byteOffset + " does not fit a buffer of "
                            + buffer.byteSize() + " bytes");
        }
        this.buffer = buffer;
        this.byteOffset = byteOffset;
        this.dtype = dtype;
        this.rank = rank;
        this.rows = rows;
        this.cols = cols;
        this.segment = buffer instanceof HostBuffer host ? host.segment().asSlice(byteOffset, bytes) : null;
    }

    /** A vector view. */
    public static Tensor vector(Buffer buffer, long byteOffset, DType dtype, int length) {
        return new Tensor(buffer, byteOffset, dtype, 1, 1, length);
    }

    /** A matrix view. */
    public static Tensor matrix(Buffer buffer, long byteOffset, DType dtype, int rows, int cols) {
        return new Tensor(buffer, byteOffset, dtype, 2, rows, cols);
    }

    /** {@code count} elements of this vector from element {@code from}. */
    public Tensor slice(int from, int count) {
        if (rank != 1 || from < 0 || count < 0 || from > cols - count) {
            throw new IllegalArgumentException(
                    "elements " + from + " to " + (from + (long) count) + " are not in " + this);
        }
        return new Tensor(buffer, byteOffset + (long) from * dtype.bytes(), dtype, 1, 1, count);
    }

    /** The same elements as a matrix of another shape. */
    public Tensor reshape(int newRows, int newCols) {
        if ((long) newRows * newCols != elements()) {
            throw new IllegalArgumentException(this + " does not have " + newRows + " x " + newCols + " elements");
        }
        return new Tensor(buffer, byteOffset, dtype, 2, newRows, newCols);
    }

    public Buffer buffer() {
        return buffer;
    }

    public long byteOffset() {
        return byteOffset;
    }

    public DType dtype() {
        return dtype;
    }

    /** Rows; 1 for a vector. */
    public int rows() {
        return rows;
    }

    /** Columns; the length of a vector. */
    public int cols() {
        return cols;
    }

    public long elements() {
        return (long) rows * cols;
    }

    public long byteSize() {
        return elements() * dtype.bytes();
    }

    /**
     * The memory of a tensor in host memory, exactly {@link #byteSize()} long.
     *
     * @throws IllegalStateException if the tensor lives on a device
     */
    public MemorySegment segment() {
        if (segment == null) {
            throw new IllegalStateException(this + " is not in host memory; download it first");
        }
        return segment;
    }

    /**
     * The address of the first element of a tensor in host memory, for native code.
     *
     * @throws IllegalStateException if the tensor lives on a device or its buffer is closed
     */
    public long address() {
        MemorySegment memory = segment();
        if (!memory.scope().isAlive()) {
            throw new IllegalStateException("the buffer of " + this + " is closed");
        }
        return memory.address();
    }

    /** Element {@code index} of a float32 or bfloat16 host tensor, in row-major order. */
    public float get(long index) {
        return dtype == DType.BF16
                ? Float.intBitsToFloat(segment().getAtIndex(ValueLayout.JAVA_SHORT, index) << 16)
                : segment().getAtIndex(ValueLayout.JAVA_FLOAT, index);
    }

    /** Sets element {@code index} of a float32 host tensor, in row-major order. */
    public void set(long index, float value) {
        segment().setAtIndex(ValueLayout.JAVA_FLOAT, index, value);
    }

    /** Element {@code index} of an int32 host tensor. */
    public int getInt(long index) {
        return segment().getAtIndex(ValueLayout.JAVA_INT, index);
    }

    /** Sets element {@code index} of an int32 host tensor. */
    public void setInt(long index, int value) {
        segment().setAtIndex(ValueLayout.JAVA_INT, index, value);
    }

    /** A copy of a float32 host tensor's elements. */
    public float[] toArray() {
        return segment().toArray(ValueLayout.JAVA_FLOAT);
    }

    /** Copies as many elements as this float32 host tensor has from the start of {@code values}. */
    public void copyFrom(float[] values) {
        MemorySegment.copy(values, 0, segment(), ValueLayout.JAVA_FLOAT, 0, Math.toIntExact(elements()));
    }

    @Override
    public String toString() {
        return dtype + (rank == 1 ? Arrays.toString(new int[]{cols}) : Arrays.toString(new int[]{rows, cols}));
    }
}
