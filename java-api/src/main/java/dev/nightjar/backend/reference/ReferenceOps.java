package dev.nightjar.backend.reference;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.AdamWStep;
import dev.nightjar.backend.AdamWTensors;
import dev.nightjar.backend.Dropout;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.LossScale;
import dev.nightjar.backend.LossWeights;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.ParameterGroup;
import dev.nightjar.backend.ParameterTable;
import dev.nightjar.backend.Philox;
import dev.nightjar.backend.Rows;
import dev.nightjar.backend.Targets;
import dev.nightjar.backend.Weight;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.Float32Codec;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** {@link Ops} as loops a reader can check against the formula; every sum is carried in float64 and rounded once. */
public class ReferenceOps implements Ops {
    private final int[] philoxWords = new int[4];

    // ---- embeddings

    @Override
    public void embedding(PackedBatch batch, Tensor words, Tensor positions, LayerNorm norm, Dropout dropout,
            Tensor sum, Tensor stats,
            Tensor out) {
        int dim = out.cols();
        float[] row = new float[dim];
        for (int t = 0; t < batch.tokens(); t++) {
            long word = (long) checkedRow(batch.ids().getInt(t), words, "token id") * dim;
            long position = (long) checkedRow(batch.positions().getInt(t), positions, "position") * dim;
            for (int c = 0; c < dim; c++) {
                row[c] = words.get(word + c) + positions.get(position + c);
            }
            if (sum != null) {
                store(row, sum, t);
            }
            normalise(row, norm, stats, t, out);
            dropTokenRow(batch, dropout, t, out);
        }
    }

    @Override
    public void embeddingBackward(PackedBatch batch, Tensor sum, Tensor stats, LayerNorm norm, Dropout dropout,
            int padTokenId,
            Tensor dOut, Tensor dWords, Tensor dPositions, LayerNorm dNorm) {
        int dim = dOut.cols();
        for (int t = 0; t < batch.tokens(); t++) {
            dropTokenRow(batch, dropout, t, dOut);
        }
        normaliseBackward(batch.tokens(), dOut, sum, stats, norm, dOut, dNorm);
        for (int t = 0; t < batch.tokens(); t++) {
            int id = batch.ids().getInt(t);
            if (dWords != null && id != padTokenId) {
                addRow(dOut, t, dWords, checkedRow(id, dWords, "token id"), dim);
            }
            if (dPositions != null) {
                addRow(dOut, t, dPositions, checkedRow(batch.positions().getInt(t), dPositions, "position"), dim);
            }
        }
    }

    private static int checkedRow(int index, Tensor table, String what) {
        if (index < 0 || index >= table.rows()) {
            throw new IllegalArgumentException(what + " " + index + " is not in [0, " + table.rows() + ")");
        }
        return index;
    }

    private static void addRow(Tensor from, int fromRow, Tensor to, int toRow, int dim) {
        for (int c = 0; c < dim; c++) {
            long target = (long) toRow * dim + c;
            to.set(target, to.get(target) + from.get((long) fromRow * dim + c));
        }
    }

    // ---- linear maps

    @Override
    public void linear(Rows rows, Tensor x, Weight weight, Tensor bias, Activation activation, Tensor preActivation,
            Tensor out) {
        Tensor w = weight.tensor();
        for (int r = 0; r < rows.most(); r++) {
            for (int n = 0; n < w.rows(); n++) {
                double dot = bias.get(n);
                for (int k = 0; k < w.cols(); k++) {
                    dot += (double) x.get((long) r * w.cols() + k) * w.get((long) n * w.cols() + k);
                }
                long at = (long) r * w.rows() + n;
                float value = (float) dot;
                if (preActivation != null) {
                    preActivation.set(at, value);
                }
                out.set(at, activate(activation, value));
            }
        }
    }

    @Override
    public void linearBackwardInput(Rows rows, Tensor dOut, Weight weight, boolean accumulate, Tensor dX) {
        Tensor w = weight.tensor();
        for (int r = 0; r < rows.most(); r++) {
            for (int k = 0; k < w.cols(); k++) {
                long at = (long) r * w.cols() + k;
                double dot = accumulate ? dX.get(at) : 0;
                for (int n = 0; n < w.rows(); n++) {
                    dot += (double) dOut.get((long) r * w.rows() + n) * w.get((long) n * w.cols() + k);
                }
                dX.set(at, (float) dot);
            }
        }
    }

