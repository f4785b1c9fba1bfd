package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;

/**
 * Gain and offset of a layer normalisation, or the gradients of both; the epsilon is always
 * {@link dev.nightjar.model.DistilBertConfig#LAYER_NORM_EPSILON}.
 *
 * @param weight [dim]
 * @param bias [dim]
 */
public record LayerNorm(Tensor weight, Tensor bias) {
}
