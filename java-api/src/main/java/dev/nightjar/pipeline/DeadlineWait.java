package dev.nightjar.pipeline;

import com.lmax.disruptor.AlertException;
import com.lmax.disruptor.Sequence;
import com.lmax.disruptor.SequenceBarrier;
import com.lmax.disruptor.TimeoutException;
import com.lmax.disruptor.WaitStrategy;
import dev.nightjar.pipeline.PipelineOptions.Wait;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;

/** Waits until a deadline, which the one thread that waits sets before. */
final class DeadlineWait implements WaitStrategy {
    /** Looks before the thread gives up its processor: some microseconds. */
    private static final int SPINS = 200;

    private final Wait wait;
    private boolean bounded;
    private long deadline;
    private volatile Thread sleeper;

    DeadlineWait(Wait wait) {
        this.wait = wait;
    }

    void forever() {
        bounded = false;
    }

    /** @param nanos as {@link System#nanoTime} counts */
    void until(long nanos) {
        bounded = true;
        deadline = nanos;
    }

    @Override
    @SuppressWarnings("ThreadPriorityCheck") // Yielding is what the option asks for.
    public long waitFor(long sequence, Sequence cursor, Sequence dependent, SequenceBarrier barrier)
            throws AlertException, TimeoutException {
        int spins = 0;
        long available;
        while ((available = dependent.get()) < sequence) {
            barrier.checkAlert();
            long remaining = bounded ? deadline - System.nanoTime() : Long.MAX_VALUE;
            if (remaining <= 0) {
                throw TimeoutException.INSTANCE;
            }
            if (wait == Wait.BUSY_SPIN || spins < SPINS) {
                spins++;
                Thread.onSpinWait();
            } else if (wait == Wait.YIELD) {
                Thread.yield();
            } else {
                sleep(sequence, dependent, barrier, remaining);
            }
        }
        return available;
    }

    private void sleep(long sequence, Sequence dependent, SequenceBarrier barrier, long nanos) {
        // An interrupt, which somebody's callback may have left behind, would end every sleep at once.
        Thread.interrupted();
        sleeper = Thread.currentThread();
        // Either this thread sees the producer's text, or the producer sees this thread: both write, fence and read.
        VarHandle.fullFence();
        if (dependent.get() < sequence && !barrier.isAlerted()) {
            if (nanos == Long.MAX_VALUE) {
                LockSupport.park(this);
            } else {
                LockSupport.parkNanos(this, nanos);
            }
        }
        sleeper = null;
    }

    @Override
    public void signalAllWhenBlocking() {
        if (wait != Wait.PARK) {
            return;
        }
        VarHandle.fullFence();
        Thread thread = sleeper;
        if (thread != null) {
            LockSupport.unpark(thread);
        }
    }
}
