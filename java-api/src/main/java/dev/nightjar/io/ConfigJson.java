package dev.nightjar.io;

import dev.nightjar.FormatException;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.DType;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;

/**
 * {@code config.json} of a DistilBERT: fields and defaults of transformers' {@code DistilBertConfig}, and Nightjar's
 * own {@code regression_targets}, the names of the rows of {@code regressor.weight}.
 *
 * @param encoder the shape, with the labels of {@code id2label} (or transformers' LABEL_0 …); its heads are not yet
 *        settled, which takes the weights
 * @param labels names of the rows of {@code classifier.weight}, be they classes or regression targets
 * @param regression whether {@code classifier.weight} regresses
 * @param regressionTargets names in {@code regression_targets}; empty without
 */
record ConfigJson(DistilBertConfig encoder, List<String> labels, boolean regression, List<String> regressionTargets) {
    private static final String REGRESSION = "regression";
    private static final String CLASSIFICATION = "single_label_classification";
    private static final String QUANTIZATION = "quantization_config";
    private static final String METHOD = "quant_method";
    private static final String INT8_ROWS = "nightjar-int8-rows";
    /** Against {@code "num_labels": 2147483647}; names in {@code id2label} are bounded by the file. */
    private static final int MAX_NUMBERED_LABELS = 1 << 16;

    static ConfigJson parse(String source, byte[] json) {
        return new Reader(source, Json.object(source, json)).config();
    }

    /** The configuration with its heads settled. */
    DistilBertConfig withHeads(String source, List<String> newLabels, List<String> newTargets) {
        try {
            return encoder.withHeads(newLabels, newTargets);
        } catch (IllegalArgumentException e) {
            throw new FormatException(source, e.getMessage(), e);
        }
    }

    /** A configuration that transformers opens; a regression-only model becomes one of its own {@code problem_type}. */
    static byte[] write(DistilBertConfig config, DType storage) {
        boolean regression = config.classes() == 0;
        List<String> rows = regression ? config.targets() : config.labels();
        Map<String, String> idToLabel = new LinkedHashMap<>();
        Map<String, Integer> labelToId = new LinkedHashMap<>();
        for (int id = 0; id < rows.size(); id++) {
            idToLabel.put(Integer.toString(id), rows.get(id));
            labelToId.put(rows.get(id), id);
        }
        String dtype = switch (storage) {
            case F16 -> "float16";
            case BF16 -> "bfloat16";
            default -> "float32";
        };
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("architectures", List.of("DistilBertForSequenceClassification"));
        json.put("model_type", "distilbert");
        json.put("problem_type", regression ? REGRESSION : CLASSIFICATION);
        json.put("id2label", idToLabel);
        json.put("label2id", labelToId);
        if (config.scores() > 0) {
            json.put("regression_targets", config.targets());
        }
        json.put("vocab_size", config.vocabSize());
        json.put("max_position_embeddings", config.maxPositions());
        json.put("sinusoidal_pos_embds", config.sinusoidalPositions());
        json.put("n_layers", config.layers());
        json.put("n_heads", config.heads());
        json.put("dim", config.dim());
        json.put("hidden_dim", config.hiddenDim());
        json.put("activation", "gelu");
        json.put("dropout", config.dropout());
        json.put("attention_dropout", config.attentionDropout());
        json.put("seq_classif_dropout", config.headDropout());
        json.put("initializer_range", config.initializerRange());
        json.put("pad_token_id", config.padTokenId() < 0 ? null : config.padTokenId());
        // transformers 5 reads the first, version 4 the second.
        json.put("dtype", dtype);
        json.put("torch_dtype", dtype);
        if (storage == DType.I8) {
            json.put(QUANTIZATION, Map.of(METHOD, INT8_ROWS));
        }
        return Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(json);
    }

    /** Reads one field after another, each refused by name where it is not what it should be. */
    private record Reader(String source, JsonNode root) {