    @Override
    public void linearBackwardWeight(Rows rows, Tensor x, Tensor dOut, Tensor dWeight, Tensor dBias) {
        int outputs = dWeight.rows();
        int inputs = dWeight.cols();
        for (int n = 0; n < outputs; n++) {
            for (int k = 0; k < inputs; k++) {
                long at = (long) n * inputs + k;
                double dot = dWeight.get(at);
                for (int r = 0; r < rows.most(); r++) {
                    dot += (double) dOut.get((long) r * outputs + n) * x.get((long) r * inputs + k);
                }
                dWeight.set(at, (float) dot);
            }
            double sum = dBias.get(n);
            for (int r = 0; r < rows.most(); r++) {
                sum += dOut.get((long) r * outputs + n);
            }
            dBias.set(n, (float) sum);
        }
    }

    /** One element of an activation. */
    public static float activate(Activation activation, float x) {
        return switch (activation) {
            case NONE -> x;
            case RELU -> x < 0 ? 0 : x;
            case GELU -> (float) (x * normalCdf(x));
        };
    }

    @Override
    public void activationBackward(Rows rows, Activation activation, Tensor preActivation, Tensor gradient) {
        for (long i = 0, n = (long) rows.most() * gradient.cols(); i < n; i++) {
            double x = preActivation.get(i);
            double slope = switch (activation) {
                case NONE -> 1;
                case RELU -> x > 0 ? 1 : 0;
                case GELU -> normalCdf(x) + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
            };
            gradient.set(i, (float) (gradient.get(i) * slope));
        }
    }

    private static double normalCdf(double x) {
        return 0.5 * (1 + Erf.erf(x / Math.sqrt(2)));
    }

    // ---- attention

    @Override
    public void attention(PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor logSumExp, Tensor out) {
        AttentionView view = new AttentionView(qkv, heads);
        double[] weights = new double[batch.maxLength()];
        for (int s = 0; s < batch.sequences(); s++) {
            int begin = batch.cuSeqlens().getInt(s);
            int length = batch.cuSeqlens().getInt(s + 1) - begin;
            for (int h = 0; h < heads; h++) {
                for (int i = 0; i < length; i++) {
                    double lse = view.softmax(begin, length, h, i, weights);
                    if (logSumExp != null) {
                        logSumExp.set((long) (begin + i) * heads + h, (float) lse);
                    }
                    dropWeights(batch, dropout, s, h, i, length, weights);
                    for (int c = 0; c < view.headDim; c++) {
                        double value = 0;
                        for (int j = 0; j < length; j++) {
                            value += weights[j] * qkv.get(view.value(begin + j, h, c));
                        }
                        out.set(view.output(begin + i, h, c), (float) value);
                    }
                }
            }
        }
    }

    @Override
    public void attentionBackward(PackedBatch batch, int heads, Tensor qkv, Tensor out, Tensor logSumExp, Tensor dOut,
            Dropout dropout,
            Tensor dQkv) {
        AttentionView view = new AttentionView(qkv, heads);
        int length = batch.maxLength();
        AttentionScratch scratch = new AttentionScratch(new double[length], new double[length], new double[length],
                new double[length * view.headDim], new double[length * view.headDim]);
        for (int s = 0; s < batch.sequences(); s++) {
            for (int h = 0; h < heads; h++) {
                attentionHeadBackward(batch, s, h, view, dOut, dropout, dQkv, scratch);
            }
        }
    }

    /** Buffers of one head's backward pass, as long as the longest sequence. */
    private record AttentionScratch(double[] weights, double[] kept, double[] dWeights, double[] dKeys,
            double[] dValues) {
    }

