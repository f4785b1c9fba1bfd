package dev.nightjar.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.Dataset;
import dev.nightjar.Evaluation;
import dev.nightjar.FormatException;
import dev.nightjar.SentimentModel;
import dev.nightjar.StepReport;
import dev.nightjar.TinyModel;
import dev.nightjar.Trainer;
import dev.nightjar.TrainingListener;
import dev.nightjar.TrainingResult;
import dev.nightjar.study.StudyRun.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole studies of a tiny model: what they measure, that workers, order and interruptions change nothing, what they refuse. */
class StudyTest {
    @TempDir
    private static Path shared;
    private static Path model;

    @TempDir
    private Path folder;

    @BeforeAll
    static void saveModel() throws IOException {
        model = TinyModel.save(shared.resolve("model"));
    }

    @Test
    void aRunMeasuresWhatTheTrainerDoes() throws IOException {
        StudyPlan plan = TinyStudy.plan(4L);
        StudyRun run = TinyStudy.study(model, plan).run(folder).get(3);
        StudyPlan.Run planned = plan.runs().get(3);
        assertThat(run.key()).isEqualTo("learning_rate=0.001 batch_size=8 epochs=2 seed=4").isEqualTo(planned.key());

        List<StepReport> steps = new ArrayList<>();
        Evaluation evaluation;
        try (SentimentModel start = TinyStudy.model(model).open(4)) {
            TrainingListener listener = new TrainingListener() {
                @Override
                public void onStep(StepReport report) {
                    steps.add(report);
                }
            };
            TrainingResult result = new Trainer(start, plan.config(planned)).listener(listener)
                    .train(TinyStudy.TRAINING, TinyStudy.VALIDATION);
            try (SentimentModel trained = result.model()) {
                evaluation = Evaluation.of(trained, TinyStudy.VALIDATION);
            }
        }
        assertThat(run.status()).isEqualTo(Status.COMPLETED);
        assertThat(run.stepCount()).isEqualTo(6);
        var classification = evaluation.classification().orElseThrow();
        assertThat(run.metrics()).containsOnlyKeys("accuracy", "f1", "f1_macro", "f1_weighted", "loss", "matthews",
                "calibration_error", "support.down", "support.up", "precision.down", "recall.down", "f1.down",
                "precision.up", "recall.up", "f1.up",
                "mse", "mae", "pearson", "spearman", "r2");
        assertThat(run.metric("accuracy")).isEqualTo(classification.accuracy());
        assertThat(run.metric("f1")).isEqualTo(classification.classes().get(1).f1()).isEqualTo(run.metric("f1.up"));
        assertThat(run.metric("f1_macro")).isEqualTo(classification.macroF1());
        assertThat(run.metric("recall.down")).isEqualTo(classification.classes().get(0).recall());
        assertThat(run.metric("loss")).isEqualTo(classification.logLoss(), within(1e-6));
        assertThat(run.metric("mse")).isEqualTo(evaluation.regression().getFirst().meanSquaredError(), within(1e-6));
        assertThat(run.metric("pearson")).isEqualTo(evaluation.regression().getFirst().pearson(), within(1e-5));

        assertThat(run.trainingCurve().get("step")).containsExactly(1.0, 2.0, 3.0, 4.0, 5.0, 6.0);
        assertThat(run.trainingCurve().get("regression_weight")).hasSize(6)
                .allSatisfy(w -> assertThat(w).isBetween(0.0, 1.0));
        for (int step = 0; step < 6; step++) {
            assertThat(run.trainingCurve().get("loss").get(step)).isEqualTo(steps.get(step).loss(), within(1e-5));
            assertThat(run.trainingCurve().get("classification_norm").get(step))
                    .isEqualTo(steps.get(step).classificationNorm(), within(1e-5));
        }
        assertThat(run.validationCurve().get("epoch")).containsExactly(1.0, 2.0);
        assertThat(run.validationCurve().get("loss")).element(1).isEqualTo(run.metric("loss"));
        assertThat(run.costs()).containsKeys("seconds", "step_seconds");
        assertThat(run.costs().get("seconds")).isGreaterThan(run.costs().get("step_seconds"));
    }

