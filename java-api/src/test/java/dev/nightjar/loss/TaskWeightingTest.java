package dev.nightjar.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import dev.nightjar.loss.TaskWeighting.Scope;
import dev.nightjar.loss.TaskWeighting.TaskWeights;
import dev.nightjar.loss.TaskWeighting.Tasks;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TaskWeightingTest {
    private static final Tasks BOTH = new Tasks(true, true);

    private static LossReport refused() {
        throw new AssertionError("asked for what costs something");
    }

    private static LossReport losses(double classification, double regression, int labelled, int scored) {
        return new LossReport((float) classification, (float) regression, 0, 0, 0, 0, labelled, scored);
    }

    @Test
    void daoGivesBothGradientsTheSameNorm() {
        TaskWeighting dao = new DynamicAdaptiveWeighting(Scope.SHARED_PARAMETERS, true);
        TaskWeights weights = dao.combine(BOTH, 3, 9);
        assertThat(weights.classification()).isCloseTo(0.75, within(1e-12));
        assertThat(weights.regression()).isCloseTo(0.25, within(1e-12));
        assertThat(dao.combine(BOTH, 0, 0)).isEqualTo(new TaskWeights(0.5, 0.5));
        assertThat(dao.separatesTasks()).isTrue();
        assertThat(dao.weights(BOTH, TaskWeightingTest::refused, 0.5f))
                .isEqualTo(new LossWeights(true, false, 1, 1, 0.5f));
    }

    /** The cross ratio would give the only task weight 0, as the other's gradient is 0. */
    @Test
    void daoDoesNotSilenceTheOnlyTaskOfABatch() {
        TaskWeighting pooled = new DynamicAdaptiveWeighting(Scope.POOLED_REPRESENTATION, false);
        assertThat(pooled.weights(BOTH, TaskWeightingTest::refused, 1).crossRatio()).isTrue();
        for (Tasks one : new Tasks[]{new Tasks(true, false), new Tasks(false, true)}) {
            assertThat(pooled.weights(one, TaskWeightingTest::refused, 1))
                    .isEqualTo(new LossWeights(false, false, 1, 1, 1));
            TaskWeighting shared = new DynamicAdaptiveWeighting(Scope.SHARED_PARAMETERS, false);
            assertThat(shared.combine(one, one.classification() ? 2 : 0, one.regression() ? 2 : 0))
                    .isEqualTo(new TaskWeights(1, 1));
        }
    }

    /** L_c exp(-s_c) + s_c / 2 is least at s_c = ln(2 L_c), L_r exp(-s_r) / 2 + s_r / 2 at s_r = ln L_r. */
    @Test
    void uncertaintyFindsTheLogVariancesOfSteadyLosses() {
        TaskWeighting uncertainty = new UncertaintyWeighting(0.01);
        assertThat(uncertainty.weights(BOTH, TaskWeightingTest::refused, 1))
                .isEqualTo(new LossWeights(false, false, 1, 0.5f, 1));
        uncertainty.observe(losses(2, 0.1, 8, 8), TaskWeightingTest::refused);
        // Adam's first step is the learning rate, against the gradient's sign.
        assertThat(uncertainty.state().get("classification.log_variance")).isCloseTo(0.01, within(1e-6));
        assertThat(uncertainty.state().get("regression.log_variance")).isCloseTo(-0.01, within(1e-6));
        for (int i = 0; i < 3000; i++) {
            uncertainty.observe(losses(2, 0.1, 8, 8), TaskWeightingTest::refused);
        }
        LossWeights weights = uncertainty.weights(BOTH, TaskWeightingTest::refused, 1);
        assertThat(weights.classification()).isCloseTo(1 / 4f, within(1e-3f));
        assertThat(weights.regression()).isCloseTo(0.5f / 0.1f, within(1e-2f));
    }

    @Test
    void uncertaintyLeavesAnAbsentTaskAlone() {
        TaskWeighting uncertainty = new UncertaintyWeighting(0.01);
        uncertainty.observe(losses(2, 0, 8, 0), TaskWeightingTest::refused);
        assertThat(uncertainty.state().get("regression.log_variance")).isZero();
        assertThat(uncertainty.state().get("regression.log_variance.updates")).isZero();
    }

    @Test
    void weightAverageFollowsTheEpochsMeanLosses() {
        TaskWeighting average = new DynamicWeightAverage(2);
        for (int epoch = 0; epoch < 2; epoch++) {
            assertThat(average.weights(BOTH, TaskWeightingTest::refused, 1))
                    .isEqualTo(new LossWeights(false, false, 0.5f, 0.5f, 1));
            // Mean losses 1.2 and 0.9, then 0.6 and 0.81.
            average.observe(losses(epoch == 0 ? 1 : 0.5, epoch == 0 ? 0.9 : 0.81, 2, 5), TaskWeightingTest::refused);
            average.observe(losses(epoch == 0 ? 1.3 : 0.65, epoch == 0 ? 0.9 : 0.81, 4, 5), TaskWeightingTest::refused);
            average.endEpoch();
        }
        double classification = Math.exp(0.5 / 2);
        double regression = Math.exp(0.9 / 2);
        assertThat(average.weights(BOTH, TaskWeightingTest::refused, 1).classification())
                .isCloseTo((float) (classification / (classification + regression)), within(1e-6f));
        assertThat(average.weights(BOTH, TaskWeightingTest::refused, 1).regression())
                .isCloseTo((float) (regression / (classification + regression)), within(1e-6f));
    }

    @Test
    void stateCarriesOver() {
        TaskWeighting[] learnt = {new UncertaintyWeighting(0.01), new DynamicWeightAverage(2)};
        TaskWeighting[] restored = {new UncertaintyWeighting(0.01), new DynamicWeightAverage(2)};
        for (int i = 0; i < learnt.length; i++) {
            for (int epoch = 0; epoch < 3; epoch++) {
                learnt[i].observe(losses(1 + epoch, 2, 3, 3), TaskWeightingTest::refused);
                learnt[i].endEpoch();
            }
            learnt[i].observe(losses(1, 1, 2, 2), TaskWeightingTest::refused);
            restored[i].restore(learnt[i].state());
            for (TaskWeighting weighting : new TaskWeighting[]{learnt[i], restored[i]}) {
                weighting.observe(losses(0.7, 0.2, 4, 4), TaskWeightingTest::refused);
                weighting.endEpoch();
            }
            assertThat(restored[i].state()).isEqualTo(learnt[i].state());
            assertThat(restored[i].weights(BOTH, TaskWeightingTest::refused, 1))
                    .isEqualTo(learnt[i].weights(BOTH, TaskWeightingTest::refused, 1));
            TaskWeighting empty = restored[i];
            assertThatThrownBy(() -> empty.restore(Map.of())).isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("classification.");
        }
    }
}
