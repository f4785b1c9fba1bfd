package dev.nightjar.backend;

import dev.nightjar.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One case for each operation of {@link Ops} and each of its forms, written against {@link OpsRig} and so for every
 * backend.
 */
final class OpsCases {
    /** Builds its inputs, runs the operation and leaves the outputs with the rig. */
    @FunctionalInterface
    interface Case {
        void run(OpsRig rig);
    }

    private static final int VOCABULARY = 23;

    private OpsCases() {
    }

    private static Dropout dropout(OpsRig rig) {
        return new Dropout(0.3f, 0x1234_5678_9abc_def0L, rig.integers(5), 11);
    }

    static Map<String, Case> all() {
        Map<String, Case> cases = new LinkedHashMap<>(inference());
        cases.put("embedding", rig -> embedding(rig, Dropout.NONE, false));
        cases.put("embedding, training", rig -> embedding(rig, dropout(rig), true));
        cases.put("embeddingBackward", OpsCases::embeddingBackward);
        for (Activation activation : Activation.values()) {
            cases.put("linear " + activation, rig -> linear(rig, activation, false, false));
            cases.put("linear " + activation + ", constant", rig -> linear(rig, activation, false, true));
            cases.put("linear " + activation + ", training", rig -> linear(rig, activation, true, false));
            cases.put("activationBackward " + activation, rig -> activationBackward(rig, activation));
        }
        cases.put("linearBackwardInput", rig -> linearBackwardInput(rig, false));
        cases.put("linearBackwardInput, accumulating", rig -> linearBackwardInput(rig, true));
        cases.put("linearBackwardWeight", OpsCases::linearBackwardWeight);
        cases.put("attention", rig -> attention(rig, Dropout.NONE, false));
        cases.put("attention, training", rig -> attention(rig, dropout(rig), true));
        cases.put("attentionBackward", rig -> attentionBackward(rig, Dropout.NONE));
        cases.put("attentionBackward, dropout", rig -> attentionBackward(rig, dropout(rig)));
        cases.put("residualLayerNorm", rig -> residualLayerNorm(rig, Dropout.NONE, false));
        cases.put("residualLayerNorm, training", rig -> residualLayerNorm(rig, dropout(rig), true));
        cases.put("residualLayerNormBackward", rig -> residualLayerNormBackward(rig, Dropout.NONE));
        cases.put("residualLayerNormBackward, dropout", rig -> residualLayerNormBackward(rig, dropout(rig)));
        cases.put("gatherFirst and scatterFirst", OpsCases::pooling);
        cases.put("dropout", OpsCases::dropOut);
        cases.put("softmax", OpsCases::softmax);
        cases.putAll(losses());
        cases.put("squaredNorm, axpby and zero", OpsCases::vectors);
        cases.put("adamW", OpsCases::adamW);
        return cases;
    }

    /** Which targets the rows have, and which heads and weights there are. */
    static Map<String, Case> losses() {
        LossWeights dao = new LossWeights(true, true, 0, 0, 0.5f);
        LossWeights constant = new LossWeights(false, false, 0.7f, 0.4f, 1);
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("multiTaskLoss", rig -> multiTaskLoss(rig, 3, 2, rig.shape.labels(3), 7, dao, false));
        cases.put("multiTaskLoss, constant weights",
                rig -> multiTaskLoss(rig, 2, 1, rig.shape.labels(2), 7, constant, false));
        cases.put("multiTaskLoss, one class",
                rig -> multiTaskLoss(rig, 3, 2, new int[rig.shape.sequences()], 7, dao, false));
        cases.put("multiTaskLoss, no labels", rig -> multiTaskLoss(rig, 3, 2, unknown(rig), 7, dao, false));
        cases.put("multiTaskLoss, no scores", rig -> multiTaskLoss(rig, 3, 2, rig.shape.labels(3), 1, dao, false));
        cases.put("multiTaskLoss, no targets", rig -> multiTaskLoss(rig, 3, 2, unknown(rig), 1, dao, false));
        cases.put("multiTaskLoss, classes alone",
                rig -> multiTaskLoss(rig, 5, 0, rig.shape.labels(5), 7, constant, false));
        cases.put("multiTaskLoss, scores alone", rig -> multiTaskLoss(rig, 0, 3, unknown(rig), 7, constant, false));
        cases.put("multiTaskLoss, scaled", rig -> multiTaskLoss(rig, 64, 8, rig.shape.labels(64), 7, dao, true));
        return cases;
    }

