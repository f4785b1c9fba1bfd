package dev.nightjar.benchmarks.latency;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * Offers the requests of a schedule to a subject. Open-loop: each when it is due, whether or not those before were answered, as the world
 * does. The closed loop, which waits for each answer, is here to show what it hides (G. Tene's "coordinated omission").
 */
public final class LoadGenerator {
    private static final long LEAD_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    private final Clock clock;
    private final Duration patience;

    /**
     * A generator on a clock.
     *
     * @param patience how long after the last request answers may still come
     */
    public LoadGenerator(Clock clock, Duration patience) {
        this.clock = clock;
        this.patience = patience;
    }

    /**
     * Runs a schedule to its end and waits until every request is settled.
     *
     * @return the log, balanced
     * @throws IllegalStateException with the counts, if requests are missing when patience ends
     */
    public RequestLog openLoop(ArrivalSchedule schedule, Subject subject) {
        RequestLog log = new RequestLog(schedule, clock.nanoTime() + LEAD_NANOS);
        for (int i = 0; i < schedule.size(); i++) {
            clock.awaitUntil(log.scheduled(i));
            offer(i, subject, log);
        }
        awaitSettled(log, log.offered());
        return log.requireBalanced();
    }

    /** The same, but no request is sent before the one before is settled, as by a client that calls and waits. */
    public RequestLog closedLoop(ArrivalSchedule schedule, Subject subject) {
        RequestLog log = new RequestLog(schedule, clock.nanoTime() + LEAD_NANOS);
        for (int i = 0; i < schedule.size(); i++) {
            clock.awaitUntil(log.scheduled(i));
            offer(i, subject, log);
            awaitSettled(log, i + 1);
        }
        return log.requireBalanced();
    }

    /**
     * Requests a second that the subject answers when it never has to wait for one.
     *
     * @param requests how many to offer, each again until it is taken; the first fifth is not timed
     */
    public double capacity(int requests, Subject subject) {
        RequestLog log = new RequestLog(ArrivalSchedule.atOnce(requests), clock.nanoTime());
        for (int i = 0; i < requests; i++) {
            log.sent(i, clock.nanoTime());
            while (!subject.offer(i, log)) {
                clock.awaitUntil(clock.nanoTime() + POLL_NANOS);
            }
        }
        awaitSettled(log, requests);
        if (log.requireBalanced().answered() != requests) {
            throw new IllegalStateException(
                    "of " + requests + " requests " + log.failed() + " failed and " + log.dropped()
                            + " were dropped");
        }
        int first = requests / 5;
        return (requests - 1 - first) * 1e9 / (log.finished(requests - 1) - log.finished(first));
    }

    private void offer(int request, Subject subject, RequestLog log) {
        log.sent(request, clock.nanoTime());
        if (!subject.offer(request, log)) {
            log.rejected(request);
        }
    }

    private void awaitSettled(RequestLog log, int count) {
        long deadline = clock.nanoTime() + patience.toNanos();
        while (log.settled() < count && clock.nanoTime() < deadline) {
            clock.awaitUntil(clock.nanoTime() + POLL_NANOS);
        }
    }
}
