package dev.nightjar.backend.cpu;

import dev.nightjar.ffi.ThreadAffinity;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/**
 * The threads that share one operation: the caller and {@code threads - 1} daemons that wait for the next one, spinning for as long as
 * operations usually follow each other and then parked.
 *
 * <p>An operation is cut into chunks by its shape alone, never by the number of threads, and whoever is free takes the next chunk: so
 * results do not depend on the number of threads. One caller at a time.
 */
final class IntraOp implements AutoCloseable {
    /** Longer than the Java code between two operations, shorter than what parking and unparking cost. */
    private static final long SPIN_NANOS = 20_000;
    private static final int NO_CPU = -1;

    /** One chunk of an operation. */
    @FunctionalInterface
    interface Task {
        /**
         * Does the chunk's share.
         *
         * @param worker who runs it, in [0, threads): an index for scratch memory
         */
        void run(int chunk, int worker);
    }

    private final Worker[] workers;
    /** Number of the operation in the high half, chunks that nobody has taken in the low half. */
    private final AtomicLong state = new AtomicLong();
    /** Chunks that nobody has finished. */
    private final AtomicInteger pending = new AtomicInteger();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    // Written before and read after state, and constant while an operation has pending chunks.
    private Task task;
    private int chunks;
    private volatile Thread waiting;
    private volatile boolean closed;

    IntraOp(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads " + threads + " is less than 1");
        }
        workers = new Worker[threads - 1];
        for (int i = 0; i < workers.length; i++) {
            workers[i] = new Worker(i + 1);
            workers[i].start();
        }
    }

    int threads() {
        return workers.length + 1;
    }

    /** Runs chunks 0 to {@code count} - 1, each once, and returns when all have ended; rethrows what one of them threw. */
    void run(int count, Task body) {
        if (workers.length == 0 || count <= 1) {
            for (int chunk = 0; chunk < count; chunk++) {
                body.run(chunk, 0);
            }
            return;
        }
        if (closed) {
            throw new IllegalStateException("closed");
        }
        task = body;
        chunks = count;
        pending.set(count);
        state.set(((state.get() >>> 32) + 1) << 32 | count);
        for (int i = 0; i < Math.min(workers.length, count - 1); i++) {
            if (workers[i].parked) {
                LockSupport.unpark(workers[i]);
            }
        }
        work(0);
        await();
        task = null;
        rethrow();
    }

    /**
     * Keeps each worker on a processor; not while {@link #run} runs.
     *
     * @param cpus one for each worker, or empty for nothing to do
     * @throws dev.nightjar.UnavailableException if the system refuses; some workers may be kept then
     */
    void pin(List<Integer> cpus) {
        if (!cpus.isEmpty() && cpus.size() != workers.length) {
            throw new IllegalArgumentException("processors " + cpus + " for " + workers.length + " workers");
        }
        pending.set(cpus.size());
        for (int i = 0; i < cpus.size(); i++) {
            workers[i].wantedCpu = cpus.get(i);
            LockSupport.unpark(workers[i]);
        }
        await();
        rethrow();
    }

    private void rethrow() {
        Throwable thrown = failure.getAndSet(null);
        if (thrown instanceof Error error) {
            throw error;
        } else if (thrown instanceof RuntimeException exception) {
            throw exception;
        }
    }

    private void work(int worker) {
        while (true) {
            long seen = state.get();
            int left = (int) seen;
            if (left == 0) {
                return;
            }
            if (state.compareAndSet(seen, seen - 1)) {
                try {
                    task.run(chunks - left, worker);
                } catch (RuntimeException | Error e) {
                    failure.compareAndSet(null, e);
                } finally {
                    finish();
                }
            }
        }
    }

    private void finish() {
        if (pending.decrementAndGet() == 0) {
            LockSupport.unpark(waiting);
        }
    }

    private void await() {
        long deadline = System.nanoTime() + SPIN_NANOS;
        while (pending.get() != 0 && System.nanoTime() < deadline) {
            Thread.onSpinWait();
        }
        waiting = Thread.currentThread();
        while (pending.get() != 0) {
            LockSupport.park(this);
        }
        waiting = null;
    }

    private final class Worker extends Thread {
        private final int index;
        private volatile boolean parked;
        private volatile int wantedCpu = NO_CPU;

        Worker(int index) {
            super("nightjar-cpu-" + index);
            this.index = index;
            setDaemon(true);
        }

        @Override
        public void run() {
            while (!closed) {
                move();
                work(index);
                idle();
            }
        }

        /** To the processor that {@link #pin} wants. */
        private void move() {
            if (wantedCpu != NO_CPU) {
                try {
                    ThreadAffinity.pinCurrentThread(wantedCpu);
                } catch (RuntimeException | Error e) {
                    failure.compareAndSet(null, e);
                } finally {
                    wantedCpu = NO_CPU;
                    finish();
                }
            }
        }

        private void idle() {
            long deadline = System.nanoTime() + SPIN_NANOS;
            while (nothingToDo() && System.nanoTime() < deadline) {
                Thread.onSpinWait();
            }
            parked = true;
            while (nothingToDo()) {
                LockSupport.park(IntraOp.this);
            }
            parked = false;
        }

        private boolean nothingToDo() {
            return (int) state.get() == 0 && wantedCpu == NO_CPU && !closed;
        }
    }

    @Override
    public void close() {
        closed = true;
        for (Worker worker : workers) {
            LockSupport.unpark(worker);
        }
    }
}
