package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.nightjar.Evaluation.Metric;
import dev.nightjar.TrainingConfig.Checkpoints;
import dev.nightjar.TrainingResult.Outcome;
import dev.nightjar.model.Parameters;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whole trainings of a tiny model on synthetic texts: what they learn, where they stop, how they go on. */
class TrainerTest {
    static final List<String> LABELS = List.of("down", "up");

    @TempDir
    Path folder;

    private SentimentModel model;

    @BeforeEach
    void loadModel() throws IOException {
        model = load(Device.auto());
    }

    private SentimentModel load(Device device) throws IOException {
        return TinyModel.load(folder.resolve("model-" + UUID.randomUUID()), LABELS, List.of("mood"), device);
    }

    @AfterEach
    void closeModel() {
        model.close();
    }

    /** Rows whose class and score depend on which words they hold; every seventh lacks a label, every fifth a score. */
    static Dataset rows(int count, long seed) {
        Random random = new Random(seed);
        List<Example> examples = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int[] words = random.ints(1 + random.nextInt(6), 0, 12).toArray();
            double mood = Arrays.stream(words).map(word -> word % 2 == 0 ? 1 : -1).average().orElseThrow();
            String text = TinyModel.text(words);
            int label = i % 7 == 6 ? Example.NO_LABEL : mood > 0 ? 1 : 0;
            examples.add(new Example(text, label, i % 5 == 4 ? Float.NaN : (float) mood));
        }
        return new Dataset(examples, LABELS, List.of("mood"));
    }

    static TrainingConfig.Builder settings() {
        return TrainingConfig.builder().learningRate(2e-3).batchSize(8).epochs(3).maxLength(12).seed(9).threads(1);
    }

    /** Keeps what a run said, and may stop it. */
    static final class Recorder implements TrainingListener {
        final List<StepReport> steps = new ArrayList<>();
        final List<EvaluationReport> evaluations = new ArrayList<>();
        final List<Path> checkpoints = new ArrayList<>();
        Trainer stopped;
        int stopAfter;

        @Override
        public void onStep(StepReport report) {
            // The rate is a matter of the clock.
            steps.add(new StepReport(report.step(), report.totalSteps(), report.epoch(), report.loss(),
                    report.classificationLoss(), report.regressionLoss(), report.classificationWeight(),
                    report.regressionWeight(), report.classificationNorm(), report.regressionNorm(),
                    report.learningRate(), report.gradientNorm(), 0));
            if (report.step() == stopAfter) {
                stopped.requestStop();
            }
        }

        @Override
        public void onEvaluation(EvaluationReport report) {
            evaluations.add(report);
        }

        @Override
        public void onCheckpoint(Path checkpoint) {
            checkpoints.add(checkpoint);
        }
    }

    static Map<String, List<Float>> weights(SentimentModel model) {
        Parameters parameters = model.parameters();
        Map<String, List<Float>> weights = new TreeMap<>();
        try (Arena arena = Arena.ofConfined()) {
            for (String name : parameters.layout().names()) {
                float[] values = parameters.fetch(name, arena).toArray(ValueLayout.JAVA_FLOAT);
                weights.put(name, IntStream.range(0, values.length).mapToObj(i -> values[i]).toList());
            }
        }
        return weights;
    }

    @Test
    void learnsClassAndScoreAndLeavesItsModelAlone() throws IOException {
        Map<String, List<Float>> before = weights(model);
        Dataset validation = rows(40, 2);
        double untrained = Evaluation.of(model, validation).value(Metric.LOSS);
        Trainer trainer = new Trainer(model, settings().epochs(8).batchSize(16).build());
        TrainingResult result = trainer.train(rows(160, 1), validation);
        try (SentimentModel trained = result.model()) {
            assertThat(result.outcome()).isEqualTo(Outcome.COMPLETED);
            assertThat(result.steps()).isEqualTo(8 * 10);
            assertThat(result.evaluations()).hasSize(8);
            EvaluationReport best = result.evaluations().stream().filter(EvaluationReport::best).toList().getLast();
            assertThat(result.bestStep()).isEqualTo(best.step());
            // The model returned is the best one, and measures the same by the other way of predicting.
            Evaluation again = Evaluation.of(trained, validation);
            assertThat(again.value(Metric.LOSS)).isCloseTo(best.value(), within(1e-5));
            assertThat(again.value(Metric.LOSS)).isLessThan(0.5 * untrained);
            assertThat(again.value(Metric.ACCURACY)).isGreaterThan(0.8);
            assertThat(again.value(Metric.PEARSON)).isGreaterThan(0.7);
        }
        assertThat(weights(model)).isEqualTo(before);
    }

    @ParameterizedTest
    @CsvSource({"auto, FLOAT32, dao", "auto, FLOAT32, dao-shared", "auto, FLOAT32, uncertainty", "auto, FLOAT32, dwa",
            "auto, FLOAT32, gradnorm", "auto, FLOAT32, gradnorm-shared", "auto, FLOAT32, db-mtl", "auto, FLOAT32, famo",
            "reference, FLOAT32, dao", "cpu, BFLOAT16, dao", "cpu, BFLOAT16, db-mtl"})
    void aRunGoesOnFromAnyCheckpointAsIfItHadNeverStopped(String backend, Precision precision, String weighting)
            throws IOException {
        closeModel();
        model = load(Device.of(backend));
        assumeTrue(model.backend().trainingTypes().contains(precision.type()), "no training in " + precision);
        Dataset training = rows(50, 1);
        Dataset validation = rows(20, 2);
        Path checkpoints = folder.resolve("checkpoints");
        TrainingConfig.Builder settings = settings().weighting(Weighting.parse(weighting)).accumulationSteps(2)
                .threads(2).evaluateEvery(3).schedule(Schedule.COSINE).precision(precision);
        TrainingConfig silent = settings.build();
        TrainingConfig saving = settings.checkpoints(new Checkpoints(checkpoints, 1, 100)).build();
        Recorder whole = new Recorder();
        Map<String, List<Float>> expected;
        TrainingResult finished = new Trainer(model, saving).listener(whole).train(training, validation);
        try (SentimentModel trained = finished.model()) {
            expected = weights(trained);
        }
        int total = finished.steps();
        assertThat(total).isEqualTo(12);
        assertThat(whole.checkpoints).hasSize(total);
        for (int from : new int[]{1, 4, 6, 11, 12}) {
            Path checkpoint = whole.checkpoints.get(from - 1);
            Recorder rest = new Recorder();
            TrainingResult resumed = new Trainer(model, silent).listener(rest).resume(checkpoint, training,
                    validation);
            try (SentimentModel trained = resumed.model()) {
                assertThat(weights(trained)).as("from step %d", from).isEqualTo(expected);
            }
            assertThat(rest.steps).isEqualTo(whole.steps.subList(from, total));
            assertThat(rest.evaluations)
                    .isEqualTo(whole.evaluations.stream().filter(report -> report.step() > from).toList());
            assertThat(resumed.bestStep()).isEqualTo(finished.bestStep());
        }
    }

    /** The loss curve in bfloat16 is near that in float32, and the same again with more threads. */
    @Test
    void mixedPrecisionFollowsSinglePrecision() throws IOException {
        closeModel();
        model = load(Device.of("cpu"));
        assumeTrue(model.backend().trainingTypes().contains(DType.BF16), "no training in bfloat16");
        TrainingConfig.Builder settings = settings().epochs(4);
        List<StepReport> single = losses(settings.build());
        List<StepReport> mixed = losses(settings.precision(Precision.BFLOAT16).build());
        assertThat(mixed).hasSameSizeAs(single);
        for (int i = 0; i < single.size(); i++) {
            assertThat(mixed.get(i).loss()).as("step %d", i + 1).isCloseTo(single.get(i).loss(), within(0.03))
                    .isNotEqualTo(single.get(i).loss());
        }
        assertThat(losses(settings.threads(3).build())).isEqualTo(mixed);
    }

    private List<StepReport> losses(TrainingConfig config) throws IOException {
        Recorder recorder = new Recorder();
        new Trainer(model, config).listener(recorder).train(rows(40, 1)).model().close();
        return recorder.steps;
    }

    @Test
    void aStopOnRequestSavesACheckpointToGoOnFrom() throws IOException {
        Dataset training = rows(50, 1);
        Path checkpoints = folder.resolve("checkpoints");
        TrainingConfig.Builder settings = settings().bucketing(true);
        Map<String, List<Float>> expected;
        try (SentimentModel trained = new Trainer(model, settings.build()).train(training).model()) {
            expected = weights(trained);
        }
        TrainingConfig config = settings.checkpoints(new Checkpoints(checkpoints, 1000, 1)).reportEvery(2).build();
        Recorder recorder = new Recorder();
        Trainer trainer = new Trainer(model, config).listener(recorder);
        recorder.stopped = trainer;
        recorder.stopAfter = 10;
        TrainingResult stopped = trainer.train(training);
        stopped.model().close();
        assertThat(stopped.outcome()).isEqualTo(Outcome.STOPPED_ON_REQUEST);
        assertThat(stopped.steps()).isEqualTo(10);
        assertThat(stopped.checkpoint()).contains(checkpoints.resolve("step-00000010"));
        assertThat(recorder.steps).extracting(StepReport::step).containsExactly(2, 4, 6, 8, 10);

        recorder.stopAfter = -1;
        TrainingResult resumed = trainer.resume(checkpoints, training);
        try (SentimentModel trained = resumed.model()) {
            assertThat(resumed.outcome()).isEqualTo(Outcome.COMPLETED);
            assertThat(weights(trained)).isEqualTo(expected);
        }
    }

    /** A process that dies takes with it what came after the last checkpoint, and may leave half of the next one. */
    @Test
    void aRunThatDiedAtAnyStepGoesOnFromItsLastCheckpoint() throws IOException {
        Dataset training = rows(24, 1);
        Map<String, List<Float>> expected;
        try (SentimentModel trained = new Trainer(model, settings().epochs(2).build()).train(training).model()) {
            expected = weights(trained);
        }
        for (int death = 3; death <= 6; death++) {
            int last = death;
            Path checkpoints = folder.resolve("died-at-" + death);
            TrainingConfig config = settings().epochs(2).checkpoints(new Checkpoints(checkpoints, 2, 1)).build();
            Trainer trainer = new Trainer(model, config).listener(new TrainingListener() {
                @Override
                public void onStep(StepReport report) {
                    if (report.step() == last) {
                        throw new IllegalStateException("died");
                    }
                }
            });
            assertThatThrownBy(() -> trainer.train(training)).hasMessage("died");
            Path half = Files.createDirectory(checkpoints.resolve(".step-00000099.f00.tmp"));
            Files.writeString(half.resolve("parameters.safetensors"), "half");
            assertThatThrownBy(() -> trainer.train(training)).isInstanceOf(FileAlreadyExistsException.class)
                    .hasMessageContaining("resume from them");
            try (SentimentModel trained = new Trainer(model, config).resume(checkpoints, training).model()) {
                assertThat(weights(trained)).as("died at step %d", death).isEqualTo(expected);
            }
        }
    }

    /** Neither the gradient nor dropout knows how many batches a step's rows came in. */
    @Test
    void accumulatedBatchesTrainLikeOneLargeBatch() throws IOException {
        List<Example> complete = rows(60, 1).examples().stream().filter(row -> row.hasLabel() && row.hasScore(0))
                .toList();
        Dataset training = new Dataset(complete, LABELS, List.of("mood"));
        List<List<Double>> losses = new ArrayList<>();
        for (int parts : new int[]{1, 2, 4}) {
            Recorder recorder = new Recorder();
            TrainingConfig config = settings().batchSize(8 / parts).accumulationSteps(parts)
                    .weighting(Weighting.parse("constant")).build();
            new Trainer(model, config).listener(recorder).train(training).model().close();
            losses.add(recorder.steps.stream().map(StepReport::loss).toList());
        }
        for (int i = 0; i < losses.getFirst().size(); i++) {
            assertThat(losses.get(1).get(i)).isCloseTo(losses.get(0).get(i), within(1e-4));
            assertThat(losses.get(2).get(i)).isCloseTo(losses.get(0).get(i), within(1e-4));
        }
    }

    @Test
    void anotherRunIsRefusedByTheNameOfWhatDiffers() throws IOException {
        Dataset training = rows(20, 1);
        Path checkpoints = folder.resolve("checkpoints");
        TrainingConfig.Builder settings = settings().epochs(1).checkpoints(new Checkpoints(checkpoints, 0, 1));
        new Trainer(model, settings.build()).train(training).model().close();
        assertThatThrownBy(() -> new Trainer(model, settings.learningRate(1e-3).build()).resume(checkpoints, training))
                .isInstanceOf(FormatException.class).hasMessageContaining("learningRate was 0.002, is now 0.001");
        TrainingConfig same = settings.learningRate(2e-3).build();
        assertThatThrownBy(() -> new Trainer(model, same).resume(checkpoints, rows(20, 3)))
                .isInstanceOf(FormatException.class).hasMessageContaining("training data was 20 rows");
        assertThatThrownBy(() -> new Trainer(model, same).resume(checkpoints, training, rows(5, 4)))
                .isInstanceOf(FormatException.class).hasMessageContaining("validation data was none");
        assertThatThrownBy(() -> new Trainer(model, same).resume(folder.resolve("nowhere"), training))
                .isInstanceOf(FormatException.class).hasMessageContaining("no checkpoint");
        Path state = checkpoints.resolve("step-00000003").resolve("state.json");
        Files.writeString(state, Files.readString(state).replace("\"step\" : 3", "\"step\" : \"three\""));
        assertThatThrownBy(() -> new Trainer(model, same).resume(checkpoints, training))
                .isInstanceOf(FormatException.class).hasMessageContaining("state.json").hasMessageContaining("step");
    }

    @Test
    void onlyTheLatestCheckpointsStay() throws IOException {
        Path checkpoints = folder.resolve("checkpoints");
        TrainingConfig config = settings().epochs(1).checkpoints(new Checkpoints(checkpoints, 2, 2)).build();
        new Trainer(model, config).train(rows(64, 1)).model().close();
        try (Stream<Path> left = Files.list(checkpoints)) {
            assertThat(left.map(path -> path.getFileName().toString())).containsExactlyInAnyOrder("step-00000006",
                    "step-00000008");
        }
    }

    @Test
    void stopsEarlyWhenTheMetricNoLongerImproves() throws IOException {
        // A model that only learns by rote: labels have nothing to do with the texts.
        Random random = new Random(8);
        List<Example> examples = rows(40, 5).examples().stream()
                .map(example -> new Example(example.text(), random.nextInt(2), 0f)).toList();
        Dataset noise = new Dataset(examples, LABELS, List.of("mood"));
        Dataset other = rows(40, 6);
        TrainingConfig config = settings().epochs(60).patience(3).keepBest(false).build();
        TrainingResult result = new Trainer(model, config).train(noise, other);
        result.model().close();
        assertThat(result.outcome()).isEqualTo(Outcome.STOPPED_EARLY);
        List<EvaluationReport> evaluations = result.evaluations();
        assertThat(evaluations.size()).isLessThan(60);
        assertThat(evaluations.subList(evaluations.size() - 3, evaluations.size())).noneMatch(EvaluationReport::best);
        assertThat(evaluations.get(evaluations.size() - 4).best()).isTrue();
        assertThat(result.bestStep()).isEqualTo(result.steps());
    }

    @Test
    void divergenceNamesTheStep() {
        TrainingConfig config = settings().learningRate(1e30).maxGradientNorm(Double.POSITIVE_INFINITY)
                .warmupFraction(0).build();
        assertThatThrownBy(() -> new Trainer(model, config).train(rows(30, 1))).isInstanceOfSatisfying(
                DivergenceException.class, e -> assertThat(e.step()).isBetween(2, 4));
    }

    @Test
    void otherLabelsAndTargetsGetNewHeads() throws IOException {
        List<Example> examples = rows(40, 1).examples().stream()
                .map(example -> new Example(example.text(), Math.floorMod(example.text().hashCode(), 3))).toList();
        Dataset classes = new Dataset(examples, List.of("bad", "fair", "good"), List.of());
        TrainingConfig config = settings().epochs(1).build();
        TrainingResult result = new Trainer(model, config).train(classes);
        try (SentimentModel trained = result.model()) {
            assertThat(trained.labels()).containsExactly("bad", "fair", "good");
            assertThat(trained.targets()).isEmpty();
            assertThat(trained.predict(TinyModel.text(3, 4)).scores()).isEmpty();
        }
        assertThatThrownBy(() -> new Trainer(model, config).train(classes, rows(10, 2)))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("validation data")
                .hasMessageContaining("\"down\"");
    }

    /** The same classes in another order are the same classes. */
    @Test
    void labelsAreMatchedByName() throws IOException {
        Dataset rows = rows(30, 1);
        List<Example> swapped = rows.examples().stream().map(example -> new Example(example.text(),
                example.hasLabel() ? 1 - example.label() : example.label(), example.score(0))).toList();
        Dataset reordered = new Dataset(swapped, LABELS.reversed(), List.of("mood"));
        TrainingConfig config = settings().epochs(1).build();
        try (SentimentModel first = new Trainer(model, config).train(rows).model();
                SentimentModel second = new Trainer(model, config).train(reordered).model()) {
            assertThat(second.labels()).isEqualTo(LABELS);
            assertThat(weights(second)).isEqualTo(weights(first));
            assertThat(Evaluation.of(first, reordered)).isEqualTo(Evaluation.of(first, rows));
        }
    }

    @Test
    void oneTaskAloneHasWeightOneWhateverTheWeighting() throws IOException {
        List<Example> examples = rows(24, 1).examples().stream()
                .map(example -> new Example(example.text(), Example.NO_LABEL, example.score(0))).toList();
        Dataset scores = new Dataset(examples, List.of(), List.of("mood"));
        for (String name : Weighting.NAMES) {
            Recorder recorder = new Recorder();
            TrainingConfig config = settings().epochs(1).weighting(Weighting.parse(name)).build();
            new Trainer(model, config).listener(recorder).train(scores).model().close();
            assertThat(recorder.steps).as(name).allSatisfy(report -> {
                assertThat(report.regressionWeight()).isEqualTo(1);
                assertThat(report.loss()).isEqualTo(report.regressionLoss());
            });
        }
    }

    @Test
    void frozenPartsStayAsTheyAre() throws IOException {
        Map<String, List<Float>> before = weights(model);
        try (SentimentModel trained = new Trainer(model, settings().frozenLayers(1).build()).train(rows(30, 1))
                .model()) {
            weights(trained).forEach((name, values) -> {
                boolean frozen = name.contains("embeddings") || name.contains("layer.0.");
                assertThat(values.equals(before.get(name))).as(name).isEqualTo(frozen);
            });
        }
    }

    @Test
    void settingsThatDoNotFitAreRefused() {
        Dataset rows = rows(10, 1);
        assertThatThrownBy(() -> settings().learningRate(-1).build()).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("learningRate -1");
        assertThatThrownBy(() -> settings().batchSize(0).build()).hasMessageContaining("batchSize 0");
        assertThatThrownBy(() -> settings().layerDecay(1.5).build()).hasMessageContaining("layerDecay 1.5");
        assertThatThrownBy(() -> new Trainer(model, settings().patience(2).build()).train(rows))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("patience 2");
        assertThatThrownBy(() -> new Trainer(model, settings().frozenLayers(7).build()).train(rows))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("frozenLayers 7");
        List<Example> unlabelled = rows.examples().stream()
                .map(example -> new Example(example.text(), Example.NO_LABEL, 1f)).toList();
        Dataset scored = new Dataset(unlabelled, LABELS, List.of("mood"));
        assertThatThrownBy(() -> new Trainer(model, settings().metric(Metric.MACRO_F1).build()).train(rows, scored))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("MACRO_F1");
        Dataset nothing = new Dataset(List.of(new Example("a text", Example.NO_LABEL, Float.NaN)), LABELS,
                List.of("mood"));
        assertThatThrownBy(() -> new Trainer(model, settings().build()).train(nothing))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("none of the 1 rows");
    }
}