        ConfigJson config() {
            String type = string("model_type", "");
            require(type.equals("distilbert"), "model_type", "\"distilbert\"");
            require(string("activation", "gelu").equals("gelu"), "activation",
                    "\"gelu\", the only one that is implemented");
            String problem = string("problem_type", "");
            require(List.of("", REGRESSION, CLASSIFICATION).contains(problem), "problem_type",
                    "\"" + CLASSIFICATION + "\" or \"" + REGRESSION + "\"");
            JsonNode quantization = root.path(QUANTIZATION);
            require(quantization.isMissingNode() || quantization.isNull()
                    || quantization.path(METHOD).asString("").equals(INT8_ROWS), QUANTIZATION,
                    "none, or of " + METHOD + " \"" + INT8_ROWS + "\"");
            List<String> labels = labels();
            DistilBertConfig encoder;
            try {
                encoder = new DistilBertConfig(integer("vocab_size", 30522), integer("max_position_embeddings", 512),
                        integer("dim", 768), integer("n_layers", 6), integer("n_heads", 12),
                        integer("hidden_dim", 3072),
                        bool("sinusoidal_pos_embds", false), padTokenId(), List.of("0", "1"), List.of(),
                        number("dropout", 0.1), number("attention_dropout", 0.1), number("seq_classif_dropout", 0.2),
                        number("initializer_range", 0.02));
            } catch (IllegalArgumentException e) {
                throw new FormatException(source, e.getMessage(), e);
            }
            // Like transformers: one label and no problem_type is regression.
            boolean regression = problem.equals(REGRESSION) || (problem.isEmpty() && labels.size() == 1);
            return new ConfigJson(encoder, labels, regression, names("regression_targets"));
        }

        private List<String> labels() {
            JsonNode map = root.path("id2label");
            if (map.isMissingNode() || map.isNull()) {
                int count = integer("num_labels", 2);
                require(count > 0 && count <= MAX_NUMBERED_LABELS, "num_labels", "1 to " + MAX_NUMBERED_LABELS);
                return IntStream.range(0, count).mapToObj(i -> "LABEL_" + i).toList();
            }
            String expected = "an object of the names of classes 0, 1, …, no name twice";
            require(map.isObject() && !map.isEmpty(), "id2label", expected);
            TreeMap<Integer, String> byId = new TreeMap<>();
            for (Map.Entry<String, JsonNode> entry : map.properties()) {
                require(entry.getKey().matches("0|[1-9][0-9]{0,8}") && entry.getValue().isString(), "id2label",
                        expected);
                byId.put(Integer.valueOf(entry.getKey()), entry.getValue().stringValue());
            }
            require(byId.lastKey() == byId.size() - 1, "id2label", expected);
            require(new HashSet<>(byId.values()).size() == byId.size(), "id2label", expected);
            return List.copyOf(byId.values());
        }

        private List<String> names(String field) {
            JsonNode list = root.path(field);
            List<String> names = new ArrayList<>();
            if (list.isMissingNode() || list.isNull()) {
                return names;
            }
            require(list.isArray() && !list.isEmpty(), field, "a list of names");
            for (JsonNode name : list) {
                require(name.isString() && !names.contains(name.stringValue()), field, "a list of names, none twice");
                names.add(name.stringValue());
            }
            return names;
        }

        private int padTokenId() {
            return root.path("pad_token_id").isNull() ? -1 : integer("pad_token_id", 0);
        }

        private int integer(String field, int otherwise) {
            JsonNode value = root.path(field);
            require(value.isMissingNode() || (value.isIntegralNumber() && value.canConvertToInt()), field,
                    "an integer of 32 bits");
            return value.isMissingNode() ? otherwise : value.intValue();
        }

        private float number(String field, double otherwise) {
            JsonNode value = root.path(field);
            require(value.isMissingNode() || (value.isNumber() && !value.isBigInteger()), field, "a number");
            return (float) (value.isMissingNode() ? otherwise : value.doubleValue());
        }

        private boolean bool(String field, boolean otherwise) {
            JsonNode value = root.path(field);
            require(value.isMissingNode() || value.isBoolean(), field, "true or false");
            return value.isMissingNode() ? otherwise : value.booleanValue();
        }

        private String string(String field, String otherwise) {
            JsonNode value = root.path(field);
            require(value.isMissingNode() || value.isNull() || value.isString(), field, "a string");
            return value.isString() ? value.stringValue() : otherwise;
        }

        private void require(boolean condition, String field, String expected) {
            if (!condition) {
                throw new FormatException(source + ", " + field,
                        String.format(Locale.ROOT, "expected %s, found %.200s", expected, root.path(field)));
            }
        }
    }
}
