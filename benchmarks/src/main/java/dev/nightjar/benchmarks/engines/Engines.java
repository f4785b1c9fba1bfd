package dev.nightjar.benchmarks.engines;

import dev.nightjar.Device;
import dev.nightjar.InferenceOptions;
import dev.nightjar.Precision;
import dev.nightjar.PretrainedEncoder;
import dev.nightjar.SentimentModel;
import dev.nightjar.benchmarks.Headlines;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** The engines by name, all from one folder, and what they must answer. */
public final class Engines {
    /** Names of classes. */
    public static final List<String> LABELS = List.of("negative", "neutral", "positive");

    private static final long SEED = 1;
    private static final int CHECKED_TEXTS = 8;
    private static final float FLOAT32_TOLERANCE = 1e-4f;
    private static final float ROUNDED_TOLERANCE = 2e-2f;

    private Engines() {
    }

    /** Writes MiniLM with heads drawn by a seed as a Hugging Face folder. */
    public static void save(Path folder) throws IOException {
        try (SentimentModel model = SentimentModel.loadWithHeads(PretrainedEncoder.MINILM, LABELS, List.of("score"),
                SEED,
                InferenceOptions.defaults())) {
            model.save(folder);
        }
    }

    /**
     * Opens an engine and checks it against the {@code reference} backend: alone and all in one batch, and every label.
     *
     * @param name {@code nightjar}, perhaps with a precision as in {@code nightjar-bfloat16}; {@code onnxruntime}; {@code djl-pytorch}
     * @param folder from {@link #save}; for {@code djl-pytorch} with the TorchScript
     * @throws IllegalStateException if an answer is wrong
     */
    public static Engine open(String name, Path folder, int threads) throws IOException {
        Engine engine = switch (name) {
            case "onnxruntime" -> new OnnxRuntimeEngine(folder, threads);
            case "djl-pytorch" -> new DjlPyTorchEngine(folder, threads);
            default -> new NightjarEngine(SentimentModel.load(folder, InferenceOptions.defaults()
                    .withDevice(Device.of("cpu").withThreads(threads)).withPrecision(precision(name))));
        };
        try {
            float tolerance = precision(name) == Precision.FLOAT32 ? FLOAT32_TOLERANCE : ROUNDED_TOLERANCE;
            verify(name, engine, folder, tolerance);
            return engine;
        } catch (RuntimeException | IOException e) {
            engine.close();
            throw e;
        }
    }

    private static Precision precision(String name) {
        int dash = name.indexOf('-');
        return name.startsWith("nightjar-")
                ? Precision.valueOf(name.substring(dash + 1).toUpperCase(Locale.ROOT))
                : Precision.FLOAT32;
    }

    /** Refuses an engine whose answers are not the reference's. */
    static void verify(String name, Engine engine, Path folder, float tolerance) throws IOException {
        List<String> texts = Headlines.texts().subList(0, CHECKED_TEXTS);
        float[][] together = engine.classify(texts);
        try (SentimentModel reference = SentimentModel.load(folder,
                InferenceOptions.defaults().withDevice(Device.of("reference")))) {
            for (int i = 0; i < texts.size(); i++) {
                List<Float> expected = reference.predict(texts.get(i)).probabilities();
                float[] alone = engine.classify(List.of(texts.get(i)))[0];
                for (int label = 0; label < expected.size(); label++) {
                    float error = Math.max(Math.abs(alone[label] - expected.get(label)),
                            Math.abs(together[i][label] - expected.get(label)));
                    if (!(error <= tolerance)) {
                        throw new IllegalStateException(name + " answers text " + i + " with "
                                + Arrays.toString(alone) + " alone and " + Arrays.toString(together[i])
                                + " in a batch, the reference with " + expected);
                    }
                }
            }
        }
    }
}
