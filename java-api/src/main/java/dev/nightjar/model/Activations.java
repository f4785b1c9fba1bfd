package dev.nightjar.model;

import dev.nightjar.backend.Heads;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;

/**
 * Everything {@link DistilBert} writes on its way, for batches up to a capacity of T tokens and B sequences. For
 * inference all layers share one set of buffers and normalise in place; for training each layer keeps what its backward
 * pass reads, and there are buffers for gradients.
 */
public final class Activations {
    /**
     * One transformer block. Null in inference: logSumExp, both stats, preActivation.
     *
     * @param qkv [T, 3 D]
     * @param logSumExp [T, heads]
     * @param context [T, D], attention before its output projection
     * @param attentionSum [T, D], argument of the first normalisation
     * @param attentionOut [T, D]
     * @param preActivation [T, hidden]
     * @param hidden [T, hidden]
     * @param outputSum [T, D], argument of the second normalisation
     * @param out [T, D]
     */
    record Layer(Tensor qkv, Tensor logSumExp, Tensor context, Tensor attentionSum, Tensor attentionStats,
            Tensor attentionOut,
            Tensor preActivation, Tensor hidden, Tensor outputSum, Tensor outputStats, Tensor out) {
        /** The same buffers with another for what comes out. */
        Layer giving(Tensor otherOut) {
            return new Layer(qkv, logSumExp, context, attentionSum, attentionStats, attentionOut, preActivation, hidden,
                    outputSum, outputStats, otherOut);
        }
    }

    /** Gradients on their way down: two of [T, D], and of [T, 3 D], [T, hidden], [B, D]. */
    record Gradients(Tensor residual, Tensor branch, Tensor qkv, Tensor hidden, Tensor pooled, Tensor first,
            Tensor logits,
            Tensor scores) {
    }

    private final boolean recomputes;
    private final Tensor embeddingSum;
    private final Tensor embeddingStats;
    private final Tensor embeddings;
    private final List<Layer> layers = new ArrayList<>();
    private final Tensor first;
    private final Tensor pooledPreActivation;
    private final Tensor pooled;
    private final Tensor logits;
    private final Tensor probabilities;
    private final Tensor scores;
    private final Heads.Outputs headOutputs;
    private final Gradients gradients;

    /**
     * For predictions.
     *
     * @param workspace where the tensors are taken from
     * @param type of all tensors but logits, probabilities and scores, which are float32
     */
    public static Activations forInference(Workspace workspace, DistilBertConfig config, int tokens, int sequences,
            DType type) {
        return new Activations(workspace, config, tokens, sequences, type, false, false);
    }

    /**
     * For training.
     *
     * @param workspace where the tensors are taken from
     * @param type of all tensors but {@code stats}, {@code logSumExp}, logits, probabilities, scores and the gradients of those, which are
     *         float32
     * @param recomputes whether a block keeps only what it gave, and the backward pass computes the rest of it again
     */
    public static Activations forTraining(Workspace workspace, DistilBertConfig config, int tokens, int sequences,
            DType type, boolean recomputes) {
        return new Activations(workspace, config, tokens, sequences, type, true, recomputes);
    }

