package dev.nightjar.model;

import dev.nightjar.backend.Dropout;
import dev.nightjar.tensor.Tensor;

/**
 * The dropouts of one forward pass and its backward: embeddings, attention weights and feed-forward output of each layer, and the input
 * of the heads, where Hugging Face's DistilBERT has them.
 *
 * @param config gives the probabilities; null drops nothing
 * @param seed of the run
 * @param step forward pass of the run, counted from 0, as {@link Dropout} has it
 */
public record DropoutPlan(DistilBertConfig config, long seed, Tensor step) {
    /** Inference. */
    public static final DropoutPlan NONE = new DropoutPlan(null, 0, null);

    private static final int EMBEDDINGS = 0;
    private static final int HEADS = 1;
    private static final int FIRST_LAYER = 2;

    Dropout embeddings() {
        return config == null ? Dropout.NONE : at(config.dropout(), EMBEDDINGS);
    }

    Dropout attention(int layer) {
        return config == null ? Dropout.NONE : at(config.attentionDropout(), FIRST_LAYER + 2 * layer);
    }

    Dropout feedForward(int layer) {
        return config == null ? Dropout.NONE : at(config.dropout(), FIRST_LAYER + 2 * layer + 1);
    }

    Dropout heads() {
        return config == null ? Dropout.NONE : at(config.headDropout(), HEADS);
    }

    private Dropout at(float probability, int site) {
        return probability == 0 ? Dropout.NONE : new Dropout(probability, seed, step, site);
    }
}
