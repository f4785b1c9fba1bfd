package dev.nightjar.pipeline;

import java.util.concurrent.atomic.LongAdder;

/** The counters behind {@link PipelineMetrics}. Thread-safe. */
final class PipelineCounters {
    final LongAdder offered = new LongAdder();
    final LongAdder answered = new LongAdder();
    final LongAdder failed = new LongAdder();
    final LongAdder rejectedFull = new LongAdder();
    final LongAdder rejectedLong = new LongAdder();
    final LongAdder rejectedClosed = new LongAdder();
    final LongAdder rejectedInterrupted = new LongAdder();
    final LongAdder dropped = new LongAdder();
    final LongAdder truncated = new LongAdder();
    final LongAdder cacheHits = new LongAdder();
    final LongAdder callerRuns = new LongAdder();
    final LongAdder closedBySize = new LongAdder();
    final LongAdder closedByTokens = new LongAdder();
    final LongAdder closedByDeadline = new LongAdder();
    final LongAdder keepWarmPasses = new LongAdder();
    final LongAdder handlerFailures = new LongAdder();
    final LongAdder modelFailures = new LongAdder();

    PipelineMetrics snapshot(long queued) {
        // What ends a text first and what begins it last, so that no text has ended that was not offered.
        long ended = answered.sum();
        long givenUp = dropped.sum();
        long full = rejectedFull.sum();
        long tooLong = rejectedLong.sum();
        long closed = rejectedClosed.sum();
        long interrupted = rejectedInterrupted.sum();
        long began = offered.sum();
        long inFlight = began - ended - givenUp - full - tooLong - closed - interrupted;
        long size = closedBySize.sum();
        long tokens = closedByTokens.sum();
        long deadline = closedByDeadline.sum();
        return new PipelineMetrics(began, ended, failed.sum(), full, tooLong, closed, interrupted, givenUp, inFlight,
                Math.min(queued, inFlight), truncated.sum(), cacheHits.sum(), callerRuns.sum(),
                size + tokens + deadline, size, tokens, deadline, keepWarmPasses.sum(), handlerFailures.sum(),
                modelFailures.sum());
    }
}
