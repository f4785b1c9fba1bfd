package dev.nightjar.text;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Token ids of several sequences end to end in host memory, without padding, with the prefix sums of their lengths.
 * Sized once and refilled with {@link #clear} and {@link #add}. Not thread-safe.
 */
public final class TokenBatch implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final int tokenCapacity;
    private final int sequenceCapacity;
    private final MemorySegment ids;
    private final MemorySegment positions;
    private final MemorySegment tokenSequences;
    private final MemorySegment cuSeqlens;
    private final MemorySegment keys;
    private final MemorySegment counts;
    private int tokens;
    private int sequences;
    private int maxLength;

    /**
     * @param tokenCapacity most tokens of all sequences together
     * @param sequenceCapacity most sequences
     */
    public TokenBatch(int tokenCapacity, int sequenceCapacity) {
        if (tokenCapacity < 1 || sequenceCapacity < 1) {
            throw new IllegalArgumentException(
                    "capacity of " + tokenCapacity + " tokens and " + sequenceCapacity + " sequences");
        }
        this.tokenCapacity = tokenCapacity;
        this.sequenceCapacity = sequenceCapacity;
        this.ids = arena.allocate(ValueLayout.JAVA_INT, tokenCapacity);
        this.positions = arena.allocate(ValueLayout.JAVA_INT, tokenCapacity);
        this.tokenSequences = arena.allocate(ValueLayout.JAVA_INT, tokenCapacity);
        this.cuSeqlens = arena.allocate(ValueLayout.JAVA_INT, sequenceCapacity + 1L);
        this.keys = arena.allocate(ValueLayout.JAVA_INT, sequenceCapacity);
        this.counts = arena.allocate(ValueLayout.JAVA_INT, 2);
    }

    /** Removes every sequence. */
    public void clear() {
        tokens = 0;
        sequences = 0;
        maxLength = 0;
    }

    /** Whether a sequence of {@code length} tokens still fits. */
    public boolean fits(int length) {
        return sequences < sequenceCapacity && length <= tokenCapacity - tokens;
    }

    /**
     * Appends a sequence.
     *
     * @param tokenIds the sequence's ids, with its special tokens
     * @param key what dropout knows the sequence by: its row in the data set
     * @throws IllegalArgumentException if it is empty or does not fit
     */
    public void add(int[] tokenIds, int key) {
        add(tokenIds, tokenIds.length, key);
    }

    /** As {@link #add(int[], int)}, with the first {@code length} of {@code tokenIds}. */
    public void add(int[] tokenIds, int length, int key) {
        requireRoom(length);
        MemorySegment.copy(tokenIds, 0, ids, ValueLayout.JAVA_INT, 4L * tokens, length);
        append(length, key);
    }

    /** As {@link #add(int[], int)}, with the first {@code length} int32 of {@code tokenIds}. */
    public void add(MemorySegment tokenIds, int length, int key) {
        requireRoom(length);
        MemorySegment.copy(tokenIds, 0, ids, 4L * tokens, 4L * length);
        append(length, key);
    }

    private void requireRoom(int length) {
        if (length == 0) {
            throw new IllegalArgumentException("sequence " + sequences + " is empty");
        }
        if (!fits(length)) {
            throw new IllegalArgumentException(
                    "a sequence of " + length + " tokens does not fit beside " + sequences + " sequences of "
                            + tokens + " tokens in a batch for " + sequenceCapacity + " and " + tokenCapacity);
        }
    }

    private void append(int length, int key) {
        for (int i = 0; i < length; i++) {
            positions.setAtIndex(ValueLayout.JAVA_INT, tokens + i, i);
            tokenSequences.setAtIndex(ValueLayout.JAVA_INT, tokens + i, sequences);
        }
        keys.setAtIndex(ValueLayout.JAVA_INT, sequences, key);
        tokens += length;
        sequences++;
        counts.setAtIndex(ValueLayout.JAVA_INT, 0, tokens);
        counts.setAtIndex(ValueLayout.JAVA_INT, 1, sequences);
        cuSeqlens.setAtIndex(ValueLayout.JAVA_INT, sequences, tokens);
        maxLength = Math.max(maxLength, length);
    }

    public MemorySegment ids() {
        return ids;
    }

    /** Place of each token in its sequence. */
    public MemorySegment positions() {
        return positions;
    }

    /** Sequence of each token. */
    public MemorySegment tokenSequences() {
        return tokenSequences;
    }

    /** First token of each sequence, and at the end the number of tokens. */
    public MemorySegment cuSeqlens() {
        return cuSeqlens;
    }

    /** Key of each sequence. */
    public MemorySegment keys() {
        return keys;
    }

    /** {@link #tokens} and {@link #sequences} once more. */
    public MemorySegment counts() {
        return counts;
    }

    public int tokens() {
        return tokens;
    }

    public int sequences() {
        return sequences;
    }

    /** Tokens of the longest sequence. */
    public int maxLength() {
        return maxLength;
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
