package dev.nightjar.backend.reference;

import static dev.nightjar.backend.reference.GradientCheck.assertGradient;
import static dev.nightjar.backend.reference.GradientCheck.copy;
import static dev.nightjar.backend.reference.GradientCheck.dot;
import static dev.nightjar.backend.reference.GradientCheck.random;
import static dev.nightjar.backend.reference.GradientCheck.vector;
import static dev.nightjar.backend.reference.GradientCheck.zeros;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.Dropout;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.Targets;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import dev.nightjar.text.TokenBatch;
import java.util.Arrays;
import java.util.Random;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every backward operation of the reference, against central differences of its forward operation. */
class ReferenceGradientTest {
    private static final int DIM = 6;
    private static final int HEADS = 2;
    private static final int VOCABULARY = 9;
    private static final int[] LENGTHS = {5, 1, 7};
    private static final int TOKENS = Arrays.stream(LENGTHS).sum();

    private final ReferenceBackend backend = new ReferenceBackend();
    private final ReferenceOps ops = new ReferenceOps();
    private final Random random = new Random(42);
    private final PackedBatch batch = batch();

    private PackedBatch batch() {
        PackedBatch packed = new PackedBatch(Workspace.allocate(HostBuffer::new, 1 << 12), TOKENS, LENGTHS.length);
        try (TokenBatch tokens = new TokenBatch(TOKENS, LENGTHS.length)) {
            for (int s = 0; s < LENGTHS.length; s++) {
                tokens.add(random.ints(LENGTHS[s], 0, VOCABULARY).toArray(), 100 + s);
            }
            packed.load(backend, tokens);
        }
        return packed;
    }

    private static Dropout dropout(float probability) {
        Tensor step = Tensor.vector(new HostBuffer(Integer.BYTES), 0, DType.I32, 1);
        step.setInt(0, 3);
        return new Dropout(probability, 11, step, 2);
    }

    private LayerNorm norm() {
        return new LayerNorm(vector(random(random, 1, DIM)), vector(random(random, 1, DIM)));
    }

    private static LayerNorm zeroNorm() {
        return new LayerNorm(vector(zeros(1, DIM)), vector(zeros(1, DIM)));
    }

    @ParameterizedTest
    @ValueSource(floats = {0, 0.3f})
    void embedding(float probability) {
        Tensor words = random(random, VOCABULARY, DIM);
        Tensor positions = random(random, 8, DIM);
        LayerNorm norm = norm();
        Tensor sum = zeros(TOKENS, DIM);
        Tensor stats = zeros(TOKENS, 2);
        Tensor out = zeros(TOKENS, DIM);
        Tensor gradient = random(random, TOKENS, DIM);
        Runnable forward = () -> {
            ops.embedding(batch, words, positions, norm, dropout(probability), sum, stats, out);
        };
        forward.run();
        DoubleSupplier function = () -> {
            forward.run();
            return dot(out, gradient);
        };
        Tensor dWords = zeros(VOCABULARY, DIM);
        Tensor dPositions = zeros(8, DIM);
        LayerNorm dNorm = zeroNorm();
        ops.embeddingBackward(batch, sum, stats, norm, dropout(probability), -1, copy(gradient), dWords, dPositions,
                dNorm);
        assertGradient("words", function, words, dWords);
        assertGradient("positions", function, positions, dPositions);
        assertGradient("norm.weight", function, norm.weight(), dNorm.weight());
        assertGradient("norm.bias", function, norm.bias(), dNorm.bias());
    }

