package dev.nightjar.pipeline;

import com.lmax.disruptor.BusySpinWaitStrategy;
import com.lmax.disruptor.EventPoller;
import com.lmax.disruptor.InsufficientCapacityException;
import com.lmax.disruptor.RingBuffer;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * Carries results to one consumer, which polls. Given to a pipeline as its {@link ResultHandler}. Where the consumer is
 * slow and the ring full, the pipeline waits, so its queue fills up and its overload policy decides; a pipeline that
 * closes without draining waits no longer and drops what is left. What is in the ring can still be polled when the
 * pipeline is closed. Drops by the overload policy are only counted.
 */
public final class ResultRing implements ResultHandler {
    private static final int SPINS = 1000;
    private static final long PAUSE_NANOS = 50_000;

    /** The pipeline closes and nobody makes room. */
    static final class AbandonedException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private AbandonedException() {
            super("the pipeline was closed without draining", null, false, false);
        }
    }

    /** A place: a result, or why there is none. */
    private static final class Entry {
        private final PipelineResult result;
        private long id;
        private Throwable failure;

        private Entry(PipelineResult result) {
            this.result = result;
        }
    }

    private final int capacity;
    private RingBuffer<Entry> ring;
    private EventPoller<Entry> poller;
    private BooleanSupplier abandoned;
    private volatile boolean attached;
    private final EventPoller.Handler<Entry> deliverer = this::deliver;
    private ResultHandler target;
    private int left;
    private int polled;
    private Throwable thrown;

    /** @param capacity results that can wait, rounded up to a power of two */
    public ResultRing(int capacity) {
        if (capacity < 1 || capacity > 1 << 24) {
            throw new IllegalArgumentException("capacity " + capacity + " is out of range");
        }
        this.capacity = capacity == 1 ? 1 : Integer.highestOneBit(capacity - 1) << 1;
    }

    /**
     * Binds the ring to its pipeline.
     *
     * @param stop whether to wait no longer for room
     * @throws IllegalStateException if it is bound already
     */
    void attach(int classes, int columns, BooleanSupplier stop) {
        if (attached) {
            throw new IllegalStateException("the result ring serves another pipeline");
        }
        abandoned = stop;
        ring = RingBuffer.createSingleProducer(() -> new Entry(new PipelineResult(classes, columns)), capacity,
                new BusySpinWaitStrategy());
        poller = ring.newPoller();
        ring.addGatingSequences(poller.getSequence());
        attached = true;
    }

    /** Called by the pipeline. */
    @Override
    public void answered(PipelineResult result) {
        long sequence = claim();
        Entry entry = ring.get(sequence);
        entry.result.copy(result);
        entry.failure = null;
        ring.publish(sequence);
    }

    /** Called by the pipeline. */
    @Override
    public void failed(long id, Throwable cause) {
        long sequence = claim();
        Entry entry = ring.get(sequence);
        entry.id = id;
        entry.failure = cause;
        ring.publish(sequence);
    }

    private long claim() {
        for (int spins = 0;; spins++) {
            if (ring.hasAvailableCapacity(1)) {
                try {
                    return ring.tryNext();
                } catch (InsufficientCapacityException e) {
                    throw new AssertionError("the pipeline is the only producer", e);
                }
            }
            if (abandoned.getAsBoolean()) {
                throw new AbandonedException();
            }
            if (spins < SPINS) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(this, PAUSE_NANOS);
            }
        }
    }

    /**
     * Delivers what has come, oldest first, to {@link ResultHandler#answered} and {@link ResultHandler#failed}; never
     * waits. For one thread at a time.
     *
     * @param limit most results to deliver
     * @return how many were delivered
     * @throws RuntimeException what the handler threw, whose result counts as delivered; those behind it stay
     */
    public int poll(ResultHandler handler, int limit) {
        if (limit < 1) {
            throw new IllegalArgumentException("limit " + limit + " is not positive");
        }
        if (!attached) {
            return 0;
        }
        target = handler;
        left = limit;
        polled = 0;
        try {
            poller.poll(deliverer);
        } catch (Exception e) {
            throw new AssertionError("the deliverer throws nothing", e);
        }
        Throwable failure = thrown;
        thrown = null;
        InferencePipeline.rethrow(failure);
        return polled;
    }

    /** Gives whether to go on. What the handler throws would make the poller deliver the same entry again. */
    private boolean deliver(Entry entry, long sequence, boolean endOfBatch) {
        polled++;
        try {
            if (entry.failure == null) {
                target.answered(entry.result);
            } else {
                target.failed(entry.id, entry.failure);
                entry.failure = null;
            }
        } catch (Throwable t) {
            thrown = t;
        }
        return --left > 0 && thrown == null;
    }
}
