package dev.nightjar.pipeline;

import dev.nightjar.ffi.ThreadAffinity;
import dev.nightjar.jfr.BatchEvent;
import dev.nightjar.jfr.DropEvent;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.LongAdder;

/**
 * The thread of a pipeline: takes texts from the ring, fills batches, runs them and delivers what came out. Everything
 * it needs for that is made before the first text.
 */
final class PipelineOwner implements Runnable {
    /** How far the pipeline is. */
    enum State {
        RUNNING, DRAINING, DISCARDING, ENDED
    }

    private final BatchModel model;
    private final PipelineOptions options;
    private final TextRing ring;
    private final PipelineCounters counters;
    private final ResultHandler handler;
    private final PipelineResult result;
    private final Row[] rows;
    private int rowCount;
    private int modelRows;
    private final MemorySegment modelResults;
    private final long resultBytes;
    private final TextCache cache;
    /** The text that did not fit into the batch before it. */
    private final Slot carried;
    private final long maxDelayNanos;
    private final long keepWarmNanos;
    private long lastPassNanos;
    private final BatchEvent event = new BatchEvent();
    private final CountDownLatch started = new CountDownLatch(1);
    private Throwable startFailure;
    private volatile State state = State.RUNNING;
    private volatile Throwable lastFailure;

