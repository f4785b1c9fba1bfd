package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;

/**
 * What an AdamW step reads and writes: vectors of one length, laid out alike, float32 but for the copy.
 *
 * @param parameters the master values
 * @param copy the parameters once more, rounded to the type that the model computes in; null where it computes in the master values
 */
public record AdamWTensors(Tensor parameters, Tensor copy, Tensor gradients, Tensor firstMoment, Tensor secondMoment) {
    /**
     * Checks what would be out of bounds.
     *
     * @throws IllegalArgumentException unless every group is inside every vector
     */
    public void require(ParameterTable table) {
        int end = table.end();
        Shapes.elements("parameters", parameters, end);
        Shapes.elements("gradients", gradients, end);
        Shapes.elements("firstMoment", firstMoment, end);
        Shapes.elements("secondMoment", secondMoment, end);
        if (copy != null && copy.elements() < end) {
            throw new IllegalArgumentException("copy is " + copy + ", expected " + end + " elements");
        }
    }
}
