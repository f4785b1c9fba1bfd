package dev.nightjar.examples.trading;

import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * Sends a recorded feed at its timestamps, or faster. A message that could not be sent in time is late, and does not
 * delay those behind it by more.
 */
final class FeedReplay {
    private static final long NANOS_PER_MILLI = 1_000_000;
    /** Shorter waits spin, because sleeping takes about that long. */
    private static final long SPIN_NANOS = 100_000;

    private final List<FeedEvent> events;
    private final double speed;
    private volatile long startNanos;

    /** @param speed feed time per real time; infinite to send without waiting */
    FeedReplay(List<FeedEvent> events, double speed) {
        if (!(speed > 0)) {
            throw new IllegalArgumentException("speed " + speed + " is not positive");
        }
        this.events = events;
        this.speed = speed;
    }

    /** Sets the time the feed begins. */
    void start() {
        startNanos = System.nanoTime();
    }

    /** {@link System#nanoTime} at which an event is due. */
    long dueNanos(FeedEvent event) {
        return startNanos + (long) (event.millis() * NANOS_PER_MILLI / speed);
    }

    void run(FeedTransport transport) throws InterruptedException {
        for (FeedEvent event : events) {
            long wait = dueNanos(event) - System.nanoTime();
            while (wait > 0) {
                if (wait > SPIN_NANOS) {
                    LockSupport.parkNanos(wait - SPIN_NANOS / 2);
                } else {
                    Thread.onSpinWait();
                }
                if (Thread.interrupted()) {
                    throw new InterruptedException("interrupted between messages");
                }
                wait = dueNanos(event) - System.nanoTime();
            }
            transport.send(event);
        }
    }
}
