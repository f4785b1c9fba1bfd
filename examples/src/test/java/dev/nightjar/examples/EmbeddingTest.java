package dev.nightjar.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.Device;
import dev.nightjar.InferenceOptions;
import dev.nightjar.Prediction;
import dev.nightjar.SentimentModel;
import dev.nightjar.pipeline.InferencePipeline;
import dev.nightjar.pipeline.PipelineOptions;
import dev.nightjar.pipeline.PipelineOptions.LongTexts;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The code that the README shows, and the meters beside it. */
@Timeout(300)
class EmbeddingTest {
    private static final List<String> TEXTS = List.of("w1 w2", "w3", "w4 w5 w6");

    @TempDir
    private Path folder;

    private SentimentModel load() throws IOException {
        return SentimentModel.load(TinyModel.save(folder.resolve("model")),
                InferenceOptions.defaults().withDevice(Device.of("cpu")).withTokenBudget(64));
    }

    @Test
    void bothWaysSayWhatTheModelSays() throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (SentimentModel model = load()) {
            Embedding embedding = new Embedding(new PrintStream(bytes, true, StandardCharsets.UTF_8));
            embedding.session(model, TEXTS);
            embedding.pipeline(model, TEXTS);
            List<String> lines = bytes.toString(StandardCharsets.UTF_8).lines().toList();
            List<Prediction> expected = model.predict(TEXTS);
            for (int i = 0; i < TEXTS.size(); i++) {
                assertThat(Float.parseFloat(lines.get(i))).isCloseTo(expected.get(i).probabilities().getFirst(),
                        within(1e-5f));
                assertThat(lines.get(TEXTS.size() + i)).isEqualTo(i + " " + expected.get(i).labelIndex());
            }
            assertThat(lines.getLast()).contains("answered=3");
        }
    }

    @Test
    void metersShowThePipelinesCounters() throws IOException {
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        try (SentimentModel model = load()) {
            PipelineOptions options = PipelineOptions.builder().maxTextBytes(8).longTexts(LongTexts.REJECT).build();
            InferencePipeline pipeline = InferencePipeline.start(model, options, result -> {
            });
            new PipelineMeters(pipeline, Tags.of("model", "tiny")).bindTo(registry);
            TEXTS.forEach(text -> pipeline.offer(0, text));
            pipeline.offer(0, "longer than eight bytes");
            pipeline.close();
        }
        assertThat(registry.get("nightjar.texts").tag("outcome", "answered").tag("model", "tiny").functionCounter()
                .count()).isEqualTo(3);
        assertThat(registry.get("nightjar.texts").tag("outcome", "rejected.long").functionCounter().count())
                .isEqualTo(1);
        assertThat(registry.get("nightjar.texts.offered").functionCounter().count()).isEqualTo(4);
        assertThat(registry.get("nightjar.batches").functionCounters().stream().mapToDouble(c -> c.count()).sum())
                .isPositive();
        assertThat(registry.get("nightjar.texts.in.flight").gauge().value()).isZero();
    }
}