    private void attentionHeadBackward(PackedBatch batch, int s, int h, AttentionView view, Tensor dOut,
            Dropout dropout, Tensor dQkv,
            AttentionScratch scratch) {
        int begin = batch.cuSeqlens().getInt(s);
        int length = batch.cuSeqlens().getInt(s + 1) - begin;
        int headDim = view.headDim;
        Tensor qkv = view.qkv;
        Arrays.fill(scratch.dKeys, 0);
        Arrays.fill(scratch.dValues, 0);
        for (int i = 0; i < length; i++) {
            double[] p = scratch.weights;
            double[] kept = scratch.kept;
            view.softmax(begin, length, h, i, p);
            System.arraycopy(p, 0, kept, 0, length);
            dropWeights(batch, dropout, s, h, i, length, kept);
            double mean = 0;
            for (int j = 0; j < length; j++) {
                double dKept = 0;
                for (int c = 0; c < headDim; c++) {
                    double g = dOut.get(view.output(begin + i, h, c));
                    dKept += g * qkv.get(view.value(begin + j, h, c));
                    scratch.dValues[j * headDim + c] += kept[j] * g;
                }
                // The same factor, 0 or scale, that took p to kept.
                scratch.dWeights[j] = p[j] == 0 ? 0 : dKept * kept[j] / p[j];
                mean += p[j] * scratch.dWeights[j];
            }
            for (int c = 0; c < headDim; c++) {
                double dQuery = 0;
                for (int j = 0; j < length; j++) {
                    double dScore = p[j] * (scratch.dWeights[j] - mean) * view.scale;
                    dQuery += dScore * qkv.get(view.key(begin + j, h, c));
                    scratch.dKeys[j * headDim + c] += dScore * qkv.get(view.query(begin + i, h, c));
                }
                dQkv.set(view.query(begin + i, h, c), (float) dQuery);
            }
        }
        for (int j = 0; j < length; j++) {
            for (int c = 0; c < headDim; c++) {
                dQkv.set(view.key(begin + j, h, c), (float) scratch.dKeys[j * headDim + c]);
                dQkv.set(view.value(begin + j, h, c), (float) scratch.dValues[j * headDim + c]);
            }
        }
    }

    private void dropWeights(PackedBatch batch, Dropout dropout, int sequence, int head, int query, int length,
            double[] weights) {
        if (dropout.active()) {
            int key = batch.keys().getInt(sequence);
            for (int j = 0; j < length; j++) {
                weights[j] *= factor(dropout, j, head << 16 | query, key);
            }
        }
    }

    /** Where a head's elements stand in the packed [T, 3 D] and in [T, D], and its softmax. */
    private static final class AttentionView {
        final Tensor qkv;
        final int dim;
        final int headDim;
        final double scale;

        AttentionView(Tensor qkv, int heads) {
            this.qkv = qkv;
            this.dim = qkv.cols() / 3;
            this.headDim = dim / heads;
            this.scale = 1 / Math.sqrt(headDim);
        }

        long query(int token, int head, int c) {
            return (long) token * 3 * dim + (long) head * headDim + c;
        }

        long key(int token, int head, int c) {
            return query(token, head, c) + dim;
        }

        long value(int token, int head, int c) {
            return query(token, head, c) + 2L * dim;
        }

        long output(int token, int head, int c) {
            return (long) token * dim + (long) head * headDim + c;
        }

        /** Writes the weights of query {@code i} over the sequence and returns the logarithm of their denominator. */
        double softmax(int begin, int length, int head, int i, double[] weights) {
            double max = Double.NEGATIVE_INFINITY;
            for (int j = 0; j < length; j++) {
                double score = 0;
                for (int c = 0; c < headDim; c++) {
                    score += (double) qkv.get(query(begin + i, head, c)) * qkv.get(key(begin + j, head, c));
                }
                weights[j] = score * scale;
                max = Math.max(max, weights[j]);
            }
            double denominator = 0;
            for (int j = 0; j < length; j++) {
                weights[j] = Math.exp(weights[j] - max);
                denominator += weights[j];
            }
            for (int j = 0; j < length; j++) {
                weights[j] /= denominator;
            }
            return max + Math.log(denominator);
        }
    }

    // ---- residual and normalisation

    @Override
    public void residualLayerNorm(PackedBatch batch, Tensor x, Tensor residual, LayerNorm norm, Dropout dropout,
            Tensor stats,
            Tensor out) {
        int dim = x.cols();
        float[] row = new float[dim];
        for (int t = 0; t < batch.tokens(); t++) {
            dropTokenRow(batch, dropout, t, x);
            for (int c = 0; c < dim; c++) {
                row[c] = x.get((long) t * dim + c) + residual.get((long) t * dim + c);
            }
            store(row, x, t);
            normalise(row, norm, stats, t, out);
        }
    }

    @Override
    public void residualLayerNormBackward(PackedBatch batch, Tensor dOut, Tensor sum, Tensor stats, LayerNorm norm,
            Dropout dropout,
            Tensor dResidual, Tensor dX, LayerNorm dNorm) {
        normaliseBackward(batch.tokens(), dOut, sum, stats, norm, dResidual, dNorm);
        if (dX != null) {
            int dim = dX.cols();
            for (int t = 0; t < batch.tokens(); t++) {
                for (int c = 0; c < dim; c++) {
                    dX.set((long) t * dim + c, dResidual.get((long) t * dim + c));
                }
                dropTokenRow(batch, dropout, t, dX);
            }
        }
    }

