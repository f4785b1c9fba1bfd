package dev.nightjar.pipeline;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * What came out for one text. One object that the pipeline fills again and again, so it means something only during the
 * call that brings it.
 */
public final class PipelineResult {
    private final int classes;
    private final int columns;
    private MemorySegment values;
    private long offset;
    private long id;
    private long acceptedNanos;
    private long forwardNanos;
    private int batchSize;
    private boolean truncated;
    private boolean cached;

    /** @param columns classes, and behind them regression targets */
    PipelineResult(int classes, int columns) {
        this.classes = classes;
        this.columns = columns;
    }

    void set(Row row, MemorySegment from, long at, long forward, int texts) {
        values = from;
        offset = at;
        id = row.id;
        acceptedNanos = row.acceptedNanos;
        truncated = row.truncated;
        cached = row.cached;
        forwardNanos = forward;
        batchSize = texts;
    }

    /** Copies the values too, to memory that this object keeps. */
    void copy(PipelineResult other) {
        if (values == null) {
            values = MemorySegment.ofArray(new float[columns]);
        }
        MemorySegment.copy(other.values, other.offset, values, 0, (long) columns * Float.BYTES);
        id = other.id;
        acceptedNanos = other.acceptedNanos;
        truncated = other.truncated;
        cached = other.cached;
        forwardNanos = other.forwardNanos;
        batchSize = other.batchSize;
    }

    /** What the producer called the text. */
    public long id() {
        return id;
    }

    /** Classes; 0 without classification head. */
    public int classes() {
        return classes;
    }

    /** Regression targets. */
    public int scores() {
        return columns - classes;
    }

    /** Probability of a class. */
    public float probability(int label) {
        return value(Objects.checkIndex(label, classes));
    }

    /** Value of a regression target. */
    public float score(int target) {
        return value(classes + Objects.checkIndex(target, columns - classes));
    }

    private float value(int column) {
        return values.get(ValueLayout.JAVA_FLOAT_UNALIGNED, offset + (long) column * Float.BYTES);
    }

    /** The most probable class, the first of equals; -1 without classification head. */
    public int label() {
        int best = -1;
        for (int c = 0; c < classes; c++) {
            if (best < 0 || value(c) > value(best)) {
                best = c;
            }
        }
        return best;
    }

    /** {@link System#nanoTime} when the producer called. */
    public long acceptedNanos() {
        return acceptedNanos;
    }

    /** What the model took for the batch the text was in; 0 if the text was in none. */
    public long forwardNanos() {
        return forwardNanos;
    }

    /** Texts of the batch. */
    public int batchSize() {
        return batchSize;
    }

    /** Whether the text was longer than the pipeline's limit and cut. */
    public boolean truncated() {
        return truncated;
    }

    /** Whether the answer was that of an identical text. */
    public boolean cached() {
        return cached;
    }
}
