package dev.nightjar.model;

import dev.nightjar.backend.LayerNorm;
import dev.nightjar.tensor.Tensor;
import java.util.List;
import java.util.stream.IntStream;

/** The views of a gradient allocation that {@link DistilBert#backward} adds to, made once. It owns nothing. */
public final class DistilBertGradients {
    /** Gradients of a linear layer. */
    record Linear(Tensor weight, Tensor bias) {
    }

    record Block(Linear qkv, Linear attentionOut, LayerNorm attentionNorm, Linear lin1, Linear lin2,
            LayerNorm outputNorm) {
    }

    private final Tensor words;
    private final Tensor positions;
    private final LayerNorm embeddingNorm;
    private final List<Block> blocks;
    private final Linear preClassifier;
    private final Linear classifier;
    private final Linear regressor;

    public DistilBertGradients(DistilBertConfig config, Parameters gradients) {
        words = gradients.get("distilbert.embeddings.word_embeddings.weight");
        positions = gradients.get("distilbert.embeddings.position_embeddings.weight");
        embeddingNorm = gradients.norm("distilbert.embeddings.LayerNorm");
        blocks = IntStream.range(0, config.layers())
                .mapToObj(i -> block(gradients, "distilbert.transformer.layer." + i + "."))
                .toList();
        preClassifier = linear(gradients, "pre_classifier");
        classifier = config.classes() == 0 ? null : linear(gradients, "classifier");
        regressor = config.scores() == 0 ? null : linear(gradients, "regressor");
    }

    private static Block block(Parameters gradients, String layer) {
        Linear qkv = new Linear(gradients.packedQkvWeight(layer + "attention."),
                gradients.packedQkvBias(layer + "attention."));
        return new Block(qkv, linear(gradients, layer + "attention.out_lin"), gradients.norm(layer + "sa_layer_norm"),
                linear(gradients, layer + "ffn.lin1"), linear(gradients, layer + "ffn.lin2"),
                gradients.norm(layer + "output_layer_norm"));
    }

    private static Linear linear(Parameters gradients, String name) {
        return new Linear(gradients.get(name + ".weight"), gradients.get(name + ".bias"));
    }

    Tensor words() {
        return words;
    }

    Tensor positions() {
        return positions;
    }

    LayerNorm embeddingNorm() {
        return embeddingNorm;
    }

    Block block(int index) {
        return blocks.get(index);
    }

    Linear preClassifier() {
        return preClassifier;
    }

    Linear classifier() {
        return classifier;
    }

    Linear regressor() {
        return regressor;
    }
}
