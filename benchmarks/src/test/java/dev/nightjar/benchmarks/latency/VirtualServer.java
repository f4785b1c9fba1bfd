package dev.nightjar.benchmarks.latency;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.IntToLongFunction;

/** A server that does one request after the other in the order they came, on virtual time; what is past a bound of waiting ones is rejected. */
final class VirtualServer implements Subject {
    private record Answer(int request, long started, long finished) {
    }

    private final VirtualClock clock;
    private final int waitingLimit;
    private final IntToLongFunction serviceNanos;
    private final Deque<Answer> taken = new ArrayDeque<>();
    private long free = Long.MIN_VALUE;
    private boolean blocking;

    VirtualServer(VirtualClock clock, int waitingLimit, IntToLongFunction serviceNanos) {
        this.clock = clock;
        this.waitingLimit = waitingLimit;
        this.serviceNanos = serviceNanos;
    }

    /** Lets time pass until a request is answered, as a call that waits for its answer does. */
    VirtualServer blocking() {
        blocking = true;
        return this;
    }

    @Override
    public boolean offer(int request, Outcomes outcomes) {
        long now = clock.nanoTime();
        taken.removeIf(answer -> answer.started() <= now);
        if (taken.size() >= waitingLimit) {
            return false;
        }
        long started = Math.max(now, free);
        free = started + serviceNanos.applyAsLong(request);
        taken.add(new Answer(request, started, free));
        if (blocking) {
            clock.awaitUntil(free);
        }
        outcomes.answered(request, started, free);
        return true;
    }

    @Override
    public void close() {
        // Nothing is running.
    }
}