    @Test
    void paddingTokenAndFrozenEmbeddingsGetNoGradient() {
        Tensor words = random(random, VOCABULARY, DIM);
        Tensor sum = zeros(TOKENS, DIM);
        Tensor stats = zeros(TOKENS, 2);
        LayerNorm norm = norm();
        int pad = batch.ids().getInt(0);
        ops.embedding(batch, words, random(random, 8, DIM), norm, Dropout.NONE, sum, stats, zeros(TOKENS, DIM));
        Tensor gradient = random(random, TOKENS, DIM);
        Tensor all = zeros(VOCABULARY, DIM);
        ops.embeddingBackward(batch, sum, stats, norm, Dropout.NONE, -1, copy(gradient), all, null, zeroNorm());
        Tensor withoutPad = zeros(VOCABULARY, DIM);
        ops.embeddingBackward(batch, sum, stats, norm, Dropout.NONE, pad, copy(gradient), withoutPad, null,
                zeroNorm());
        for (int i = 0; i < VOCABULARY * DIM; i++) {
            assertThat(withoutPad.get(i)).isEqualTo(i / DIM == pad ? 0 : all.get(i));
        }
        ops.embeddingBackward(batch, sum, stats, norm, Dropout.NONE, pad, copy(gradient), null, null, zeroNorm());
    }

    @ParameterizedTest
    @EnumSource
    void linear(Activation activation) {
        Tensor x = random(random, TOKENS, DIM);
        Tensor matrix = random(random, 4, DIM);
        Weight weight = backend.prepare(matrix, false);
        // Far from zero, so that no difference steps over the kink of ReLU.
        Tensor bias = vector(zeros(1, 4));
        bias.copyFrom(activation == Activation.RELU ? new float[]{9, -9, 9, -9} : new float[]{1, -2, 0.5f, 0});
        Tensor preActivation = zeros(TOKENS, 4);
        Tensor out = zeros(TOKENS, 4);
        Tensor gradient = random(random, TOKENS, 4);
        Runnable forward = () -> {
            ops.linear(batch.tokenRows(), x, weight, bias, activation, preActivation, out);
        };
        forward.run();
        DoubleSupplier function = () -> {
            forward.run();
            return dot(out, gradient);
        };
        Tensor dOut = copy(gradient);
        ops.activationBackward(batch.tokenRows(), activation, preActivation, dOut);
        Tensor dX = random(random, TOKENS, DIM);
        Tensor dWeight = zeros(4, DIM);
        Tensor dBias = vector(zeros(1, 4));
        ops.linearBackwardInput(batch.tokenRows(), dOut, weight, false, dX);
        ops.linearBackwardWeight(batch.tokenRows(), x, dOut, dWeight, dBias);
        assertGradient("x", function, x, dX);
        assertGradient("weight", function, matrix, dWeight);
        assertGradient("bias", function, bias, dBias);
        Tensor twice = copy(dX);
        ops.linearBackwardInput(batch.tokenRows(), dOut, weight, true, twice);
        for (long i = 0; i < twice.elements(); i++) {
            assertThat(twice.get(i)).isCloseTo(2 * dX.get(i), within(1e-5f));
        }
    }

    @ParameterizedTest
    @ValueSource(floats = {0, 0.3f})
    void attention(float probability) {
        Tensor qkv = random(random, TOKENS, 3 * DIM);
        Tensor logSumExp = zeros(TOKENS, HEADS);
        Tensor out = zeros(TOKENS, DIM);
        Tensor gradient = random(random, TOKENS, DIM);
        Runnable forward = () -> {
            ops.attention(batch, HEADS, qkv, dropout(probability), logSumExp, out);
        };
        forward.run();
        DoubleSupplier function = () -> {
            forward.run();
            return dot(out, gradient);
        };
        Tensor dQkv = zeros(TOKENS, 3 * DIM);
        ops.attentionBackward(batch, HEADS, qkv, out, logSumExp, gradient, dropout(probability), dQkv);
        assertGradient("qkv", function, qkv, dQkv);
    }