    private static int[] unknown(OpsRig rig) {
        int[] labels = new int[rig.shape.sequences()];
        Arrays.fill(labels, -1);
        return labels;
    }

    /** Those that a backend without training has too. */
    static Map<String, Case> inference() {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("inference: embedding", OpsCases::inferenceEmbedding);
        for (Activation activation : Activation.values()) {
            cases.put("inference: linear " + activation, rig -> inferenceLinear(rig, activation));
        }
        cases.put("inference: linearResidualLayerNorm", OpsCases::inferenceLinearResidualLayerNorm);
        cases.put("inference: attention", OpsCases::inferenceAttention);
        cases.put("inference: firstTokenAttention", OpsCases::inferenceFirstTokens);
        cases.put("inference: heads", rig -> inferenceHeads(rig, 3));
        cases.put("inference: heads, one class", rig -> inferenceHeads(rig, 1));
        return cases;
    }

    private static void inferenceEmbedding(OpsRig rig) {
        int dim = rig.shape.dim();
        rig.inference.embedding(rig.batch(VOCABULARY), rig.parameter("x", VOCABULARY, dim),
                rig.parameter("positions", rig.shape.maxLength(), dim), rig.norm(dim),
                rig.output("out", rig.shape.tokens(), dim, dim));
    }

    private static void inferenceLinear(OpsRig rig, Activation activation) {
        int rows = rig.shape.tokens();
        int n = rig.shape.hidden();
        int k = rig.shape.dim();
        rig.inference.linear(rig.batch(VOCABULARY), rig.input("x", rows, k), rig.linear("layer", n, k), activation,
                rig.output("out", rows, n, k));
    }

    private static void inferenceLinearResidualLayerNorm(OpsRig rig) {
        int rows = rig.shape.tokens();
        int k = rig.shape.hidden();
        int dim = rig.shape.dim();
        PackedBatch batch = rig.batch(VOCABULARY);
        Linear layer = rig.linear("layer", dim, k);
        Tensor sum = rig.input("sum", rows, dim);
        rig.inference.linearResidualLayerNorm(batch, rig.input("x", rows, k), layer,
                rig.input("residual", rows, dim), rig.norm(dim), sum, rig.output("out", rows, dim, k + dim));
        Tensor inPlace = rig.updated("residual, in place", rows, dim, k + dim);
        rig.inference.linearResidualLayerNorm(batch, rig.input("x", rows, k), layer, inPlace, rig.norm(dim), sum,
                inPlace);
    }

    private static void inferenceAttention(OpsRig rig) {
        int dim = rig.shape.dim();
        int tokens = rig.shape.tokens();
        rig.inference.attention(rig.batch(VOCABULARY), rig.shape.heads(), rig.input("x", tokens, 3 * dim),
                rig.output("out", tokens, dim, rig.shape.maxLength() + dim));
    }

    /** Where a backend has no operations for first tokens, they are taken from those for all. */
    private static void inferenceFirstTokens(OpsRig rig) {
        int dim = rig.shape.dim();
        int tokens = rig.shape.tokens();
        PackedBatch batch = rig.batch(VOCABULARY);
        Tensor qkv = rig.input("x", tokens, 3 * dim);
        Tensor out = rig.output("out", rig.shape.sequences(), dim, rig.shape.maxLength() + dim);
        Tensor rows = rig.output("rows", rig.shape.sequences(), 3 * dim, 0);
        if (rig.inference instanceof FirstTokenOps first) {
            first.firstTokenAttention(batch, rig.shape.heads(), qkv, out);
            first.firstTokenRows(batch, qkv, rows);
        } else {
            Tensor all = rig.input("all", tokens, dim);
            rig.ops.attention(batch, rig.shape.heads(), qkv, Dropout.NONE, null, all);
            rig.ops.gatherFirst(batch, all, out);
            rig.ops.gatherFirst(batch, qkv, rows);
        }
    }

