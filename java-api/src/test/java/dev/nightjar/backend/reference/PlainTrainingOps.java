package dev.nightjar.backend.reference;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.Dropout;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.Rows;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;

/**
 * Training as a framework runs it in a 16-bit type, one operation after the other: activations and their gradients are
 * rounded to the type after each. Gradients of parameters are not. Attention rounds inside, as in {@link PlainOps}; all
 * other operations are exact within, so errors are at most a framework's. Everything is held in float32 tensors.
 */
public final class PlainTrainingOps extends ReferenceOps {
    private final DType type;
    private final PlainOps forward;

    /** @param type F16 or BF16 */
    public PlainTrainingOps(DType type) {
        this.type = type;
        this.forward = new PlainOps(type);
    }

    private void round(int rows, Tensor... tensors) {
        for (Tensor tensor : tensors) {
            if (tensor != null) {
                for (long i = 0; i < (long) rows * tensor.cols(); i++) {
                    tensor.set(i, PlainOps.round(type, tensor.get(i)));
                }
            }
        }
    }

    @Override
    public void embedding(PackedBatch batch, Tensor words, Tensor positions, LayerNorm norm, Dropout dropout,
            Tensor sum, Tensor stats, Tensor out) {
        super.embedding(batch, words, positions, norm, dropout, sum, stats, out);
        round(batch.tokens(), sum, out);
    }

    @Override
    public void linear(Rows rows, Tensor x, Weight weight, Tensor bias, Activation activation, Tensor preActivation,
            Tensor out) {
        super.linear(rows, x, weight, bias, activation, preActivation, out);
        round(rows.most(), preActivation, out);
    }

    @Override
    public void linearBackwardInput(Rows rows, Tensor dOut, Weight weight, boolean accumulate, Tensor dX) {
        super.linearBackwardInput(rows, dOut, weight, accumulate, dX);
        round(rows.most(), dX);
    }

    @Override
    public void activationBackward(Rows rows, Activation activation, Tensor preActivation, Tensor gradient) {
        super.activationBackward(rows, activation, preActivation, gradient);
        round(rows.most(), gradient);
    }

    @Override
    public void attention(PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor logSumExp, Tensor out) {
        super.attention(batch, heads, qkv, dropout, logSumExp, out);
        forward.attention(batch, heads, qkv, dropout, null, out);
    }

    @Override
    public void attentionBackward(PackedBatch batch, int heads, Tensor qkv, Tensor out, Tensor logSumExp, Tensor dOut,
            Dropout dropout, Tensor dQkv) {
        super.attentionBackward(batch, heads, qkv, out, logSumExp, dOut, dropout, dQkv);
        round(batch.tokens(), dQkv);
    }

    @Override
    public void residualLayerNorm(PackedBatch batch, Tensor x, Tensor residual, LayerNorm norm, Dropout dropout,
            Tensor stats, Tensor out) {
        super.residualLayerNorm(batch, x, residual, norm, dropout, stats, out);
        round(batch.tokens(), x, out);
    }

    @Override
    public void residualLayerNormBackward(PackedBatch batch, Tensor dOut, Tensor sum, Tensor stats, LayerNorm norm,
            Dropout dropout, Tensor dResidual, Tensor dX, LayerNorm dNorm) {
        super.residualLayerNormBackward(batch, dOut, sum, stats, norm, dropout, dResidual, dX, dNorm);
        round(batch.tokens(), dResidual, dX);
    }

    @Override
    public void dropout(PackedBatch batch, Dropout dropout, Tensor x) {
        super.dropout(batch, dropout, x);
        round(batch.sequences(), x);
    }
}
