package dev.nightjar.loss;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Dynamic weight average (Liu, Johns and Davison, "End-to-end multi-task learning with attention", CVPR 2019, equation 7): from the third
 * epoch lambda_k = softmax_k(r_k / T) with r_k the ratio of the task's mean losses over the last two epochs; equal weights before.
 *
 * <p>The authors multiply by the number of tasks. Here the weights sum to one, as those of the other weightings do; AdamW does not
 * notice a common factor, clipping does.
 */
public final class DynamicWeightAverage implements TaskWeighting {
    private final double temperature;
    private final LossAverage classification = new LossAverage("classification");
    private final LossAverage regression = new LossAverage("regression");

    /** @param temperature T; the authors use 2 */
    public DynamicWeightAverage(double temperature) {
        this.temperature = temperature;
    }

    @Override
    public LossWeights weights(Tasks present, Supplier<LossReport> losses, float gradientScale) {
        double difference = (classification.ratio() - regression.ratio()) / temperature;
        double lambda = 1 / (1 + Math.exp(-difference));
        return new LossWeights(false, false, (float) lambda, (float) (1 - lambda), gradientScale);
    }

    @Override
    public boolean observesSteps() {
        return true;
    }

    @Override
    public void observe(LossReport losses, Supplier<LossReport> updated) {
        classification.add(losses.classificationLoss(), losses.labelledRows());
        regression.add(losses.regressionLoss(), losses.scoredRows());
    }

    @Override
    public void endEpoch() {
        classification.endEpoch();
        regression.endEpoch();
    }

    @Override
    public Map<String, Double> state() {
        Map<String, Double> state = new LinkedHashMap<>();
        classification.save(state);
        regression.save(state);
        return state;
    }

    @Override
    public void restore(Map<String, Double> state) {
        classification.restore(state);
        regression.restore(state);
    }

    /** Mean loss of a task over the rows of this epoch and of the two before, 0 where there was none. */
    private static final class LossAverage {
        final String name;
        double sum;
        double rows;
        double last;
        double beforeLast;

        LossAverage(String name) {
            this.name = name;
        }

        void add(double loss, int count) {
            sum += loss * count;
            rows += count;
        }

        void endEpoch() {
            beforeLast = last;
            last = rows == 0 ? 0 : sum / rows;
            sum = 0;
            rows = 0;
        }

        double ratio() {
            return last > 0 && beforeLast > 0 ? last / beforeLast : 1;
        }

        void save(Map<String, Double> state) {
            state.put(name + ".sum", sum);
            state.put(name + ".rows", rows);
            state.put(name + ".last", last);
            state.put(name + ".before_last", beforeLast);
        }

        void restore(Map<String, Double> state) {
            sum = WeightingState.get(state, name + ".sum");
            rows = WeightingState.get(state, name + ".rows");
            last = WeightingState.get(state, name + ".last");
            beforeLast = WeightingState.get(state, name + ".before_last");
        }
    }
}