    private static void inferenceHeads(OpsRig rig, int classes) {
        int dim = rig.shape.dim();
        int rows = rig.shape.sequences();
        PackedBatch batch = rig.batch(VOCABULARY);
        Tensor hidden = rig.input("x", rig.shape.tokens(), dim);
        Linear pre = rig.head("pre", dim, dim);
        Linear classifier = rig.head("classifier", classes, dim);
        Linear regressor = rig.head("regressor", 2, dim);
        rig.inference.heads(batch, hidden, new Heads(pre, classifier, regressor),
                new Heads.Outputs(rig.input("first", rows, dim), rig.output("pooled", rows, dim, dim),
                        rig.result("logits", rows, classes, 2 * dim),
                        rig.result("probabilities", rows, classes, 2 * dim), rig.result("scores", rows, 2, 2 * dim)));
        rig.inference.heads(batch, hidden, new Heads(pre, null, regressor),
                new Heads.Outputs(rig.input("first", rows, dim), rig.output("pooled, regression", rows, dim, dim), null,
                        null, rig.result("scores, regression", rows, 2, 2 * dim)));
        rig.inference.heads(batch, hidden, new Heads(pre, classifier, null),
                new Heads.Outputs(rig.input("first", rows, dim), rig.output("pooled, classification", rows, dim, dim),
                        rig.result("logits, classification", rows, classes, 2 * dim),
                        rig.result("probabilities, classification", rows, classes, 2 * dim), null));
    }

    private static void embedding(OpsRig rig, Dropout dropout, boolean training) {
        int dim = rig.shape.dim();
        int tokens = rig.shape.tokens();
        Tensor sum = training ? rig.output("sum", tokens, dim, 1) : null;
        Tensor stats = training ? rig.output("stats", tokens, 2, dim) : null;
        rig.ops.embedding(rig.batch(VOCABULARY), rig.input("x", VOCABULARY, dim),
                rig.input("positions", rig.shape.maxLength(), dim), rig.norm(dim), dropout, sum, stats,
                rig.output("out", tokens, dim, dim));
    }

    private static void embeddingBackward(OpsRig rig) {
        int dim = rig.shape.dim();
        int tokens = rig.shape.tokens();
        PackedBatch batch = rig.batch(VOCABULARY);
        LayerNorm norm = rig.norm(dim);
        Tensor sum = rig.output("sum", tokens, dim, 1);
        Tensor stats = rig.output("stats", tokens, 2, dim);
        Dropout dropout = dropout(rig);
        rig.ops.embedding(batch, rig.input("x", VOCABULARY, dim), rig.input("positions", rig.shape.maxLength(), dim),
                norm, dropout, sum, stats, rig.output("out", tokens, dim, dim));
        rig.ops.embeddingBackward(batch, sum, stats, norm, dropout, 3, rig.updated("dOut", tokens, dim, dim),
                rig.updated("dWords", VOCABULARY, dim, tokens + dim),
                rig.updated("dPositions", rig.shape.maxLength(), dim, tokens + dim),
                rig.normGradient(dim, tokens + dim));
        // Frozen tables; the gradient of the sum takes the place of dOut once more.
        rig.ops.embeddingBackward(batch, sum, stats, norm, Dropout.NONE, -1,
                rig.updated("dOut, frozen", tokens, dim, dim),
                null, null, new LayerNorm(rig.updated("dGamma, frozen", 1, dim, tokens + dim),
                        rig.updated("dBeta, frozen", 1, dim, tokens + dim)));
    }

    private static void linear(OpsRig rig, Activation activation, boolean training, boolean constant) {
        int rows = rig.shape.tokens();
        int n = rig.shape.hidden();
        int k = rig.shape.dim();
        Tensor pre = training ? rig.output("preActivation", rows, n, k) : null;
        rig.ops.linear(rig.rows(rows), rig.input("x", rows, k), rig.weight("weight", n, k, constant),
                rig.input("bias", 1, n),
                activation,
                pre, rig.output("out", rows, n, k));
    }

    private static void activationBackward(OpsRig rig, Activation activation) {
        int rows = rig.shape.tokens();
        int n = rig.shape.hidden();
        rig.ops.activationBackward(rig.rows(rows), activation, rig.input("x", rows, n, 3),
                rig.updated("gradient", rows, n, 4));
    }

