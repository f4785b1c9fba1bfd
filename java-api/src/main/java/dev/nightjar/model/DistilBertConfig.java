package dev.nightjar.model;

import java.util.List;
import java.util.Objects;

/**
 * The shape of a DistilBERT with task heads, with the field meanings of Hugging Face's {@code config.json}.
 *
 * <p>LayerNorm's epsilon is 1e-12 and the activation the exact (erf) GELU in every DistilBERT; neither is configurable.
 *
 * @param vocabSize rows of the word embedding
 * @param maxPositions rows of the position embedding: the longest sequence
 * @param dim width of the residual stream
 * @param layers transformer blocks
 * @param heads attention heads; {@code dim} is a multiple of it
 * @param hiddenDim width of the feed-forward layer
 * @param sinusoidalPositions whether the position embedding is the fixed sinusoid (frozen in training)
 * @param padTokenId row of the word embedding that gets no gradient, or -1
 * @param labels class names in order of their index; empty for a model without classification head, else at least two
 * @param targets names of the regression targets; empty for a model without regression head
 * @param dropout probability after embeddings and feed-forward layers
 * @param attentionDropout probability on attention weights
 * @param headDropout probability before the heads ({@code seq_classif_dropout})
 * @param initializerRange standard deviation of newly initialised weights
 */
public record DistilBertConfig(int vocabSize, int maxPositions, int dim, int layers, int heads, int hiddenDim,
        boolean sinusoidalPositions, int padTokenId, List<String> labels, List<String> targets, float dropout,
        float attentionDropout, float headDropout, float initializerRange) {

    /** Epsilon of every LayerNorm. */
    public static final float LAYER_NORM_EPSILON = 1e-12f;

    public DistilBertConfig {
        labels = List.copyOf(labels);
        targets = List.copyOf(targets);
        positive("vocab_size", vocabSize);
        positive("max_position_embeddings", maxPositions);
        positive("dim", dim);
        positive("n_layers", layers);
        positive("n_heads", heads);
        positive("hidden_dim", hiddenDim);
        require(dim % heads == 0, "dim " + dim + " is not a multiple of n_heads " + heads);
        require(padTokenId >= -1 && padTokenId < vocabSize,
                "pad_token_id " + padTokenId + " is not in the vocabulary of " + vocabSize);
        require(labels.size() != 1, "one label: a classification head needs at least two classes");
        require(!labels.isEmpty() || !targets.isEmpty(),
                "neither labels nor regression targets: the model has no head");
        probability("dropout", dropout);
        probability("attention_dropout", attentionDropout);
        probability("seq_classif_dropout", headDropout);
        require(initializerRange > 0 && Float.isFinite(initializerRange),
                "initializer_range " + initializerRange + " is not positive");
    }

    public int headDim() {
        return dim / heads;
    }

    /** Number of classes; 0 without a classification head. */
    public int classes() {
        return labels.size();
    }

    /** Number of regression targets; 0 without a regression head. */
    public int scores() {
        return targets.size();
    }

    /** The same encoder with other heads. */
    public DistilBertConfig withHeads(List<String> newLabels, List<String> newTargets) {
        return new DistilBertConfig(vocabSize, maxPositions, dim, layers, heads, hiddenDim, sinusoidalPositions,
                padTokenId,
                newLabels, newTargets, dropout, attentionDropout, headDropout, initializerRange);
    }

    /** The same model with other dropout probabilities. */
    public DistilBertConfig withDropout(float newDropout, float newAttentionDropout, float newHeadDropout) {
        return new DistilBertConfig(vocabSize, maxPositions, dim, layers, heads, hiddenDim, sinusoidalPositions,
                padTokenId, labels,
                targets, newDropout, newAttentionDropout, newHeadDropout, initializerRange);
    }

    private static void positive(String field, int value) {
        require(value > 0, field + " " + value + " is not positive");
    }

    private static void probability(String field, float value) {
        require(value >= 0 && value < 1, field + " " + value + " is not in [0, 1)");
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(Objects.requireNonNull(message));
        }
    }
}
