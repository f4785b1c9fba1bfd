package dev.nightjar.pipeline;

import dev.nightjar.NightjarException;
import dev.nightjar.SentimentModel;
import dev.nightjar.jfr.DropEvent;
import dev.nightjar.pipeline.PipelineOptions.LongTexts;
import dev.nightjar.pipeline.PipelineOptions.Overload;
import dev.nightjar.pipeline.PipelineOwner.State;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongConsumer;
import java.util.function.Supplier;

/**
 * Texts from many threads, answered in batches by one thread that owns a model's session. A batch is run when it has as
 * many texts or tokens as the options allow, or when none has come for as long as they allow, whichever is first;
 * answers go to a {@link ResultHandler} or a {@link ResultRing}, in the order in which each producer brought its texts.
 *
 * <pre>{@code
 * PipelineOptions options = PipelineOptions.builder().maxBatch(16).build();
 * try (InferencePipeline pipeline = InferencePipeline.start(model, options, result -> use(result))) {
 *     pipeline.offer(id, utf8, length);
 * }
 * }</pre>
 *
 * <p>Thread-safe. In steady state neither producers nor the pipeline allocate anything for a text of bytes; answers
 * that fail, and JFR recordings of drops, do. The queue is an LMAX Disruptor (Thompson, Farley, Barker, Gee, Stewart:
 * Disruptor, 2011).
 */
public final class InferencePipeline implements AutoCloseable {
    private static final int SPINS = 100;
    private static final long PAUSE_NANOS = 20_000;
    private static final int REFUSED = -1;

    private final PipelineOptions options;
    private final TextRing ring;
    private final PipelineCounters counters = new PipelineCounters();
    private final PipelineOwner owner;
    private final Thread thread;
    private final LongConsumer droppedOldest;
    private final CallerRuns callerRuns;

    private InferencePipeline(Supplier<? extends BatchModel> models, int classes, PipelineOptions options,
            ResultHandler handler) {
        this.options = options;
        BatchModel model = models.get();
        Arena arena = Arena.ofShared();
        try {
            int columns = model.columns();
            int capacity = powerOfTwo(options.capacity());
            boolean computing = options.overload() == Overload.CALLER_RUNS;
            MemorySegment texts = arena.allocate((long) capacity * options.maxTextBytes(), Long.BYTES);
            long resultBytes = (long) columns * Float.BYTES;
            int[] slots = {0};
            this.ring = new TextRing(capacity, options.waitStrategy(),
                    () -> new Slot(texts.asSlice((long) slots[0]++ * options.maxTextBytes(), options.maxTextBytes()),
                            computing ? arena.allocate(resultBytes, Float.BYTES) : null));
            this.owner = new PipelineOwner(model, classes, options, ring, counters, handler, arena);
            if (handler instanceof ResultRing results) {
                results.attach(classes, columns, () -> owner.state() == State.DISCARDING);
            }
            this.callerRuns = computing ? new CallerRuns(models.get()) : null;
        } catch (Throwable t) {
            arena.close();
            model.close();
            throw t;
        }
        this.droppedOldest = id -> owner.dropped(id, "oldest");
        this.thread = Thread.ofPlatform().daemon().name("nightjar-pipeline").unstarted(() -> {
            owner.run();
            model.close();
            if (callerRuns != null) {
                callerRuns.close();
            }
            arena.close();
        });
    }

    /**
     * Starts a pipeline on a model, with sessions of its own; when this returns, the model is warm and texts are taken.
     *
     * @param model to be closed after the pipeline
     * @param handler gets the answers; a {@link ResultRing} carries them to another thread
     * @throws dev.nightjar.UnavailableException if the thread cannot be kept on the processor that the options name
     */
    public static InferencePipeline start(SentimentModel model, PipelineOptions options, ResultHandler handler) {
        return start(() -> new SessionModel(model.newSession()), model.labels().size(), options, handler);
    }

