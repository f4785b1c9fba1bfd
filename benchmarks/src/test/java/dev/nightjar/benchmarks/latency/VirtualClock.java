package dev.nightjar.benchmarks.latency;

/** Time that passes only where somebody waits for it. */
final class VirtualClock implements Clock {
    private final long oversleep;
    private long now = 1_000_000_007L;

    VirtualClock() {
        this(0);
    }

    /** @param oversleep nanoseconds that every wait ends late */
    VirtualClock(long oversleep) {
        this.oversleep = oversleep;
    }

    @Override
    public long nanoTime() {
        return now;
    }

    @Override
    public void awaitUntil(long nanos) {
        now = Math.max(now, nanos + oversleep);
    }
}
