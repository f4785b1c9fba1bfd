package dev.nightjar;

/** How the learning rate moves after its warm-up, which rises linearly from 0 at step 0. */
public enum Schedule {
    /** Stays. */
    CONSTANT,
    /** Falls linearly to 0 at the end. */
    LINEAR,
    /** Falls to 0 at the end as half a cosine. */
    COSINE;

    /**
     * The factor on the peak learning rate.
     *
     * @param step counted from 0
     * @param warmupSteps steps of rising rate; the step of this number has the full rate
     * @param totalSteps steps of the run
     */
    public double factor(int step, int warmupSteps, int totalSteps) {
        if (step < warmupSteps) {
            return (double) step / warmupSteps;
        }
        double progress = Math.min(1, (double) (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
        return switch (this) {
            case CONSTANT -> 1;
            case LINEAR -> 1 - progress;
            case COSINE -> 0.5 * (1 + Math.cos(Math.PI * progress));
        };
    }
}
