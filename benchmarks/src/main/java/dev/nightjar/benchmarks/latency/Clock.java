package dev.nightjar.benchmarks.latency;

import java.util.concurrent.locks.LockSupport;

/** Time as a load generator sees it. */
public interface Clock {
    /** Nanoseconds since some moment. */
    long nanoTime();

    /** Returns at that moment of {@link #nanoTime} or as soon after it as possible. */
    void awaitUntil(long nanos);

    /**
     * The machine's clock.
     *
     * @param spinNanos how long before the moment waiting goes on without giving up the processor; parking alone may end milliseconds late
     */
    static Clock system(long spinNanos) {
        return new Clock() {
            @Override
            public long nanoTime() {
                return System.nanoTime();
            }

            @Override
            public void awaitUntil(long nanos) {
                for (long left = nanos - System.nanoTime(); left > 0; left = nanos - System.nanoTime()) {
                    if (left > spinNanos) {
                        LockSupport.parkNanos(left - spinNanos);
                    } else {
                        Thread.onSpinWait();
                    }
                }
            }
        };
    }
}
