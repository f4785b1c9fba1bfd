package dev.nightjar.train;

import dev.nightjar.backend.LossScale;
import java.util.Map;
import java.util.Optional;

/**
 * Where a run stands, beside parameters and moments. The order of rows, dropout and learning rate follow from the step, as their generators
 * are counter-based.
 *
 * @param step optimizer steps made
 * @param staleEvaluations evaluations since the best
 * @param bestStep step of the best evaluation, 0 before the first
 * @param bestValue its metric, NaN before the first
 * @param weighting state of the task weighting
 * @param lossScale of a run in float16
 * @param identity settings and data of the run by name; a run that differs cannot continue this one
 */
public record TrainingState(int step, int staleEvaluations, int bestStep, double bestValue,
        Map<String, Double> weighting, Optional<LossScale> lossScale, Map<String, String> identity) {
}
