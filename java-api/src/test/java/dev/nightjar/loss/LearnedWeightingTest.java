package dev.nightjar.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import dev.nightjar.loss.TaskWeighting.Scope;
import dev.nightjar.loss.TaskWeighting.TaskWeights;
import dev.nightjar.loss.TaskWeighting.Tasks;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** GradNorm, DB-MTL and FAMO by the papers' formulas in float64; dev.nightjar.train.WeightingGoldenTest has them in real trainings. */
class LearnedWeightingTest {
    private static final Tasks BOTH = new Tasks(true, true);
    private static final int STEPS = 40;
    private static final int RESUMED_AT = 17;

    /** What a step reports before and after its update. */
    private record Step(LossReport before, LossReport after) {
        Tasks present() {
            return new Tasks(before.labelledRows() > 0, before.scoredRows() > 0);
        }
    }

    /** Losses that fall by fits and starts; steps without labels or scores, with zero norms and with zero losses. */
    private static List<Step> steps() {
        Random random = new Random(3);
        List<Step> steps = new ArrayList<>();
        for (int t = 0; t < STEPS; t++) {
            boolean labels = t % 7 != 0;
            boolean scores = t % 5 != 1;
            double lossC = labels && t != 23 ? Math.exp(-0.05 * t + 0.3 * random.nextGaussian()) : 0;
            double lossR = scores && t != 23 ? 4 * Math.exp(-0.1 * t + 0.5 * random.nextGaussian()) : 0;
            double normC = labels && t != 12 && t != 24 ? 0.5 + random.nextDouble() : 0;
            double normR = scores && t != 12 && t != 25 ? 2 * random.nextDouble() : 0;
            LossReport before = new LossReport((float) lossC, (float) lossR, (float) normC, (float) normR, 0, 0,
                    labels ? 4 : 0, scores ? 4 : 0);
            double fallR = t == 30 ? 0 : 0.85 + 0.2 * random.nextDouble();
            LossReport after = new LossReport((float) (lossC * (0.9 + 0.15 * random.nextDouble())),
                    (float) (lossR * fallR), 0, 0, 0, 0, labels ? 4 : 0, scores ? 4 : 0);
            steps.add(new Step(before, after));
        }
        return steps;
    }

    /** Two logits with torch.optim.Adam's update, which adds the decay to the gradient. */
    private static final class Logits {
        final double[] w = new double[2];
        private final double[][] moments = new double[2][2];
        private int updates;

        double[] softmax() {
            double sum = Math.exp(w[0]) + Math.exp(w[1]);
            return new double[]{Math.exp(w[0]) / sum, Math.exp(w[1]) / sum};
        }

        void descend(double[] gradient, double decay) {
            updates++;
            for (int i = 0; i < 2; i++) {
                double g = gradient[i] + decay * w[i];
                moments[i][0] += 0.1 * (g - moments[i][0]);
                moments[i][1] += 0.001 * (g * g - moments[i][1]);
                w[i] -= 0.025 * moments[i][0] / (1 - Math.pow(0.9, updates))
                        / (Math.sqrt(moments[i][1] / (1 - Math.pow(0.999, updates))) + 1e-8);
            }
        }
    }

    /** The slope of the paper's equation 2 by central differences. */
    @ParameterizedTest
    @EnumSource
    void gradNorm(Scope scope) {
        TaskWeighting weighting = new GradNormWeighting(scope, 1.5, 0.025);
        assertThat(weighting.separatesTasks()).isEqualTo(scope == Scope.SHARED_PARAMETERS);
        Logits logits = new Logits();
        double[] initial = new double[2];
        List<Step> steps = steps();
        for (int t = 0; t < STEPS; t++) {
            Step step = steps.get(t);
            LossReport report = step.before;
            double[] w = logits.softmax();
            TaskWeights actual = scope == Scope.SHARED_PARAMETERS
                    ? weighting.combine(step.present(), report.classificationNorm(), report.regressionNorm())
                    : pair(weighting.weights(step.present(), LearnedWeightingTest::refused, 0.5f));
            assertThat(actual.classification()).as("step %d", t).isCloseTo(w[0], within(1e-6));
            assertThat(actual.regression()).as("step %d", t).isCloseTo(w[1], within(1e-6));

            double[] losses = {report.classificationLoss(), report.regressionLoss()};
            double[] norms = {report.classificationNorm(), report.regressionNorm()};
            for (int i = 0; i < 2; i++) {
                initial[i] = initial[i] == 0 ? losses[i] : initial[i];
            }
            if (step.present().both()) {
                double meanNorm = (w[0] * norms[0] + w[1] * norms[1]) / 2;
                double meanRatio = (losses[0] / initial[0] + losses[1] / initial[1]) / 2;
                double[] targets = new double[2];
                for (int i = 0; i < 2; i++) {
                    double rate = meanRatio == 0 ? 1 : losses[i] / initial[i] / meanRatio;
                    targets[i] = meanNorm * Math.pow(rate, 1.5);
                }
                logits.descend(slopes(logits, norms, targets), 0);
            }
            weighting.observe(report, LearnedWeightingTest::refused);
            if (t == RESUMED_AT) {
                weighting = resumed(weighting, new GradNormWeighting(scope, 1.5, 0.025));
            }
        }
    }

