package dev.nightjar.pipeline;

import com.lmax.disruptor.AlertException;
import com.lmax.disruptor.InsufficientCapacityException;
import com.lmax.disruptor.RingBuffer;
import com.lmax.disruptor.Sequence;
import com.lmax.disruptor.SequenceBarrier;
import com.lmax.disruptor.TimeoutException;
import com.lmax.disruptor.dsl.ProducerType;
import dev.nightjar.pipeline.PipelineOptions.Wait;
import java.util.function.LongConsumer;
import java.util.function.Supplier;

/**
 * The queue between producers and the pipeline's thread, the owner: a Disruptor whose oldest slot both the owner and a
 * producer can take out. Who takes a slot advances {@link #taken} past it, and because a slot that the owner took is
 * still being read, it first writes to {@link #held} how far producers may write.
 */
final class TextRing {
    static final long FULL = -1;
    private static final long NOTHING_HELD = Long.MAX_VALUE;

    private final RingBuffer<Slot> ring;
    private final DeadlineWait wait;
    private final SequenceBarrier barrier;
    private final Sequence taken = new Sequence();
    private final Sequence held = new Sequence();

    /** @param capacity a power of two */
    TextRing(int capacity, Wait wait, Supplier<Slot> slots) {
        this.wait = new DeadlineWait(wait);
        this.ring = RingBuffer.create(ProducerType.MULTI, slots::get, capacity, this.wait);
        this.barrier = ring.newBarrier();
        // In this order: a producer that sees a slot taken must then see that it is held.
        ring.addGatingSequences(taken, held);
        held.set(NOTHING_HELD);
    }

    /** For producers: a slot to be written and published, or {@link #FULL}. */
    long tryClaim() {
        if (!ring.hasAvailableCapacity(1)) {
            return FULL;
        }
        try {
            return ring.tryNext();
        } catch (InsufficientCapacityException e) {
            return FULL;
        }
    }

    Slot slot(long sequence) {
        return ring.get(sequence);
    }

    void publish(long sequence) {
        ring.publish(sequence);
    }

    /**
     * For producers: takes out the slot that has waited longest, if the ring is full because of it. Where it is full
     * because the owner is reading the oldest slot, or another producer is writing it, that ends by itself.
     *
     * @param dropped gets the id of the text that was in the slot, if one was
     */
    void dropOldest(LongConsumer dropped) {
        long last = taken.get();
        if (ring.getCursor() - last < ring.getBufferSize() || !ring.isAvailable(last + 1)) {
            Thread.onSpinWait();
            return;
        }
        // These belong to the slot if it can be taken out after they were read: until then nobody writes to it.
        Slot slot = ring.get(last + 1);
        long id = slot.id;
        boolean text = slot.kind != Slot.Kind.VOID;
        if (taken.compareAndSet(last, last + 1) && text) {
            dropped.accept(id);
        }
    }

    /** For the owner: the oldest slot, to be read until {@link #release}; null if there is none. */
    Slot take() {
        long last = taken.get();
        if (!ring.isAvailable(last + 1)) {
            return null;
        }
        held.setVolatile(last);
        if (!taken.compareAndSet(last, last + 1)) {
            release();
            return null;
        }
        return ring.get(last + 1);
    }

    /** For the owner: lets producers have the slot that it took. */
    void release() {
        held.set(NOTHING_HELD);
    }

    /** For the owner: waits until a slot may be there. */
    void await() {
        wait.forever();
        awaitNext();
    }

    /**
     * For the owner: waits until a slot may be there, or a time.
     *
     * @param nanos as {@link System#nanoTime} counts
     * @return false if the time has come
     */
    boolean awaitUntil(long nanos) {
        wait.until(nanos);
        return awaitNext();
    }

    private boolean awaitNext() {
        long next = taken.get() + 1;
        try {
            if (barrier.waitFor(next) < next) {
                // A producer is writing it.
                Thread.onSpinWait();
            }
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (AlertException e) {
            return true;
        } catch (InterruptedException e) {
            throw new AssertionError("the wait strategy does not throw it", e);
        }
    }

    /** Ends the owner's waiting, now and ever after. */
    void stopWaiting() {
        barrier.alert();
    }

    /** For the owner: makes the ring full for ever if it is empty and no producer is writing. */
    boolean seal() {
        try {
            ring.tryNext(ring.getBufferSize());
            return true;
        } catch (InsufficientCapacityException e) {
            return false;
        }
    }

    /** Slots that were claimed and not yet taken out. */
    long waiting() {
        return Math.max(0, ring.getCursor() - taken.get());
    }
}
