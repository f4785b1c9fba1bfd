package dev.nightjar.backend;

/**
 * Sizes that operations are recorded for: few, so that a recording soon serves every batch, and close enough that rows which are not there
 * cost little.
 */
public final class Buckets {
    /** Token counts from here on are multiples of it; below, powers of two. */
    private static final int LARGE_TOKENS = 512;
    private static final int SMALLEST_TOKENS = 16;

    private Buckets() {
    }

    /** The least size for so many tokens. */
    public static int tokens(int tokens) {
        return tokens > LARGE_TOKENS
                ? Math.ceilDiv(tokens, LARGE_TOKENS) * LARGE_TOKENS
                : Math.max(SMALLEST_TOKENS, powerOfTwo(tokens));
    }

    /**
     * The least size for so many sequences: powers of four, as a sequence of length 0 costs next to nothing.
     *
     * @param most there can be
     */
    public static int sequences(int sequences, int most) {
        int power = powerOfTwo(sequences);
        return Math.min(most, Integer.numberOfTrailingZeros(power) % 2 == 0 ? power : 2 * power);
    }

    /**
     * The least size for a longest sequence.
     *
     * @param most tokens of a sequence there can be
     */
    public static int length(int length, int most) {
        return Math.min(most, Math.max(SMALLEST_TOKENS, powerOfTwo(length)));
    }

    private static int powerOfTwo(int value) {
        return value == 1 ? 1 : Integer.highestOneBit(value - 1) << 1;
    }
}
