package dev.nightjar.io;

import dev.nightjar.FormatException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The strict JSON of all readers here: UTF-8, no key twice, nothing after the value. */
public final class Json {
    static final JsonMapper MAPPER = JsonMapper
            .builder(JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    private Json() {
    }

    /**
     * Parses one JSON object in UTF-8.
     *
     * @throws FormatException if the bytes are anything else
     */
    public static JsonNode object(String source, byte[] bytes) {
        return object(source, text(source, bytes));
    }

    static JsonNode object(String source, String text) {
        JsonNode node;
        try {
            node = MAPPER.readTree(text);
        } catch (JacksonException e) {
            throw malformed(source, e);
        }
        if (!node.isObject()) {
            throw new FormatException(source, "expected a JSON object, found " + node.getNodeType());
        }
        return node;
    }

    static FormatException malformed(String source, JacksonException cause) {
        TokenStreamLocation location = cause.getLocation();
        String line = location == null || location.getLineNr() <= 1 ? "" : "line " + location.getLineNr() + ", ";
        String place = location == null ? "" : " (" + line + "column " + location.getColumnNr() + ")";
        return new FormatException(source, "not valid JSON: " + cause.getOriginalMessage() + place, cause);
    }

    /** Decodes UTF-8; a malformed sequence is refused with its line. */
    public static String text(String source, byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(in).toString();
        } catch (CharacterCodingException e) {
            long line = 1;
            for (int i = 0; i < in.position(); i++) {
                line += bytes[i] == '\n' ? 1 : 0;
            }
            throw new FormatException(source + ":" + line, "not valid UTF-8 at byte " + in.position(), e);
        }
    }
}
