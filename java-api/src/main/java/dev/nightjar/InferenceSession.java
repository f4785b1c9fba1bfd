package dev.nightjar;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.model.Activations;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import dev.nightjar.text.TokenBatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * Forward passes from token ids, one after the other, in buffers planned once. Sequences are added until the capacity is reached, run
 * together, and read off; the first {@link #add} after a {@link #run} starts over.
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
    private final Backend backend;
    private final DistilBert network;
    private final Ops ops;
    private final Workspace workspace;
    private final TokenBatch tokens;
    private final PackedBatch batch;
    private final Activations activations;
    private final HostBuffer probabilities;
    private final HostBuffer scores;
    private boolean ran;
    private boolean closed;

    InferenceSession(DistilBert network, int threads, int tokenCapacity, int sequenceCapacity) {
        this.network = network;
        this.backend = network.backend();
        Workspace plan = Workspace.planning();
        new PackedBatch(plan, tokenCapacity, sequenceCapacity);
        new Activations(plan, network.config(), tokenCapacity, sequenceCapacity, false);
        workspace = Workspace.allocate(backend::allocate, plan.used());
        batch = new PackedBatch(workspace, tokenCapacity, sequenceCapacity);
        activations = new Activations(workspace, network.config(), tokenCapacity, sequenceCapacity, false);
        probabilities = hostCopy(activations.probabilities());
        scores = hostCopy(activations.scores());
        tokens = new TokenBatch(tokenCapacity, sequenceCapacity);
        ops = backend.newOps(threads);
    }

    private static HostBuffer hostCopy(Tensor tensor) {
        return tensor == null ? null : new HostBuffer(tensor.byteSize());
    }

    /** Whether a sequence of {@code length} tokens still fits beside those added since the last {@link #run}. */
    public boolean fits(int length) {
        return ran ? length <= batch.tokenCapacity() : tokens.fits(length);
    }

    /**
     * Adds a sequence.
     *
     * @param tokenIds with special tokens, each in the vocabulary, at most as many as the model has positions
     * @return the sequence's row in the results
     * @throws IllegalArgumentException naming the token, if an id or the length is out of range, or if it does not fit
     */
    public int add(int... tokenIds) {
        DistilBertConfig config = network.config();
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
        batch.load(backend, tokens);
        network.predict(ops, batch, activations);
        if (probabilities != null) {
            backend.download(activations.probabilities(), probabilities.segment());
        }
        if (scores != null) {
            backend.download(activations.scores(), scores.segment());
        }
        ran = true;
    }

    /** Rows of the last {@link #run}. */
    public int rows() {
        return ran ? tokens.sequences() : 0;
    }

    /** Probability of a class for a row of the last {@link #run}. */
    public float probability(int row, int label) {
        return result(probabilities, row, label, network.config().classes(), "class");
    }

    /** Value of a regression target for a row of the last {@link #run}. */
    public float score(int row, int target) {
        return result(scores, row, target, network.config().scores(), "target");
    }

    private float result(HostBuffer results, int row, int column, int columns, String what) {
        Objects.checkIndex(row, rows());
        if (column < 0 || column >= columns) {
            throw new IndexOutOfBoundsException(what + " " + column + " is not in [0, " + columns + ")");
        }
        MemorySegment memory = results.segment();
        return memory.getAtIndex(ValueLayout.JAVA_FLOAT, (long) row * columns + column);
    }

    /** Frees the buffers; idempotent. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        ops.close();
        tokens.close();
        workspace.close();
        if (probabilities != null) {
            probabilities.close();
        }
        if (scores != null) {
            scores.close();
        }
    }
}