    private static void linearBackwardInput(OpsRig rig, boolean accumulate) {
        int rows = rig.shape.tokens();
        int n = rig.shape.hidden();
        int k = rig.shape.dim();
        Tensor dX = accumulate ? rig.updated("dX", rows, k, n) : rig.output("dX", rows, k, n);
        rig.ops.linearBackwardInput(rig.rows(rows), rig.input("x", rows, n), rig.weight("weight", n, k, false),
                accumulate, dX);
    }

    private static void linearBackwardWeight(OpsRig rig) {
        int rows = rig.shape.tokens();
        int n = rig.shape.hidden();
        int k = rig.shape.dim();
        rig.ops.linearBackwardWeight(rig.rows(rows), rig.input("x", rows, k), rig.input("dOut", rows, n),
                rig.weightGradient("dWeight", n, k, rows), rig.updated("dBias", 1, n, rows));
    }

    private static void attention(OpsRig rig, Dropout dropout, boolean training) {
        int dim = rig.shape.dim();
        int tokens = rig.shape.tokens();
        int terms = rig.shape.maxLength() + dim;
        Tensor logSumExp = training ? rig.output("logSumExp", tokens, rig.shape.heads(), terms) : null;
        rig.ops.attention(rig.batch(VOCABULARY), rig.shape.heads(), rig.input("x", tokens, 3 * dim), dropout, logSumExp,
                rig.output("out", tokens, dim, terms));
    }

    private static void attentionBackward(OpsRig rig, Dropout dropout) {
        int dim = rig.shape.dim();
        int tokens = rig.shape.tokens();
        int terms = rig.shape.maxLength() + dim;
        PackedBatch batch = rig.batch(VOCABULARY);
        Tensor qkv = rig.input("x", tokens, 3 * dim);
        Tensor out = rig.output("out", tokens, dim, terms);
        Tensor logSumExp = rig.output("logSumExp", tokens, rig.shape.heads(), terms);
        rig.ops.attention(batch, rig.shape.heads(), qkv, dropout, logSumExp, out);
        rig.ops.attentionBackward(batch, rig.shape.heads(), qkv, out, logSumExp, rig.input("dOut", tokens, dim),
                dropout,
                rig.output("dQkv", tokens, 3 * dim, 4 * terms));
    }

    private static void residualLayerNorm(OpsRig rig, Dropout dropout, boolean training) {
        int dim = rig.shape.dim();
        int tokens = rig.shape.tokens();
        PackedBatch batch = rig.batch(VOCABULARY);
        LayerNorm norm = rig.norm(dim);
        Tensor stats = training ? rig.output("stats", tokens, 2, dim) : null;
        rig.ops.residualLayerNorm(batch, rig.updated("x", tokens, dim, 2), rig.input("residual", tokens, dim), norm,
                dropout,
                stats, rig.output("out", tokens, dim, dim));
        Tensor inPlace = rig.updated("residual, in place", tokens, dim, dim);
        rig.ops.residualLayerNorm(batch, rig.updated("x, in place", tokens, dim, 2), inPlace, norm, dropout, null,
                inPlace);
    }

    private static void residualLayerNormBackward(OpsRig rig, Dropout dropout) {
        int dim = rig.shape.dim();
        int tokens = rig.shape.tokens();
        PackedBatch batch = rig.batch(VOCABULARY);
        LayerNorm norm = rig.norm(dim);
        Tensor sum = rig.updated("x", tokens, dim, 2);
        Tensor stats = rig.output("stats", tokens, 2, dim);
        rig.ops.residualLayerNorm(batch, sum, rig.input("residual", tokens, dim), norm, dropout, stats,
                rig.output("out", tokens, dim, dim));
        LayerNorm dNorm = rig.normGradient(dim, 2 * tokens + dim);
        Tensor dX = dropout.active() ? rig.output("dX", tokens, dim, dim) : null;
        rig.ops.residualLayerNormBackward(batch, rig.input("dOut", tokens, dim), sum, stats, norm, dropout,
                rig.output("dResidual", tokens, dim, dim), dX, dNorm);
        Tensor inPlace = rig.updated("dOut, in place", tokens, dim, dim);
        rig.ops.residualLayerNormBackward(batch, inPlace, sum, stats, norm, dropout, inPlace,
                rig.output("dX, in place", tokens, dim, dim), dNorm);
    }

