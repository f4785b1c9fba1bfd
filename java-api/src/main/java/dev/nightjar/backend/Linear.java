package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;

/**
 * A linear layer, x W' + bias.
 *
 * @param weight [N, K]
 * @param bias [N]
 */
public record Linear(Weight weight, Tensor bias) {
}