    /**
     * Starts a pipeline on anything that answers texts.
     *
     * @param models makes one for the pipeline's thread, and for {@link Overload#CALLER_RUNS} another for producers;
     *         the pipeline closes them
     * @param classes how many of a text's results are probabilities
     */
    public static InferencePipeline start(Supplier<? extends BatchModel> models, int classes, PipelineOptions options,
            ResultHandler handler) {
        InferencePipeline pipeline = new InferencePipeline(models, classes, options, handler);
        pipeline.thread.start();
        Throwable failure;
        try {
            failure = pipeline.owner.awaitStart();
        } catch (InterruptedException e) {
            pipeline.closeNow();
            Thread.currentThread().interrupt();
            throw new NightjarException("interrupted while the pipeline started", e);
        }
        rethrow(failure);
        return pipeline;
    }

    /** Throws what another thread or an inner call threw; nothing if that is null. */
    static void rethrow(Throwable failure) {
        if (failure instanceof Error e) {
            throw e;
        }
        if (failure instanceof RuntimeException e) {
            throw e;
        }
        if (failure != null) {
            throw new NightjarException("unexpected " + failure, failure);
        }
    }

    /** The least power of two that is not below {@code n}. */
    static int powerOfTwo(int n) {
        return n == 1 ? 1 : Integer.highestOneBit(n - 1) << 1;
    }

    /**
     * Brings a text if there is room for it, and otherwise does what the overload policy says; never waits under
     * {@link Overload#REJECT_NEW} and {@link Overload#DROP_OLDEST}.
     *
     * @param id what the answer will be known by; any number
     * @param utf8 the text, at the segment's beginning, copied before this returns
     * @param length bytes of the text
     * @return whether the text was accepted, so that it will be answered, fail, or be dropped and counted
     * @throws IndexOutOfBoundsException if the segment is shorter
     */
    public boolean offer(long id, MemorySegment utf8, int length) {
        int kept = begin(id, utf8, length);
        if (kept == REFUSED) {
            return false;
        }
        long nanos = System.nanoTime();
        long sequence = ring.tryClaim();
        while (sequence == TextRing.FULL) {
            if (closing()) {
                return rejectClosed(id);
            }
            switch (options.overload()) {
                case REJECT_NEW -> {
                    return rejectFull(id);
                }
                case DROP_OLDEST -> ring.dropOldest(droppedOldest);
                case CALLER_RUNS -> {
                    return callerRuns.run(id, utf8, kept, kept < length, nanos);
                }
            }
            sequence = ring.tryClaim();
        }
        write(sequence, id, utf8, kept, kept < length, nanos);
        return true;
    }

    /** As {@link #offer(long, MemorySegment, int)}, for callers who may allocate. */
    public boolean offer(long id, String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return offer(id, MemorySegment.ofArray(utf8), utf8.length);
    }

    /**
     * Brings a text, and waits for room where there is none, whatever the overload policy says.
     *
     * @return whether the text was accepted; false if it is too long, or the pipeline is closing, or the pipeline's own
     *         thread called and the queue is full
     * @throws InterruptedException if interrupted while waiting; then the text was not accepted
     * @throws IndexOutOfBoundsException if the segment is shorter
     */
    public boolean publish(long id, MemorySegment utf8, int length) throws InterruptedException {
        int kept = begin(id, utf8, length);
        if (kept == REFUSED) {
            return false;
        }
        long nanos = System.nanoTime();
        long sequence = ring.tryClaim();
        for (int spins = 0; sequence == TextRing.FULL; spins++) {
            if (closing()) {
                return rejectClosed(id);
            }
            if (onOwnThread()) {
                return rejectFull(id);
            }
            if (Thread.interrupted()) {
                counters.rejectedInterrupted.increment();
                throw new InterruptedException("interrupted while waiting for room");
            }
            pause(spins);
            sequence = ring.tryClaim();
        }
        write(sequence, id, utf8, kept, kept < length, nanos);
        return true;
    }

    /** As {@link #publish(long, MemorySegment, int)}, for callers who may allocate. */
    public boolean publish(long id, String text) throws InterruptedException {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return publish(id, MemorySegment.ofArray(utf8), utf8.length);
    }

    /** Counts a text; gives the bytes to keep of it, or {@link #REFUSED}. */
    private int begin(long id, MemorySegment utf8, int length) {
        if (length < 0 || length > utf8.byteSize()) {
            throw new IndexOutOfBoundsException("a text of " + length + " bytes in a segment of " + utf8.byteSize());
        }
        counters.offered.increment();
        if (closing()) {
            rejectClosed(id);
            return REFUSED;
        }
        if (length <= options.maxTextBytes()) {
            return length;
        }
        if (options.longTexts() == LongTexts.REJECT) {
            counters.rejectedLong.increment();
            DropEvent.commit(id, "long");
            return REFUSED;
        }
        counters.truncated.increment();
        return options.maxTextBytes();
    }