    private static void pooling(OpsRig rig) {
        int dim = rig.shape.dim();
        PackedBatch batch = rig.batch(VOCABULARY);
        rig.ops.gatherFirst(batch, rig.input("x", rig.shape.tokens(), dim),
                rig.output("out", rig.shape.sequences(), dim, 0));
        rig.ops.scatterFirst(batch, rig.input("dOut", rig.shape.sequences(), dim),
                rig.output("dX", rig.shape.tokens(), dim, 0));
    }

    private static void dropOut(OpsRig rig) {
        rig.ops.dropout(rig.batch(VOCABULARY), dropout(rig),
                rig.updated("x", rig.shape.sequences(), rig.shape.dim(), 1));
        rig.ops.dropout(rig.batch(VOCABULARY), Dropout.NONE,
                rig.updated("kept", rig.shape.sequences(), rig.shape.dim(), 0));
    }

    private static void softmax(OpsRig rig) {
        int rows = rig.shape.tokens();
        rig.ops.softmax(rig.rows(rows), rig.input("x", rows, 5, 4), rig.output("out", rows, 5, 5));
        Tensor inPlace = rig.updated("in place", rows, 3, 3);
        rig.ops.softmax(rig.rows(rows), inPlace, inPlace);
    }

    /** @param gap every so many scores one is unknown */
    private static void multiTaskLoss(OpsRig rig, int classes, int outputs, int[] labels, int gap, LossWeights weights,
            boolean scaled) {
        int rows = rig.shape.sequences();
        int dim = rig.shape.dim();
        float[] scores = new float[outputs * rows];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = i % gap == Math.min(3, gap - 1) ? Float.NaN : 0.1f * (i % 20);
        }
        Targets targets = new Targets(classes == 0 ? null : rig.integers(labels),
                outputs == 0 ? null : rig.values(rows, outputs, scores));
        int terms = rows + dim;
        rig.ops.multiTaskLoss(rig.batch(VOCABULARY), targets, classes == 0 ? null : rig.input("x", rows, classes),
                outputs == 0 ? null : rig.input(classes == 0 ? "x" : "scores", rows, outputs),
                classes == 0 ? null : rig.weight("classifier", classes, dim, false),
                outputs == 0 ? null : rig.weight("regressor", outputs, dim, false),
                rig.scalars(LossWeights.SIZE, weights::write),
                scaled ? rig.scalars(LossScale.SIZE, LossScale.INITIAL::write) : null,
                classes == 0 ? null : rig.output("dLogits", rows, classes, terms),
                outputs == 0 ? null : rig.output("dScores", rows, outputs, terms),
                rig.output("report", 1, LossReport.SIZE, terms));
    }

    private static void vectors(OpsRig rig) {
        int rows = rig.shape.tokens();
        int n = rig.shape.hidden();
        Tensor x = rig.input("x", 1, rows * n);
        rig.ops.squaredNorm(x, rig.output("norm", 1, 1, 1));
        rig.ops.axpby(1.5f, x, -0.5f, rig.updated("sum", 1, rows * n, 2));
        rig.ops.axpby(1.5f, x, 0, rig.updated("overwritten", 1, 1, rows * n, nans(rows * n)));
        rig.ops.zero(rig.updated("zero", 1, rows * n, 0));
    }

    private static float[] nans(int count) {
        float[] values = new float[count];
        Arrays.fill(values, Float.NaN);
        return values;
    }

    private static void adamW(OpsRig rig) {
        int n = rig.shape.tokens() * rig.shape.hidden();
        float[] secondMoment = new float[n];
        for (int i = 0; i < n; i++) {
            secondMoment[i] = 0.01f + i % 17;
        }
        int third = n / 3;
        List<ParameterGroup> groups = List.of(new ParameterGroup(0, third, 1, true),
                new ParameterGroup(third, third, 0, true),
                new ParameterGroup(2 * third, n - 2 * third - 5, 0.5f, false));
        AdamWStep step = new AdamWStep(3, 1e-2f, 0.9f, 0.999f, 1e-8f, 0.01f, 1.5f);
        rig.ops.adamW(rig.scalars(AdamWStep.SIZE, step::write), rig.table(groups), rig.values(1, 1, 7.25f), null,
                new AdamWTensors(rig.updated("parameters", 1, n, 2), null, rig.input("x", 1, n),
                        rig.updated("firstMoment", 1, n, 2), rig.updated("secondMoment", 2, 1, n, secondMoment)));
    }
}
