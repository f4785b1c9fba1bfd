package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;

/**
 * What the sequences of a batch should give.
 *
 * @param labels [sequences], int32, -1 where unknown; null for a model without classification head
 * @param scores [sequences, targets], float32, NaN where unknown; null for a model without regression head
 */
public record Targets(Tensor labels, Tensor scores) {
}
