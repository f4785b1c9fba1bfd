package dev.nightjar.pipeline;

/**
 * Receives what becomes of the texts of an {@link InferencePipeline}, in the order in which each producer brought them,
 * on the pipeline's thread: it runs no batch meanwhile. What a method throws is counted and kept
 * ({@link InferencePipeline#lastFailure}); it stops nothing. A {@link ResultRing} carries results to another thread.
 */
@FunctionalInterface
public interface ResultHandler {
    /**
     * A text was answered.
     *
     * @param result valid during the call only
     */
    void answered(PipelineResult result);

    /** A text could not be answered, because it was refused or the batch that it was in failed. */
    default void failed(long id, Throwable cause) {
    }

    /**
     * A text that had been accepted was given up: by the overload policy, then this comes from the producer whose text
     * took its place, or by closing without draining.
     */
    default void dropped(long id) {
    }
}
