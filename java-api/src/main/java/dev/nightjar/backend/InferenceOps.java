package dev.nightjar.backend;

import dev.nightjar.UnavailableException;
import dev.nightjar.tensor.Tensor;
import java.util.List;

/**
 * The fused operations of a forward pass that is not followed by a backward pass. T is the number of tokens of the
 * batch, B its sequences, D the model's dimension.
 *
 * <p>Tensors have the type that the operations were made for ({@link Backend#newInferenceOps}) unless said otherwise and
 * may have more rows than an operation uses: rows past the batch's are neither read nor written. Outputs are overwritten,
 * and do not overlap inputs unless an operation allows it.
 *
 * <p>Operations may return before the device has finished; {@link Backend#download} waits. Not thread-safe: one caller
 * at a time. Shapes and types were checked when the caller's buffers were planned; implementations check what could
 * corrupt memory.
 */
public interface InferenceOps extends AutoCloseable {
    /**
     * out = layerNorm(words[id] + positions[place]).
     *
     * @param words [vocabulary, D]
     * @param positions [maximum length, D]
     * @param out [T, D]
     */
    void embedding(PackedBatch batch, Tensor words, Tensor positions, LayerNorm norm, Tensor out);

    /**
     * out = activation(layer(x)), for every token.
     *
     * @param x [T, K]
     * @param out [T, N]
     */
    void linear(PackedBatch batch, Tensor x, Linear layer, Activation activation, Tensor out);

    /**
     * Multi-head self-attention inside each sequence, scale 1 / sqrt(D / heads).
     *
     * @param qkv [T, 3 D]: queries, keys and values of a token side by side, heads in order inside each
     * @param out [T, D]
     */
    void attention(PackedBatch batch, int heads, Tensor qkv, Tensor out);

    /**
     * out = layerNorm(layer(x) + residual), for every token.
     *
     * @param x [T, K]
     * @param residual [T, D]
     * @param sum [T, D], for backends that normalise in a step of its own: left with anything
     * @param out [T, D], may be {@code residual}
     */
    void linearResidualLayerNorm(PackedBatch batch, Tensor x, Linear layer, Tensor residual, LayerNorm norm, Tensor sum,
            Tensor out);

    /**
     * The heads of every sequence.
     *
     * @param hidden [T, D], what the encoder gave
     */
    void heads(PackedBatch batch, Tensor hidden, Heads heads, Heads.Outputs outputs);

    /**
     * Keeps the threads of these operations but the caller's on processors.
     *
     * @param cpus one for each thread, or empty for none
     * @throws UnavailableException if there are no such threads, or the system refuses
     */
    default void pinWorkers(List<Integer> cpus) {
        if (!cpus.isEmpty()) {
            throw new UnavailableException("there are no worker threads to keep on processors " + cpus);
        }
    }

    @Override
    void close();
}