    private Activations(Workspace workspace, DistilBertConfig config, int tokens, int sequences, DType type,
            boolean training, boolean recomputes) {
        this.recomputes = recomputes;
        int dim = config.dim();
        int classes = config.classes();
        int targets = config.scores();
        embeddingSum = training ? workspace.matrix(type, tokens, dim) : null;
        embeddingStats = training ? workspace.matrix(DType.F32, tokens, 2) : null;
        embeddings = workspace.matrix(type, tokens, dim);
        for (int i = 0; i < config.layers(); i++) {
            if (training) {
                layers.add(i > 0 && recomputes
                        ? layers.getFirst().giving(workspace.matrix(type, tokens, dim))
                        : trainingLayer(workspace, config, tokens, type));
            } else {
                layers.add(i == 0 ? inferenceLayer(workspace, config, tokens, type, embeddings) : layers.getFirst());
            }
        }
        first = workspace.matrix(type, sequences, dim);
        pooledPreActivation = training ? workspace.matrix(type, sequences, dim) : null;
        pooled = workspace.matrix(type, sequences, dim);
        logits = classes == 0 ? null : workspace.matrix(DType.F32, sequences, classes);
        probabilities = classes == 0 ? null : workspace.matrix(DType.F32, sequences, classes);
        scores = targets == 0 ? null : workspace.matrix(DType.F32, sequences, targets);
        headOutputs = new Heads.Outputs(first, pooled, logits, probabilities, scores);
        gradients = training
                ? new Gradients(workspace.matrix(type, tokens, dim), workspace.matrix(type, tokens, dim),
                        workspace.matrix(type, tokens, 3 * dim), workspace.matrix(type, tokens, config.hiddenDim()),
                        workspace.matrix(type, sequences, dim), workspace.matrix(type, sequences, dim),
                        classes == 0 ? null : workspace.matrix(DType.F32, sequences, classes),
                        targets == 0 ? null : workspace.matrix(DType.F32, sequences, targets))
                : null;
    }

    private static Layer trainingLayer(Workspace workspace, DistilBertConfig config, int tokens, DType type) {
        int dim = config.dim();
        int hidden = config.hiddenDim();
        return new Layer(workspace.matrix(type, tokens, 3 * dim), workspace.matrix(DType.F32, tokens, config.heads()),
                workspace.matrix(type, tokens, dim), workspace.matrix(type, tokens, dim),
                workspace.matrix(DType.F32, tokens, 2), workspace.matrix(type, tokens, dim),
                workspace.matrix(type, tokens, hidden), workspace.matrix(type, tokens, hidden),
                workspace.matrix(type, tokens, dim), workspace.matrix(DType.F32, tokens, 2),
                workspace.matrix(type, tokens, dim));
    }

    private static Layer inferenceLayer(Workspace workspace, DistilBertConfig config, int tokens, DType type,
            Tensor stream) {
        int dim = config.dim();
        Tensor sum = workspace.matrix(type, tokens, dim);
        return new Layer(workspace.matrix(type, tokens, 3 * dim), null, workspace.matrix(type, tokens, dim),
                sum, null,
                stream, null, workspace.matrix(type, tokens, config.hiddenDim()), sum, null, stream);
    }

    /** Whether all blocks share what they keep besides what they gave. */
    boolean recomputes() {
        return recomputes;
    }

    Tensor embeddingSum() {
        return embeddingSum;
    }

    Tensor embeddingStats() {
        return embeddingStats;
    }

    /** [T, D], after normalisation and dropout. */
    public Tensor embeddings() {
        return embeddings;
    }

    Layer layer(int index) {
        return layers.get(index);
    }

    /** [T, D], what a block reads. */
    Tensor layerInput(int index) {
        return index == 0 ? embeddings : layers.get(index - 1).out();
    }

    /** [T, D], what a block gave; in inference that of the last block, whatever the index. */
    public Tensor layerOutput(int index) {
        return layers.get(index).out();
    }

    Tensor first() {
        return first;
    }

    Tensor pooledPreActivation() {
        return pooledPreActivation;
    }

    /** [B, D], what both heads read. */
    public Tensor pooled() {
        return pooled;
    }

    /** [B, classes], or null. */
    public Tensor logits() {
        return logits;
    }

    /** [B, classes], written by {@link DistilBert#predict}; or null. */
    public Tensor probabilities() {
        return probabilities;
    }

    /** [B, targets], or null. */
    public Tensor scores() {
        return scores;
    }

    Heads.Outputs headOutputs() {
        return headOutputs;
    }

    /** [B, classes], the loss's gradient that {@link DistilBert#backward} reads; or null. */
    public Tensor logitsGradient() {
        return gradients.logits();
    }

    /** [B, targets], the loss's gradient that {@link DistilBert#backward} reads; or null. */
    public Tensor scoresGradient() {
        return gradients.scores();
    }

    Gradients gradients() {
        if (gradients == null) {
            throw new IllegalStateException("these activations were planned for inference");
        }
        return gradients;
    }
}
