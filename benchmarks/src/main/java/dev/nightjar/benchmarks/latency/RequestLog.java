package dev.nightjar.benchmarks.latency;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * What became of every request of a run, and when. Sized before the run, so that nothing is allocated in it. The generator and the subject
 * write from their threads; read it once {@link #settled} equals {@link #offered}.
 */
public final class RequestLog implements Subject.Outcomes {
    private static final int PENDING = 0;
    private static final int ANSWERED = 1;
    private static final int REJECTED = 2;
    private static final int DROPPED = 3;
    private static final int FAILED = 4;

    private final long begin;
    private final long[] scheduled;
    private final long[] sent;
    private final long[] started;
    private final long[] finished;
    /** Written last, so that who reads it sees the times. */
    private final AtomicIntegerArray outcomes;
    private final AtomicInteger settled = new AtomicInteger();
    private final AtomicInteger repeated = new AtomicInteger();
    private final AtomicInteger latest = new AtomicInteger(-1);
    private final AtomicInteger outOfOrder = new AtomicInteger();

    /** @param begin moment that the schedule's offsets count from */
    RequestLog(ArrivalSchedule schedule, long begin) {
        int size = schedule.size();
        this.begin = begin;
        this.scheduled = new long[size];
        this.sent = new long[size];
        this.started = new long[size];
        this.finished = new long[size];
        this.outcomes = new AtomicIntegerArray(size);
        for (int i = 0; i < size; i++) {
            scheduled[i] = begin + schedule.offset(i);
        }
    }

    void sent(int request, long at) {
        sent[request] = at;
    }

    void rejected(int request) {
        settle(request, REJECTED);
    }

    @Override
    public void answered(int request, long startedAt, long finishedAt) {
        started[request] = startedAt;
        finished[request] = finishedAt;
        if (latest.getAndAccumulate(request, Math::max) > request) {
            outOfOrder.incrementAndGet();
        }
        settle(request, ANSWERED);
    }

    @Override
    public void dropped(int request) {
        settle(request, DROPPED);
    }

    @Override
    public void failed(int request) {
        settle(request, FAILED);
    }

    private void settle(int request, int outcome) {
        if (outcomes.compareAndSet(request, PENDING, outcome)) {
            settled.incrementAndGet();
        } else {
            repeated.incrementAndGet();
        }
    }

    /** Requests there were. */
    public int offered() {
        return scheduled.length;
    }

    /** Requests of which it is known what became of them. */
    public int settled() {
        return settled.get();
    }

    public int answered() {
        return count(ANSWERED);
    }

    public int rejected() {
        return count(REJECTED);
    }

    public int dropped() {
        return count(DROPPED);
    }

    public int failed() {
        return count(FAILED);
    }

    private int count(int outcome) {
        int count = 0;
        for (int i = 0; i < outcomes.length(); i++) {
            count += outcomes.get(i) == outcome ? 1 : 0;
        }
        return count;
    }

    /** Answers that came after that of a later request. */
    public int outOfOrder() {
        return outOfOrder.get();
    }

    /**
     * Checks the books: every offered request was answered, rejected, dropped or failed, and once.
     *
     * @throws IllegalStateException with the counts, if not
     */
    public RequestLog requireBalanced() {
        if (settled() != offered() || repeated.get() != 0) {
            throw new IllegalStateException(
                    "of " + offered() + " requests " + answered() + " were answered, " + rejected()
                            + " rejected, " + dropped() + " dropped, " + failed() + " failed; "
                            + (offered() - settled()) + " are missing and " + repeated + " were settled again");
        }
        return this;
    }

    public boolean isAnswered(int request) {
        return outcomes.get(request) == ANSWERED;
    }

    /** Begin of the schedule. */
    public long begin() {
        return begin;
    }

    /** When the request was due. */
    public long scheduled(int request) {
        return scheduled[request];
    }

    /** When it was offered; later than due where the generator was held up. */
    public long sent(int request) {
        return sent[request];
    }

    /** When the work on it began, for an answered one. */
    public long started(int request) {
        return started[request];
    }

    /** When its result was there, for an answered one. */
    public long finished(int request) {
        return finished[request];
    }
}
