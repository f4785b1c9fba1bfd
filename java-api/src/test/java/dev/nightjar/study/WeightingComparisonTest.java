package dev.nightjar.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.study.DegenerateDesignException.Defect;
import dev.nightjar.study.StudyRun.Status;
import dev.nightjar.study.WeightingComparison.Comparison;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

class WeightingComparisonTest {
    private static final double[] CONTROL = {0.70, 0.72, 0.69, 0.74};
    private static final double[] DAO = {0.60, 0.63, 0.58, 0.65};
    private static final double[] OTHER = {0.71, 0.71, 0.70, 0.75};

    @Test
    void weightingsAreComparedSeedBySeedWhateverTheOrderOfTheRuns() {
        List<StudyRun> shuffled = new ArrayList<>(runs());
        Collections.shuffle(shuffled, new Random(1));
        WeightingComparison comparison = new WeightingComparison(shuffled, "constant");
        assertThat(comparison.weightings()).containsExactly("constant", "dao", "uncertainty");
        List<Comparison> mse = comparison.compare("mse");
        assertThat(mse).isEqualTo(new WeightingComparison(runs(), "constant").compare("mse"));
        assertThat(mse.get(0).paired()).isEqualTo(PairedComparison.of(DAO, CONTROL));
        assertThat(mse.get(1).paired()).isEqualTo(PairedComparison.of(OTHER, CONTROL));
        double[] holm = MultipleTesting.holm(mse.get(0).paired().difference().p(),
                mse.get(1).paired().difference().p());
        assertThat(mse).extracting(Comparison::holm).containsExactly(holm[0], holm[1]);
    }

    @Test
    void lessErrorIsBetterAndMoreAccuracyIs() {
        WeightingComparison comparison = new WeightingComparison(runs(), "constant");
        Comparison mse = comparison.compare("mse").getFirst();
        assertThat(mse.better()).isTrue();
        assertThat(mse.worse()).isFalse();
        Comparison accuracy = comparison.compare("accuracy").getFirst();
        assertThat(accuracy.better()).isFalse();
        assertThat(accuracy.worse()).isTrue();
        Comparison open = comparison.compare("mse").get(1);
        assertThat(open.better() || open.worse()).isFalse();
    }

    @Test
    void runsThatDivergedAndSeedsOfOneSideAreLeftOut() {
        List<StudyRun> runs = new ArrayList<>(runs());
        runs.add(new StudyRun(Map.of("weighting", "dao"), 9, Status.COMPLETED, "", 1, Map.of("mse", 0.1), Map.of(),
                Map.of(), Map.of()));
        runs.add(new StudyRun(Map.of("weighting", "dwa"), 1, Status.DIVERGED, "", 1, Map.of(), Map.of(), Map.of(),
                Map.of()));
        WeightingComparison comparison = new WeightingComparison(runs, "constant");
        assertThat(comparison.weightings()).doesNotContain("dwa");
        assertThat(comparison.compare("mse").getFirst().paired().pairs()).isEqualTo(4);
        assertThat(comparison.runs("dao")).hasSize(5);
    }

    @Test
    void aHeadThatWasNotTrainedIsNotMeasured() {
        List<StudyRun> runs = new ArrayList<>(runs());
        for (int seed = 1; seed <= 2; seed++) {
            runs.add(new StudyRun(Map.of("weighting", "classification"), seed, Status.COMPLETED, "", 1,
                    Map.of("mse", 0.9, "accuracy", 0.8), Map.of("classification_weight", List.of(1.0, 1.0),
                            "regression_weight", List.of(0.0, 0.0)),
                    Map.of(), Map.of()));
        }
        WeightingComparison comparison = new WeightingComparison(runs, "constant");
        assertThat(comparison.mean("classification", run -> run.metric("mse")).value()).isNaN();
        assertThat(comparison.mean("classification", run -> run.metric("accuracy")).value()).isEqualTo(0.8);
        assertThat(comparison.compare("mse")).extracting(Comparison::weighting).containsExactly("dao", "uncertainty");
        assertThat(comparison.compare("accuracy")).extracting(Comparison::weighting).contains("classification");
    }

    @Test
    void meansHaveStudentsInterval() {
        Estimate mean = new WeightingComparison(runs(), "constant").mean("constant", run -> run.metric("mse"));
        assertThat(mean.value()).isCloseTo(0.7125, Offset.offset(1e-12));
        // scipy.stats.t.interval(0.95, 3, 0.7125, scipy.stats.sem([0.70, 0.72, 0.69, 0.74]))
        assertThat(mean.low()).isCloseTo(0.6772169, Offset.offset(1e-7));
        assertThat(mean.high()).isCloseTo(0.7477831, Offset.offset(1e-7));
    }

    @Test
    void aStudyWithoutTheControlIsRefused() {
        List<StudyRun> runs = runs().stream().filter(run -> !run.configuration().containsValue("constant")).toList();
        assertThatThrownBy(() -> new WeightingComparison(runs, "constant"))
                .isInstanceOfSatisfying(DegenerateDesignException.class,
                        e -> assertThat(e.defect()).isEqualTo(Defect.NO_BASELINE))
                .hasMessageContaining("\"constant\", only of [dao, uncertainty]");
    }

    private static List<StudyRun> runs() {
        List<StudyRun> runs = new ArrayList<>();
        Map<String, double[]> mse = Map.of("constant", CONTROL, "dao", DAO, "uncertainty", OTHER);
        for (String weighting : List.of("constant", "dao", "uncertainty")) {
            for (int seed = 0; seed < CONTROL.length; seed++) {
                double value = mse.get(weighting)[seed];
                runs.add(new StudyRun(Map.of("weighting", weighting), seed, Status.COMPLETED, "", 1,
                        Map.of("mse", value, "accuracy", value), Map.of(), Map.of(), Map.of()));
            }
        }
        assertThat(Arrays.stream(DAO).sum()).isLessThan(Arrays.stream(CONTROL).sum());
        return runs;
    }
}
