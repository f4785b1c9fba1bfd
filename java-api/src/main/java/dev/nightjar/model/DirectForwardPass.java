package dev.nightjar.model;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.FirstTokenOps;
import dev.nightjar.backend.InferenceOps;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import dev.nightjar.text.TokenBatch;
import java.lang.foreign.ValueLayout;

/** A forward pass that calls one operation after the other. */
final class DirectForwardPass extends ForwardPass {
    private final DistilBert model;
    private final Backend backend;
    private final InferenceOps ops;
    private final Workspace workspace;
    private final PackedBatch batch;
    /** What is left of the batch when only first tokens go on. */
    private final PackedBatch singles;
    private final Activations activations;
    private final HostBuffer probabilities;
    private final HostBuffer scores;
    private boolean closed;

    DirectForwardPass(DistilBert model, InferenceOps ops, int tokenCapacity, int sequenceCapacity) {
        this.model = model;
        this.backend = model.backend();
        this.ops = ops;
        Workspace plan = Workspace.planning();
        new PackedBatch(plan, tokenCapacity, sequenceCapacity);
        new PackedBatch(plan, sequenceCapacity, sequenceCapacity);
        Activations.forInference(plan, model.config(), tokenCapacity, sequenceCapacity, model.activationType());
        workspace = Workspace.allocate(backend::allocate, plan.used());
        batch = new PackedBatch(workspace, tokenCapacity, sequenceCapacity);
        singles = new PackedBatch(workspace, sequenceCapacity, sequenceCapacity);
        activations = Activations.forInference(workspace, model.config(), tokenCapacity, sequenceCapacity,
                model.activationType());
        probabilities = hostCopy(activations.probabilities());
        scores = hostCopy(activations.scores());
    }

    private static HostBuffer hostCopy(Tensor tensor) {
        return tensor == null ? null : new HostBuffer(tensor.byteSize());
    }

    @Override
    public void run(TokenBatch tokens) {
        batch.load(backend, tokens);
        if (ops instanceof FirstTokenOps firstTokenOps) {
            singles.loadSingles(tokens.sequences());
            model.predict(firstTokenOps, batch, singles, activations);
        } else {
            model.predict(ops, batch, activations);
        }
        if (probabilities != null) {
            backend.download(activations.probabilities(), probabilities.segment());
        }
        if (scores != null) {
            backend.download(activations.scores(), scores.segment());
        }
    }

    @Override
    public float probability(int sequence, int label) {
        return probabilities.segment().getAtIndex(ValueLayout.JAVA_FLOAT,
                (long) sequence * model.config().classes() + label);
    }

    @Override
    public float score(int sequence, int target) {
        return scores.segment().getAtIndex(ValueLayout.JAVA_FLOAT, (long) sequence * model.config().scores() + target);
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        ops.close();
        workspace.close();
        if (probabilities != null) {
            probabilities.close();
        }
        if (scores != null) {
            scores.close();
        }
    }
}
