package dev.nightjar.benchmarks.engines;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.benchmarks.Headlines;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** That the engines which are compared compute the same. */
class EnginesTest {
    @TempDir
    private static Path scratch;

    private static Path folder;

    @BeforeAll
    static void save() throws IOException {
        folder = scratch.resolve("model");
        Engines.save(folder);
    }

    /** Opening checks them against the reference. */
    @Test
    void nightjarAndOnnxRuntimeAgreeOnTextsOfAllLengths() throws IOException {
        List<String> texts = Headlines.texts().subList(100, 164);
        try (Engine nightjar = Engines.open("nightjar", folder, 1);
                Engine onnxRuntime = Engines.open("onnxruntime", folder, 1)) {
            float[][] expected = nightjar.classify(texts);
            float[][] actual = onnxRuntime.classify(texts);
            for (int i = 0; i < expected.length; i++) {
                assertThat(actual[i]).as(texts.get(i)).containsExactly(expected[i],
                        Offset.offset(1e-4f));
            }
        }
    }

    @Test
    void anEngineWithOtherAnswersIsNotTimed() {
        Engine indifferent = new Engine() {
            @Override
            public float[][] classify(List<String> texts) {
                float[][] probabilities = new float[texts.size()][];
                Arrays.setAll(probabilities, _ -> new float[]{0.34f, 0.33f, 0.33f});
                return probabilities;
            }

            @Override
            public void close() {
                // Nothing to free.
            }
        };
        assertThatThrownBy(() -> Engines.verify("indifferent", indifferent, folder, 1e-4f))
                .isInstanceOf(IllegalStateException.class).hasMessageStartingWith("indifferent answers text 0 with");
    }
}