    @ParameterizedTest
    @ValueSource(floats = {0, 0.3f})
    void residualLayerNorm(float probability) {
        Tensor x = random(random, TOKENS, DIM);
        Tensor residual = random(random, TOKENS, DIM);
        LayerNorm norm = norm();
        Tensor stats = zeros(TOKENS, 2);
        Tensor out = zeros(TOKENS, DIM);
        Tensor gradient = random(random, TOKENS, DIM);
        Tensor sum = zeros(TOKENS, DIM);
        Runnable forward = () -> {
            sum.segment().copyFrom(x.segment());
            ops.residualLayerNorm(batch, sum, residual, norm, dropout(probability), stats, out);
        };
        forward.run();
        DoubleSupplier function = () -> {
            forward.run();
            return dot(out, gradient);
        };
        Tensor dResidual = zeros(TOKENS, DIM);
        Tensor dX = zeros(TOKENS, DIM);
        LayerNorm dNorm = zeroNorm();
        ops.residualLayerNormBackward(batch, gradient, sum, stats, norm, dropout(probability), dResidual, dX, dNorm);
        assertGradient("x", function, x, dX);
        assertGradient("residual", function, residual, dResidual);
        assertGradient("norm.weight", function, norm.weight(), dNorm.weight());
        assertGradient("norm.bias", function, norm.bias(), dNorm.bias());
    }

    @Test
    void gatherAndDropoutOfTheFirstToken() {
        Tensor x = random(random, TOKENS, DIM);
        Tensor out = zeros(LENGTHS.length, DIM);
        Tensor gradient = random(random, LENGTHS.length, DIM);
        Runnable forward = () -> {
            ops.gatherFirst(batch, x, out);
            ops.dropout(batch, dropout(0.4f), out);
        };
        forward.run();
        DoubleSupplier function = () -> {
            forward.run();
            return dot(out, gradient);
        };
        Tensor dOut = copy(gradient);
        Tensor dX = random(random, TOKENS, DIM);
        ops.dropout(batch, dropout(0.4f), dOut);
        ops.scatterFirst(batch, dOut, dX);
        assertGradient("x", function, x, dX);
    }

    /** Rows with both targets, with a label alone and with one of two scores alone; weights of rows and tasks. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void multiTaskLoss(boolean balanceClasses) {
        int rows = LENGTHS.length;
        Tensor labels = Tensor.vector(new HostBuffer(4L * rows), 0, DType.I32, rows);
        Tensor known = zeros(rows, 2);
        int[] label = {1, 1, -1};
        float[] score = {0.5f, -1, Float.NaN, Float.NaN, Float.NaN, 2};
        for (int i = 0; i < rows; i++) {
            labels.setInt(i, label[i]);
        }
        known.copyFrom(score);
        Targets targets = new Targets(labels, known);
        Tensor logits = random(random, rows, 3);
        Tensor scores = random(random, rows, 2);
        Weight classifier = backend.prepare(random(random, 3, DIM), false);
        Weight regressor = backend.prepare(random(random, 2, DIM), false);
        Tensor dLogits = zeros(rows, 3);
        Tensor dScores = zeros(rows, 2);
        Tensor report = vector(zeros(1, LossReport.SIZE));
        Tensor weights = vector(zeros(1, LossWeights.SIZE));
        new LossWeights(balanceClasses, false, 0.7f, 0.4f, 0.5f).write(weights.segment());
        DoubleSupplier function = () -> {
            ops.multiTaskLoss(batch, targets, logits, scores, classifier, regressor, weights, null, zeros(rows, 3),
                    zeros(rows, 2), report);
            return 0.5 * LossReport.read(backend, report).loss();
        };
        ops.multiTaskLoss(batch, targets, logits, scores, classifier, regressor, weights, null, dLogits, dScores,
                report);
        LossReport found = LossReport.read(backend, report);
        assertThat(found.labelledRows()).isEqualTo(2);
        assertThat(found.scoredRows()).isEqualTo(2);
        assertGradient("logits", function, logits, dLogits);
        assertGradient("scores", function, scores, dScores);
    }
}