    private static double[] slopes(Logits logits, double[] norms, double[] targets) {
        double[] slopes = new double[2];
        for (int i = 0; i < 2; i++) {
            int at = i;
            double here = logits.w[i];
            DoubleUnaryOperator loss = logit -> {
                logits.w[at] = logit;
                double[] w = logits.softmax();
                return Math.abs(w[0] * norms[0] - targets[0]) + Math.abs(w[1] * norms[1] - targets[1]);
            };
            slopes[i] = (loss.applyAsDouble(here + 1e-6) - loss.applyAsDouble(here - 1e-6)) / 2e-6;
            logits.w[i] = here;
        }
        return slopes;
    }

    @Test
    void gradNormWaitsForTheFirstLossAboveZero() {
        TaskWeighting weighting = new GradNormWeighting(Scope.POOLED_REPRESENTATION, 1.5, 0.025);
        weighting.observe(new LossReport(0, 2, 0, 1, 0, 0, 3, 3), LearnedWeightingTest::refused);
        assertThat(weighting.state()).containsEntry("logit.updates", 0.0).containsEntry("regression.initial_loss", 2.0);
        weighting.observe(new LossReport(0.5f, 1, 1, 1, 0, 0, 3, 3), LearnedWeightingTest::refused);
        assertThat(weighting.state()).containsEntry("logit.updates", 1.0).containsEntry("regression.initial_loss", 2.0)
                .containsEntry("classification.initial_loss", 0.5);
    }

    @Test
    void famo() {
        double decay = 1e-3;
        TaskWeighting weighting = new FamoWeighting(0.025, decay);
        Logits logits = new Logits();
        List<Step> steps = steps();
        for (int t = 0; t < STEPS; t++) {
            Step step = steps.get(t);
            LossReport before = step.before;
            LossWeights actual = weighting.weights(step.present(), () -> before, 0.5f);
            if (!step.present().both()) {
                assertThat(actual).isEqualTo(new LossWeights(false, false, 1, 1, 0.5f));
                weighting.observe(before, LearnedWeightingTest::refused);
                continue;
            }
            double[] z = logits.softmax();
            double[] scaled = {z[0] / (before.classificationLoss() + 1e-8), z[1] / (before.regressionLoss() + 1e-8)};
            assertThat(actual.classification()).as("step %d", t)
                    .isCloseTo((float) (scaled[0] / (scaled[0] + scaled[1])), within(1e-6f));
            assertThat(actual.regression()).as("step %d", t)
                    .isCloseTo((float) (scaled[1] / (scaled[0] + scaled[1])), within(1e-6f));

            double[] falls = {
                    Math.log((before.classificationLoss() + 1e-8) / (step.after.classificationLoss() + 1e-8)),
                    Math.log((before.regressionLoss() + 1e-8) / (step.after.regressionLoss() + 1e-8))};
            double[] gradient = new double[2];
            for (int i = 0; i < 2; i++) {
                for (int j = 0; j < 2; j++) {
                    gradient[i] += z[j] * ((i == j ? 1 : 0) - z[i]) * falls[j];
                }
            }
            logits.descend(gradient, decay);
            weighting.observe(before, () -> step.after);
            if (t == RESUMED_AT) {
                weighting = resumed(weighting, new FamoWeighting(0.025, decay));
            }
        }
    }

    /** Gradients of both tasks end with the norm of the larger one, whatever the losses; zero gradients stay zero. */
    @Test
    void dualBalancing() {
        TaskWeighting weighting = new DualBalancingWeighting(0.9);
        assertThat(weighting.separatesTasks()).isTrue();
        assertThat(weighting.weighsHeads()).isFalse();
        assertThat(weighting.averageDecay()).isEqualTo(0.9);
        for (Step step : steps()) {
            Tasks present = step.present();
            LossReport report = step.before;
            LossWeights logarithms = weighting.weights(present, () -> report, 0.5f);
            double slopeC = present.classification() ? 1 / (report.classificationLoss() + 1e-8) : 0;
            double slopeR = present.regression() ? 1 / (report.regressionLoss() + 1e-8) : 0;
            assertThat(logarithms).isEqualTo(new LossWeights(false, false, (float) slopeC, (float) slopeR, 0.5f));

            // The average of a task that is absent is still there, and must not count.
            double normC = present.classification() ? report.classificationNorm() : 7;
            double normR = present.regression() ? report.regressionNorm() : 7;
            TaskWeights weights = weighting.combine(present, normC, normR);
            double larger = present.both() ? Math.max(normC, normR) : present.classification() ? normC : normR;
            assertThat(weights.classification() * normC)
                    .isCloseTo(present.classification() && normC > 0 ? larger : 0, within(1e-6));
            assertThat(weights.regression() * normR)
                    .isCloseTo(present.regression() && normR > 0 ? larger : 0, within(1e-6));
        }
        assertThat(weighting.combine(BOTH, 0, 0)).isEqualTo(new TaskWeights(0, 0));
    }

    private static TaskWeighting resumed(TaskWeighting learnt, TaskWeighting fresh) {
        assertThatThrownBy(() -> fresh.restore(Map.of())).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("logit");
        fresh.restore(learnt.state());
        assertThat(fresh.state()).isEqualTo(learnt.state());
        return fresh;
    }

    private static TaskWeights pair(LossWeights weights) {
        return new TaskWeights(weights.classification(), weights.regression());
    }

    private static LossReport refused() {
        throw new AssertionError("asked for what costs something");
    }
}
