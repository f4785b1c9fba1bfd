package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;

/**
 * Where and how strongly to drop: together with an element's place in its own sequence this names one word of a Philox4x32-10 stream
 * (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), so a mask depends neither on the backend, nor on the number
 * of threads, nor on which other sequences share the batch.
 *
 * <p>The key is {@code seed}; the counter of the element in column {@code c} of row {@code r} of a sequence with key {@code k} is
 * {@code (c / 4, r, k, step << 10 | site)} and the element takes word {@code c % 4}. For attention weights {@code c} is the key
 * position and {@code r} is {@code head << 16 | query position}; for one row per sequence {@code r} is 0. An element is kept when its
 * word, unsigned, is at least {@link #threshold()}, and then multiplied by {@link #scale()}.
 *
 * @param probability chance that an element is dropped, in [0, 1)
 * @param seed key of the stream
 * @param step int32 of one element: forward pass, counted from 0; the pattern repeats after 2^22. It is read where and when the operation
 *        runs, so that operations recorded once serve every step; null where nothing is dropped
 * @param site which dropout of the model, in [0, 1024)
 */
public record Dropout(float probability, long seed, Tensor step, int site) {
    /** Drops nothing. */
    public static final Dropout NONE = new Dropout(0, 0, null, 0);

    public Dropout {
        if (!(probability >= 0 && probability < 1)) {
            throw new IllegalArgumentException("dropout probability " + probability + " is not in [0, 1)");
        }
        if (site < 0 || site >= 1024) {
            throw new IllegalArgumentException("dropout site " + site + " is not in [0, 1024)");
        }
        if (probability > 0 && step == null) {
            throw new IllegalArgumentException("dropout without a step");
        }
    }

    /** Whether any element can be dropped. */
    public boolean active() {
        return probability > 0;
    }

    /** Words below this (unsigned) drop their element. */
    public int threshold() {
        return (int) Math.round(probability * 0x1p32);
    }

    /** What kept elements are multiplied by. */
    public float scale() {
        return 1 / (1 - probability);
    }

    /** The fourth word of the counter, for a step in host memory. */
    public int stream() {
        return step == null ? site : step.getInt(0) << 10 | site;
    }
}
