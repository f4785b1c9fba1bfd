package dev.nightjar.text;

import dev.nightjar.FormatException;
import dev.nightjar.io.Json;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Writes the {@code tokenizer.json} that Hugging Face's {@code BertTokenizerFast} builds from a {@code vocab.txt}. */
final class BertTokenizerJson {
    /** Longer words are unknown. */
    private static final int MAX_WORD_CHARACTERS = 100;
    /** Keys of the special tokens in {@code tokenizer_config.json}; without the key, {@code unk_token} is {@code [UNK]} and so on. */
    private static final List<String> SPECIAL_TOKENS = List.of("unk_token", "sep_token", "pad_token", "cls_token",
            "mask_token");

    private final String file;
    private final JsonNode config;
    private final String configFile;
    private final ObjectNode vocabulary = JsonNodeFactory.instance.objectNode();
    private int lines;

    /**
     * Reads the vocabulary; the line number from 0 is the id.
     *
     * @param file the vocabulary's name in error messages
     * @param configFile the configuration's
     * @param configJson {@code tokenizer_config.json}, or null for the defaults
     */
    BertTokenizerJson(String file, byte[] vocabularyLines, String configFile, byte[] configJson) {
        this.file = file;
        this.configFile = configFile;
        this.config = configJson == null
                ? JsonNodeFactory.instance.objectNode()
                : Json.object(configFile, configJson);
        Json.text(file, vocabularyLines).lines().forEachOrdered(token -> vocabulary.put(token, lines++));
    }

    byte[] toJson() {
        return json().toString().getBytes(StandardCharsets.UTF_8);
    }

    private ObjectNode json() {
        ObjectNode json = vocabulary.objectNode();
        json.put("version", "1.0");
        json.putNull("truncation");
        json.putNull("padding");
        json.set("added_tokens", addedTokens());
        boolean lowerCase = flag("do_lower_case", true);
        ObjectNode normalizer = json.putObject("normalizer").put("type", "BertNormalizer").put("clean_text", true)
                .put("handle_chinese_chars", flag("tokenize_chinese_chars", true));
        // Absent means: as do_lower_case says.
        normalizer.put("strip_accents", flag("strip_accents", lowerCase));
        normalizer.put("lowercase", lowerCase);
        json.putObject("pre_tokenizer").put("type", "BertPreTokenizer");
        json.set("post_processor", template(required("cls_token"), required("sep_token")));
        json.putObject("decoder").put("type", "WordPiece").put("prefix", "##").put("cleanup", true);
        json.putObject("model").put("type", "WordPiece").put("unk_token", required("unk_token"))
                .put("continuing_subword_prefix", "##").put("max_input_chars_per_word", MAX_WORD_CHARACTERS)
                .set("vocab", vocabulary);
        return json;
    }

    private ArrayNode addedTokens() {
        ArrayNode added = vocabulary.arrayNode();
        for (String key : SPECIAL_TOKENS) {
            String token = specialToken(key);
            if (vocabulary.has(token)) {
                added.addObject().put("id", vocabulary.get(token).intValue()).put("content", token)
                        .put("single_word", false).put("lstrip", false).put("rstrip", false).put("normalized", false)
                        .put("special", true);
            }
        }
        return added;
    }

    private ObjectNode template(String cls, String sep) {
        ObjectNode template = vocabulary.objectNode().put("type", "TemplateProcessing");
        piece(template.putArray("single"), cls, "A", sep);
        piece(piece(template.putArray("pair"), cls, "A", sep), null, "B", sep);
        ObjectNode tokens = template.putObject("special_tokens");
        for (String token : List.of(cls, sep)) {
            ObjectNode entry = tokens.putObject(token).put("id", token);
            entry.putArray("ids").add(vocabulary.get(token).intValue());
            entry.putArray("tokens").add(token);
        }
        return template;
    }

    private static ArrayNode piece(ArrayNode pieces, String before, String sequence, String after) {
        int type = sequence.equals("A") ? 0 : 1;
        if (before != null) {
            pieces.addObject().putObject("SpecialToken").put("id", before).put("type_id", type);
        }
        pieces.addObject().putObject("Sequence").put("id", sequence).put("type_id", type);
        pieces.addObject().putObject("SpecialToken").put("id", after).put("type_id", type);
        return pieces;
    }

    private String required(String key) {
        String token = specialToken(key);
        if (!vocabulary.has(token)) {
            throw new FormatException(file, key + " \"" + token + "\" is not in the vocabulary of "
                    + vocabulary.size() + " tokens");
        }
        return token;
    }

    /** A special token is a string, or an object with its content. */
    private String specialToken(String key) {
        JsonNode value = config.path(key);
        if (value.isMissingNode() || value.isNull()) {
            return "[" + key.substring(0, key.indexOf('_')).toUpperCase(Locale.ROOT) + "]";
        }
        JsonNode content = value.isObject() ? value.path("content") : value;
        if (!content.isString()) {
            throw new FormatException(configFile, key + ": expected a token, found " + value);
        }
        return content.stringValue();
    }

    private boolean flag(String key, boolean standard) {
        JsonNode value = config.path(key);
        if (value.isMissingNode() || value.isNull()) {
            return standard;
        }
        if (!value.isBoolean()) {
            throw new FormatException(configFile, key + ": expected true or false, found " + value);
        }
        return value.booleanValue();
    }
}
