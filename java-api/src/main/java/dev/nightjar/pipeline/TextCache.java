package dev.nightjar.pipeline;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Answers to texts by their bytes, in a table where each text has one place and the later of two wins. For one thread.
 */
final class TextCache {
    /** A text, and its answer once it is there. */
    static final class Entry {
        private final MemorySegment text;
        private final MemorySegment results;
        private long hash;
        private int length = -1;
        private Row pending;
        private boolean answered;

        private Entry(MemorySegment text, MemorySegment results) {
            this.text = text;
            this.results = results;
        }

        /** Keeps the answer, unless another text has taken the place. */
        void answer(Row row, MemorySegment from, long offset) {
            if (pending == row) {
                MemorySegment.copy(from, offset, results, 0, results.byteSize());
                answered = true;
                pending = null;
            }
        }
    }

    private final Entry[] entries;

    /** @param capacity a power of two */
    TextCache(Arena arena, int capacity, int maxTextBytes, int columns) {
        long resultBytes = (long) columns * Float.BYTES;
        MemorySegment texts = arena.allocate((long) capacity * maxTextBytes, Long.BYTES);
        MemorySegment results = arena.allocate(capacity * resultBytes, Float.BYTES);
        entries = new Entry[capacity];
        for (int i = 0; i < capacity; i++) {
            entries[i] = new Entry(texts.asSlice((long) i * maxTextBytes, maxTextBytes),
                    results.asSlice(i * resultBytes, resultBytes));
        }
    }

    /** Writes the answer to an identical text, if it is known. */
    boolean lookUp(MemorySegment utf8, int length, MemorySegment results) {
        long hash = hash(utf8, length);
        Entry entry = entry(hash);
        if (!entry.answered || entry.hash != hash || entry.length != length
                || MemorySegment.mismatch(utf8, 0, length, entry.text, 0, length) >= 0) {
            return false;
        }
        MemorySegment.copy(entry.results, 0, results, 0, entry.results.byteSize());
        return true;
    }

    /** A place for the answer to a text, which {@code row} will bring. */
    Entry reserve(MemorySegment utf8, int length, Row row) {
        long hash = hash(utf8, length);
        Entry entry = entry(hash);
        entry.answered = false;
        entry.pending = row;
        entry.hash = hash;
        entry.length = length;
        MemorySegment.copy(utf8, 0, entry.text, 0, length);
        return entry;
    }

    private Entry entry(long hash) {
        return entries[(int) (hash >>> 32) & (entries.length - 1)];
    }

    /** A multiplication and a shift for every eight bytes; the multiplier is that of SplitMix64. */
    private static long hash(MemorySegment utf8, int length) {
        long hash = length;
        int i = 0;
        for (; i + Long.BYTES <= length; i += Long.BYTES) {
            hash = mix(hash ^ utf8.get(ValueLayout.JAVA_LONG_UNALIGNED, i));
        }
        long rest = 0;
        for (; i < length; i++) {
            rest = rest << Byte.SIZE | (utf8.get(ValueLayout.JAVA_BYTE, i) & 0xFF);
        }
        return mix(hash ^ rest);
    }

    private static long mix(long bits) {
        long product = bits * 0xBF58476D1CE4E5B9L;
        return product ^ product >>> 31;
    }
}
