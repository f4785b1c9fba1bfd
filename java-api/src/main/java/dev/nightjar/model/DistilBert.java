package dev.nightjar.model;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Dropout;
import dev.nightjar.backend.FirstTokenOps;
import dev.nightjar.backend.Heads;
import dev.nightjar.backend.InferenceOps;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.Linear;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.Rows;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * DistilBERT (Sanh et al., 2019) with a classification head, a regression head or both on the first token, forward and
 * backward, written once against {@link InferenceOps} for predictions and {@link Ops} for training. It views parameters
 * that somebody else owns. Thread-safe as long as nobody writes those: everything that changes stands in {@link
 * Activations}.
 */
public final class DistilBert implements AutoCloseable {
    private record Block(Linear qkv, Linear attentionOut, LayerNorm attentionNorm, Linear lin1, Linear lin2,
            LayerNorm outputNorm) {
    }

    private final DistilBertConfig config;
    private final Parameters parameters;
    private final boolean constant;
    private final DType type;
    private final List<Weight> prepared = new ArrayList<>();
    private final Tensor words;
    private final Tensor positions;
    private final LayerNorm embeddingNorm;
    private final List<Block> blocks = new ArrayList<>();
    private final Linear preClassifier;
    private final Linear classifier;
    private final Linear regressor;
    private final Heads heads;

    /**
     * A model that computes in the parameters' type.
     *
     * @param constant whether the parameters never change from here on, so that the backend may keep copies in a better
     *        layout
     */
    public DistilBert(DistilBertConfig config, Parameters parameters, boolean constant) {
        this(config, parameters, constant, parameters.type());
    }

    /**
     * A model for predictions alone, whose parameters never change.
     *
     * @param type in which it computes: that of the parameters, or int8 with parameters in float32
     */
    public DistilBert(DistilBertConfig config, Parameters parameters, DType type) {
        this(config, parameters, true, type);
    }

    private DistilBert(DistilBertConfig config, Parameters parameters, boolean constant, DType type) {
        this.config = config;
        this.parameters = parameters;
        this.constant = constant;
        this.type = type;
        words = parameters.get("distilbert.embeddings.word_embeddings.weight");
        positions = parameters.get("distilbert.embeddings.position_embeddings.weight");
        embeddingNorm = parameters.norm("distilbert.embeddings.LayerNorm");
        for (int i = 0; i < config.layers(); i++) {
            blocks.add(block("distilbert.transformer.layer." + i + "."));
        }
        preClassifier = head("pre_classifier");
        classifier = config.classes() == 0 ? null : head("classifier");
        regressor = config.scores() == 0 ? null : head("regressor");
        heads = new Heads(preClassifier, classifier, regressor);
    }

    private Block block(String layer) {
        Linear qkv = new Linear(prepare(parameters.packedQkvWeight(layer + "attention."), type),
                parameters.packedQkvBias(layer + "attention."));
        return new Block(qkv, linear(layer + "attention.out_lin", type), parameters.norm(layer + "sa_layer_norm"),
                linear(layer + "ffn.lin1", type), linear(layer + "ffn.lin2", type),
                parameters.norm(layer + "output_layer_norm"));
    }

    /** The heads are a small part of the work, and the last to round. */
    private Linear head(String name) {
        return linear(name, activationType());
    }

    private Linear linear(String name, DType weightType) {
        return new Linear(prepare(parameters.get(name + ".weight"), weightType), parameters.get(name + ".bias"));
    }

    private Weight prepare(Tensor matrix, DType weightType) {
        Backend backend = parameters.backend();
        Weight weight = constant ? backend.prepareForInference(matrix, weightType) : backend.prepare(matrix, false);
        prepared.add(weight);
        return weight;
    }

    public DistilBertConfig config() {
        return config;
    }

    /** In which inference computes; see {@link Backend#inferenceTypes}. */
    public DType type() {
        return type;
    }

    /** Of the activations of inference. */
    public DType activationType() {
        return type == DType.I8 ? DType.BF16 : type;
    }

    public Backend backend() {
        return parameters.backend();
    }

    /** Weight of the classification head [classes, D] for {@link Ops#multiTaskLoss}, or null. */
    public Weight classifierWeight() {
        return classifier == null ? null : classifier.weight();
    }

    /** Weight of the regression head [targets, D] for {@link Ops#multiTaskLoss}, or null. */
    public Weight regressorWeight() {
        return regressor == null ? null : regressor.weight();
    }

    /**
     * Forward pass up to {@link Activations#probabilities()} and {@link Activations#scores()}, nothing kept for a
     * backward pass.
     */
    public void predict(InferenceOps ops, PackedBatch batch, Activations activations) {
        encode(ops, batch, activations);
        ops.heads(batch, activations.layerOutput(config.layers() - 1), heads, activations.headOutputs());
    }

