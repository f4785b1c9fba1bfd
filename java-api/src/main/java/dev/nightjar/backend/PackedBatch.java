package dev.nightjar.backend;

import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import dev.nightjar.text.TokenBatch;
import java.lang.foreign.MemorySegment;

/**
 * A {@link TokenBatch} in a backend's memory: all sequences end to end, without padding. Sized once for a capacity and refilled; the
 * tensors are as long as the capacity, and only their first {@link #tokens()} or {@link #sequences()} elements mean anything.
 *
 * <p>Not thread-safe.
 */
public final class PackedBatch {
    private final int tokenCapacity;
    private final int sequenceCapacity;
    private final Tensor ids;
    private final Tensor positions;
    private final Tensor tokenSequences;
    private final Tensor cuSeqlens;
    private final Tensor keys;
    private int tokens;
    private int sequences;
    private int maxLength;

    /** Takes its tensors from {@code workspace}. */
    public PackedBatch(Workspace workspace, int tokenCapacity, int sequenceCapacity) {
        this.tokenCapacity = tokenCapacity;
        this.sequenceCapacity = sequenceCapacity;
        this.ids = workspace.vector(DType.I32, tokenCapacity);
        this.positions = workspace.vector(DType.I32, tokenCapacity);
        this.tokenSequences = workspace.vector(DType.I32, tokenCapacity);
        this.cuSeqlens = workspace.vector(DType.I32, sequenceCapacity + 1);
        this.keys = workspace.vector(DType.I32, sequenceCapacity);
    }

    /**
     * Replaces the content.
     *
     * @throws IllegalArgumentException if the batch is larger than the capacity
     */
    public void load(Backend backend, TokenBatch batch) {
        if (batch.tokens() > tokenCapacity || batch.sequences() > sequenceCapacity) {
            throw new IllegalArgumentException("a batch of " + batch.sequences() + " sequences and " + batch.tokens()
                    + " tokens exceeds the capacity of " + sequenceCapacity + " and " + tokenCapacity);
        }
        upload(backend, batch.ids(), ids, batch.tokens());
        upload(backend, batch.positions(), positions, batch.tokens());
        upload(backend, batch.tokenSequences(), tokenSequences, batch.tokens());
        upload(backend, batch.cuSeqlens(), cuSeqlens, batch.sequences() + 1);
        upload(backend, batch.keys(), keys, batch.sequences());
        tokens = batch.tokens();
        sequences = batch.sequences();
        maxLength = batch.maxLength();
    }

    private static void upload(Backend backend, MemorySegment source, Tensor destination, int count) {
        backend.upload(source.asSlice(0, 4L * count), destination.slice(0, count));
    }

    /** Token ids, int32. */
    public Tensor ids() {
        return ids;
    }

    /** Place of each token in its sequence, int32. */
    public Tensor positions() {
        return positions;
    }

    /** Sequence of each token, int32. */
    public Tensor tokenSequences() {
        return tokenSequences;
    }

    /** First token of each sequence, and at the end the number of tokens; int32. */
    public Tensor cuSeqlens() {
        return cuSeqlens;
    }

    /** Key of each sequence for {@link Dropout}, int32. */
    public Tensor keys() {
        return keys;
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

    public int tokenCapacity() {
        return tokenCapacity;
    }

    public int sequenceCapacity() {
        return sequenceCapacity;
    }
}
