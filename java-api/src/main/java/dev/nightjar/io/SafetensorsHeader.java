package dev.nightjar.io;

import dev.nightjar.FormatException;
import dev.nightjar.tensor.DType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * The JSON header of a safetensors file, read as a stream so that memory stays proportional to what it really lists.
 *
 * <p>Besides the syntax this checks what the format promises: no name twice, every size that of dtype and shape, and
 * tensors that cover the data exactly once, without holes or overlaps.
 */
final class SafetensorsHeader {
    private static final int MAX_RANK = 32;

    /** Where a tensor's bytes lie, relative to the end of the header. */
    record Entry(TensorInfo info, long begin, long end) {
    }

    private final String source;
    private final JsonParser parser;

    private SafetensorsHeader(String source, JsonParser parser) {
        this.source = source;
        this.parser = parser;
    }

    /**
     * Checks a header and lists its tensors.
     *
     * @param source the file, for messages
     * @param dataBytes number of bytes after the header
     * @return the tensors in header order
     */
    static SequencedMap<String, Entry> parse(String source, byte[] header, long dataBytes) {
        SequencedMap<String, Entry> entries;
        try (JsonParser parser = Json.MAPPER.createParser(Json.text(source, header))) {
            entries = new SafetensorsHeader(source, parser).entries();
        } catch (JacksonException e) {
            throw Json.malformed(source + ", header", e);
        }
        requireCoverage(source, entries, dataBytes);
        return entries;
    }

    private SequencedMap<String, Entry> entries() {
        SequencedMap<String, Entry> entries = new LinkedHashMap<>();
        expect(parser.nextToken() == JsonToken.START_OBJECT, "the header", "a JSON object");
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            parser.nextToken();
            if (name.equals("__metadata__")) {
                skipMetadata();
            } else {
                entries.put(name, entry(name));
            }
        }
        expect(parser.nextToken() == null, "the header", "nothing after its JSON object");
        return entries;
    }

    private void skipMetadata() {
        expect(parser.hasToken(JsonToken.START_OBJECT), "__metadata__", "an object of strings");
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            expect(parser.nextToken() == JsonToken.VALUE_STRING, "__metadata__", "an object of strings");
        }
    }

    private Entry entry(String name) {
        String tensor = "tensor " + name;
        DType dtype = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        expect(parser.hasToken(JsonToken.START_OBJECT), tensor, "an object with dtype, shape and data_offsets");
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            parser.nextToken();
            switch (key) {
                case "dtype" -> dtype = dtype(tensor);
                case "shape" -> shape = naturals(tensor, key);
                case "data_offsets" -> offsets = naturals(tensor, key);
                default -> expect(false, tensor, "only dtype, shape and data_offsets, not " + key);
            }
        }
        expect(dtype != null && shape != null && offsets != null, tensor, "dtype, shape and data_offsets");
        expect(offsets.size() == 2 && offsets.get(0) <= offsets.get(1), tensor,
                "data_offsets [begin, end], not " + offsets);
        TensorInfo info;
        try {
            info = new TensorInfo(name, dtype, shape);
        } catch (IllegalArgumentException e) {
            throw new FormatException(source + ", " + tensor, e.getMessage(), e);
        }
        long bytes = offsets.get(1) - offsets.get(0);
        expect(bytes == info.byteCount(), tensor,
                info.byteCount() + " bytes for " + dtype + " " + shape + ", not the " + bytes + " of its data_offsets");
        return new Entry(info, offsets.get(0), offsets.get(1));
    }

    private DType dtype(String tensor) {
        expect(parser.hasToken(JsonToken.VALUE_STRING), tensor, "a dtype name");
        String name = parser.getString();
        for (DType dtype : DType.values()) {
            if (dtype.name().equals(name)) {
                return dtype;
            }
        }
        throw new FormatException(source + ", " + tensor,
                "dtype " + name + " is not one of " + List.of(DType.values()));
    }

    private List<Long> naturals(String tensor, String key) {
        String expected = key + " to be a list of at most " + MAX_RANK + " integers in [0, 2^63)";
        List<Long> values = new ArrayList<>();
        expect(parser.hasToken(JsonToken.START_ARRAY), tensor, expected);
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            expect(parser.hasToken(JsonToken.VALUE_NUMBER_INT) && values.size() < MAX_RANK, tensor, expected);
            JsonParser.NumberType type = parser.getNumberType();
            expect(type == JsonParser.NumberType.INT || type == JsonParser.NumberType.LONG, tensor, expected);
            long value = parser.getLongValue();
            expect(value >= 0, tensor, expected);
            values.add(value);
        }
        return values;
    }

    private static void requireCoverage(String source, SequencedMap<String, Entry> entries, long dataBytes) {
        List<Entry> byOffset = new ArrayList<>(entries.values());
        byOffset.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        long covered = 0;
        for (Entry entry : byOffset) {
            if (entry.begin() != covered) {
                throw new FormatException(source + ", tensor " + entry.info().name(),
                        "data_offsets begin at " + entry.begin()
                                + ", expected " + covered + ", where the tensor before it ends");
            }
            covered = entry.end();
        }
        if (covered != dataBytes) {
            throw new FormatException(source,
                    "the tensors end at byte " + covered + " of the data, the file has " + dataBytes
                            + " bytes of data");
        }
    }

    private void expect(boolean condition, String where, String expected) {
        if (!condition) {
            throw new FormatException(source + ", " + where, "expected " + expected);
        }
    }
}
