package dev.nightjar.loss;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import java.util.Map;

/**
 * How much each task counts in a training step of a model with two tasks: L = lambda_c L_c + lambda_r L_r.
 *
 * <p>Most weightings say before a batch what {@link dev.nightjar.backend.Ops#multiTaskLoss} needs, and some learn from its report. One
 * that {@link #separatesTasks} instead gets the gradient of each task by itself and combines them. One instance belongs to one
 * training run and is not thread-safe.
 */
public interface TaskWeighting {
    /** Weights of the two tasks. */
    record TaskWeights(double classification, double regression) {
    }

    /** Which tasks have a target in any row of a batch or step; at least one does. */
    record Tasks(boolean classification, boolean regression) {
        boolean both() {
            return classification && regression;
        }
    }

    /**
     * Weights of one batch. Where {@link #separatesTasks}, only {@link LossWeights#balanceClasses()} of it is used.
     *
     * @param gradientScale what to pass on as {@link LossWeights#gradientScale()}
     */
    LossWeights weights(Tasks present, float gradientScale);

    /** Whether each task needs a backward pass of its own, so that {@link #combine} can weigh their gradients. */
    default boolean separatesTasks() {
        return false;
    }

    /**
     * Weights of the gradients of one optimizer step.
     *
     * @param classificationNorm L2 norm of L_c's gradient with respect to every parameter the tasks share
     * @param regressionNorm the same of L_r
     */
    default TaskWeights combine(Tasks present, double classificationNorm, double regressionNorm) {
        throw new UnsupportedOperationException("this weighting does not separate the tasks");
    }

    /** Whether {@link #observe} must be called after every step; where not, reports may stay on the device. */
    default boolean observesSteps() {
        return false;
    }

    /** Learns from the losses of a step, whose batches the report sums up. */
    default void observe(LossReport report) {
    }

    /** Learns that an epoch is over. */
    default void endEpoch() {
    }

    /** Everything learnt so far, by name, for a checkpoint; finite numbers. */
    default Map<String, Double> state() {
        return Map.of();
    }

    /**
     * Continues from a {@link #state} of the same weighting.
     *
     * @throws IllegalArgumentException if a number is missing
     */
    default void restore(Map<String, Double> state) {
    }
}
