package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightjar.pipeline.InferencePipeline;
import dev.nightjar.pipeline.PipelineOptions;
import dev.nightjar.pipeline.PipelineOptions.LongTexts;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.text.ParseException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import jdk.jfr.Configuration;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the settings file that comes with Nightjar makes Java Flight Recorder record. */
class FlightRecorderTest {
    private static final Set<String> EVENTS = Set.of("Prediction", "Batch", "Drop", "WarmUp", "TrainingStep",
            "BackendChoice");

    @TempDir
    private Path folder;

    private Configuration settings;

    @BeforeEach
    void readSettings() throws IOException, ParseException {
        try (Reader reader = new InputStreamReader(InferenceSession.class.getResourceAsStream("nightjar.jfc"),
                StandardCharsets.UTF_8)) {
            settings = Configuration.create(reader);
        }
    }

    /** What an action has recorded, by the names of Nightjar's events, in order of their ends. */
    private List<RecordedEvent> record(ThrowingCallable action) throws Throwable {
        Path file = folder.resolve("recording.jfr");
        try (Recording recording = new Recording(settings)) {
            recording.start();
            action.call();
            recording.stop();
            recording.dump(file);
        }
        return RecordingFile.readAllEvents(file).stream()
                .filter(event -> event.getEventType().getName().startsWith("dev.nightjar."))
                .sorted((a, b) -> a.getEndTime().compareTo(b.getEndTime())).toList();
    }

    private static List<RecordedEvent> named(List<RecordedEvent> events, String name) {
        return events.stream().filter(event -> event.getEventType().getName().equals("dev.nightjar." + name)).toList();
    }

    private SentimentModel load(int tokenBudget) throws IOException {
        return SentimentModel.loadWithHeads(TinyModel.save(folder.resolve("model")), List.of("a", "b"), List.of("s"), 1,
                InferenceOptions.defaults().withDevice(Device.of("cpu")).withTokenBudget(tokenBudget));
    }

    @Test
    void everyKindOfEventIsRecorded() throws Throwable {
        List<RecordedEvent> events = record(() -> {
            try (SentimentModel model = load(64)) {
                model.predict(List.of("w1 w2", "w3"));
                PipelineOptions options = PipelineOptions.builder().maxTextBytes(8).longTexts(LongTexts.REJECT).build();
                try (InferencePipeline pipeline = InferencePipeline.start(model, options, result -> {
                })) {
                    pipeline.offer(7, "longer than eight bytes");
                    pipeline.offer(8, "w1");
                }
                Dataset rows = new Dataset(
                        IntStream.range(0, 6).mapToObj(i -> new Example("w" + i, i % 2, 0.5f)).toList(),
                        List.of("a", "b"), List.of("s"));
                new Trainer(model, TrainingConfig.builder().batchSize(4).epochs(1).maxLength(8).threads(1).build())
                        .train(rows).model().close();
            }
        });
        assertThat(events.stream().map(event -> event.getEventType().getName().substring("dev.nightjar.".length()))
                .collect(Collectors.toSet())).isEqualTo(EVENTS);

        RecordedEvent choice = named(events, "BackendChoice").getFirst();
        assertThat(choice.getString("requested")).isEqualTo("cpu");
        assertThat(choice.getString("chosen")).isEqualTo("cpu");
        assertThat(choice.getString("type")).isEqualTo("F32");
        RecordedEvent prediction = named(events, "Prediction").getFirst();
        assertThat(prediction.getInt("sequences")).isEqualTo(2);
        assertThat(prediction.getInt("tokens")).isEqualTo(4 + 3);
        assertThat(prediction.getDuration()).isPositive();
        RecordedEvent drop = named(events, "Drop").getFirst();
        assertThat(drop.getLong("id")).isEqualTo(7);
        assertThat(drop.getString("reason")).isEqualTo("long");
        RecordedEvent batch = named(events, "Batch").getFirst();
        assertThat(batch.getInt("texts")).isEqualTo(1);
        assertThat(batch.getInt("textsRun")).isEqualTo(1);
        assertThat(batch.getString("closedBy")).isEqualTo("deadline");
        assertThat(batch.getDuration("queued")).isPositive();
        assertThat(batch.getDuration("forward")).isPositive().isLessThanOrEqualTo(batch.getDuration());
        assertThat(named(events, "TrainingStep").stream().map(event -> event.getInt("step"))).containsExactly(1, 2);
        assertThat(named(events, "TrainingStep").stream().map(event -> event.getInt("rows"))).containsExactly(4, 2);
    }

    /** Which sizes they are, is what {@link InferenceSession#warmUp} says. */
    @Test
    void everyWarmUpRunsTheSameSizes() throws Throwable {
        List<List<String>> sizes = new ArrayList<>();
        try (SentimentModel model = load(64)) {
            for (int i = 0; i < 2; i++) {
                List<RecordedEvent> events = record(() -> {
                    try (InferenceSession session = model.newSession()) {
                        session.warmUp();
                    }
                });
                sizes.add(named(events, "Prediction").stream()
                        .map(event -> event.getInt("sequences") + "x" + event.getInt("tokens")).toList());
                assertThat(named(events, "WarmUp")).singleElement()
                        .satisfies(event -> assertThat(event.getInt("passes")).isEqualTo(sizes.getLast().size()));
            }
        }
        assertThat(sizes.get(0)).hasSize(203).startsWith("1x16", "4x64", "1x32").endsWith("1x16");
        assertThat(sizes.get(1)).isEqualTo(sizes.get(0));
    }

    @Test
    void theSettingsNameEveryEventAndNoOther() {
        assertThat(settings.getSettings().keySet().stream().filter(key -> key.startsWith("dev.nightjar."))
                .map(key -> key.substring("dev.nightjar.".length(), key.indexOf('#'))).collect(Collectors.toSet()))
                .isEqualTo(EVENTS);
    }
}
