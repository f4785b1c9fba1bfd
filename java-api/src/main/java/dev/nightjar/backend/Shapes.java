package dev.nightjar.backend;

import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;

/**
 * The checks that keep a fast backend inside its callers' memory: element type, columns, and at least as many rows as
 * are used.
 */
public final class Shapes {
    private Shapes() {
    }

    /**
     * Checks a matrix, or a vector as one row.
     *
     * @param name what to call the tensor in the message
     * @param rows rows that will be read or written
     * @throws IllegalArgumentException unless {@code tensor} is float32 with {@code cols} columns and at least {@code
     *         rows} rows
     */
    public static void matrix(String name, Tensor tensor, int rows, int cols) {
        matrix(name, tensor, DType.F32, rows, cols);
    }

    /** As {@link #matrix(String, Tensor, int, int)}, for elements of another type. */
    public static void matrix(String name, Tensor tensor, DType dtype, int rows, int cols) {
        matrix(name, "", tensor, dtype, rows, cols);
    }

    /** Names are put together for a message alone: what checks must not allocate. */
    private static void matrix(String name, String part, Tensor tensor, DType dtype, int rows, int cols) {
        if (tensor.dtype() != dtype || tensor.cols() != cols || tensor.rows() < rows) {
            throw new IllegalArgumentException(
                    name + part + " is " + tensor + ", expected " + dtype + "[at least " + rows + ", " + cols + "]");
        }
    }

    /** As {@link #matrix(String, Tensor, int, int)}, for a tensor that may be null. */
    public static void optional(String name, Tensor tensor, int rows, int cols) {
        optional(name, tensor, DType.F32, rows, cols);
    }

    /** As {@link #optional(String, Tensor, int, int)}, for elements of another type. */
    public static void optional(String name, Tensor tensor, DType dtype, int rows, int cols) {
        if (tensor != null) {
            matrix(name, tensor, dtype, rows, cols);
        }
    }

    /** As {@link #matrix(String, Tensor, int, int)}, for both vectors of a normalisation over {@code dim} columns. */
    public static void norm(String name, LayerNorm norm, int dim) {
        norm(name, norm, DType.F32, dim);
    }

    /** As {@link #norm(String, LayerNorm, int)}, for elements of another type. */
    public static void norm(String name, LayerNorm norm, DType dtype, int dim) {
        matrix(name, ".weight", norm.weight(), dtype, 1, dim);
        matrix(name, ".bias", norm.bias(), dtype, 1, dim);
    }

    /**
     * Checks a tensor used element by element.
     *
     * @throws IllegalArgumentException unless {@code tensor} is float32 with at least {@code elements} elements
     */
    public static void elements(String name, Tensor tensor, long elements) {
        if (tensor.dtype() != DType.F32 || tensor.elements() < elements) {
            throw new IllegalArgumentException(name + " is " + tensor + ", expected F32 of " + elements + " elements");
        }
    }

    /**
     * Checks indices of rows.
     *
     * @param indices int32, of which the first {@code count} are used
     * @throws IllegalArgumentException unless all are rows of {@code table}
     */
    public static void rows(String name, Tensor indices, int count, Tensor table) {
        for (int i = 0; i < count; i++) {
            int index = indices.getInt(i);
            if (index < 0 || index >= table.rows()) {
                throw new IllegalArgumentException(name + " " + index + " is not in [0, " + table.rows() + ")");
            }
        }
    }
}
