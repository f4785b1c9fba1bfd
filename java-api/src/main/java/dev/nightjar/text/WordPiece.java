package dev.nightjar.text;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * A BERT vocabulary with its rules, made for encoding without garbage: a trie over the UTF-8 of its tokens, whose edges lie in one hash table.
 * Immutable and shared; {@link WordPieceEncoder} does the work.
 */
final class WordPiece {
    /** The root of words, and no node: children have larger numbers. */
    static final int ROOT = 0;
    static final int NONE = -1;
    private static final int MAX_WORD_CHARACTERS = 1024;
    /** Nodes and bytes share an int as the key of an edge. */
    private static final int MAX_BYTES = 1 << 22;

    /** A token that is found in raw text, before any normalisation. */
    record AddedToken(byte[] utf8, int id) {
    }

    private final BertCharacters characters;
    private final int unknown;
    private final int maxWordCharacters;
    private final int continuation;
    /** Longest first among those that begin alike. */
    private final AddedToken[] addedTokens;
    private final boolean[] startsAddedToken = new boolean[256];
    /** Edges as (node << 8 | byte) + 1 above the child; 0 is a free place. */
    private final long[] edges;
    private final int edgeShift;
    private final int[] tokenOf;

    private WordPiece(BertCharacters characters, Map<String, Integer> vocabulary, String unknown, String prefix,
            int maxWordCharacters, List<AddedToken> addedTokens) {
        this.characters = characters;
        this.unknown = vocabulary.get(unknown);
        this.maxWordCharacters = maxWordCharacters;
        this.addedTokens = addedTokens.stream()
                .sorted(Comparator.comparingInt((AddedToken token) -> token.utf8.length).reversed())
                .toArray(AddedToken[]::new);
        for (AddedToken token : addedTokens) {
            startsAddedToken[token.utf8[0] & 0xFF] = true;
        }
        // At most as many edges as bytes; fewer in fact, as tokens share their beginnings.
        int bits = Integer.SIZE - Integer.numberOfLeadingZeros(utf8Length(vocabulary));
        this.edges = new long[1 << bits];
        this.edgeShift = Integer.SIZE - bits;
        this.tokenOf = insert(vocabulary);
        this.continuation = walk(ROOT, prefix.getBytes(StandardCharsets.UTF_8));
    }

    /** The rules of a {@code tokenizer.json}, or none where it asks for something else than a BERT tokenizer's usual behaviour. */
    static Optional<WordPiece> of(JsonNode tokenizer) {
        JsonNode normalizer = tokenizer.path("normalizer");
        JsonNode model = tokenizer.path("model");
        boolean uncased = normalizer.path("lowercase").asBoolean(false);
        JsonNode stripped = normalizer.path("strip_accents");
        JsonNode unknown = model.path("unk_token");
        JsonNode prefix = model.path("continuing_subword_prefix");
        JsonNode maxWordCharacters = model.path("max_input_chars_per_word");
        boolean usual = is(normalizer, "BertNormalizer") && is(tokenizer.path("pre_tokenizer"), "BertPreTokenizer")
                && is(model, "WordPiece") && normalizer.path("clean_text").asBoolean(false)
                && normalizer.path("handle_chinese_chars").asBoolean(false)
                && (stripped.isNull() || stripped.isMissingNode() || stripped.asBoolean(!uncased) == uncased)
                && unknown.isString() && prefix.isString() && maxWordCharacters.canConvertToInt()
                && maxWordCharacters.isIntegralNumber() && model.path("vocab").isObject();
        if (!usual) {
            return Optional.empty();
        }
        Map<String, Integer> vocabulary = new HashMap<>();
        model.path("vocab").properties().forEach(token -> vocabulary.put(token.getKey(), token.getValue().asInt(-1)));
        List<AddedToken> added = new ArrayList<>();
        for (JsonNode token : tokenizer.path("added_tokens")) {
            String content = token.path("content").asString("");
            boolean plain = !content.isEmpty() && !token.path("normalized").asBoolean(true)
                    && !token.path("single_word").asBoolean(true) && !token.path("lstrip").asBoolean(true)
                    && !token.path("rstrip").asBoolean(true)
                    && vocabulary.getOrDefault(content, -1) == token.path("id").asInt(-2);
            if (!plain) {
                return Optional.empty();
            }
            added.add(new AddedToken(content.getBytes(StandardCharsets.UTF_8), token.path("id").intValue()));
        }
        int limit = maxWordCharacters.intValue();
        if (!vocabulary.containsKey(unknown.stringValue()) || limit < 1 || limit > MAX_WORD_CHARACTERS
                || utf8Length(vocabulary) > MAX_BYTES) {
            return Optional.empty();
        }
        return Optional.of(new WordPiece(BertCharacters.of(uncased), vocabulary, unknown.stringValue(),
                prefix.stringValue(), limit, added));
    }

    private static int utf8Length(Map<String, Integer> vocabulary) {
        return vocabulary.keySet().stream().mapToInt(token -> token.getBytes(StandardCharsets.UTF_8).length).sum();
    }

    private static boolean is(JsonNode part, String type) {
        return part.path("type").asString("").equals(type);
    }

    /** Makes the edges; gives the id of the token that ends at each node. */
    private int[] insert(Map<String, Integer> vocabulary) {
        List<Integer> ids = new ArrayList<>(List.of(NONE));
        vocabulary.forEach((token, id) -> {
            int node = ROOT;
            for (byte b : token.getBytes(StandardCharsets.UTF_8)) {
                int child = child(node, b);
                if (child == NONE) {
                    child = ids.size();
                    ids.add(NONE);
                    int key = (node << 8 | (b & 0xFF)) + 1;
                    int place = place(key);
                    while (edges[place] != 0) {
                        place = (place + 1) & (edges.length - 1);
                    }
                    edges[place] = (long) key << 32 | child;
                }
                node = child;
            }
            ids.set(node, id);
        });
        ids.set(ROOT, NONE);
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private int walk(int node, byte[] bytes) {
        int at = node;
        for (int i = 0; i < bytes.length && at != NONE; i++) {
            at = child(at, bytes[i]);
        }
        return at;
    }

    /** Fibonacci hashing: neighbours spread over the table. */
    private int place(int key) {
        return (key * 0x9E3779B9) >>> edgeShift;
    }

    /** The node that a byte leads to, or {@link #NONE}. */
    int child(int node, int b) {
        int key = (node << 8 | (b & 0xFF)) + 1;
        for (int place = place(key);; place = (place + 1) & (edges.length - 1)) {
            long edge = edges[place];
            if (edge >>> 32 == key) {
                return (int) edge;
            }
            if (edge == 0) {
                return NONE;
            }
        }
    }

    /** The token that ends at a node, or {@link #NONE}. */
    int token(int node) {
        return tokenOf[node];
    }

    /** Where tokens that continue a word begin, or {@link #NONE} if there are none. */
    int continuation() {
        return continuation;
    }

    int unknown() {
        return unknown;
    }

    /** Longer words are unknown. */
    int maxWordCharacters() {
        return maxWordCharacters;
    }

    BertCharacters characters() {
        return characters;
    }

    boolean startsAddedToken(int b) {
        return startsAddedToken[b & 0xFF];
    }

    AddedToken[] addedTokens() {
        return addedTokens;
    }
}
