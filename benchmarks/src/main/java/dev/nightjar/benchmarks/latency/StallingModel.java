package dev.nightjar.benchmarks.latency;

import dev.nightjar.pipeline.BatchModel;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.LockSupport;

/** Takes the same time for every text, and once very long: a pause of which one knows what it must do to latencies. */
final class StallingModel implements BatchModel {
    private final long textNanos;
    private final int stallAt;
    private final long stallNanos;
    private int added;
    private int texts;

    /**
     * @param textNanos what a text takes
     * @param stallAt the text, counted from 0, before which it stalls
     * @param stallNanos for how long
     */
    StallingModel(long textNanos, int stallAt, long stallNanos) {
        this.textNanos = textNanos;
        this.stallAt = stallAt;
        this.stallNanos = stallNanos;
    }

    @Override
    public int columns() {
        return 1;
    }

    @Override
    public boolean add(MemorySegment utf8, int length) {
        added++;
        return true;
    }

    @Override
    public void run(MemorySegment results) {
        boolean stalls = texts <= stallAt && stallAt < texts + added;
        long end = System.nanoTime() + added * textNanos + (stalls ? stallNanos : 0);
        for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
        texts += added;
        added = 0;
    }

    @Override
    public void clear() {
        added = 0;
    }

    @Override
    public void close() {
        // Nothing to free.
    }
}
