package dev.nightjar.backend;

import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What {@link Ops#multiTaskLoss} found, in the order of its elements in memory.
 *
 * @param classificationLoss L_c before its task weight
 * @param regressionLoss L_r before its task weight
 * @param classificationNorm Frobenius norm of L_c's gradient with respect to the heads' common input
 * @param regressionNorm the same of L_r
 * @param classificationWeight lambda_c
 * @param regressionWeight lambda_r
 * @param labelledRows rows with a label
 * @param scoredRows rows with at least one target
 */
public record LossReport(float classificationLoss, float regressionLoss, float classificationNorm, float regressionNorm,
        float classificationWeight, float regressionWeight, int labelledRows, int scoredRows) {
    /** Elements in memory. */
    public static final int SIZE = 8;

    /** lambda_c L_c + lambda_r L_r. */
    public float loss() {
        return classificationWeight * classificationLoss + regressionWeight * regressionLoss;
    }

    /** Writes this to the first {@link #SIZE} elements of a host tensor. */
    public void write(Tensor report) {
        report.set(0, classificationLoss);
        report.set(1, regressionLoss);
        report.set(2, classificationNorm);
        report.set(3, regressionNorm);
        report.set(4, classificationWeight);
        report.set(5, regressionWeight);
        report.set(6, labelledRows);
        report.set(7, scoredRows);
    }

    /** Fetches a report from a backend. */
    public static LossReport read(Backend backend, Tensor report) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate((long) SIZE * DType.F32.bytes());
            backend.download(report.slice(0, SIZE), host);
            float[] v = host.toArray(ValueLayout.JAVA_FLOAT);
            return new LossReport(v[0], v[1], v[2], v[3], v[4], v[5], (int) v[6], (int) v[7]);
        }
    }
}
