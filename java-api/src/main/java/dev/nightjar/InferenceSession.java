package dev.nightjar;

import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ForwardPass;
import dev.nightjar.text.TokenBatch;
import java.util.Objects;

/**
 * Forward passes from token ids, one after the other, in buffers planned once. Sequences are added until the capacity
 * is reached, run together, and read off; the first {@link #add} after a {@link #run} starts over.
 *
 * <pre>{@code
 * session.add(ids);
 * session.run();
 * float positive = session.probability(0, 2);
 * }</pre>
 *
 * <p>Not thread-safe; sessions of one model share its weights and run side by side. Close it before the model.
 */
public final class InferenceSession implements AutoCloseable {
    private final DistilBertConfig config;
    private final int tokenCapacity;
    private final ForwardPass pass;
    private final TokenBatch tokens;
    private boolean ran;
    private boolean closed;

    InferenceSession(DistilBert network, int threads, int tokenCapacity, int sequenceCapacity) {
        this.config = network.config();
        this.tokenCapacity = tokenCapacity;
        this.pass = ForwardPass.of(network, threads, tokenCapacity, sequenceCapacity);
        this.tokens = new TokenBatch(tokenCapacity, sequenceCapacity);
    }

    /** Whether a sequence of {@code length} tokens still fits beside those added since the last {@link #run}. */
    public boolean fits(int length) {
        return ran ? length <= tokenCapacity : tokens.fits(length);
    }

    /**
     * Adds a sequence.
     *
     * @param tokenIds with special tokens, each in the vocabulary, at most as many as the model has positions
     * @return the sequence's row in the results
     * @throws IllegalArgumentException naming the token, if an id or the length is out of range, or if it does not fit
     */
    public int add(int... tokenIds) {
        if (tokenIds.length > config.maxPositions()) {
            throw new IllegalArgumentException(
                    tokenIds.length + " tokens, but the model has " + config.maxPositions() + " positions");
        }
        for (int i = 0; i < tokenIds.length; i++) {
            if (tokenIds[i] < 0 || tokenIds[i] >= config.vocabSize()) {
                throw new IllegalArgumentException(
                        "token " + i + " has id " + tokenIds[i] + ", which is not in [0, " + config.vocabSize() + ")");
            }
        }
        if (ran) {
            clear();
        }
        int row = tokens.sequences();
        tokens.add(tokenIds, row);
        return row;
    }

    /** Forgets the sequences added so far and their results. */
    public void clear() {
        tokens.clear();
        ran = false;
    }

    /**
     * Runs the sequences that were added.
     *
     * @throws IllegalStateException if there are none, or the session is closed
     */
    public void run() {
        if (closed) {
            throw new IllegalStateException("the session is closed");
        }
        if (tokens.sequences() == 0 || ran) {
            throw new IllegalStateException("no sequence was added since the last run");
        }
        pass.run(tokens);
        ran = true;
    }

    /** Rows of the last {@link #run}. */
    public int rows() {
        return ran ? tokens.sequences() : 0;
    }

    /** Probability of a class for a row of the last {@link #run}. */
    public float probability(int row, int label) {
        check(row, label, config.classes(), "class");
        return pass.probability(row, label);
    }

    /** Value of a regression target for a row of the last {@link #run}. */
    public float score(int row, int target) {
        check(row, target, config.scores(), "target");
        return pass.score(row, target);
    }

    private void check(int row, int column, int columns, String what) {
        Objects.checkIndex(row, rows());
        if (column < 0 || column >= columns) {
            throw new IndexOutOfBoundsException(what + " " + column + " is not in [0, " + columns + ")");
        }
    }

    /** Frees the buffers; idempotent. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        pass.close();
        tokens.close();
    }
}
