package dev.nightjar.pipeline;

import java.lang.foreign.MemorySegment;

/** A text of the batch that is being filled or delivered. */
final class Row {
    /** {@link #modelRow} of a text that the model does not run. */
    static final int NOT_RUN = -1;

    /** Of a text that the model does not run. */
    final MemorySegment results;
    long id;
    long acceptedNanos;
    int modelRow;
    boolean truncated;
    boolean cached;
    Throwable failure;
    /** Where the answer is to be remembered; null if nowhere. */
    TextCache.Entry cacheEntry;

    Row(MemorySegment results) {
        this.results = results;
    }

    void set(Slot slot) {
        id = slot.id;
        acceptedNanos = slot.acceptedNanos;
        truncated = slot.truncated;
        modelRow = NOT_RUN;
        cached = false;
        failure = null;
        cacheEntry = null;
    }
}
