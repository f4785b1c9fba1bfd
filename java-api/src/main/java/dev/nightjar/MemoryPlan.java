package dev.nightjar;

import java.util.Locale;

/**
 * The memory of a device that a training takes, in bytes: what {@link Trainer} allocates, exactly. Kernels, libraries of products and their
 * scratch memory take some 10 to 200 MB besides, of which this knows nothing.
 *
 * @param parameters float32, and once more in the precision of the run where that is another
 * @param gradients of all parameters; twice for weightings that separate the tasks
 * @param moments of AdamW, and moving averages of gradients where the weighting has them
 * @param best parameters of the best evaluation so far
 * @param activations of the largest batch, with their gradients
 */
public record MemoryPlan(long parameters, long gradients, long moments, long best, long activations) {
    private static final double MIB = 1 << 20;

    /** All of it. */
    public long total() {
        return parameters + gradients + moments + best + activations;
    }

    /** One line for people, in MiB. */
    @Override
    public String toString() {
        return String.format(Locale.ROOT,
                "%.0f MiB: parameters %.0f, gradients %.0f, moments %.0f, best %.0f, activations %.0f", total() / MIB,
                parameters / MIB, gradients / MIB, moments / MIB, best / MIB, activations / MIB);
    }
}
