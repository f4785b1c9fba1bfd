package dev.nightjar.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.TrainingConfig;
import dev.nightjar.TrainingConfig.Checkpoints;
import dev.nightjar.Weighting;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which runs a plan has, and with which settings. */
class StudyPlanTest {
    private static final TrainingConfig BASE = TrainingConfig.builder().warmupFraction(0.2).build();

    @Test
    void gridHasEveryCombinationWithEverySeed() {
        Map<String, List<String>> values = new LinkedHashMap<>();
        values.put("learning_rate", List.of("1e-5", "2E-4"));
        values.put("batch_size", List.of("8", "16.0", "32"));
        StudyPlan plan = StudyPlan.grid(BASE, values, List.of(7L, 3L));

        assertThat(plan.runs()).extracting(StudyPlan.Run::key).containsExactly(
                "learning_rate=0.00001 batch_size=8 seed=7", "learning_rate=0.00001 batch_size=16 seed=7",
                "learning_rate=0.00001 batch_size=32 seed=7", "learning_rate=0.0002 batch_size=8 seed=7",
                "learning_rate=0.0002 batch_size=16 seed=7", "learning_rate=0.0002 batch_size=32 seed=7",
                "learning_rate=0.00001 batch_size=8 seed=3", "learning_rate=0.00001 batch_size=16 seed=3",
                "learning_rate=0.00001 batch_size=32 seed=3", "learning_rate=0.0002 batch_size=8 seed=3",
                "learning_rate=0.0002 batch_size=16 seed=3", "learning_rate=0.0002 batch_size=32 seed=3");
        assertThat(plan.config(plan.runs().get(10)))
                .isEqualTo(BASE.toBuilder().learningRate(2e-4).batchSize(16).seed(3).build());
    }

    @Test
    void everySettingReachesTheTraining() {
        Map<String, String> configuration = new LinkedHashMap<>();
        configuration.put("learning_rate", "3e-4");
        configuration.put("batch_size", "5");
        configuration.put("epochs", "4");
        configuration.put("max_length", "17");
        configuration.put("warmup_fraction", "0.3");
        configuration.put("weight_decay", "0.02");
        configuration.put("max_gradient_norm", "2.5");
        configuration.put("layer_decay", "0.9");
        configuration.put("frozen_layers", "2");
        configuration.put("weighting", "DWA");
        StudyPlan plan = new StudyPlan(BASE, List.of(configuration), List.of(6L));

        assertThat(plan.config(plan.runs().getFirst())).isEqualTo(BASE.toBuilder().learningRate(3e-4).batchSize(5)
                .epochs(4).maxLength(17).warmupFraction(0.3).weightDecay(0.02).maxGradientNorm(2.5).layerDecay(0.9)
                .frozenLayers(2).weighting(new Weighting.DynamicWeightAverage(2)).seed(6).build());
        assertThat(plan.sharedSettings()).containsOnlyKeys("accumulationSteps", "schedule", "warmupSteps", "beta1",
                "beta2", "epsilon", "bucketing", "evaluateEvery", "metric", "patience", "keepBest");
    }

    @Test
    void aTaskAloneIsAWeighting() {
        StudyPlan plan = StudyPlan.grid(BASE, Map.of("weighting", List.of("classification", "regression")),
                List.of(1L));
        assertThat(plan.runs()).extracting(run -> plan.config(run).weighting())
                .containsExactly(new Weighting.Constant(1, 0, false), new Weighting.Constant(0, 1, false));
    }

    @Test
    void randomConfigurationsAreDrawnAgainAndAddedTo() {
        Map<String, Function<Random, String>> distributions = new LinkedHashMap<>();
        distributions.put("learning_rate", StudyPlan.logUniform(1e-5, 1e-3));
        distributions.put("epochs", StudyPlan.oneOf("1", "2", "5"));
        StudyPlan plan = StudyPlan.random(BASE, distributions, 40, 11, List.of(1L));

        assertThat(StudyPlan.random(BASE, distributions, 40, 11, List.of(1L))).isEqualTo(plan);
        assertThat(StudyPlan.random(BASE, distributions, 60, 11, List.of(1L)).configurations().subList(0, 40))
                .isEqualTo(plan.configurations());
        assertThat(StudyPlan.random(BASE, distributions, 40, 12, List.of(1L))).isNotEqualTo(plan);
        List<Double> rates = plan.runs().stream().map(run -> plan.config(run).learningRate()).toList();
        assertThat(rates).allSatisfy(rate -> assertThat(rate).isBetween(1e-5, 1e-3));
        // A logarithmic range has as many numbers below as above its geometric mean.
        assertThat(rates.stream().filter(rate -> rate < 1e-4).count()).isBetween(10L, 30L);
        assertThat(plan.runs()).extracting(run -> plan.config(run).epochs()).contains(1, 2, 5);
    }

    @Test
    void whatIsDrawnTwiceIsMadeOnce() {
        StudyPlan plan = StudyPlan.random(BASE, Map.of("epochs", StudyPlan.oneOf("1", "2")), 30, 1, List.of(1L));
        assertThat(plan.configurations()).hasSize(2);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            "learning_rat  | 1e-5 | setting learning_rat is not one of [learning_rate",
            "learning_rate | fast | learning_rate \"fast\" is not a number",
            "learning_rate | -1   | learning_rate cannot be \"-1\": learningRate -1.0 is not positive",
            "batch_size    | 2.5  | batch_size cannot be \"2.5\"",
            "weighting     | fair | weighting cannot be \"fair\""})
    void refusesSettingsByName(String name, String value, String complaint) {
        assertThatThrownBy(() -> StudyPlan.grid(BASE, Map.of(name, List.of(value)), List.of(1L)))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining(complaint);
    }

    @Test
    void refusesPlansThatAreNone() {
        Map<String, List<String>> grid = Map.of("epochs", List.of("1"));
        assertThatThrownBy(() -> StudyPlan.grid(BASE, grid, List.of())).hasMessageContaining("0 seeds");
        assertThatThrownBy(() -> StudyPlan.grid(BASE, grid, List.of(1L, 2L, 1L))).hasMessage("seed 1 is given twice");
        assertThatThrownBy(() -> StudyPlan.grid(BASE, Map.of("epochs", List.of("1", "1.0")), List.of(1L)))
                .hasMessage("configuration {epochs=1} is given twice");
        assertThatThrownBy(() -> new StudyPlan(BASE, List.of(Map.of("epochs", "1"), Map.of("batch_size", "1")),
                List.of(1L))).hasMessage("one configuration gives [epochs], another [batch_size]");
        TrainingConfig saving = BASE.toBuilder().checkpoints(new Checkpoints(Path.of("c"), 0, 1)).build();
        assertThatThrownBy(() -> StudyPlan.grid(saving, grid, List.of(1L))).hasMessageContaining("checkpoints");
        assertThatThrownBy(() -> StudyPlan.logUniform(0, 1)).hasMessageContaining("bounds 0.0 and 1.0");
    }
}
