package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The fused operations of training: forms of the forward operations that keep what a backward pass needs and drop out,
 * the backward operations, loss and optimizer. Whoever has these has those of inference too, as forms that keep
 * nothing. T is the number of tokens of the batch, B its sequences, D the model's dimension.
 *
 * <p>Weights, activations and their gradients have the type that the operations were made for ({@link Backend#newOps}).
 * Always float32 are {@code stats}, {@code logSumExp}, logits and scores (with their gradients), gradients of
 * parameters, moments, and all that {@link #multiTaskLoss} and what stands below it takes but {@code copy}.
 *
 * <p>Tensors may have more rows than an operation uses: rows past T (or B, or {@code rows}) are neither read nor
 * written. Outputs are overwritten, gradients of parameters ({@code d...} of
 * weights, biases, embeddings) are added to. Unless an operation allows it, outputs do not overlap inputs. A dropout
 * that is not {@link Dropout#active()} drops nothing.
 *
 * <p>Operations may return before the device has finished; {@link Backend#download} waits. Not thread-safe: one caller
 * at a time. Shapes and types were checked when the caller's buffers were planned; implementations check what could
 * corrupt memory.
 */
public interface Ops extends InferenceOps {

    // ---- inference

    @Override
    default void embedding(PackedBatch batch, Tensor words, Tensor positions, LayerNorm norm, Tensor out) {
        embedding(batch, words, positions, norm, Dropout.NONE, null, null, out);
    }

    @Override
    default void linear(PackedBatch batch, Tensor x, Linear layer, Activation activation, Tensor out) {
        linear(batch.tokenRows(), x, layer.weight(), layer.bias(), activation, null, out);
    }

    @Override
    default void attention(PackedBatch batch, int heads, Tensor qkv, Tensor out) {
        attention(batch, heads, qkv, Dropout.NONE, null, out);
    }

    @Override
    default void linearResidualLayerNorm(PackedBatch batch, Tensor x, Linear layer, Tensor residual, LayerNorm norm,
            Tensor sum, Tensor out) {
        linear(batch, x, layer, Activation.NONE, sum);
        residualLayerNorm(batch, sum, residual, norm, Dropout.NONE, null, out);
    }

    @Override
    default void heads(PackedBatch batch, Tensor hidden, Heads heads, Heads.Outputs outputs) {
        Rows rows = batch.sequenceRows();
        Linear pre = heads.preClassifier();
        gatherFirst(batch, hidden, outputs.first());
        linear(rows, outputs.first(), pre.weight(), pre.bias(), Activation.RELU, null, outputs.pooled());
        if (heads.classifier() != null) {
            linear(rows, outputs.pooled(), heads.classifier().weight(), heads.classifier().bias(), Activation.NONE,
                    null,
                    outputs.logits());
            softmax(rows, outputs.logits(), outputs.probabilities());
        }
        if (heads.regressor() != null) {
            linear(rows, outputs.pooled(), heads.regressor().weight(), heads.regressor().bias(), Activation.NONE, null,
                    outputs.scores());
        }
    }

    // ---- embeddings

    /**
     * out = dropout(layerNorm(words[id] + positions[place])).
     *
     * @param words [vocabulary, D]
     * @param positions [maximum length, D]
     * @param sum [T, D], the argument of the normalisation, for the backward pass; null in inference
     * @param stats [T, 2], mean and reciprocal standard deviation; null in inference
     * @param out [T, D]
     */
    void embedding(PackedBatch batch, Tensor words, Tensor positions, LayerNorm norm, Dropout dropout, Tensor sum,
            Tensor stats,
            Tensor out);

    /**
     * Backward of {@link #embedding}.
     *
     * @param dOut [T, D], overwritten with the gradient of {@code sum}
     * @param padTokenId row of {@code dWords} that stays as it is, or -1
     * @param dWords [vocabulary, D], added to; null where frozen
     * @param dPositions [maximum length, D], added to; null where frozen
     * @param dNorm added to
     */
    void embeddingBackward(PackedBatch batch, Tensor sum, Tensor stats, LayerNorm norm, Dropout dropout, int padTokenId,
            Tensor dOut,
            Tensor dWords, Tensor dPositions, LayerNorm dNorm);

    // ---- linear maps

    /**
     * out = activation(x W' + bias).
     *
     * @param x [rows, K]
     * @param weight [N, K], as Hugging Face stores linear layers
     * @param bias [N]
     * @param preActivation [rows, N], the argument of the activation, for the backward pass; null in inference or
     *         without activation
     * @param out [rows, N], of the operations' type or float32
     */
    void linear(Rows rows, Tensor x, Weight weight, Tensor bias, Activation activation, Tensor preActivation,
            Tensor out);

    /**
     * dX = dOut W, or dX += dOut W.
     *
     * @param dOut [rows, N], of the operations' type or float32
     * @param weight [N, K]
     * @param dX [rows, K]
     */
    void linearBackwardInput(Rows rows, Tensor dOut, Weight weight, boolean accumulate, Tensor dX);

    /**
     * dWeight += dOut' x and dBias += column sums of dOut.
     *
     * @param x [rows, K]
     * @param dOut [rows, N], of the operations' type or float32
     * @param dWeight [N, K]
     * @param dBias [N]
     */
    void linearBackwardWeight(Rows rows, Tensor x, Tensor dOut, Tensor dWeight, Tensor dBias);

    /**
     * gradient *= activation'(preActivation), in place.
     *
     * @param preActivation [rows, N]
     * @param gradient [rows, N]
     */
    void activationBackward(Rows rows, Activation activation, Tensor preActivation, Tensor gradient);

    // ---- attention

    /**
     * Multi-head self-attention inside each sequence, scale 1 / sqrt(D / heads), dropout on the softmax.
     *
     * @param qkv [T, 3 D]: queries, keys and values of a token side by side, heads in order inside each
     * @param logSumExp [T, heads], natural logarithm of each softmax's denominator, for the backward pass; null in
     *         inference
     * @param out [T, D]
     */
    void attention(PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor logSumExp, Tensor out);

    /**
     * Backward of {@link #attention}; the weights are computed again from {@code logSumExp}.
     *
     * @param out [T, D], what {@link #attention} gave
     * @param dOut [T, D]
     * @param dQkv [T, 3 D]
     */
    void attentionBackward(PackedBatch batch, int heads, Tensor qkv, Tensor out, Tensor logSumExp, Tensor dOut,
            Dropout dropout,
            Tensor dQkv);

    // ---- residual and normalisation

    /**
     * x = dropout(x) + residual; out = layerNorm(x).
     *
     * @param x [T, D], overwritten with the argument of the normalisation
     * @param residual [T, D]
     * @param stats [T, 2], mean and reciprocal standard deviation; null in inference
     * @param out [T, D], may be {@code residual}
     */
    void residualLayerNorm(PackedBatch batch, Tensor x, Tensor residual, LayerNorm norm, Dropout dropout, Tensor stats,
            Tensor out);

    /**
     * Backward of {@link #residualLayerNorm}.
     *
     * @param dOut [T, D]
     * @param sum [T, D], what {@code x} was overwritten with
     * @param dResidual [T, D], may be {@code dOut}
     * @param dX [T, D]; null without dropout, when it equals {@code dResidual}
     * @param dNorm added to
     */
    void residualLayerNormBackward(PackedBatch batch, Tensor dOut, Tensor sum, Tensor stats, LayerNorm norm,
            Dropout dropout,
            Tensor dResidual, Tensor dX, LayerNorm dNorm);

    // ---- pooling and heads

    /** The first token's row of each sequence: out [B, D] from x [T, D]. */
    void gatherFirst(PackedBatch batch, Tensor x, Tensor out);

    /** Backward of {@link #gatherFirst}: dX [T, D] is dOut [B, D] in the first tokens' rows and zero elsewhere. */
    void scatterFirst(PackedBatch batch, Tensor dOut, Tensor dX);

    /** Dropout in place on one row per sequence, x [B, N]; it is its own backward. */
    void dropout(PackedBatch batch, Dropout dropout, Tensor x);

    /** Softmax of each row: out [rows, N] from x [rows, N], both float32; out may be x. */
    void softmax(Rows rows, Tensor x, Tensor out);

    /**
     * Cross-entropy and mean squared error of a batch, their weights and the gradients of the weighted sum, with a
     * report that stays on the device.
     *
     * <p>L_c = 1/B_c sum omega_i CE_i over the B_c rows with a label; L_r = 1/B_r sum omega_i mean_k (score_ik -
     * target_ik)^2 over the B_r rows with at least one target, the mean over those present; L = lambda_c L_c + lambda_r
     * L_r. In omega_i = B_c / (K n[c_i]) K counts the classes present; rows without label have omega 1. With {@link
     * LossWeights#crossRatio()}: lambda_c = |g_r| / (|g_c| + |g_r| + 1e-12), lambda_r likewise, g the gradient of the
     * task's loss with respect to the heads' common input (Frobenius norm), and 0.5 each where both are zero (DAO,
     * arXiv 2408.11856; the data weights and the scope of g are our reconstruction).
     *
     * @param logits [B, C]; null without classification head, together with {@code classifier} and {@code dLogits}
     * @param scores [B, K]; null without regression head, together with {@code regressor} and {@code dScores}
     * @param classifier [C, D]
     * @param regressor [K, D]
     * @param weights at least {@link LossWeights#SIZE} elements, laid out as {@link LossWeights} says
     * @param lossScale {@link LossScale}, whose factor both gradients get besides; null for none
     * @param dLogits [B, C]
     * @param dScores [B, K]
     * @param report at least {@link LossReport#SIZE} elements, laid out as {@link LossReport} says
     */
    void multiTaskLoss(PackedBatch batch, Targets targets, Tensor logits, Tensor scores, Weight classifier,
            Weight regressor,
            Tensor weights, Tensor lossScale, Tensor dLogits, Tensor dScores, Tensor report);

    // ---- memory

    /**
     * Copies host memory into a tensor of the same size in bytes, in the order of the operations; the source is the
     * caller's again when this returns. Not to be recorded.
     */
    void upload(MemorySegment source, Tensor destination);

    // ---- parameters

    /** result[0] = sum of squares of x. */
    void squaredNorm(Tensor x, Tensor result);

    /** y = alpha x + beta y, element by element; beta 0 overwrites whatever y held. */
    void axpby(float alpha, Tensor x, float beta, Tensor y);

    /** Sets every byte to zero. */
    void zero(Tensor x);

    /**
     * One AdamW step over all parameters, which changes nothing if there is a loss scale and a gradient is infinite or
     * NaN.
     *
     * @param step at least {@link AdamWStep#SIZE} elements, laid out as {@link AdamWStep} says
     * @param table parameters in none of its groups stay as they are
     * @param squaredNorm [1], the gradients' sum of squares, for clipping
     * @param lossScale {@link LossScale} of the gradients, which are divided by it; null for none
     */
    void adamW(Tensor step, ParameterTable table, Tensor squaredNorm, Tensor lossScale, AdamWTensors tensors);

    /**
     * Halves or doubles a loss scale as {@link LossScale} says, after the step that it was for.
     *
     * @param squaredNorm [1], the gradients' sum of squares
     */
    void updateLossScale(Tensor squaredNorm, Tensor lossScale);

    @Override
    void close();
}
