package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.backend.cuda.CudaSimulator;
import dev.nightjar.io.HuggingFaceFolder;
import dev.nightjar.io.NamedTensor;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.ParameterLayout.Kind;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The same small model, trained on headlines in float32 by the cpu backend and on the simulated driver. */
class CudaLossCurveTest {
    private static final Path HEADLINES = Path.of("../examples/src/main/resources/dev/nightjar/examples/headlines.tsv");
    private static final int ROWS = 256;
    private static final int BATCH = 8;

    @TempDir
    Path folder;

    @AutoClose
    private final CudaSimulator simulator = CudaSimulator.openWithKernels();

    @Test
    void everyLossIsTheCpuBackends() throws IOException {
        Dataset headlines = headlines();
        writeModel(headlines);
        TrainingConfig config = TrainingConfig.builder().learningRate(1e-3).batchSize(BATCH).epochs(1).maxLength(16)
                .weighting(Weighting.parse("dao")).build();
        List<StepReport> expected = train("cpu", config, headlines);
        List<StepReport> actual = train("cuda", config, headlines);
        assertThat(expected).hasSize(ROWS / BATCH);
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.size(); i++) {
            StepReport cpu = expected.get(i);
            StepReport cuda = actual.get(i);
            assertThat(cuda.loss()).as("step %d", i + 1).isCloseTo(cpu.loss(), within(1e-4));
            assertThat(cuda.classificationLoss()).as("class, step %d", i + 1)
                    .isCloseTo(cpu.classificationLoss(), within(1e-4));
            assertThat(cuda.regressionLoss()).as("score, step %d", i + 1)
                    .isCloseTo(cpu.regressionLoss(), within(1e-4));
        }
        simulator.assertClean();
    }

    private List<StepReport> train(String backend, TrainingConfig config, Dataset training) throws IOException {
        TrainerTest.Recorder recorder = new TrainerTest.Recorder();
        InferenceOptions options = InferenceOptions.defaults().withDevice(Device.of(backend));
        try (SentimentModel model = SentimentModel.loadWithHeads(folder, training.labelNames(), training.targetNames(),
                1, options)) {
            new Trainer(model, config).listener(recorder).train(training).model().close();
        }
        return recorder.steps;
    }

    /** The first rows of the examples' sample. */
    private static Dataset headlines() throws IOException {
        Dataset all = Dataset.read(HEADLINES, DatasetColumns.text("text")
                .withLabel("label", List.of("negative", "neutral", "positive")).withScores("score"));
        return new Dataset(all.examples().subList(0, ROWS), all.labelNames(), all.targetNames());
    }

    /** Random weights for 2 layers of dimension 64 with dropout everywhere, and the words of the texts as vocabulary. */
    private void writeModel(Dataset texts) throws IOException {
        TreeSet<String> words = new TreeSet<>();
        for (Example example : texts.examples()) {
            words.addAll(Arrays.asList(example.text().toLowerCase(Locale.ROOT).split("[^a-z0-9]+")));
        }
        words.remove("");
        List<String> vocabulary = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
        vocabulary.addAll(words);
        DistilBertConfig config = new DistilBertConfig(vocabulary.size(), 16, 64, 2, 4, 128, false, 0,
                texts.labelNames(), texts.targetNames(), 0.1f, 0.1f, 0.2f, 0.02f);
        Random random = new Random(4);
        try (Arena arena = Arena.ofConfined()) {
            List<NamedTensor> tensors = new ArrayList<>();
            for (ParameterLayout.Entry entry : new ParameterLayout(config).entries()) {
                MemorySegment data = arena.allocate(ValueLayout.JAVA_FLOAT, entry.length());
                for (int i = 0; i < entry.length(); i++) {
                    double mean = entry.kind() == Kind.NORM_WEIGHT ? 1 : 0;
                    data.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian(mean, 0.1));
                }
                tensors.add(new NamedTensor(entry.name(), entry.shape(), data));
            }
            HuggingFaceFolder.write(folder, config, tensors, DType.F32,
                    Map.of("vocab.txt", String.join("\n", vocabulary).getBytes(StandardCharsets.UTF_8)));
        }
    }
}