    @Test
    void longCurvesAreMeansOfSteps() throws IOException {
        List<StepReport> steps = new ArrayList<>();
        StudyListener listener = new StudyListener() {
            @Override
            public void onStep(StudyPlan.Run run, StepReport report) {
                steps.add(report);
            }
        };
        StudyPlan plan = StudyPlan.grid(TinyStudy.base(), Map.of("epochs", List.of("17"), "batch_size", List.of("2")),
                List.of(1L));
        StudyRun run = TinyStudy.study(model, plan).listener(listener).run(folder).getFirst();
        // 17 epochs of 12 steps: 204 steps, so three a point.
        assertThat(run.trainingCurve().get("step")).hasSize(68).startsWith(3.0, 6.0).endsWith(204.0);
        for (int point = 0; point < 68; point++) {
            double mean = steps.subList(3 * point, 3 * point + 3).stream().mapToDouble(StepReport::loss).average()
                    .orElseThrow();
            assertThat(run.trainingCurve().get("loss").get(point)).isEqualTo(mean, within(1e-5));
        }
    }

    @Test
    void theTableDoesNotDependOnWorkersOrOrderOrOnWhatWasDoneBefore() throws IOException {
        TinyStudy.study(model, TinyStudy.plan(1L, 2L)).run(folder.resolve("one"));
        // The second seed first, then the first with other workers.
        TinyStudy.study(model, TinyStudy.plan(2L)).run(folder.resolve("grown"));
        List<StudyRun> runs = TinyStudy.study(model, TinyStudy.plan(2L, 1L)).workers(3).run(folder.resolve("grown"));

        assertThat(runs).hasSize(16);
        assertThat(folder.resolve("grown/runs.csv")).hasSameBinaryContentAs(folder.resolve("one/runs.csv"));
        List<String> lines = Files.readAllLines(folder.resolve("one/runs.csv"));
        assertThat(lines).hasSize(17).first().asString()
                .startsWith("learning_rate,batch_size,epochs,seed,status,steps,accuracy,f1,f1_macro,");
        assertThat(lines.get(1)).startsWith("0.001,4,1,1,completed,6,");
        assertThat(lines.get(2)).startsWith("0.001,4,1,2,completed,6,");
        assertThat(Files.readAllLines(folder.resolve("one/costs.csv"))).hasSize(17).first().asString()
                .startsWith("learning_rate,batch_size,epochs,seed,seconds");
        assertThat(Stream.of(1, 9).map(line -> lines.get(line).split(",", 7)[6]).distinct()).hasSize(2);
    }

    @Test
    void finishedRunsAreNotMadeAgain() throws IOException {
        Path reference = folder.resolve("reference");
        TinyStudy.study(model, TinyStudy.plan(1L)).run(reference);

        Path stopped = folder.resolve("stopped");
        Study study = TinyStudy.study(model, TinyStudy.plan(1L));
        study.listener(new StudyListener() {
            private int ended;

            @Override
            public void onRun(StudyRun run) {
                if (++ended == 3) {
                    study.requestStop();
                }
            }
        });
        assertThat(study.run(stopped)).hasSize(3);
        assertThat(Files.readAllLines(stopped.resolve("runs.csv"))).hasSize(4);

        List<String> made = new ArrayList<>();
        List<String> told = new ArrayList<>();
        TinyStudy.study(model, TinyStudy.plan(1L)).listener(new StudyListener() {
            @Override
            public void onStart(List<StudyPlan.Run> missing, int planned) {
                told.add(missing.size() + " of " + planned);
            }

            @Override
            public void onRun(StudyRun run) {
                made.add(run.key());
            }
        }).run(stopped);
        assertThat(told).containsExactly("5 of 8");
        assertThat(made).hasSize(5).doesNotHaveDuplicates();
        assertThat(stopped.resolve("runs.csv")).hasSameBinaryContentAs(reference.resolve("runs.csv"));
    }

