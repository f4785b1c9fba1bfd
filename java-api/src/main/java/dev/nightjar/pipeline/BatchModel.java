package dev.nightjar.pipeline;

import java.lang.foreign.MemorySegment;

/**
 * What an {@link InferencePipeline} drives: texts are added until no more fit, run together, and their results written
 * out. All calls come from one thread at a time.
 * {@link InferencePipeline#start(dev.nightjar.SentimentModel, PipelineOptions, ResultHandler)} makes one of a session;
 * others are for measuring and for testing.
 */
public interface BatchModel extends AutoCloseable {
    /** Numbers that come out for each text. */
    int columns();

    /**
     * Adds a text to the batch; the first one after a {@link #run} begins a new batch.
     *
     * @param utf8 the text, at the segment's beginning; only to be read during the call
     * @param length bytes of the text
     * @return false if it does not fit beside the others; then nothing has changed
     * @throws RuntimeException if the text cannot be run at all; then nothing has changed
     */
    boolean add(MemorySegment utf8, int length);

    /**
     * Runs the batch.
     *
     * @param results gets {@link #columns} float32 for each text, in the order in which they were added
     */
    void run(MemorySegment results);

    /** Forgets the texts added since the last run, also after one that failed. */
    void clear();

    /** Does once what makes later batches fast; before any text is added. */
    default void warmUp() {
    }

    /** Does a little of what a batch does, so that caches and clocks stay warm; between batches. */
    default void keepWarm() {
    }

    @Override
    void close();
}