    private static void store(float[] row, Tensor matrix, int index) {
        for (int c = 0; c < row.length; c++) {
            matrix.set((long) index * row.length + c, row[c]);
        }
    }

    private static void normalise(float[] row, LayerNorm norm, Tensor stats, int index, Tensor out) {
        double mean = 0;
        for (float x : row) {
            mean += x;
        }
        mean /= row.length;
        double variance = 0;
        for (float x : row) {
            variance += (x - mean) * (x - mean);
        }
        double rstd = 1 / Math.sqrt(variance / row.length + DistilBertConfig.LAYER_NORM_EPSILON);
        if (stats != null) {
            stats.set(2L * index, (float) mean);
            stats.set(2L * index + 1, (float) rstd);
        }
        for (int c = 0; c < row.length; c++) {
            out.set((long) index * row.length + c,
                    (float) ((row[c] - mean) * rstd * norm.weight().get(c) + norm.bias().get(c)));
        }
    }

    private static void normaliseBackward(int rows, Tensor dOut, Tensor sum, Tensor stats, LayerNorm norm, Tensor dSum,
            LayerNorm dNorm) {
        int dim = sum.cols();
        double[] dWeight = new double[dim];
        double[] dBias = new double[dim];
        double[] dNormalised = new double[dim];
        double[] normalised = new double[dim];
        for (int t = 0; t < rows; t++) {
            double mean = stats.get(2L * t);
            double rstd = stats.get(2L * t + 1);
            double meanGradient = 0;
            double meanProduct = 0;
            for (int c = 0; c < dim; c++) {
                double g = dOut.get((long) t * dim + c);
                normalised[c] = (sum.get((long) t * dim + c) - mean) * rstd;
                dNormalised[c] = g * norm.weight().get(c);
                dWeight[c] += g * normalised[c];
                dBias[c] += g;
                meanGradient += dNormalised[c] / dim;
                meanProduct += dNormalised[c] * normalised[c] / dim;
            }
            for (int c = 0; c < dim; c++) {
                dSum.set((long) t * dim + c,
                        (float) (rstd * (dNormalised[c] - meanGradient - normalised[c] * meanProduct)));
            }
        }
        for (int c = 0; c < dim; c++) {
            dNorm.weight().set(c, (float) (dNorm.weight().get(c) + dWeight[c]));
            dNorm.bias().set(c, (float) (dNorm.bias().get(c) + dBias[c]));
        }
    }

    // ---- dropout

    private void dropTokenRow(PackedBatch batch, Dropout dropout, int token, Tensor x) {
        int key = dropout.active() ? batch.keys().getInt(batch.tokenSequences().getInt(token)) : 0;
        dropRow(dropout, token, batch.positions().getInt(token), key, x);
    }

    private void dropRow(Dropout dropout, int row, int position, int key, Tensor x) {
        if (dropout.active()) {
            for (int c = 0; c < x.cols(); c++) {
                long at = (long) row * x.cols() + c;
                x.set(at, x.get(at) * factor(dropout, c, position, key));
            }
        }
    }

    /** 0 or the scale of one element. */
    private float factor(Dropout dropout, int column, int row, int key) {
        Philox.words(dropout.seed(), column >> 2, row, key, dropout.stream(), philoxWords);
        return Integer.compareUnsigned(philoxWords[column & 3], dropout.threshold()) >= 0 ? dropout.scale() : 0;
    }

    @Override
    public void dropout(PackedBatch batch, Dropout dropout, Tensor x) {
        for (int b = 0; b < batch.sequences(); b++) {
            dropRow(dropout, b, 0, batch.keys().getInt(b), x);
        }
    }

    // ---- pooling and heads

    @Override
    public void gatherFirst(PackedBatch batch, Tensor x, Tensor out) {
        int dim = x.cols();
        for (int b = 0; b < batch.sequences(); b++) {
            for (int c = 0; c < dim; c++) {
                out.set((long) b * dim + c, x.get((long) batch.cuSeqlens().getInt(b) * dim + c));
            }
        }
    }

    @Override
    public void scatterFirst(PackedBatch batch, Tensor dOut, Tensor dX) {
        int dim = dX.cols();
        for (long i = 0, n = (long) batch.tokens() * dim; i < n; i++) {
            dX.set(i, 0);
        }
        for (int b = 0; b < batch.sequences(); b++) {
            for (int c = 0; c < dim; c++) {
                dX.set((long) batch.cuSeqlens().getInt(b) * dim + c, dOut.get((long) b * dim + c));
            }
        }
    }