    private void write(long sequence, long id, MemorySegment utf8, int length, boolean truncated, long nanos) {
        Slot slot = ring.slot(sequence);
        // Whatever happens now, nobody would get past a slot that is not published.
        slot.kind = Slot.Kind.VOID;
        try {
            slot.set(id, nanos, truncated);
            slot.setText(utf8, length);
        } finally {
            if (slot.kind == Slot.Kind.VOID) {
                counters.rejectedInterrupted.increment();
            }
            ring.publish(sequence);
        }
    }

    private boolean onOwnThread() {
        return Thread.currentThread().equals(thread);
    }

    private boolean closing() {
        return owner.state() != State.RUNNING;
    }

    private boolean rejectClosed(long id) {
        counters.rejectedClosed.increment();
        DropEvent.commit(id, "closed");
        return false;
    }

    private boolean rejectFull(long id) {
        counters.rejectedFull.increment();
        DropEvent.commit(id, "full");
        return false;
    }

    private static void pause(int spins) {
        if (spins < SPINS) {
            Thread.onSpinWait();
        } else {
            LockSupport.parkNanos(PAUSE_NANOS);
        }
    }

    /** Counters, and how many texts wait. */
    public PipelineMetrics metrics() {
        return counters.snapshot(closing() ? 0 : ring.waiting());
    }

    /** What the model, for a whole batch, or the result handler threw last; null if nothing. */
    public Throwable lastFailure() {
        return owner.lastFailure();
    }

    /**
     * Takes no more texts, answers those it has, and ends; idempotent. From within the result handler it returns at
     * once, and the rest follows. A thread that is interrupted here waits for no more answers than the running batch's.
     */
    @Override
    public void close() {
        close(false);
    }

    /**
     * As {@link #close()}, but what is not answered within a time is dropped and counted.
     *
     * @return whether everything was answered
     */
    public boolean close(Duration patience) {
        owner.stop(false);
        if (onOwnThread()) {
            return true;
        }
        boolean drained = false;
        try {
            drained = thread.join(patience);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (!drained) {
            closeNow();
        }
        return drained;
    }

    /** Takes no more texts, drops those that are not being run, counts them, and ends; idempotent. */
    public void closeNow() {
        close(true);
    }

    private void close(boolean discard) {
        owner.stop(discard);
        if (onOwnThread()) {
            return;
        }
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
                owner.stop(true);
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** The model that producers run for themselves when the queue is full, one at a time. */
    private final class CallerRuns {
        private final BatchModel model;
        private final Arena arena = Arena.ofShared();
        private final MemorySegment results;

        private CallerRuns(BatchModel model) {
            this.model = model;
            this.results = arena.allocate((long) model.columns() * Float.BYTES, Float.BYTES);
        }

        /** Runs a text and queues its answer behind the producer's other texts. */
        private synchronized boolean run(long id, MemorySegment utf8, int length, boolean truncated, long nanos) {
            if (onOwnThread()) {
                // It would wait for itself.
                return rejectFull(id);
            }
            if (closing()) {
                return rejectClosed(id);
            }
            Throwable failure = null;
            try {
                model.clear();
                if (!model.add(utf8, length)) {
                    throw new IllegalArgumentException("the text of " + length + " bytes does not fit into a batch");
                }
                model.run(results);
            } catch (Throwable t) {
                failure = t;
            }
            long sequence = ring.tryClaim();
            for (int spins = 0; sequence == TextRing.FULL; spins++) {
                if (closing()) {
                    return rejectClosed(id);
                }
                pause(spins);
                sequence = ring.tryClaim();
            }
            counters.callerRuns.increment();
            Slot slot = ring.slot(sequence);
            slot.set(id, nanos, truncated);
            slot.failure = failure;
            MemorySegment.copy(results, 0, slot.results, 0, results.byteSize());
            slot.kind = Slot.Kind.COMPUTED;
            ring.publish(sequence);
            return true;
        }

        private synchronized void close() {
            model.close();
            arena.close();
        }
    }
}
