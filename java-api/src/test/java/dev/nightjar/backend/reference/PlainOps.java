package dev.nightjar.backend.reference;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.Dropout;
import dev.nightjar.backend.Heads;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.Rows;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Int8Rows;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Inference as a framework runs it in a 16-bit type or with int8 products, one operation after the other: the results of lookup and sum,
 * product with bias, activation, scaled queries, scores, softmax, weighted values, residual sum and normalisation are
 * each rounded to the type, as by PyTorch's eager mode in Hugging Face's DistilBERT. Within an operation nothing is
 * rounded, where PyTorch sums in float32, so its errors are at most as large. Weights and biases must be values of the
 * type; everything is held in float32 tensors.
 */
public final class PlainOps extends ReferenceOps {
    /** To which results are rounded. */
    private final DType type;
    /** Whether linear layers multiply int8 by int8. */
    private boolean quantising;

    /** @param type F16, BF16, or I8, where everything but the encoder's linear layers is as in BF16 */
    public PlainOps(DType type) {
        this.type = type == DType.I8 ? DType.BF16 : type;
        this.quantising = type == DType.I8;
    }

    /** The value of a 16-bit type that is nearest, ties to even. */
    public static float round(DType type, float value) {
        if (type == DType.F16) {
            return Float.float16ToFloat(Float.floatToFloat16(value));
        }
        int bits = Float.floatToRawIntBits(value);
        return Float.intBitsToFloat((bits + 0x7FFF + (bits >>> 16 & 1)) & 0xFFFF_0000);
    }

    private float round(double value) {
        return round(type, (float) value);
    }

    @Override
    public void embedding(PackedBatch batch, Tensor words, Tensor positions, LayerNorm norm, Dropout dropout,
            Tensor sum, Tensor stats, Tensor out) {
        int dim = out.cols();
        for (int t = 0; t < batch.tokens(); t++) {
            for (int c = 0; c < dim; c++) {
                out.set((long) t * dim + c, round(words.get((long) batch.ids().getInt(t) * dim + c)
                        + positions.get((long) batch.positions().getInt(t) * dim + c)));
            }
        }
        normalise(batch, norm, out, out);
    }

    @Override
    public void linear(Rows rows, Tensor x, Weight weight, Tensor bias, Activation activation, Tensor preActivation,
            Tensor out) {
        if (quantising) {
            Tensor matrix = quantised(weight.tensor());
            super.linear(rows, quantised(x), () -> matrix, bias, Activation.NONE, null, out);
        } else {
            super.linear(rows, x, weight, bias, Activation.NONE, null, out);
        }
        for (long i = 0; i < (long) rows.most() * out.cols(); i++) {
            out.set(i, round(activate(activation, round(out.get(i)))));
        }
    }

    @Override
    public void heads(PackedBatch batch, Tensor hidden, Heads heads, Heads.Outputs outputs) {
        boolean quantisingEncoder = quantising;
        quantising = false;
        super.heads(batch, hidden, heads, outputs);
        quantising = quantisingEncoder;
    }

    /** The nearest values that int8s with a scale for each row have. */
    private static Tensor quantised(Tensor x) {
        Arena arena = Arena.ofAuto();
        MemorySegment values = arena.allocate(x.elements());
        MemorySegment scales = arena.allocate((long) x.rows() * Float.BYTES);
        HostBuffer restored = new HostBuffer(arena.allocate(x.byteSize(), Float.BYTES), () -> {
        });
        Int8Rows.quantise(x.rows(), x.cols(), x.segment(), values, scales);
        Int8Rows.restore(x.rows(), x.cols(), values, scales, restored.segment());
        return Tensor.matrix(restored, 0, DType.F32, x.rows(), x.cols());
    }

    @Override
    public void attention(PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor logSumExp, Tensor out) {
        float[] values = qkv.toArray();
        for (int s = 0; s < batch.sequences(); s++) {
            int begin = batch.cuSeqlens().getInt(s);
            int length = batch.cuSeqlens().getInt(s + 1) - begin;
            for (int h = 0; h < heads; h++) {
                attend(values, begin, length, h * out.cols() / heads, out.cols() / heads, out);
            }
        }
    }

    /** One head, whose queries, keys and values begin at {@code column} of their thirds. */
    private void attend(float[] qkv, int begin, int length, int column, int headDim, Tensor out) {
        int dim = out.cols();
        float[] query = new float[headDim];
        float[] weights = new float[length];
        for (int i = begin; i < begin + length; i++) {
            for (int c = 0; c < headDim; c++) {
                query[c] = round(qkv[i * 3 * dim + column + c] / Math.sqrt(headDim));
            }
            float max = Float.NEGATIVE_INFINITY;
            for (int j = 0; j < length; j++) {
                double score = 0;
                for (int c = 0; c < headDim; c++) {
                    score += (double) query[c] * qkv[((begin + j) * 3 + 1) * dim + column + c];
                }
                weights[j] = round(score);
                max = Math.max(max, weights[j]);
            }
            double sum = 0;
            for (float weight : weights) {
                sum += Math.exp(weight - max);
            }
            for (int j = 0; j < length; j++) {
                weights[j] = round(Math.exp(weights[j] - max) / sum);
            }
            for (int c = 0; c < headDim; c++) {
                double value = 0;
                for (int j = 0; j < length; j++) {
                    value += (double) weights[j] * qkv[((begin + j) * 3 + 2) * dim + column + c];
                }
                out.set((long) i * dim + column + c, round(value));
            }
        }
    }

    @Override
    public void residualLayerNorm(PackedBatch batch, Tensor x, Tensor residual, LayerNorm norm, Dropout dropout,
            Tensor stats, Tensor out) {
        for (long i = 0; i < (long) batch.tokens() * x.cols(); i++) {
            x.set(i, round(x.get(i) + residual.get(i)));
        }
        normalise(batch, norm, x, out);
    }

    private void normalise(PackedBatch batch, LayerNorm norm, Tensor x, Tensor out) {
        try (HostBuffer zeros = new HostBuffer(x.byteSize())) {
            super.residualLayerNorm(batch, x, Tensor.matrix(zeros, 0, DType.F32, x.rows(), x.cols()), norm,
                    Dropout.NONE, null, out);
        }
        for (long i = 0; i < (long) batch.tokens() * out.cols(); i++) {
            out.set(i, round(out.get(i)));
        }
    }
}