    @Override
    public void softmax(Rows rows, Tensor x, Tensor out) {
        int n = x.cols();
        for (int r = 0; r < rows.most(); r++) {
            double max = Double.NEGATIVE_INFINITY;
            for (int c = 0; c < n; c++) {
                max = Math.max(max, x.get((long) r * n + c));
            }
            double denominator = 0;
            for (int c = 0; c < n; c++) {
                denominator += Math.exp(x.get((long) r * n + c) - max);
            }
            for (int c = 0; c < n; c++) {
                out.set((long) r * n + c, (float) (Math.exp(x.get((long) r * n + c) - max) / denominator));
            }
        }
    }

    @Override
    public void multiTaskLoss(PackedBatch batch, Targets targets, Tensor logits, Tensor scores, Weight classifier,
            Weight regressor,
            Tensor weights, Tensor lossScale, Tensor dLogits, Tensor dScores, Tensor report) {
        LossWeights values = LossWeights.read(weights);
        new ReferenceLoss(batch.sequences(), targets, values)
                .run(logits, scores, classifier, regressor, LossScale.factor(lossScale), dLogits, dScores)
                .write(report);
    }

    // ---- parameters

    @Override
    public void squaredNorm(Tensor x, Tensor result) {
        double sum = 0;
        for (long i = 0, n = x.elements(); i < n; i++) {
            sum += (double) x.get(i) * x.get(i);
        }
        result.set(0, (float) sum);
    }

    @Override
    public void axpby(float alpha, Tensor x, float beta, Tensor y) {
        for (long i = 0, n = x.elements(); i < n; i++) {
            double scaled = beta == 0 ? 0 : (double) beta * y.get(i);
            y.set(i, (float) ((double) alpha * x.get(i) + scaled));
        }
    }

    @Override
    public void zero(Tensor x) {
        x.segment().fill((byte) 0);
    }

    @Override
    public void adamW(Tensor step, ParameterTable table, Tensor squaredNorm, Tensor lossScale,
            AdamWTensors tensors) {
        AdamWStep s = AdamWStep.read(step);
        double norm = Math.sqrt(squaredNorm.get(0)) / LossScale.factor(lossScale);
        if (lossScale != null && !Double.isFinite(norm)) {
            return;
        }
        double factor = Math.min(1, s.maxGradientNorm() / (norm + 1e-6)) / LossScale.factor(lossScale);
        Tensor copy = tensors.copy();
        for (ParameterGroup group : table.groups()) {
            adamW(s, group, factor, tensors);
            if (copy != null) {
                Tensor master = tensors.parameters().slice(group.offset(), group.length());
                Float32Codec.encode(copy.dtype(), master.segment(),
                        copy.slice(group.offset(), group.length()).segment(), group.length());
            }
        }
    }

    private static void adamW(AdamWStep step, ParameterGroup group, double factor, AdamWTensors tensors) {
        double beta1 = step.beta1();
        double beta2 = step.beta2();
        double correction1 = step.correction1();
        double correction2 = step.correction2();
        double rate = (double) step.learningRate() * group.learningRateScale();
        double keep = 1 - (group.decay() ? rate * step.weightDecay() : 0);
        for (int i = group.offset(); i < group.offset() + group.length(); i++) {
            double g = tensors.gradients().get(i) * factor;
            double m = beta1 * tensors.firstMoment().get(i) + (1 - beta1) * g;
            double v = beta2 * tensors.secondMoment().get(i) + (1 - beta2) * g * g;
            tensors.firstMoment().set(i, (float) m);
            tensors.secondMoment().set(i, (float) v);
            double update = m / correction1 / (Math.sqrt(v / correction2) + step.epsilon());
            tensors.parameters().set(i, (float) (tensors.parameters().get(i) * keep - rate * update));
        }
    }

    @Override
    public void upload(MemorySegment source, Tensor destination) {
        destination.segment().copyFrom(ReferenceBackend.exactly(source, destination));
    }

    @Override
    public void updateLossScale(Tensor squaredNorm, Tensor lossScale) {
        LossScale.read(lossScale.segment()).after(Float.isFinite(squaredNorm.get(0))).write(lossScale.segment());
    }

    @Override
    public void close() {
        // Nothing is held.
    }
}
