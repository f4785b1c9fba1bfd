package dev.nightjar.pipeline;

/**
 * What an {@link InferencePipeline} did since its start. In every snapshot
 * {@code offered = answered + rejected() + dropped + inFlight}.
 *
 * @param offered calls of {@code offer} and {@code publish}
 * @param answered texts whose result or failure was delivered
 * @param failed texts among these that failed
 * @param rejectedFull texts refused because the queue was full
 * @param rejectedLong texts refused because they have too many bytes
 * @param rejectedClosed texts refused because the pipeline was closing
 * @param rejectedInterrupted texts whose producer was interrupted, or failed, before they were in the queue
 * @param dropped texts that were accepted and given up
 * @param inFlight texts that wait, that the model runs, or whose producer waits
 * @param queued texts that wait in the queue
 * @param truncated texts that were cut at the limit of bytes
 * @param cacheHits texts that were answered as an identical one
 * @param callerRuns texts that their producers ran
 * @param batches forward passes, without those of warm-up and keep-warm
 * @param closedBySize batches that were run because they had as many texts as the options allow
 * @param closedByTokens batches that were run because the next text did not fit into the session
 * @param closedByDeadline batches that were run because no other text came in time
 * @param keepWarmPasses forward passes of an idle pipeline
 * @param handlerFailures calls of the result handler that threw
 * @param modelFailures forward passes that threw
 */
public record PipelineMetrics(long offered, long answered, long failed, long rejectedFull, long rejectedLong,
        long rejectedClosed, long rejectedInterrupted, long dropped, long inFlight, long queued, long truncated,
        long cacheHits, long callerRuns, long batches, long closedBySize, long closedByTokens, long closedByDeadline,
        long keepWarmPasses, long handlerFailures, long modelFailures) {

    /** Texts that were refused, whatever for. */
    public long rejected() {
        return rejectedFull + rejectedLong + rejectedClosed + rejectedInterrupted;
    }
}
