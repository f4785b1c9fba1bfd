package dev.nightjar;

/**
 * One optimizer step of a training.
 *
 * @param step counted from 1
 * @param totalSteps of the whole run
 * @param epoch counted from 1
 * @param loss weighted sum of the tasks' losses
 * @param classificationLoss cross-entropy before its task weight; 0 without labels
 * @param regressionLoss mean squared error before its task weight; 0 without scores
 * @param classificationWeight lambda_c
 * @param regressionWeight lambda_r
 * @param classificationNorm norm of the classification loss's gradient, with respect to what the weighting compares
 * @param regressionNorm the same of the regression loss
 * @param learningRate of this step
 * @param gradientNorm global norm before clipping
 * @param rowsPerSecond rows trained since the last report, evaluations and checkpoints not counted
 */
public record StepReport(int step, int totalSteps, int epoch, double loss, double classificationLoss,
        double regressionLoss, double classificationWeight, double regressionWeight, double classificationNorm,
        double regressionNorm, double learningRate, double gradientNorm, double rowsPerSecond) {
}
