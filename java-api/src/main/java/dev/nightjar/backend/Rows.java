package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;

/** How many rows an operation works on; those of a {@link PackedBatch} change with it. */
public final class Rows {
    private final Tensor count;
    private int most;

    /**
     * @param most as {@link #most()}
     * @param count as {@link #count()}
     */
    public Rows(int most, Tensor count) {
        this.most = most;
        this.count = count;
    }

    /** As many as memory and grid are for; on backends that do not record, exactly those that are there. */
    public int most() {
        return most;
    }

    void most(int newMost) {
        most = newMost;
    }

    /** int32 of one element on the backend: the rows that are there, read where and when an operation runs. */
    public Tensor count() {
        return count;
    }
}
