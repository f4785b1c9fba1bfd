package dev.nightjar.text;

import dev.nightjar.FormatException;
import dev.nightjar.io.Json;
import java.util.Iterator;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What Nightjar takes from a {@code tokenizer.json}, checked.
 *
 * <p>The native library is only shown JSON that parsed here, without post-processor and decoder: on a template that names an unknown
 * token, and on some syntax errors, it ends the whole process instead of reporting an error.
 *
 * @param rules the part that turns text into ids, as a {@code tokenizer.json} of its own
 * @param prefix ids before every text
 * @param suffix ids after every text
 * @param vocabSize one more than the largest id
 */
record TokenizerDefinition(JsonNode rules, int[] prefix, int[] suffix, int vocabSize) {

    static TokenizerDefinition parse(byte[] tokenizerJson, String source) {
        return new Reader((ObjectNode) Json.object(source, tokenizerJson), source).read();
    }

    /** Reads one file; every complaint names it and the place in it. */
    private record Reader(ObjectNode json, String source) {

        TokenizerDefinition read() {
            JsonNode processor = json.path("post_processor");
            int[] prefix;
            int[] suffix;
            String type = processor.path("type").asString("");
            switch (type) {
                case "TemplateProcessing" -> {
                    JsonNode pieces = processor.path("single");
                    int text = textPlace(pieces);
                    prefix = templateIds(processor, pieces, 0, text);
                    suffix = templateIds(processor, pieces, text + 1, pieces.size());
                }
                case "BertProcessing", "RobertaProcessing" -> {
                    prefix = new int[]{id("post_processor.cls", processor.path("cls").path(1))};
                    suffix = new int[]{id("post_processor.sep", processor.path("sep").path(1))};
                }
                default -> throw problem("post_processor",
                        "expected TemplateProcessing or BertProcessing, which place [CLS] and [SEP], found "
                                + (type.isEmpty() ? "none" : type));
            }
            if (prefix.length == 0) {
                throw problem("post_processor",
                        "expected a special token before the text: the heads read the first token");
            }
            return new TokenizerDefinition(rules(), prefix, suffix, vocabSize(prefix, suffix));
        }

        private JsonNode rules() {
            ObjectNode part = json.objectNode();
            part.setAll(json);
            part.putNull("truncation");
            part.putNull("padding");
            part.putNull("post_processor");
            part.putNull("decoder");
            return part;
        }

        private int textPlace(JsonNode pieces) {
            int place = -1;
            for (int i = 0; i < pieces.size(); i++) {
                if (pieces.get(i).path("Sequence").path("id").asString("").equals("A")) {
                    if (place >= 0) {
                        throw problem("post_processor.single", "the text stands in the template twice");
                    }
                    place = i;
                }
            }
            if (place < 0) {
                throw problem("post_processor.single", "expected a template with the sequence A in it");
            }
            return place;
        }

        private int[] templateIds(JsonNode processor, JsonNode pieces, int from, int to) {
            int[] ids = new int[to - from];
            for (int i = from; i < to; i++) {
                String token = pieces.get(i).path("SpecialToken").path("id").asString("");
                JsonNode tokenIds = processor.path("special_tokens").path(token).path("ids");
                if (tokenIds.size() != 1) {
                    throw problem("post_processor.single[" + i + "]",
                            "expected a special token with one id, found \"" + token + "\" with " + tokenIds.size());
                }
                ids[i - from] = id("post_processor.special_tokens." + token, tokenIds.get(0));
            }
            return ids;
        }

        private int vocabSize(int[] prefix, int[] suffix) {
            JsonNode vocabulary = json.path("model").path("vocab");
            int largest = -1;
            if (vocabulary.isArray()) {
                largest = vocabulary.size() - 1;
            } else {
                for (Map.Entry<String, JsonNode> token : vocabulary.properties()) {
                    largest = Math.max(largest, id("model.vocab." + token.getKey(), token.getValue()));
                }
            }
            if (largest < 0) {
                throw problem("model.vocab", "expected a vocabulary, found none");
            }
            Iterator<JsonNode> added = json.path("added_tokens").iterator();
            while (added.hasNext()) {
                largest = Math.max(largest, id("added_tokens", added.next().path("id")));
            }
            for (int id : prefix) {
                largest = Math.max(largest, id);
            }
            for (int id : suffix) {
                largest = Math.max(largest, id);
            }
            return largest + 1;
        }

        private int id(String place, JsonNode value) {
            if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() < 0
                    || value.intValue() == Integer.MAX_VALUE) {
                throw problem(place, "expected a token id, found " + value);
            }
            return value.intValue();
        }

        private FormatException problem(String place, String problem) {
            return new FormatException(source + ": " + place, problem);
        }
    }
}
