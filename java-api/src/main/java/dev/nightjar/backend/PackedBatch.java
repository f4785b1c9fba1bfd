package dev.nightjar.backend;

import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import dev.nightjar.text.TokenBatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A {@link TokenBatch} in a backend's memory: all sequences end to end, without padding. Sized once for a capacity and
 * refilled; the tensors are as long as the capacity, and only their first {@link #tokens()} or {@link #sequences()}
 * elements mean anything.
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
    private final Tensor counts;
    private final Rows tokenRows;
    private final Rows sequenceRows;
    private int maxLength;

    /** Takes its tensors from {@code workspace}. */
    public PackedBatch(Workspace workspace, int tokenCapacity, int sequenceCapacity) {
        this.tokenCapacity = tokenCapacity;
        this.sequenceCapacity = sequenceCapacity;
        this.ids = workspace.vector(DType.I32, tokenCapacity);
        this.positions = workspace.vector(DType.I32, tokenCapacity);
        this.cuSeqlens = workspace.vector(DType.I32, sequenceCapacity + 1);
        this.tokenSequences = workspace.vector(DType.I32, tokenCapacity);
        this.keys = workspace.vector(DType.I32, sequenceCapacity);
        this.counts = workspace.vector(DType.I32, 2);
        this.tokenRows = new Rows(0, counts == null ? null : counts.slice(0, 1));
        this.sequenceRows = new Rows(0, counts == null ? null : counts.slice(1, 1));
    }

    /**
     * A batch for operations that are recorded before the content is known: {@link #tokens}, {@link #sequences} and
     * {@link #maxLength} are what it can hold, the number of tokens really there is the last of {@link #cuSeqlens}, and
     * sequences past the real ones have length 0. Its content comes by copying {@link #stage staged} memory to {@link
     * #inferenceInputs}.
     *
     * @param workspace unused so far
     */
    public static PackedBatch bounded(Workspace workspace, int tokens, int sequences, int maxLength) {
        PackedBatch batch = new PackedBatch(workspace, tokens, sequences);
        batch.bound(tokens, sequences, maxLength);
        return batch;
    }

    /** Replaces the bounds, within the capacity; the content, which is to fit them, comes by copying {@link #stageAll staged} memory. */
    public void bound(int newTokens, int newSequences, int newMaxLength) {
        tokenRows.most(newTokens);
        sequenceRows.most(newSequences);
        maxLength = newMaxLength;
    }

    /** The memory of {@link #ids}, {@link #positions} and {@link #cuSeqlens} as one vector of bytes. */
    public Tensor inferenceInputs() {
        long begin = ids.byteOffset();
        long end = cuSeqlens.byteOffset() + cuSeqlens.byteSize();
        return Tensor.vector(ids.buffer(), begin, DType.I8, Math.toIntExact(end - begin));
    }

    /** The memory of all tensors as one vector of bytes. */
    public Tensor inputs() {
        long begin = ids.byteOffset();
        long end = counts.byteOffset() + counts.byteSize();
        return Tensor.vector(ids.buffer(), begin, DType.I8, Math.toIntExact(end - begin));
    }

    /**
     * Writes what {@link #inputs} shall be for a batch within the bounds.
     *
     * @throws IllegalArgumentException if the batch exceeds a bound
     */
    public void stageAll(TokenBatch batch, MemorySegment memory) {
        stage(batch, memory);
        long begin = ids.byteOffset();
        MemorySegment.copy(batch.tokenSequences(), 0, memory, tokenSequences.byteOffset() - begin, 4L * batch.tokens());
        MemorySegment.copy(batch.keys(), 0, memory, keys.byteOffset() - begin, 4L * batch.sequences());
        MemorySegment.copy(batch.counts(), 0, memory, counts.byteOffset() - begin, batch.counts().byteSize());
    }

    /**
     * Writes what {@link #inferenceInputs} shall be for a batch within the bounds.
     *
     * @throws IllegalArgumentException if the batch exceeds a bound
     */
    public void stage(TokenBatch batch, MemorySegment memory) {
        requireCapacity(batch);
        if (batch.maxLength() > maxLength) {
            throw new IllegalArgumentException(
                    "a sequence of " + batch.maxLength() + " tokens exceeds the bound of " + maxLength);
        }
        long begin = ids.byteOffset();
        long sums = cuSeqlens.byteOffset() - begin;
        MemorySegment.copy(batch.ids(), 0, memory, 0, 4L * batch.tokens());
        MemorySegment.copy(batch.positions(), 0, memory, positions.byteOffset() - begin, 4L * batch.tokens());
        MemorySegment.copy(batch.cuSeqlens(), 0, memory, sums, 4L * (batch.sequences() + 1));
        for (int b = batch.sequences() + 1; b <= sequences(); b++) {
            memory.set(ValueLayout.JAVA_INT, sums + 4L * b, batch.tokens());
        }
    }

    /**
     * Replaces the content.
     *
     * @throws IllegalArgumentException if the batch is larger than the capacity
     */
    public void load(Backend backend, TokenBatch batch) {
        requireCapacity(batch);
        upload(backend, batch.ids(), ids, batch.tokens());
        upload(backend, batch.positions(), positions, batch.tokens());
        upload(backend, batch.tokenSequences(), tokenSequences, batch.tokens());
        upload(backend, batch.cuSeqlens(), cuSeqlens, batch.sequences() + 1);
        upload(backend, batch.keys(), keys, batch.sequences());
        upload(backend, batch.counts(), counts, 2);
        bound(batch.tokens(), batch.sequences(), batch.maxLength());
    }

    /**
     * Replaces the content, of a batch in host memory, by sequences of one token each, of which only the number means anything.
     *
     * @throws IllegalArgumentException if there are more than the capacity
     */
    public void loadSingles(int count) {
        if (count > tokenCapacity || count > sequenceCapacity) {
            throw new IllegalArgumentException("a batch of " + count + " single tokens exceeds the capacity of "
                    + sequenceCapacity + " sequences and " + tokenCapacity + " tokens");
        }
        for (int b = 0; b <= count; b++) {
            cuSeqlens.setInt(b, b);
        }
        counts.setInt(0, count);
        counts.setInt(1, count);
        bound(count, count, 1);
    }

    private void requireCapacity(TokenBatch batch) {
        if (batch.tokens() > tokenCapacity || batch.sequences() > sequenceCapacity) {
            throw new IllegalArgumentException("a batch of " + batch.sequences() + " sequences and " + batch.tokens()
                    + " tokens exceeds the capacity of " + sequenceCapacity + " and " + tokenCapacity);
        }
    }

    private static void upload(Backend backend, MemorySegment source, Tensor destination, int count) {
        if (destination.buffer() instanceof HostBuffer) {
            // No slices: predictions of host backends pass here.
            MemorySegment.copy(source, 0, destination.segment(), 0, 4L * count);
        } else {
            backend.upload(source.asSlice(0, 4L * count), destination.slice(0, count));
        }
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

    /** A row for every token. */
    public Rows tokenRows() {
        return tokenRows;
    }

    /** A row for every sequence. */
    public Rows sequenceRows() {
        return sequenceRows;
    }

    public int tokens() {
        return tokenRows.most();
    }

    public int sequences() {
        return sequenceRows.most();
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
