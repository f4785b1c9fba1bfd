package dev.nightjar.loss;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import java.util.Map;
import java.util.function.Supplier;

/**
 * How much each task counts in a training step of a model with two tasks: L = lambda_c L_c + lambda_r L_r.
 *
 * <p>Most weightings say before a batch what {@link dev.nightjar.backend.Ops#multiTaskLoss} needs, and some learn from its report. One
 * that {@link #separatesTasks} also gets the gradient of each task by itself and combines them. What costs something is computed only for
 * the weighting that asks for it. One instance belongs to one training run and is not thread-safe.
 */
public interface TaskWeighting {
    /** With respect to what the tasks' gradients are measured. */
    enum Scope {
        /** The common input of the heads, Frobenius norm: closed form, no second backward pass. */
        POOLED_REPRESENTATION,
        /** Every parameter both tasks share, L2 norm: exact, one backward pass for each task. */
        SHARED_PARAMETERS
    }

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
     * Weights of one batch. Where {@link #separatesTasks}, each task's own gradient is of its loss times its weight here.
     *
     * @param losses of the batch, every row counting 1; to ask for them costs a trip to the host
     * @param gradientScale what to pass on as {@link LossWeights#gradientScale()}
     */
    LossWeights weights(Tasks present, Supplier<LossReport> losses, float gradientScale);

    /** Whether each task needs a backward pass of its own, so that {@link #combine} can weigh their gradients. */
    default boolean separatesTasks() {
        return false;
    }

    /**
     * For a weighting that separates the tasks, the decay b of moving averages that take the place of the gradients with respect to what
     * the tasks share: m = b m + (1 - b) g, 0 at first, one for each task, which a step without the task's targets leaves alone. 0 for no
     * averages. Constant.
     */
    default double averageDecay() {
        return 0;
    }

    /**
     * Weights of the gradients, or of their averages, of one optimizer step.
     *
     * @param classificationNorm L2 norm, over every parameter the tasks share, of the classification's gradient or average
     * @param regressionNorm the same of the regression
     */
    default TaskWeights combine(Tasks present, double classificationNorm, double regressionNorm) {
        throw new UnsupportedOperationException("this weighting does not separate the tasks");
    }

    /** Whether the weights of {@link #combine} also apply to the heads, each of which belongs to one task alone. */
    default boolean weighsHeads() {
        return true;
    }

    /** Whether {@link #observe} must be called after every step; where not, reports may stay on the device. */
    default boolean observesSteps() {
        return false;
    }

    /**
     * Learns from a step.
     *
     * @param losses of the step, whose batches the report sums up
     * @param updated the same after the step's update, with the same dropout; to ask for it costs the step's forward passes again
     */
    default void observe(LossReport losses, Supplier<LossReport> updated) {
    }

    /** Learns that an epoch is over. */
    default void endEpoch() {
    }

    /** Everything learnt so far but the averages, by name, for a checkpoint; finite numbers. */
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
