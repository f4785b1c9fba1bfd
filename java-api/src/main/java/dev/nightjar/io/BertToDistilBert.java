package dev.nightjar.io;

import dev.nightjar.FormatException;
import dev.nightjar.io.DerivedWeights.Origin;
import dev.nightjar.io.DerivedWeights.RowAdded;
import dev.nightjar.io.DerivedWeights.Same;
import dev.nightjar.io.DerivedWeights.Transposed;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.ParameterLayout.Entry;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/**
 * A BERT encoder as a DistilBERT encoder, exactly: both have the same block, and where every text is a single segment,
 * BERT's token-type embedding 0 is a constant that can be added to each position embedding.
 *
 * <p>Of twelve layers six are taken, 0, 2, 4, 7, 9 and 11, the ones DistilBERT itself was initialised from (its
 * {@code scripts/extract_distilbert.py}); any other number of layers is taken whole.
 */
public final class BertToDistilBert {
    private static final String LAYER = "distilbert.transformer.layer.";
    private static final String EMBEDDINGS = "distilbert.embeddings.";
    private static final List<Integer> SIX_OF_TWELVE = List.of(0, 2, 4, 7, 9, 11);
    private static final Map<String, String> BLOCK = Map.of("attention.q_lin", "attention.self.query",
            "attention.k_lin",
            "attention.self.key", "attention.v_lin", "attention.self.value", "attention.out_lin",
            "attention.output.dense", "sa_layer_norm", "attention.output.LayerNorm", "ffn.lin1", "intermediate.dense",
            "ffn.lin2", "output.dense", "output_layer_norm", "output.LayerNorm");

    private final WeightSource bert;
    private final boolean tensorFlow;
    private final String prefix;

    private BertToDistilBert(WeightSource bert) {
        this.bert = bert;
        String pytorchName = "embeddings.word_embeddings.weight";
        String tensorFlowName = "embeddings/word_embeddings";
        String found = bert.names().stream().filter(name -> name.endsWith(pytorchName) || name.endsWith(tensorFlowName))
                .findFirst().orElseThrow(() -> new FormatException(bert.location(),
                        "expected a BERT encoder, found no tensor " + pytorchName + " or " + tensorFlowName));
        this.tensorFlow = found.endsWith(tensorFlowName);
        this.prefix = found.substring(0, found.length() - (tensorFlow ? tensorFlowName : pytorchName).length());
    }

    /**
     * Views a BERT encoder, named as by PyTorch or TensorFlow and under any prefix, as a DistilBERT encoder without
     * heads. The result takes over {@code bert}, unless this throws.
     *
     * @param heads attention heads, which no tensor's shape tells
     * @param tokenizerFiles as in {@link PretrainedModel#tokenizerFiles()}
     * @throws FormatException naming the tensor that is missing or has not the shape it must have
     */
    public static PretrainedModel convert(WeightSource bert, int heads, Map<String, byte[]> tokenizerFiles) {
        return new BertToDistilBert(bert).convert(heads, tokenizerFiles);
    }

    private PretrainedModel convert(int heads, Map<String, byte[]> tokenizerFiles) {
        int available = 0;
        while (bert.names().contains(name(LAYER + available + ".ffn.lin1.bias", available))) {
            available++;
        }
        List<Integer> layers = available == 12 ? SIX_OF_TWELVE : IntStream.range(0, available).boxed().toList();
        List<Long> words = matrix(EMBEDDINGS + "word_embeddings.weight");
        List<Long> positions = matrix(EMBEDDINGS + "position_embeddings.weight");
        List<Long> hidden = bert.info(name(LAYER + "0.ffn.lin1.bias", 0)).shape();
        DistilBertConfig config;
        try {
            config = new DistilBertConfig(Math.toIntExact(words.get(0)), Math.toIntExact(positions.get(0)),
                    Math.toIntExact(words.get(1)), layers.size(), heads, Math.toIntExact(hidden.getFirst()), false, 0,
                    List.of("LABEL_0", "LABEL_1"), List.of(), 0.1f, 0.1f, 0.2f, 0.02f);
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw new FormatException(bert.location(), "is no BERT that can be converted: " + e.getMessage(), e);
        }
        SequencedMap<String, Origin> origins = new LinkedHashMap<>();
        for (Entry entry : PretrainedModel.parameters(bert, config, false)) {
            int layer = entry.layer() == ParameterLayout.EMBEDDING_LAYER ? -1 : layers.get(entry.layer());
            origins.put(entry.name(), origin(entry, name(entry.name(), layer)));
        }
        return new PretrainedModel(config, false, new DerivedWeights(bert, origins), tokenizerFiles);
    }

    private Origin origin(Entry entry, String source) {
        if (entry.name().equals(EMBEDDINGS + "position_embeddings.weight")) {
            return new RowAdded(source, name(EMBEDDINGS + "token_type_embeddings.weight", -1));
        }
        return tensorFlow && entry.kind() == ParameterLayout.Kind.MATRIX ? new Transposed(source) : new Same(source);
    }

    /** BERT's name of a tensor of DistilBERT, taken from the given layer of BERT. */
    private String name(String distilBert, int layer) {
        int dot = distilBert.lastIndexOf('.');
        String part = distilBert.substring(dot + 1);
        String module;
        if (distilBert.startsWith(EMBEDDINGS)) {
            module = distilBert.substring("distilbert.".length(), dot);
        } else {
            String block = distilBert.substring(distilBert.indexOf('.', LAYER.length()) + 1, dot);
            module = "encoder.layer." + layer + "." + BLOCK.get(block);
        }
        if (!tensorFlow) {
            return prefix + module + "." + part;
        }
        boolean weight = part.equals("weight");
        String variable;
        if (module.endsWith("LayerNorm")) {
            variable = weight ? "/gamma" : "/beta";
        } else if (module.endsWith("embeddings")) {
            variable = "";
        } else {
            variable = weight ? "/kernel" : "/bias";
        }
        return prefix + module.replace("layer.", "layer_").replace('.', '/') + variable;
    }

    private List<Long> matrix(String name) {
        List<Long> shape = bert.info(name(name, -1)).shape();
        if (shape.size() != 2) {
            throw new FormatException(bert.location() + ", tensor " + name(name, -1),
                    "expected a matrix, found shape " + shape);
        }
        return shape;
    }
}