    @Test
    void aStoppedRunIsDropped() throws IOException {
        Study study = TinyStudy.study(model, TinyStudy.plan(1L));
        study.listener(new StudyListener() {
            @Override
            public void onStep(StudyPlan.Run run, StepReport report) {
                study.requestStop();
            }
        });
        assertThat(study.run(folder)).isEmpty();
        assertThat(StudyJournal.read(folder.resolve(Study.JOURNAL)).runs()).isEmpty();
    }

    @Test
    void divergingRunsAreAbandonedAndRecorded() throws IOException {
        StudyPlan plan = StudyPlan.grid(TinyStudy.base().toBuilder().maxGradientNorm(1e30).warmupFraction(0).build(),
                Map.of("learning_rate", List.of("1e-3", "1e30")), List.of(1L));
        List<StudyRun> runs = TinyStudy.study(model, plan).run(folder.resolve("nan"));
        assertThat(runs).extracting(StudyRun::status).containsExactly(Status.COMPLETED, Status.DIVERGED);
        StudyRun diverged = runs.get(1);
        assertThat(diverged.metrics()).isEmpty();
        assertThat(diverged.note()).contains("diverged: step " + diverged.stepCount());
        assertThat(Files.readAllLines(folder.resolve("nan/runs.csv")).get(2))
                .matches("1000000000000000000000000000000,1,diverged,\\d+,+");

        List<StudyRun> bounded = TinyStudy.study(model, plan).lossBound(1e-3).run(folder.resolve("bound"));
        assertThat(bounded).extracting(StudyRun::status).containsOnly(Status.DIVERGED);
        assertThat(bounded).extracting(StudyRun::stepCount).containsOnly(1);
        assertThat(bounded.getFirst().trainingCurve().get("step")).containsExactly(1.0);
    }

    @Test
    void aFailureOfOneRunEndsTheStudyAndKeepsTheOthers() throws IOException {
        IOException failure = new IOException("the disk is gone");
        int[] opened = new int[1];
        Study study = new Study(TinyStudy.plan(1L), seed -> {
            if (++opened[0] == 4) {
                throw failure;
            }
            return TinyStudy.model(model).open(seed);
        }, TinyStudy.TRAINING, TinyStudy.VALIDATION);
        assertThatThrownBy(() -> study.run(folder)).isSameAs(failure);
        // The first was opened for its fingerprint.
        assertThat(StudyJournal.read(folder.resolve(Study.JOURNAL)).runs()).hasSize(2);
    }

    @Test
    void anotherStudysJournalIsRefusedByWhatDiffers() throws IOException {
        TinyStudy.study(model, TinyStudy.plan(1L)).run(folder);
        Dataset others = TinyStudy.rows(24, 3);
        assertThatThrownBy(() -> new Study(TinyStudy.plan(1L), TinyStudy.model(model), others, TinyStudy.VALIDATION)
                .run(folder)).isInstanceOf(FormatException.class).hasMessageContaining("training data was 24 rows, SHA")
                .hasMessageNotContaining("validation data was");
        StudyPlan longer = StudyPlan.grid(TinyStudy.base().toBuilder().maxLength(9).build(),
                Map.of("learning_rate", List.of("1e-3")), List.of(1L));
        assertThatThrownBy(() -> TinyStudy.study(model, longer).run(folder)).hasMessageContaining(
                "maxLength was 12, is now 9; varied settings was learning_rate, batch_size, epochs, is now learning_rate");
        assertThatThrownBy(() -> TinyStudy.study(model, TinyStudy.plan(1L)).lossBound(9).run(folder))
                .hasMessageContaining("loss bound was Infinity, is now 9.0");
    }
}