    /**
     * As {@link #predict(InferenceOps, PackedBatch, Activations)}, but the last block gives the first tokens alone, in the first
     * rows of its output.
     *
     * @param singles as many sequences of one token as {@code batch} has sequences
     */
    void predict(FirstTokenOps ops, PackedBatch batch, PackedBatch singles, Activations activations) {
        int last = config.layers() - 1;
        encode(ops, batch, activations, last);
        Block block = blocks.get(last);
        Activations.Layer a = activations.layer(last);
        Tensor x = activations.layerInput(last);
        Tensor first = activations.first();
        ops.linear(batch, x, block.qkv, Activation.NONE, a.qkv());
        ops.firstTokenAttention(batch, config.heads(), a.qkv(), a.context());
        ops.firstTokenRows(batch, x, first);
        afterAttention(ops, singles, block, a, first);
        ops.heads(singles, a.out(), heads, activations.headOutputs());
    }

    /** Forward pass up to the last block's hidden states, nothing kept for a backward pass. */
    public void encode(InferenceOps ops, PackedBatch batch, Activations activations) {
        encode(ops, batch, activations, config.layers());
    }

    private void encode(InferenceOps ops, PackedBatch batch, Activations activations, int layers) {
        ops.embedding(batch, words, positions, embeddingNorm, activations.embeddings());
        for (int i = 0; i < layers; i++) {
            Block block = blocks.get(i);
            Activations.Layer a = activations.layer(i);
            Tensor x = activations.layerInput(i);
            ops.linear(batch, x, block.qkv, Activation.NONE, a.qkv());
            ops.attention(batch, config.heads(), a.qkv(), a.context());
            afterAttention(ops, batch, block, a, x);
        }
    }

    /** What in a block follows the attention; {@code x} is the residual. */
    private static void afterAttention(InferenceOps ops, PackedBatch batch, Block block, Activations.Layer a,
            Tensor x) {
        ops.linearResidualLayerNorm(batch, a.context(), block.attentionOut, x, block.attentionNorm, a.attentionSum(),
                a.attentionOut());
        ops.linear(batch, a.attentionOut(), block.lin1, Activation.GELU, a.hidden());
        ops.linearResidualLayerNorm(batch, a.hidden(), block.lin2, a.attentionOut(), block.outputNorm, a.outputSum(),
                a.out());
    }

    /** Forward pass of training up to {@link Activations#logits()} and {@link Activations#scores()}. */
    public void forward(Ops ops, PackedBatch batch, Activations activations, DropoutPlan dropout) {
        encode(ops, batch, activations, dropout);
        Rows rows = batch.sequenceRows();
        Tensor pooled = activations.pooled();
        ops.gatherFirst(batch, activations.layerOutput(config.layers() - 1), activations.first());
        apply(ops, rows, activations.first(), preClassifier, Activation.RELU, activations.pooledPreActivation(),
                pooled);
        if (dropout.heads().active()) {
            ops.dropout(batch, dropout.heads(), pooled);
        }
        if (classifier != null) {
            apply(ops, rows, pooled, classifier, Activation.NONE, null, activations.logits());
        }
        if (regressor != null) {
            apply(ops, rows, pooled, regressor, Activation.NONE, null, activations.scores());
        }
    }

    /** Forward pass of training up to the last block's hidden states. */
    public void encode(Ops ops, PackedBatch batch, Activations activations, DropoutPlan dropout) {
        ops.embedding(batch, words, positions, embeddingNorm, dropout.embeddings(), activations.embeddingSum(),
                activations.embeddingStats(), activations.embeddings());
        for (int i = 0; i < config.layers(); i++) {
            blockForward(ops, batch, i, activations, dropout);
        }
    }

    /** Writes everything that a block keeps, from what the one below it gave. */
    private void blockForward(Ops ops, PackedBatch batch, int index, Activations activations, DropoutPlan dropout) {
        Rows tokens = batch.tokenRows();
        Block block = blocks.get(index);
        Activations.Layer a = activations.layer(index);
        Tensor x = activations.layerInput(index);
        apply(ops, tokens, x, block.qkv, Activation.NONE, null, a.qkv());
        ops.attention(batch, config.heads(), a.qkv(), dropout.attention(index), a.logSumExp(), a.context());
        apply(ops, tokens, a.context(), block.attentionOut, Activation.NONE, null, a.attentionSum());
        ops.residualLayerNorm(batch, a.attentionSum(), x, block.attentionNorm, Dropout.NONE, a.attentionStats(),
                a.attentionOut());
        apply(ops, tokens, a.attentionOut(), block.lin1, Activation.GELU, a.preActivation(), a.hidden());
        apply(ops, tokens, a.hidden(), block.lin2, Activation.NONE, null, a.outputSum());
        ops.residualLayerNorm(batch, a.outputSum(), a.attentionOut(), block.outputNorm, dropout.feedForward(index),
                a.outputStats(), a.out());
    }

    private static void apply(Ops ops, Rows rows, Tensor x, Linear linear, Activation activation, Tensor preActivation,
            Tensor out) {
        ops.linear(rows, x, linear.weight(), linear.bias(), activation, preActivation, out);
    }

