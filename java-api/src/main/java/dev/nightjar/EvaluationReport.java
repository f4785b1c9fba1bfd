package dev.nightjar;

/**
 * An evaluation in the course of a training.
 *
 * @param step after which it was made
 * @param epoch that step belongs to, counted from 1
 * @param evaluation on the validation rows
 * @param value of the metric that the training watches
 * @param best whether no earlier one was as good
 */
public record EvaluationReport(int step, int epoch, Evaluation evaluation, double value, boolean best) {
}
