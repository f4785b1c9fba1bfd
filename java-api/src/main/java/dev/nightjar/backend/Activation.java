package dev.nightjar.backend;

/** Element-wise function after a linear map; {@code GELU} is the exact one, x/2 * (1 + erf(x / sqrt 2)). */
public enum Activation {
    NONE, GELU, RELU
}
