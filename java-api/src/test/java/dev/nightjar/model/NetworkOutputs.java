package dev.nightjar.model;

import dev.nightjar.backend.InferenceOps;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.tensor.Float32Codec;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import dev.nightjar.text.TokenBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * What a model gives for a batch, brought to the host as float32; empty where it has no head.
 *
 * @param embeddings of the tokens, [T, D]
 * @param logits [B, classes]
 * @param probabilities [B, classes]
 * @param scores [B, targets]
 */
public record NetworkOutputs(float[] embeddings, float[] logits, float[] probabilities, float[] scores) {

    /** Runs a model, one operation after the other. */
    public static NetworkOutputs of(DistilBert model, InferenceOps ops, List<int[]> sequences) {
        int length = sequences.stream().mapToInt(ids -> ids.length).sum();
        Workspace plan = Workspace.planning();
        new PackedBatch(plan, length, sequences.size());
        Activations.forInference(plan, model.config(), length, sequences.size(), model.activationType());
        try (TokenBatch tokens = new TokenBatch(length, sequences.size());
                Workspace workspace = Workspace.allocate(model.backend()::allocate, plan.used())) {
            PackedBatch batch = new PackedBatch(workspace, length, sequences.size());
            Activations activations = Activations.forInference(workspace, model.config(), length, sequences.size(),
                    model.activationType());
            sequences.forEach(ids -> tokens.add(ids, 0));
            batch.load(model.backend(), tokens);
            model.predict(ops, batch, activations);
            return new NetworkOutputs(fetch(model, activations.layerOutput(model.config().layers() - 1)),
                    fetch(model, activations.logits()), fetch(model, activations.probabilities()),
                    fetch(model, activations.scores()));
        }
    }

    private static float[] fetch(DistilBert model, Tensor tensor) {
        if (tensor == null) {
            return new float[0];
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocate(tensor.byteSize(), Float.BYTES);
            MemorySegment values = arena.allocate(ValueLayout.JAVA_FLOAT, tensor.elements());
            model.backend().download(tensor, stored);
            Float32Codec.decode(tensor.dtype(), stored, values, tensor.elements());
            return values.toArray(ValueLayout.JAVA_FLOAT);
        }
    }
}
