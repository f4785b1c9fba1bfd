package dev.nightjar.benchmarks.latency;

import java.util.concurrent.locks.LockSupport;

/** Time as a load generator sees it. */
public interface Clock {
    /** Nanoseconds since some moment. */
    long nanoTime();

    /** Returns at that moment of {@link #nanoTime} or as soon after it as possible. */
    void awaitUntil(long nanos);

    /** The machine's clock: waits parked, and spinning for the last 60 µs, which is about what parking is late by. */
    static Clock system() {
        return new Clock() {
            private static final long SPIN_NANOS = 60_000;

            @Override
            public long nanoTime() {
                return System.nanoTime();
            }

            @Override
            public void awaitUntil(long nanos) {
                for (long left = nanos - System.nanoTime(); left > 0; left = nanos - System.nanoTime()) {
                    if (left > SPIN_NANOS) {
                        LockSupport.parkNanos(left - SPIN_NANOS);
                    } else {
                        Thread.onSpinWait();
                    }
                }
            }
        };
    }
}
