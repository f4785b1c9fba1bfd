package dev.nightjar.pipeline;

import java.lang.foreign.MemorySegment;

/** A place of the ring: what one producer brought. */
final class Slot {
    enum Kind {
        /** To be run. */
        TEXT,
        /** The producer ran it itself. */
        COMPUTED,
        /** The producer failed while writing. */
        VOID
    }

    final MemorySegment text;
    /** Of a computed text. */
    final MemorySegment results;
    Kind kind;
    long id;
    long acceptedNanos;
    int length;
    boolean truncated;
    /** Why a producer could not compute its text; null if it could. */
    Throwable failure;

    Slot(MemorySegment text, MemorySegment results) {
        this.text = text;
        this.results = results;
    }

    void set(long newId, long nanos, boolean cut) {
        id = newId;
        acceptedNanos = nanos;
        truncated = cut;
        failure = null;
    }

    void setText(MemorySegment utf8, int bytes) {
        MemorySegment.copy(utf8, 0, text, 0, bytes);
        length = bytes;
        kind = Kind.TEXT;
    }

    void copy(Slot other) {
        set(other.id, other.acceptedNanos, other.truncated);
        setText(other.text, other.length);
    }
}
