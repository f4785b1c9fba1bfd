package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;

/**
 * Operations of a backend that computes, in an encoder's last block, what follows the keys and values for the first token of each
 * sequence alone, because nothing else is pooled. Shapes as in {@link InferenceOps}.
 */
public interface FirstTokenOps extends InferenceOps {
    /**
     * {@link #attention} of each sequence's first token.
     *
     * @param qkv [T, 3 D]
     * @param out [B, D]
     */
    void firstTokenAttention(PackedBatch batch, int heads, Tensor qkv, Tensor out);

    /**
     * The first token's row of each sequence.
     *
     * @param x [T, D]
     * @param out [B, D]
     */
    void firstTokenRows(PackedBatch batch, Tensor x, Tensor out);
}