    /**
     * Adds the gradient of every trainable parameter to {@code gradients}, from {@link Activations#logitsGradient()}
     * and {@link Activations#scoresGradient()}. The activations of the forward pass stay as they are, so it may run
     * again with other gradients.
     *
     * @param activations of the forward pass with the same batch and dropout, planned for training
     * @param frozenLayers blocks, from the first, that get no gradient, with the embeddings below them; -1 trains the
     *         embeddings too
     */
    public void backward(Ops ops, PackedBatch batch, Activations activations, DropoutPlan dropout, int frozenLayers,
            DistilBertGradients gradients) {
        Activations.Gradients g = activations.gradients();
        headsBackward(ops, batch, activations, dropout, gradients);
        ops.scatterFirst(batch, g.first(), g.residual());
        for (int i = config.layers() - 1; i >= Math.max(frozenLayers, 0); i--) {
            if (activations.recomputes()) {
                blockForward(ops, batch, i, activations, dropout);
            }
            blockBackward(ops, batch, i, activations, dropout, i == frozenLayers, gradients.block(i));
        }
        if (frozenLayers < 0) {
            ops.embeddingBackward(batch, activations.embeddingSum(), activations.embeddingStats(), embeddingNorm,
                    dropout.embeddings(),
                    config.padTokenId(), g.residual(), gradients.words(),
                    config.sinusoidalPositions() ? null : gradients.positions(),
                    gradients.embeddingNorm());
        }
    }

    private void headsBackward(Ops ops, PackedBatch batch, Activations activations, DropoutPlan dropout,
            DistilBertGradients gradients) {
        Activations.Gradients g = activations.gradients();
        Rows rows = batch.sequenceRows();
        Tensor pooled = activations.pooled();
        boolean accumulate = false;
        if (classifier != null) {
            ops.linearBackwardWeight(rows, pooled, g.logits(), gradients.classifier().weight(),
                    gradients.classifier().bias());
            ops.linearBackwardInput(rows, g.logits(), classifier.weight(), false, g.pooled());
            accumulate = true;
        }
        if (regressor != null) {
            ops.linearBackwardWeight(rows, pooled, g.scores(), gradients.regressor().weight(),
                    gradients.regressor().bias());
            ops.linearBackwardInput(rows, g.scores(), regressor.weight(), accumulate, g.pooled());
        }
        if (dropout.heads().active()) {
            ops.dropout(batch, dropout.heads(), g.pooled());
        }
        ops.activationBackward(rows, Activation.RELU, activations.pooledPreActivation(), g.pooled());
        ops.linearBackwardWeight(rows, activations.first(), g.pooled(), gradients.preClassifier().weight(),
                gradients.preClassifier().bias());
        ops.linearBackwardInput(rows, g.pooled(), preClassifier.weight(), false, g.first());
    }

    /** Takes the gradient of a block's output in {@code residual} to that of its input, in the same place. */
    private void blockBackward(Ops ops, PackedBatch batch, int index, Activations activations, DropoutPlan dropout,
            boolean last, DistilBertGradients.Block gradients) {
        Rows tokens = batch.tokenRows();
        Block block = blocks.get(index);
        Activations.Layer a = activations.layer(index);
        Activations.Gradients g = activations.gradients();
        Tensor residual = g.residual();

        Dropout feedForward = dropout.feedForward(index);
        Tensor branch = feedForward.active() ? g.branch() : null;
        ops.residualLayerNormBackward(batch, residual, a.outputSum(), a.outputStats(), block.outputNorm, feedForward,
                residual, branch,
                gradients.outputNorm());
        Tensor dLin2 = branch == null ? residual : branch;
        ops.linearBackwardWeight(tokens, a.hidden(), dLin2, gradients.lin2().weight(), gradients.lin2().bias());
        ops.linearBackwardInput(tokens, dLin2, block.lin2.weight(), false, g.hidden());
        ops.activationBackward(tokens, Activation.GELU, a.preActivation(), g.hidden());
        ops.linearBackwardWeight(tokens, a.attentionOut(), g.hidden(), gradients.lin1().weight(),
                gradients.lin1().bias());
        ops.linearBackwardInput(tokens, g.hidden(), block.lin1.weight(), true, residual);

        ops.residualLayerNormBackward(batch, residual, a.attentionSum(), a.attentionStats(), block.attentionNorm,
                Dropout.NONE,
                residual, null, gradients.attentionNorm());
        ops.linearBackwardWeight(tokens, a.context(), residual, gradients.attentionOut().weight(),
                gradients.attentionOut().bias());
        ops.linearBackwardInput(tokens, residual, block.attentionOut.weight(), false, g.branch());
        ops.attentionBackward(batch, config.heads(), a.qkv(), a.context(), a.logSumExp(), g.branch(),
                dropout.attention(index),
                g.qkv());
        ops.linearBackwardWeight(tokens, activations.layerInput(index), g.qkv(), gradients.qkv().weight(),
                gradients.qkv().bias());
        if (!last) {
            ops.linearBackwardInput(tokens, g.qkv(), block.qkv.weight(), true, residual);
        }
    }

    @Override
    public void close() {
        prepared.forEach(Weight::close);
    }
}
