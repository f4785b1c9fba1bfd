package dev.nightjar.examples;

import tools.jackson.core.json.JsonWriteFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** JSON for other programs: one line, in ASCII, so that no locale can damage it. */
final class Json {
    private static final JsonMapper MAPPER = JsonMapper.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

    private Json() {
    }

    static String line(JsonNode node) {
        return MAPPER.writeValueAsString(node);
    }
}
