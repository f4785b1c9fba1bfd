package dev.nightjar.backend.reference;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.Targets;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.Tensor;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/** {@link Ops#multiTaskLoss} in float64, formula by formula. */
final class ReferenceLoss {
    private static final double EPSILON = 1e-12;

    private final int rows;
    private final Targets targets;
    private final LossWeights weights;
    private final double[] omega;

    ReferenceLoss(int rows, Targets targets, LossWeights weights) {
        this.rows = rows;
        this.targets = targets;
        this.weights = weights;
        this.omega = dataWeights(weights.balanceClasses());
    }

    /** One task: its loss, the gradient of its raw outputs [rows, outputs], and the rows that have its target. */
    private record Task(double loss, double[] gradient, int outputs, int count) {
        static final Task ABSENT = new Task(0, new double[0], 0, 0);
    }

    LossReport run(Tensor logits, Tensor scores, Weight classifier, Weight regressor, float lossScale, Tensor dLogits,
            Tensor dScores) {
        Task classification = logits == null ? Task.ABSENT : crossEntropy(logits);
        Task regression = scores == null ? Task.ABSENT : squaredError(scores);
        double normC = pooledNorm(classification, classifier);
        double normR = pooledNorm(regression, regressor);
        double lambdaC = weights.classification();
        double lambdaR = weights.regression();
        if (weights.crossRatio()) {
            boolean silent = normC == 0 && normR == 0;
            lambdaC = silent ? 0.5 : normR / (normC + normR + EPSILON);
            lambdaR = silent ? 0.5 : normC / (normC + normR + EPSILON);
        }
        writeScaled(classification, lambdaC * weights.gradientScale() * lossScale, dLogits);
        writeScaled(regression, lambdaR * weights.gradientScale() * lossScale, dScores);
        return new LossReport((float) classification.loss, (float) regression.loss, (float) normC, (float) normR,
                (float) lambdaC,
                (float) lambdaR, classification.count, regression.count);
    }

    private double[] dataWeights(boolean balanceClasses) {
        double[] result = new double[rows];
        Arrays.fill(result, 1);
        if (!balanceClasses || targets.labels() == null) {
            return result;
        }
        Map<Integer, Integer> counts = new TreeMap<>();
        int labelled = 0;
        for (int b = 0; b < rows; b++) {
            int label = targets.labels().getInt(b);
            if (label >= 0) {
                counts.merge(label, 1, Integer::sum);
                labelled++;
            }
        }
        for (int b = 0; b < rows; b++) {
            int label = targets.labels().getInt(b);
            if (label >= 0) {
                result[b] = (double) labelled / (counts.size() * counts.get(label));
            }
        }
        return result;
    }

    private Task crossEntropy(Tensor logits) {
        int classes = logits.cols();
        double[] gradient = new double[rows * classes];
        double loss = 0;
        int count = 0;
        for (int b = 0; b < rows; b++) {
            int label = targets.labels().getInt(b);
            if (label < 0) {
                continue;
            }
            if (label >= classes) {
                throw new IllegalArgumentException(
                        "label " + label + " of row " + b + " is not in [0, " + classes + ")");
            }
            count++;
            double max = Double.NEGATIVE_INFINITY;
            for (int c = 0; c < classes; c++) {
                max = Math.max(max, logits.get((long) b * classes + c));
            }
            double denominator = 0;
            for (int c = 0; c < classes; c++) {
                denominator += Math.exp(logits.get((long) b * classes + c) - max);
            }
            loss += omega[b] * (max + Math.log(denominator) - logits.get((long) b * classes + label));
            for (int c = 0; c < classes; c++) {
                double probability = Math.exp(logits.get((long) b * classes + c) - max) / denominator;
                gradient[b * classes + c] = omega[b] * (probability - (c == label ? 1 : 0));
            }
        }
        return mean(loss, gradient, classes, count);
    }

    private Task squaredError(Tensor scores) {
        int outputs = scores.cols();
        double[] gradient = new double[rows * outputs];
        double loss = 0;
        int count = 0;
        for (int b = 0; b < rows; b++) {
            int present = 0;
            double squares = 0;
            for (int k = 0; k < outputs; k++) {
                double difference = difference(scores, b, k);
                if (!Double.isNaN(targets.scores().get((long) b * outputs + k))) {
                    squares += difference * difference;
                    present++;
                }
            }
            if (present == 0) {
                continue;
            }
            count++;
            loss += omega[b] * squares / present;
            for (int k = 0; k < outputs; k++) {
                if (!Double.isNaN(targets.scores().get((long) b * outputs + k))) {
                    gradient[b * outputs + k] = omega[b] * 2 * difference(scores, b, k) / present;
                }
            }
        }
        return mean(loss, gradient, outputs, count);
    }

    private double difference(Tensor scores, int row, int target) {
        long at = (long) row * scores.cols() + target;
        return (double) scores.get(at) - targets.scores().get(at);
    }

    private static Task mean(double loss, double[] gradient, int outputs, int count) {
        int divisor = Math.max(count, 1);
        for (int i = 0; i < gradient.length; i++) {
            gradient[i] /= divisor;
        }
        return new Task(loss / divisor, gradient, outputs, count);
    }

    /** Frobenius norm of gradient times head weight: [rows, outputs] x [outputs, dim]. */
    private double pooledNorm(Task task, Weight head) {
        double squares = 0;
        for (int b = 0; b < rows && task.outputs > 0; b++) {
            Tensor w = head.tensor();
            for (int d = 0; d < w.cols(); d++) {
                double dot = 0;
                for (int o = 0; o < task.outputs; o++) {
                    dot += task.gradient[b * task.outputs + o] * w.get((long) o * w.cols() + d);
                }
                squares += dot * dot;
            }
        }
        return Math.sqrt(squares);
    }

    private static void writeScaled(Task task, double factor, Tensor out) {
        for (int i = 0; i < task.gradient.length; i++) {
            out.set(i, (float) (task.gradient[i] * factor));
        }
    }
}
