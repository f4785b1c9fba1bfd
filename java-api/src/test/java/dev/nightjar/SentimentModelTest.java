package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.io.SafetensorsFile;
import dev.nightjar.io.WeightSource;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The public way from token ids and texts to predictions, on the tiny model that PyTorch computed in float64. */
class SentimentModelTest {
    private static final float GOLDEN_TOLERANCE = 1e-5f;
    private static final List<String> TEXTS = List.of("Profit rises", "the company cuts its forecast, shares fall", "",
            "no",
            "naïve café ÀÉÎ 中文 text with 12 % and more of everything that a headline may hold");

    @TempDir
    Path temporary;
    private Path folder;

    @BeforeEach
    void modelFolder() throws IOException {
        folder = Files.createDirectory(temporary.resolve("model"));
        for (String file : List.of("/golden/tiny/config.json", "/golden/tiny/model.safetensors",
                "/dev/nightjar/text/vocab.txt")) {
            Path resource = resource(file);
            Files.copy(resource, folder.resolve(resource.getFileName().toString()));
        }
    }

    private static Path resource(String name) {
        try {
            return Path.of(SentimentModelTest.class.getResource(name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static InferenceOptions on(String backend) {
        return InferenceOptions.defaults().withDevice(Device.of(backend)).withTokenBudget(128);
    }

    @ParameterizedTest
    @ValueSource(strings = {"reference", "auto"})
    void tokenIdsGiveThePredictionsOfPyTorch(String backend) throws IOException {
        try (WeightSource golden = SafetensorsFile.open(resource("/golden/tiny/forward.safetensors"));
                SentimentModel model = SentimentModel.load(folder, on(backend));
                InferenceSession session = model.newSession()) {
            List<int[]> sequences = goldenSequences(golden);
            sequences.forEach(session::add);
            session.run();
            float[] logits = golden.read("logits");
            float[] scores = golden.read("regression");
            for (int row = 0; row < sequences.size(); row++) {
                float[] expected = softmax(logits, row, 3);
                for (int c = 0; c < 3; c++) {
                    assertThat(session.probability(row, c)).isCloseTo(expected[c], within(GOLDEN_TOLERANCE));
                }
                assertThat(session.score(row, 0)).isCloseTo(scores[row], within(GOLDEN_TOLERANCE));
            }
        }
    }

    private static List<int[]> goldenSequences(WeightSource golden) {
        float[] ids = golden.read("input_ids");
        float[] mask = golden.read("attention_mask");
        int width = golden.info("input_ids").shape().get(1).intValue();
        List<int[]> sequences = new ArrayList<>();
        for (int row = 0; row < ids.length / width; row++) {
            int from = row * width;
            sequences.add(
                    IntStream.range(from, from + width).filter(i -> mask[i] == 1).map(i -> (int) ids[i]).toArray());
        }
        return sequences;
    }

    private static float[] softmax(float[] logits, int row, int classes) {
        double sum = 0;
        float[] result = new float[classes];
        for (int c = 0; c < classes; c++) {
            sum += Math.exp(logits[row * classes + c]);
        }
        for (int c = 0; c < classes; c++) {
            result[c] = (float) (Math.exp(logits[row * classes + c]) / sum);
        }
        return result;
    }

    @Test
    void howTextsArePackedDoesNotChangeTheAnswer() throws IOException {
        try (SentimentModel model = SentimentModel.load(folder, on("reference"))) {
            List<Prediction> together = model.predict(TEXTS);
            for (int i = 0; i < TEXTS.size(); i++) {
                assertThat(model.predict(TEXTS.get(i))).isEqualTo(together.get(i));
            }
            try (SentimentModel tight = SentimentModel.load(folder, on("reference").withTokenBudget(40))) {
                assertThat(tight.predict(TEXTS)).isEqualTo(together);
            }
        }
    }

    @Test
    void theLabelIsTheMostProbableOne() throws IOException {
        try (SentimentModel model = SentimentModel.load(folder, on("reference"))) {
            for (Prediction p : model.predict(TEXTS)) {
                assertThat(p.label()).isEqualTo("LABEL_" + p.labelIndex());
                assertThat(p.probabilities()).allMatch(probability -> probability <= p.confidence());
                assertThat(p.probabilities().stream().mapToDouble(Float::doubleValue).sum()).isCloseTo(1, within(1e-6));
                assertThat(p.score()).isEqualTo(p.scores().getFirst());
            }
        }
    }

    @Test
    void longTextsAreCutOrRefused() throws IOException {
        String text = "a ".repeat(60);
        try (SentimentModel model = SentimentModel.load(folder, on("reference"))) {
            Prediction p = model.predict(text);
            assertThat(p.truncated()).isTrue();
            assertThat(p.tokenCount()).isEqualTo(40);
            assertThat(model.predict("a").truncated()).isFalse();
        }
        try (SentimentModel model = SentimentModel.load(folder,
                on("reference").withMaxLength(5).withRefuseLong(true))) {
            assertThatThrownBy(() -> model.predict(List.of("a", text))).isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("text 1").hasMessageContaining("5 tokens");
        }
    }

    @Test
    void tokenIdsThatTheModelDoesNotHaveAreRefusedByPlace() throws IOException {
        try (SentimentModel model = SentimentModel.load(folder, on("reference"));
                InferenceSession session = model.newSession()) {
            assertThatThrownBy(() -> session.add(1, 120)).hasMessageContaining("token 1").hasMessageContaining("120");
            assertThatThrownBy(() -> session.add(-1)).hasMessageContaining("token 0");
            assertThatThrownBy(() -> session.add(new int[41])).hasMessageContaining("40 positions");
            assertThatThrownBy(session::add).hasMessageContaining("empty");
            assertThatThrownBy(session::run).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void concurrentCallersGetWhatOneCallerGets() throws Exception {
        try (SentimentModel model = SentimentModel.load(folder, on("auto").withSessions(2));
                ExecutorService callers = Executors.newFixedThreadPool(8)) {
            List<Prediction> expected = model.predict(TEXTS);
            List<Future<List<Prediction>>> answers = new ArrayList<>();
            for (int i = 0; i < 64; i++) {
                answers.add(callers.submit(() -> model.predict(TEXTS)));
            }
            for (Future<List<Prediction>> answer : answers) {
                assertThat(answer.get()).isEqualTo(expected);
            }
        }
    }

    @Test
    void aSavedModelIsTheSameModel() throws IOException {
        Path copy = temporary.resolve("copy");
        try (SentimentModel model = SentimentModel.load(folder, on("reference"))) {
            model.save(copy);
            try (SentimentModel loaded = SentimentModel.load(copy, on("reference"))) {
                assertThat(loaded.predict(TEXTS)).isEqualTo(model.predict(TEXTS));
                assertThat(loaded.labels()).isEqualTo(model.labels());
                assertThat(loaded.targets()).isEqualTo(model.targets());
            }
        }
    }

    @Test
    void newHeadsAreMadeOnlyWhereTheyMeanSomethingElse() throws IOException {
        try (SentimentModel model = SentimentModel.load(folder, on("reference"));
                SentimentModel relabelled = SentimentModel.loadWithHeads(folder, List.of("down", "up"), model.targets(),
                        7,
                        on("reference"))) {
            List<Prediction> before = model.predict(TEXTS);
            List<Prediction> after = relabelled.predict(TEXTS);
            for (int i = 0; i < before.size(); i++) {
                assertThat(after.get(i).scores()).isEqualTo(before.get(i).scores());
                assertThat(after.get(i).probabilities()).hasSize(2);
            }
        }
    }

    @Test
    void aClosedModelAnswersNothing() throws IOException {
        SentimentModel model = SentimentModel.load(folder, on("reference"));
        model.predict("a");
        model.close();
        model.close();
        assertThatThrownBy(() -> model.predict("a")).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
    }
}
