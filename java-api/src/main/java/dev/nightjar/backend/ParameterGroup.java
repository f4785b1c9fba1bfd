package dev.nightjar.backend;

/**
 * A run of neighbouring parameters that are updated alike.
 *
 * @param offset first element in the parameters' allocation
 * @param length number of elements
 * @param learningRateScale factor on the step's learning rate; 0 freezes the run altogether, moments and decay included
 * @param decay whether weight decay applies
 */
public record ParameterGroup(int offset, int length, float learningRateScale, boolean decay) {
}