    PipelineOwner(BatchModel model, int classes, PipelineOptions options, TextRing ring, PipelineCounters counters,
            ResultHandler handler, Arena arena) {
        this.model = model;
        this.options = options;
        this.ring = ring;
        this.counters = counters;
        this.handler = handler;
        int columns = model.columns();
        this.result = new PipelineResult(classes, columns);
        this.resultBytes = (long) columns * Float.BYTES;
        this.modelResults = arena.allocate(options.maxBatch() * resultBytes, Float.BYTES);
        this.rows = new Row[options.maxBatch()];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = new Row(arena.allocate(resultBytes, Float.BYTES));
        }
        this.cache = options.cacheEntries() == 0
                ? null
                : new TextCache(arena, InferencePipeline.powerOfTwo(options.cacheEntries()), options.maxTextBytes(),
                        columns);
        this.carried = new Slot(arena.allocate(options.maxTextBytes()), null);
        this.maxDelayNanos = options.maxDelay().toNanos();
        this.keepWarmNanos = options.keepWarm().toNanos();
    }

    State state() {
        return state;
    }

    Throwable lastFailure() {
        return lastFailure;
    }

    /** For other threads: the owner takes no more texts than there are. */
    synchronized void stop(boolean discard) {
        if (state == State.RUNNING || (discard && state == State.DRAINING)) {
            state = discard ? State.DISCARDING : State.DRAINING;
        }
        ring.stopWaiting();
    }

    /** For the thread that starts the pipeline: waits until texts can be taken, and gives what prevented it. */
    Throwable awaitStart() throws InterruptedException {
        started.await();
        return startFailure;
    }

    @Override
    public void run() {
        try {
            if (options.cpu() != PipelineOptions.ANY_CPU) {
                ThreadAffinity.pinCurrentThread(options.cpu());
            }
            if (options.warmUp()) {
                model.warmUp();
            }
            lastPassNanos = System.nanoTime();
        } catch (Throwable t) {
            startFailure = t;
            state = State.ENDED;
            return;
        } finally {
            started.countDown();
        }
        boolean more = true;
        while (more) {
            try {
                more = step();
            } catch (Throwable t) {
                lastFailure = t;
            }
        }
        synchronized (this) {
            state = State.ENDED;
        }
    }

    /** Does the next thing there is to do; false when there is nothing left and nothing can come. */
    private boolean step() {
        Slot slot = ring.take();
        if (slot != null) {
            boolean fits;
            try {
                fits = admit(slot);
            } finally {
                ring.release();
            }
            if (!fits) {
                runBatch(counters.closedByTokens, "tokens");
                addText(carried);
            }
            if (rowCount == rows.length) {
                runBatch(counters.closedBySize, "size");
            }
            return true;
        }
        State now = state;
        if (rowCount > 0) {
            if (now == State.DISCARDING) {
                discardBatch();
            } else if (now == State.DRAINING || maxDelayNanos == 0
                    || !ring.awaitUntil(rows[0].acceptedNanos + maxDelayNanos)) {
                runBatch(counters.closedByDeadline, "deadline");
            }
        } else if (now != State.RUNNING) {
            Thread.onSpinWait();
            return !ring.seal();
        } else if (keepWarmNanos == 0) {
            ring.await();
        } else if (!ring.awaitUntil(lastPassNanos + keepWarmNanos)) {
            keepWarm();
        }
        return true;
    }

    private void keepWarm() {
        try {
            model.keepWarm();
        } catch (Throwable t) {
            modelFailed(t);
        }
        counters.keepWarmPasses.increment();
        lastPassNanos = System.nanoTime();
    }

    /** Takes over what a slot holds; false if it is a text that does not fit, which is {@link #carried} then. */
    private boolean admit(Slot slot) {
        return switch (slot.kind) {
            case VOID -> true;
            case COMPUTED -> {
                Row row = nextRow(slot);
                row.failure = slot.failure;
                slot.failure = null;
                MemorySegment.copy(slot.results, 0, row.results, 0, resultBytes);
                addReady();
                yield true;
            }
            case TEXT -> {
                if (state == State.DISCARDING) {
                    drop(slot.id);
                    yield true;
                }
                boolean fits = addText(slot);
                if (!fits) {
                    carried.copy(slot);
                }
                yield fits;
            }
        };
    }

    private Row nextRow(Slot slot) {
        Row row = rows[rowCount];
        row.set(slot);
        return row;
    }

    /** False if the text does not fit into the batch. */
    private boolean addText(Slot slot) {
        Row row = nextRow(slot);
        if (cache != null && cache.lookUp(slot.text, slot.length, row.results)) {
            row.cached = true;
            counters.cacheHits.increment();
            addReady();
            return true;
        }
        try {
            if (!model.add(slot.text, slot.length)) {
                if (modelRows > 0) {
                    return false;
                }
                throw new IllegalArgumentException(
                        "the text of " + slot.length + " bytes does not fit into an empty batch");
            }
        } catch (Throwable t) {
            row.failure = t;
            addReady();
            return true;
        }
        row.modelRow = modelRows++;
        rowCount++;
        if (cache != null) {
            row.cacheEntry = cache.reserve(slot.text, slot.length, row);
        }
        return true;
    }

    /** Keeps the row for its turn, which is now if no row before it waits for the model. */
    private void addReady() {
        rowCount++;
        if (modelRows == 0) {
            deliverRows(0, 0);
        }
    }

    private void runBatch(LongAdder closedBy, String reason) {
        int run = modelRows;
        event.begin();
        long begin = System.nanoTime();
        Throwable failure = null;
        try {
            model.run(modelResults);
        } catch (Throwable t) {
            failure = t;
            modelFailed(t);
        }
        lastPassNanos = System.nanoTime();
        long forward = lastPassNanos - begin;
        closedBy.increment();
        int texts = rowCount;
        long queued = begin - rows[0].acceptedNanos;
        for (int i = 0; i < texts; i++) {
            Row row = rows[i];
            if (row.modelRow != Row.NOT_RUN) {
                row.failure = failure;
                if (row.cacheEntry != null && failure == null) {
                    row.cacheEntry.answer(row, modelResults, row.modelRow * resultBytes);
                }
            }
        }
        deliverRows(forward, run);
        event.end();
        if (event.shouldCommit()) {
            event.texts = texts;
            event.textsRun = run;
            event.closedBy = reason;
            event.queued = queued;
            event.forward = forward;
            event.commit();
        }
    }

    private void modelFailed(Throwable failure) {
        counters.modelFailures.increment();
        lastFailure = failure;
        try {
            model.clear();
        } catch (Throwable t) {
            failure.addSuppressed(t);
        }
    }

    private void deliverRows(long forward, int run) {
        int texts = rowCount;
        rowCount = 0;
        modelRows = 0;
        for (int i = 0; i < texts; i++) {
            deliver(rows[i], forward, run);
        }
    }

    private void deliver(Row row, long forward, int run) {
        Throwable failure = row.failure;
        row.failure = null;
        try {
            if (failure != null) {
                counters.failed.increment();
                handler.failed(row.id, failure);
            } else if (row.modelRow == Row.NOT_RUN) {
                result.set(row, row.results, 0, 0, 0);
                handler.answered(result);
            } else {
                result.set(row, modelResults, row.modelRow * resultBytes, forward, run);
                handler.answered(result);
            }
        } catch (ResultRing.AbandonedException e) {
            drop(row.id);
            return;
        } catch (Throwable t) {
            handlerFailed(t);
        }
        counters.answered.increment();
    }

    private void discardBatch() {
        model.clear();
        int texts = rowCount;
        rowCount = 0;
        modelRows = 0;
        for (int i = 0; i < texts; i++) {
            rows[i].failure = null;
            drop(rows[i].id);
        }
    }

    private void drop(long id) {
        dropped(id, "discarded");
    }

    /** For every thread: counts a text that was given up, and tells the handler. */
    void dropped(long id, String reason) {
        counters.dropped.increment();
        DropEvent.commit(id, reason);
        try {
            handler.dropped(id);
        } catch (Throwable t) {
            handlerFailed(t);
        }
    }

    private void handlerFailed(Throwable failure) {
        counters.handlerFailures.increment();
        lastFailure = failure;
    }
}
