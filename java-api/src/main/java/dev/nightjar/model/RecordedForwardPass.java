package dev.nightjar.model;

import dev.nightjar.backend.Buckets;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.RecordingOps;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import dev.nightjar.text.TokenBatch;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * A forward pass whose operations, with one copy in before and one copy out after them, were recorded for a few sizes
 * of batch. A batch runs in the smallest recording that holds it; a recording is made when a batch first needs it.
 *
 * <p>What a recording depends on besides its size, which is weights and buffers, is the same as long as the pass lives.
 */
final class RecordedForwardPass extends ForwardPass {
    /** The operations for batches up to the bounds of {@code batch}. */
    private record Size(PackedBatch batch, RecordingOps.Recording recording) {
        boolean is(int tokens, int sequences, int maxLength) {
            return batch.tokens() == tokens && batch.sequences() == sequences && batch.maxLength() == maxLength;
        }
    }

    private final DistilBert model;
    private final RecordingOps ops;
    private final int tokenCapacity;
    private final int sequenceCapacity;
    private final Workspace workspace;
    private final Activations activations;
    private final Tensor results;
    private final HostBuffer hostInputs;
    private final HostBuffer hostResults;
    private final List<Size> sizes = new ArrayList<>();
    private boolean closed;

    RecordedForwardPass(DistilBert model, RecordingOps ops, int tokenCapacity, int sequenceCapacity) {
        this.model = model;
        this.ops = ops;
        this.tokenCapacity = Buckets.tokens(tokenCapacity);
        this.sequenceCapacity = sequenceCapacity;
        Workspace plan = Workspace.planning();
        plan(plan);
        this.workspace = Workspace.allocate(model.backend()::allocate, plan.used());
        try {
            this.activations = plan(workspace);
            this.results = results();
            this.hostInputs = ops
                    .allocateHost(batch(this.tokenCapacity, sequenceCapacity, 1).inferenceInputs().byteSize());
            this.hostResults = ops.allocateHost(results.byteSize());
        } catch (RuntimeException | Error e) {
            workspace.close();
            throw e;
        }
    }

    private Activations plan(Workspace from) {
        new PackedBatch(from, tokenCapacity, sequenceCapacity);
        return Activations.forInference(from, model.config(), tokenCapacity, sequenceCapacity, model.activationType());
    }

    /** All sizes share the memory at the start of the workspace. */
    private PackedBatch batch(int tokens, int sequences, int maxLength) {
        return PackedBatch.bounded(workspace.overlay(), tokens, sequences, maxLength);
    }

    /** Probabilities and scores, which are neighbours in memory, as bytes. */
    private Tensor results() {
        Tensor first = activations.probabilities() != null ? activations.probabilities() : activations.scores();
        Tensor last = activations.scores() != null ? activations.scores() : activations.probabilities();
        long bytes = last.byteOffset() + last.byteSize() - first.byteOffset();
        return Tensor.vector(first.buffer(), first.byteOffset(), DType.I8, Math.toIntExact(bytes));
    }

    @Override
    public void run(TokenBatch tokens) {
        if (tokens.tokens() > tokenCapacity || tokens.sequences() > sequenceCapacity) {
            throw new IllegalArgumentException("a batch of " + tokens.sequences() + " sequences and " + tokens.tokens()
                    + " tokens exceeds the capacity of " + sequenceCapacity + " and " + tokenCapacity);
        }
        Size size = size(Buckets.tokens(tokens.tokens()), Buckets.sequences(tokens.sequences(), sequenceCapacity),
                Buckets.length(tokens.maxLength(), model.config().maxPositions()));
        size.batch.stage(tokens, hostInputs.segment());
        size.recording.run();
        ops.await();
    }

    private Size size(int tokens, int sequences, int maxLength) {
        // Few, and by index: this is on the way of every prediction, and an iterator would be garbage.
        for (int i = 0; i < sizes.size(); i++) {
            if (sizes.get(i).is(tokens, sequences, maxLength)) {
                return sizes.get(i);
            }
        }
        PackedBatch batch = batch(tokens, sequences, maxLength);
        Tensor inputs = batch.inferenceInputs();
        Size size = new Size(batch, ops.record(() -> {
            ops.copyIn(hostInputs.segment().asSlice(0, inputs.byteSize()), inputs);
            model.predict(ops, batch, activations);
            ops.copyOut(results, hostResults.segment());
        }));
        sizes.add(size);
        return size;
    }

    @Override
    public float probability(int sequence, int label) {
        return result(activations.probabilities(), sequence, label);
    }

    @Override
    public float score(int sequence, int target) {
        return result(activations.scores(), sequence, target);
    }

    private float result(Tensor matrix, int row, int column) {
        long offset = matrix.byteOffset() - results.byteOffset();
        return hostResults.segment().get(ValueLayout.JAVA_FLOAT,
                offset + Float.BYTES * ((long) row * matrix.cols() + column));
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        sizes.forEach(size -> size.recording.close());
        ops.close();
        hostInputs.close();
        hostResults.close();
        workspace.close();
    }
}
