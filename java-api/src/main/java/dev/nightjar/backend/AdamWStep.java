package dev.nightjar.backend;

/**
 * The scalars of one AdamW step (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2).
 *
 * @param step counted from 1
 * @param learningRate of this step, after the schedule
 * @param maxGradientNorm global norm to which gradients are clipped, scale = min(1, max / (norm + 1e-6)); infinity for no clipping
 */
public record AdamWStep(int step, float learningRate, float beta1, float beta2, float epsilon, float weightDecay,
        float maxGradientNorm) {
}
