package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.backend.cuda.CudaSimulator;
import dev.nightjar.io.HuggingFaceFolder;
import dev.nightjar.io.NamedTensor;
import dev.nightjar.io.PretrainedModel;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a user meets who asks for another precision than float32, on the simulated CUDA driver. */
class PrecisionTest {
    private static final List<String> LABELS = List.of("down", "flat", "up");
    private static final String TEXT = TinyModel.text(3, 1, 4, 1, 5, 9, 2, 6);

    @TempDir
    private Path folder;
    @AutoClose
    private final CudaSimulator simulator = CudaSimulator.openWithKernels();

    private static InferenceOptions on(String device, Precision precision) {
        return InferenceOptions.defaults().withDevice(Device.of(device)).withPrecision(precision).withSessions(1)
                .withTokenBudget(64);
    }

    /** A folder with the tiny model and its tokenizer. */
    private Path saved() throws IOException {
        Path saved = folder.resolve("saved");
        try (SentimentModel model = TinyModel.load(folder.resolve("original"), LABELS, List.of("score"),
                Device.of("reference"))) {
            model.save(saved);
        }
        return saved;
    }

    @ParameterizedTest
    @EnumSource(value = Precision.class, names = {"INT8", "AUTO"}, mode = EnumSource.Mode.EXCLUDE)
    void predictionsDifferByRoundingAlone(Precision precision) throws IOException {
        Path saved = saved();
        double tolerance = switch (precision) {
            case FLOAT32 -> 1e-5;
            case FLOAT16 -> 5e-3;
            default -> 5e-2;
        };
        try (SentimentModel exact = SentimentModel.load(saved, on("reference", Precision.FLOAT32));
                SentimentModel model = SentimentModel.load(saved, on("cuda", precision))) {
            Prediction expected = exact.predict(TEXT);
            Prediction actual = model.predict(TEXT);
            if (precision != Precision.FLOAT32) {
                assertThat(actual.score()).as("nothing was rounded").isNotEqualTo(expected.score());
            }
            for (int label = 0; label < LABELS.size(); label++) {
                assertThat((double) actual.probabilities().get(label)).isCloseTo(expected.probabilities().get(label),
                        within(tolerance));
            }
            assertThat((double) actual.score()).isCloseTo(expected.score(), within(tolerance));
        }
        simulator.assertClean();
    }

    @Test
    void roundedWeightsAreNeitherSavedNorTrained() throws IOException {
        Path copy = folder.resolve("copy");
        try (SentimentModel model = SentimentModel.load(saved(), on("cuda", Precision.BFLOAT16))) {
            assertThatThrownBy(() -> model.save(copy)).isInstanceOf(IllegalStateException.class)
                    .hasMessageContainingAll("bfloat16", "saved", "float32");
            assertThat(copy).doesNotExist();
            Dataset data = new Dataset(List.of(new Example("w1 w2", 0, 0.5f), new Example("w3", 2, -1)), LABELS,
                    List.of("score"));
            Trainer trainer = new Trainer(model, TrainingConfig.builder().epochs(1).build());
            assertThatThrownBy(() -> trainer.train(data)).isInstanceOf(IllegalStateException.class)
                    .hasMessageContainingAll("bfloat16", "trained", "float32");
        }
        simulator.assertClean();
    }

    @Test
    void devicesSayWhatTheyOfferAndRefuseTheRest() throws IOException {
        Path saved = saved();
        simulator.option("compute_capability", 75);
        assertThat(precisions("cuda")).containsExactly(Precision.FLOAT32, Precision.FLOAT16);
        assertThat(precisions("cpu")).startsWith(Precision.FLOAT32).doesNotContain(Precision.FLOAT16);
        assertThatThrownBy(() -> SentimentModel.load(saved, on("cuda", Precision.BFLOAT16)))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContainingAll("cuda", "bfloat16", "only in float32 and float16");
        assertThatThrownBy(() -> SentimentModel.load(saved, on("cpu", Precision.FLOAT16)))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContainingAll("cpu", "float16", "only in float32");
        simulator.assertClean();
        simulator.reset();
        simulator.option("compute_capability", 80);
        assertThat(precisions("cuda")).containsExactly(Precision.FLOAT32, Precision.BFLOAT16,
                Precision.FLOAT16);
        simulator.assertClean();
    }

    private static List<Precision> precisions(String backend) {
        return Device.statuses().stream().filter(status -> status.backend().equals(backend)).findFirst().orElseThrow()
                .precisions();
    }

    @Test
    void aWeightBeyondTheRangeOfFloat16IsRefused() throws IOException {
        Path large = folder.resolve("large");
        try (PretrainedModel model = HuggingFaceFolder.open(saved())) {
            List<NamedTensor> tensors = new ArrayList<>();
            for (String name : model.weights().names()) {
                float[] values = model.weights().read(name);
                if (name.equals("pre_classifier.bias")) {
                    values[3] = -70_000;
                }
                tensors.add(new NamedTensor(name, model.weights().info(name).shape(), MemorySegment.ofArray(values)));
            }
            HuggingFaceFolder.write(large, model.config(), tensors, DType.F32, Map.copyOf(model.tokenizerFiles()));
        }
        SentimentModel.load(large, on("cuda", Precision.BFLOAT16)).close();
        assertThatThrownBy(() -> SentimentModel.load(large, on("cuda", Precision.FLOAT16)))
                .isInstanceOf(FormatException.class)
                .hasMessageContainingAll("model.safetensors", "pre_classifier.bias", "-70000", "float16");
        simulator.assertClean();
    }
}
