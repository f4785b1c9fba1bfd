package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.nightjar.io.SafetensorsFile;
import dev.nightjar.io.WeightSource;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Folders with quantised weights, and the automatic precision. */
class QuantizedModelTest {
    private static final String MATRIX = "distilbert.transformer.layer.1.ffn.lin2.weight";
    private static final List<String> TEXTS = List.of(TinyModel.text(3, 1, 4, 1, 5), TinyModel.text(9, 2),
            TinyModel.text(6));

    @TempDir
    private Path folder;
    private Path original;
    private Path quantised;

    @BeforeEach
    void convert() throws IOException {
        original = folder.resolve("original");
        quantised = folder.resolve("quantised");
        try (SentimentModel model = TinyModel.load(folder.resolve("tiny"), List.of("down", "up"), List.of("score"),
                Device.of("reference"))) {
            model.save(original);
        }
        SentimentModel.convert(original, quantised, Precision.INT8);
    }

    private static List<Prediction> predict(Path model, String device, Precision precision) throws IOException {
        try (SentimentModel loaded = SentimentModel.load(model,
                InferenceOptions.defaults().withDevice(Device.of(device)).withPrecision(precision))) {
            return loaded.predict(TEXTS);
        }
    }

    private static Device.Status cpu() {
        return Device.statuses().stream().filter(status -> status.backend().equals("cpu")).findFirst().orElseThrow();
    }

    @Test
    void givesWhatQuantisingAtLoadGives() throws IOException {
        assumeTrue(cpu().precisions().contains(Precision.INT8), "no int8 here");
        List<Prediction> expected = predict(original, "cpu", Precision.INT8);
        assertThat(predict(quantised, "cpu", Precision.INT8)).isEqualTo(expected);
        assertThat(expected).isNotEqualTo(predict(original, "cpu", Precision.FLOAT32));
    }

    @Test
    void everyBackendReadsItInFloat32() throws IOException {
        List<Prediction> expected = predict(original, "reference", Precision.FLOAT32);
        List<Prediction> actual = predict(quantised, "reference", Precision.FLOAT32);
        assertThat(actual).isNotEqualTo(expected);
        for (int i = 0; i < TEXTS.size(); i++) {
            assertThat(Math.abs(actual.get(i).scores().getFirst() - expected.get(i).scores().getFirst()))
                    .isLessThan(0.05f);
        }
    }

    @Test
    void convertingAgainWritesTheSameBytes() throws IOException {
        Path again = folder.resolve("again");
        SentimentModel.convert(quantised, again, Precision.INT8);
        for (String file : List.of("model.safetensors", "config.json")) {
            assertThat(again.resolve(file)).hasSameBinaryContentAs(quantised.resolve(file));
        }
    }

    @Test
    void matricesOfTheBlocksAreInt8AndTheRestFloat32() throws IOException {
        try (WeightSource file = SafetensorsFile.open(quantised.resolve("model.safetensors"))) {
            assertThat(file.info(MATRIX + "_scale").shape())
                    .isEqualTo(List.of(file.info(MATRIX).shape().getFirst(), 1L));
            for (String name : file.names()) {
                boolean matrix = name
                        .matches(".*\\.(attention\\.[qkv]_lin|attention\\.out_lin|ffn\\.lin[12])\\.weight");
                assertThat(file.info(name).dtype()).as(name).isEqualTo(matrix ? DType.I8 : DType.F32);
            }
        }
    }

    @Test
    void scalesThatAreNoneAreRefused() throws IOException {
        Path file = quantised.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer content = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int data = 8 + (int) content.getLong(0);
        String header = new String(bytes, 8, data - 8, StandardCharsets.UTF_8);
        String begin = header.substring(header.indexOf(MATRIX + "_scale"))
                .replaceFirst("(?s).*?\"data_offsets\":\\[(\\d+),.*", "$1");
        content.putFloat(data + Integer.parseInt(begin), -1);
        Files.write(file, bytes);
        assertThatThrownBy(() -> predict(quantised, "reference", Precision.FLOAT32)).isInstanceOf(FormatException.class)
                .hasMessageContainingAll("model.safetensors", MATRIX + "_scale", "-1");
    }

    @Test
    void otherQuantisationsAreRefused() throws IOException {
        Path config = quantised.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("nightjar-int8-rows", "bitsandbytes"));
        assertThatThrownBy(() -> predict(quantised, "reference", Precision.FLOAT32)).isInstanceOf(FormatException.class)
                .hasMessageContainingAll("config.json", "quantization_config", "bitsandbytes", "nightjar-int8-rows");
    }

    @Test
    void automaticPrecisionIsOneThatTheDeviceOffersAndIsSaid() throws IOException {
        InferenceOptions options = InferenceOptions.defaults().withPrecision(Precision.AUTO);
        try (SentimentModel model = SentimentModel.load(original, options.withDevice(Device.of("cpu")))) {
            assertThat(cpu().precisions()).contains(model.precision());
        }
        try (SentimentModel model = SentimentModel.load(original, options.withDevice(Device.of("reference")))) {
            assertThat(model.precision()).isEqualTo(Precision.FLOAT32);
        }
        assertThat(cpu().details().get("precision auto")).contains("float32");
        assertThatThrownBy(() -> SentimentModel.convert(original, folder.resolve("auto"), Precision.AUTO))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
