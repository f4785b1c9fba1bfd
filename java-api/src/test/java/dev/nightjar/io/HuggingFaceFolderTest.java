package dev.nightjar.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.FormatException;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HuggingFaceFolderTest {
    private static final DistilBertConfig TINY = new DistilBertConfig(120, 40, 32, 2, 4, 64, false, 0,
            List.of("LABEL_0", "LABEL_1", "LABEL_2"), List.of("score"), 0, 0, 0, 0.02f);
    @TempDir
    Path root;
    private Path folder;

    @BeforeEach
    void copyOfTheGoldenModel() throws IOException {
        folder = Files.createDirectory(root.resolve("model"));
        Files.copy(Golden.file("config.json"), folder.resolve("config.json"));
        Files.copy(Golden.file("model.safetensors"), folder.resolve("model.safetensors"));
    }

    @Test
    void opensWhatTransformersWroteWithTheExtraHead() throws IOException {
        try (PretrainedModel model = HuggingFaceFolder.open(Golden.folder());
                WeightSource file = SafetensorsFile.open(Golden.file("model.safetensors"))) {
            assertThat(model.config()).isEqualTo(TINY);
            assertThat(model.hasHeads()).isTrue();
            assertThat(model.tokenizerFiles()).isEmpty();
            assertThat(model.weights().names()).containsExactlyInAnyOrderElementsOf(file.names());
            assertThat(model.weights().read("classifier.weight")).isEqualTo(file.read("classifier.weight"));
        }
    }

    @Test
    void writesAndReadsBothHeads() throws IOException {
        DistilBertConfig config = new DistilBertConfig(120, 40, 32, 2, 4, 64, true, -1,
                List.of("bad", "\"so-so\"", "schön"),
                List.of("valence"), 0.15f, 0.05f, 0.25f, 0.03f);
        Map<String, byte[]> tokenizer = Map.of("vocab.txt", new byte[]{1, 2}, "tokenizer_config.json", new byte[]{3});
        Path out = root.resolve("out");
        List<NamedTensor> tensors = goldenTensors();
        HuggingFaceFolder.write(out, config, tensors, DType.F32, tokenizer);
        HuggingFaceFolder.write(out, config, tensors, DType.F32, tokenizer);
        try (PretrainedModel model = HuggingFaceFolder.open(out)) {
            assertThat(model.config()).isEqualTo(config);
            assertThat(model.tokenizerFiles()).containsOnlyKeys("vocab.txt", "tokenizer_config.json")
                    .containsEntry("vocab.txt", new byte[]{1, 2});
            for (NamedTensor tensor : tensors) {
                assertThat(model.weights().read(tensor.name()))
                        .isEqualTo(tensor.data().toArray(ValueLayout.JAVA_FLOAT));
            }
        }
    }

    @Test
    void regressionAloneGoesTheWayOfTransformersAndComesBack() throws IOException {
        DistilBertConfig config = TINY.withHeads(List.of(), List.of("valence"));
        List<NamedTensor> tensors = goldenTensors().stream().filter(t -> !t.name().startsWith("classifier")).toList();
        Path out = root.resolve("out");
        HuggingFaceFolder.write(out, config, tensors, DType.F32, Map.of());
        assertThat(Files.readString(out.resolve("config.json"))).contains("\"problem_type\" : \"regression\"");
        try (WeightSource file = SafetensorsFile.open(out.resolve("model.safetensors"))) {
            assertThat(file.names()).contains("classifier.weight").doesNotContain("regressor.weight");
        }
        try (PretrainedModel model = HuggingFaceFolder.open(out);
                WeightSource golden = SafetensorsFile.open(Golden.file("model.safetensors"))) {
            assertThat(model.config()).isEqualTo(config);
            assertThat(model.weights().names()).contains("regressor.weight").doesNotContain("classifier.weight");
            assertThat(model.weights().read("regressor.bias")).isEqualTo(golden.read("regressor.bias"));
        }
    }

    @Test
    void oneRowOfClassifierIsAScoreAsInTransformers() throws IOException {
        // Neither problem_type nor names: one label means regression there.
        rewrite(name -> name.startsWith("classifier") ? "unused_" + name : name.replace("regressor", "classifier"));
        config("\"id2label\": \\{[^}]*\\}", "\"num_labels\": 1");
        try (PretrainedModel model = HuggingFaceFolder.open(folder)) {
            assertThat(model.config()).isEqualTo(TINY.withHeads(List.of(), List.of("score")));
        }
    }

    @Test
    void severalTargetsTakeTheNamesTheyAreGiven() throws IOException {
        rewrite(name -> name.startsWith("regressor")
                ? "unused_" + name
                : name.replaceFirst("^classifier", "regressor"));
        try (PretrainedModel model = HuggingFaceFolder.open(folder)) {
            assertThat(model.config().targets()).containsExactly("score_0", "score_1", "score_2");
            assertThat(model.config().labels()).isEmpty();
        }
        config("\\{", "{\"regression_targets\": [\"v\", \"a\", \"d\"],");
        try (PretrainedModel model = HuggingFaceFolder.open(folder)) {
            assertThat(model.config().targets()).containsExactly("v", "a", "d");
        }
        config("\"v\", ", "");
        refused("config.json, regression_targets", "names 2 targets, regressor.weight has 3 rows");
    }

    @Test
    void theBareEncoderOpensWithoutHeadsUnderEitherPrefix() throws IOException {
        float[] expected;
        try (PretrainedModel model = HuggingFaceFolder.open(folder)) {
            expected = model.weights().read("distilbert.transformer.layer.1.ffn.lin1.weight");
        }
        for (String prefix : List.of("distilbert.", "")) {
            Files.copy(Golden.file("model.safetensors"), folder.resolve("model.safetensors"),
                    StandardCopyOption.REPLACE_EXISTING);
            rewrite(name -> name.startsWith("distilbert.")
                    ? prefix + name.substring("distilbert.".length())
                    : "vocab_" + name);
            try (PretrainedModel model = HuggingFaceFolder.open(folder)) {
                assertThat(model.hasHeads()).isFalse();
                assertThat(model.weights().names()).hasSize(36).allMatch(name -> name.startsWith("distilbert."));
                assertThat(model.weights().read("distilbert.transformer.layer.1.ffn.lin1.weight")).isEqualTo(expected);
            }
        }
    }

    @Test
    void missingFieldsHaveTheDefaultsOfTransformers() {
        ConfigJson config = ConfigJson.parse("c", "{\"model_type\":\"distilbert\"}".getBytes(StandardCharsets.UTF_8));
        assertThat(config.withHeads("c", config.labels(), List.of()))
                .isEqualTo(new DistilBertConfig(30522, 512, 768, 6, 12, 3072,
                        false, 0, List.of("LABEL_0", "LABEL_1"), List.of(), 0.1f, 0.1f, 0.2f, 0.02f));
    }

    @Test
    void labelsAreOrderedByNumberNotByText() throws IOException {
        StringBuilder labels = new StringBuilder("{\"model_type\":\"distilbert\",\"id2label\":{");
        for (int id = 11; id >= 0; id--) {
            labels.append("\"").append(id).append("\":\"name").append(id).append("\"").append(id == 0 ? "}}" : ",");
        }
        ConfigJson config = ConfigJson.parse("c", labels.toString().getBytes(StandardCharsets.UTF_8));
        assertThat(config.labels()).startsWith("name0", "name1", "name2").endsWith("name10", "name11");
    }

    @ParameterizedTest(name = "{0} -> {1}")
    @CsvSource(quoteCharacter = '`', delimiter = '|',
            textBlock = """
                    "model_type": "distilbert" | "model_type": "bert" | model_type: expected "distilbert", found "bert"
                    "model_type": "distilbert" | "x": 1 | model_type: expected "distilbert"
                    "activation": "gelu" | "activation": "relu" | activation: expected "gelu"
                    "dim": 32 | "dim": 33 | dim 33 is not a multiple of n_heads 4
                    "dim": 32 | "dim": "32" | dim: expected an integer of 32 bits, found "32"
                    "dim": 32 | "dim": 32.5 | dim: expected an integer
                    "dim": 32 | "dim": 4294967328 | dim: expected an integer
                    "dim": 32 | "dim": 32, "dim": 32 | uplicate
                    "dropout": 0.0 | "dropout": 1.5 | dropout 1.5 is not in [0, 1)
                    "dropout": 0.0 | "dropout": 1e999 | dropout Infinity is not in [0, 1)
                    "sinusoidal_pos_embds": false | "sinusoidal_pos_embds": 0 | sinusoidal_pos_embds: expected true or false
                    "n_layers": 2 | "n_layers": 3 | there is no tensor distilbert.transformer.layer.2
                    "n_layers": 2 | "n_layers": 2147483647 | expects 2147483647 layers, there are only 42 tensors
                    "vocab_size": 120 | "vocab_size": 121 | word_embeddings.weight: has shape [120, 32], the configuration expects [121, 32]
                    "vocab_size": 120 | "vocab_size": 2147483647 | more than 2^31 parameters
                    "hidden_dim": 64 | "hidden_dim": 0 | hidden_dim 0 is not positive
                    "0": "LABEL_0" | "7": "LABEL_0" | id2label: expected
                    "0": "LABEL_0" | "zero": "LABEL_0" | id2label: expected
                    "0": "LABEL_0" | "0": "LABEL_1" | no name twice
                    "0": "LABEL_0", | | id2label: expected
                    "2": "LABEL_2" | "2": "LABEL_2", "3": "LABEL_3" | classifier.weight: has shape [3, 32], the configuration expects [4, 32]
                    "pad_token_id": 0 | "pad_token_id": 120 | pad_token_id 120 is not in the vocabulary of 120
                    "pad_token_id": 0 | "problem_type": "multi_label_classification" | problem_type: expected "single_label_classification"
                    "pad_token_id": 0 | "problem_type": "regression" | there are both classifier.weight and regressor.weight
                    "pad_token_id": 0 | "regression_targets": "score" | regression_targets: expected a list of names
                    { | [ | config.json: not valid JSON
                    """)
    void configurationsThatDoNotFitAreRefused(String found, String replacement, String message) throws IOException {
        String text = Golden.config();
        assertThat(text).contains(found);
        Files.writeString(folder.resolve("config.json"), text.replace(found, replacement == null ? "" : replacement)
                .replaceAll(",(\\s*})", "$1"));
        refused(message);
    }

    @Test
    void aHugeNumberOfLabelsIsRefusedBeforeItIsNamed() throws IOException {
        config("\"id2label\": \\{[^}]*\\}", "\"num_labels\": 2147483647");
        refused("num_labels: expected 1 to 65536, found 2147483647");
    }

    @Test
    void missingFilesAreRefusedAndPicklesWithTheWayOut() throws IOException {
        assertThatThrownBy(() -> HuggingFaceFolder.open(root.resolve("nowhere"))).isInstanceOf(FormatException.class)
                .hasMessageContainingAll("nowhere", "is not a folder");
        Files.delete(folder.resolve("model.safetensors"));
        refused(folder.toString(), "has neither model.safetensors nor model.safetensors.index.json");
        Files.writeString(folder.resolve("pytorch_model.bin"), "");
        refused("pytorch_model.bin", "python -c \"", "model.safetensors");
        Files.delete(folder.resolve("config.json"));
        refused(folder.toString(), "has no config.json");
    }

    @Test
    void readsShards() throws IOException {
        shards(Map.of());
        try (PretrainedModel sharded = HuggingFaceFolder.open(folder);
                PretrainedModel whole = HuggingFaceFolder.open(Golden.folder())) {
            assertThat(sharded.config()).isEqualTo(whole.config());
            for (String name : whole.weights().names()) {
                assertThat(sharded.weights().read(name)).isEqualTo(whole.weights().read(name));
            }
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            ../secret.safetensors | expected the plain name
            /etc/secret.safetensors | expected the plain name
            sub/secret.safetensors | expected the plain name
            ..\\\\secret.safetensors | expected the plain name
            C:secret.safetensors | expected the plain name
            ..safetensors | expected the plain name
            .safetensors | expected the plain name
            config.json | expected the plain name
            missing.safetensors | the shard missing.safetensors is missing
            b.safetensors | tensor classifier.bias is not in its shard b.safetensors
            link.safetensors | is a link out of the folder
            """)
    void shardsThatAreNotInTheFolderAreRefused(String shard, String message) throws IOException {
        Path outside = Files.createDirectory(root.resolve("outside"));
        Files.copy(Golden.file("model.safetensors"), outside.resolve("secret.safetensors"));
        Files.copy(Golden.file("model.safetensors"), root.resolve("secret.safetensors"));
        Files.createSymbolicLink(folder.resolve("link.safetensors"), outside.resolve("secret.safetensors"));
        shards(Map.of("classifier.bias", shard));
        refused("model.safetensors.index.json", message);
    }

    @Test
    void theLinksOfTheHubsCacheAreFollowed() throws IOException {
        shards(Map.of());
        Path cache = root.resolve("cache");
        Path blobs = Files.createDirectories(cache.resolve("blobs"));
        Path snapshot = Files.createDirectories(cache.resolve("snapshots/0123abcd"));
        for (String name : List.of("config.json", "model.safetensors.index.json", "a.safetensors", "b.safetensors")) {
            Files.move(folder.resolve(name), blobs.resolve("hash-" + name));
            Files.createSymbolicLink(snapshot.resolve(name), Path.of("../../blobs/hash-" + name));
        }
        try (PretrainedModel model = HuggingFaceFolder.open(snapshot)) {
            assertThat(model.config()).isEqualTo(TINY);
        }
    }

    @Test
    void writingRefusesIncompleteModelsAndForeignFolders() throws IOException {
        List<NamedTensor> tensors = goldenTensors();
        Path out = root.resolve("out");
        assertThatThrownBy(() -> HuggingFaceFolder.write(out, TINY, tensors.subList(1, 42), DType.F32, Map.of()))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("given is none");
        assertThatThrownBy(
                () -> HuggingFaceFolder.write(out, TINY.withHeads(TINY.labels(), List.of()), tensors, DType.F32,
                        Map.of()))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("regressor.weight");
        assertThatThrownBy(
                () -> HuggingFaceFolder.write(out, TINY.withHeads(List.of("a", "b"), TINY.targets()), tensors,
                        DType.F32, Map.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("[2, 32]", "[3, 32]");
        assertThatThrownBy(
                () -> HuggingFaceFolder.write(out, TINY, tensors, DType.F32, Map.of("../x", new byte[0])))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(out).doesNotExist();
        Files.writeString(folder.resolve("notes.txt"), "mine");
        assertThatThrownBy(() -> HuggingFaceFolder.write(folder, TINY, tensors, DType.F32, Map.of()))
                .isInstanceOf(FileAlreadyExistsException.class).hasMessageContaining("notes.txt");
    }

    /**
     * Splits the weights into a.safetensors and b.safetensors, with an index that tells the truth but for {@code lies}.
     */
    private void shards(Map<String, String> lies) throws IOException {
        List<NamedTensor> tensors = goldenTensors();
        SafetensorsWriter.write(folder.resolve("a.safetensors"), tensors.subList(0, 20), DType.F32);
        SafetensorsWriter.write(folder.resolve("b.safetensors"), tensors.subList(20, 42), DType.F32);
        StringBuilder index = new StringBuilder("{\"metadata\":{},\"weight_map\":{");
        for (int i = 0; i < tensors.size(); i++) {
            String name = tensors.get(i).name();
            String shard = lies.getOrDefault(name, i < 20 ? "a.safetensors" : "b.safetensors");
            index.append(i == 0 ? "" : ",").append("\"").append(name).append("\":\"").append(shard).append("\"");
        }
        Files.writeString(folder.resolve("model.safetensors.index.json"), index.append("}}"));
        Files.delete(folder.resolve("model.safetensors"));
    }

    private void rewrite(UnaryOperator<String> rename) throws IOException {
        Path file = folder.resolve("model.safetensors");
        try (WeightSource weights = SafetensorsFile.open(file)) {
            SafetensorsWriter.write(file, Golden.tensors(weights, rename), DType.F32);
        }
    }

    private void config(String regex, String replacement) throws IOException {
        Path file = folder.resolve("config.json");
        Files.writeString(file, Files.readString(file).replaceFirst(regex, replacement));
    }

    private void refused(String... parts) {
        assertThatThrownBy(() -> HuggingFaceFolder.open(folder).close()).isInstanceOf(FormatException.class)
                .hasMessageContainingAll(parts);
    }

    private static List<NamedTensor> goldenTensors() throws IOException {
        try (WeightSource weights = SafetensorsFile.open(Golden.file("model.safetensors"))) {
            return Golden.tensors(weights);
        }
    }
}
