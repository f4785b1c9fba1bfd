package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;

/**
 * What follows the encoder: pooled = relu(preClassifier(first token)), then a linear layer per task.
 *
 * @param preClassifier [D, D]
 * @param classifier [classes, D]; null without classification head
 * @param regressor [targets, D]; null without regression head
 */
public record Heads(Linear preClassifier, Linear classifier, Linear regressor) {
    /**
     * Where the results go. Logits, probabilities and scores are float32 whatever the type of the rest.
     *
     * @param first [B, D], for backends that gather the first tokens before they multiply
     * @param pooled [B, D], what both heads read
     * @param logits [B, classes]; null without classification head
     * @param probabilities [B, classes], the softmax of the logits; null without classification head
     * @param scores [B, targets]; null without regression head
     */
    public record Outputs(Tensor first, Tensor pooled, Tensor logits, Tensor probabilities, Tensor scores) {
    }
}
