package dev.nightjar.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.nightjar.FormatException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Against the ids of Hugging Face's own tokenizer ({@code expected_ids.json}, written by {@code expected_ids.py} beside it). */
class TextEncoderTest {
    private static final int LONG = 512;
    private static final JsonMapper MAPPER = JsonMapper.shared();

    private final Map<String, byte[]> files = new HashMap<>();
    private JsonNode expected;

    @BeforeEach
    void readResources() throws IOException {
        files.put("vocab.txt", resource("vocab.txt"));
        expected = MAPPER.readTree(resource("expected_ids.json"));
    }

    @Test
    void vocabularyGivesTheIdsOfHuggingFace() {
        for (JsonNode oracle : expected.get("cases")) {
            file("tokenizer_config.json", oracle.get("config").toString());
            try (TextEncoder encoder = load()) {
                assertIds(encoder, oracle);
            }
        }
    }

    @Test
    void tokenizerJsonGivesTheIdsOfHuggingFace() {
        for (JsonNode oracle : expected.get("cases")) {
            file("tokenizer_config.json", oracle.get("config").toString());
            file("tokenizer.json", tokenizerJson().toString());
            try (TextEncoder encoder = load()) {
                assertIds(encoder, oracle);
            }
            files.remove("tokenizer.json");
        }
    }

    @Test
    void withoutConfigTheDefaultsOfBertTokenizerHold() {
        try (TextEncoder encoder = load()) {
            assertIds(encoder, expected.get("cases").get(0));
            assertThat(encoder.vocabSize()).isEqualTo(79);
            assertThat(encoder.specialTokens()).isEqualTo(2);
        }
    }

    @Test
    void bertProcessingFramesLikeATemplate() {
        ObjectNode json = tokenizerJson();
        JsonNode tokens = json.get("post_processor").get("special_tokens");
        ObjectNode processor = json.putObject("post_processor").put("type", "BertProcessing");
        processor.putArray("sep").add("[SEP]").add(tokens.get("[SEP]").get("ids").get(0).intValue());
        processor.putArray("cls").add("[CLS]").add(tokens.get("[CLS]").get("ids").get(0).intValue());
        try (TextEncoder encoder = encoder(json)) {
            assertIds(encoder, expected.get("cases").get(0));
        }
    }

    @Test
    void truncationAndPaddingOfTheFileDoNotMatter() {
        ObjectNode json = tokenizerJson();
        json.putObject("truncation").put("direction", "Right").put("max_length", 5).put("strategy", "LongestFirst")
                .put("stride", 0);
        json.putObject("padding").put("direction", "Right").putNull("pad_to_multiple_of").put("pad_id", 0)
                .put("pad_type_id", 0).put("pad_token", "[PAD]").putObject("strategy").put("Fixed", 16);
        try (TextEncoder encoder = encoder(json)) {
            assertIds(encoder, expected.get("cases").get(0));
        }
    }

    @Test
    void specialTokensMayBeRenamed() {
        file("vocab.txt", "<pad>\n<u>\n<s>\n</s>\nprofit\n");
        file("tokenizer_config.json", """
                {"cls_token": "<s>", "sep_token": {"content": "</s>", "lstrip": false}, "unk_token": "<u>",
                 "pad_token": "<pad>"}""");
        try (TextEncoder encoder = load()) {
            assertThat(encoder.encode("profit loss</s>", LONG).ids()).containsExactly(2, 4, 1, 3, 3);
        }
    }

    @Test
    void windowsLineEndsDoNotBelongToTokens() {
        file("vocab.txt", new String(files.get("vocab.txt"), StandardCharsets.UTF_8).replace("\n", "\r\n"));
        try (TextEncoder encoder = load()) {
            assertIds(encoder, expected.get("cases").get(0));
        }
    }

    @Test
    void anUnpairedSurrogateLeavesTheRestOfTheTextAlone() {
        try (TextEncoder encoder = load()) {
            int[] clean = encoder.encode("\uD83D\uDE00 profit \uD83D\uDE80rose", LONG).ids();
            assertThat(encoder.encode("\uD83D\uDE00 profit\uDE00 \uD83D\uDE80rose\uD83D", LONG).ids()).isEqualTo(clean);
        }
    }

    @Test
    void concurrentCallersGetTheirOwnIds() throws Exception {
        try (TextEncoder encoder = load();
                ExecutorService pool = Executors.newFixedThreadPool(8)) {
            List<Callable<Void>> callers = new ArrayList<>();
            for (int caller = 0; caller < 8; caller++) {
                int seed = caller;
                callers.add(() -> {
                    Random random = new Random(seed);
                    for (int i = 0; i < 2_000; i++) {
                        int row = random.nextInt(expected.get("texts").size());
                        assertThat(encoder.encode(text(row), LONG).ids())
                                .isEqualTo(ids(expected.get("cases").get(0).get("ids").get(row)));
                    }
                    return null;
                });
            }
            for (Future<Void> result : pool.invokeAll(callers)) {
                result.get();
            }
        }
    }

    @Test
    void refusesBadArgumentsAndUseAfterClose() {
        TextEncoder encoder = load();
        assertThatIllegalArgumentException().isThrownBy(() -> encoder.encode("profit", 1))
                .withMessageContaining("length of 1");
        assertThatNullPointerException().isThrownBy(() -> encoder.encode(null, LONG));
        encoder.close();
        encoder.close();
        assertThatIllegalStateException().isThrownBy(() -> encoder.encode("profit", LONG));
    }

    /** In Java and, with rules that only the library knows, there. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aBufferEncodesOneTextAfterTheOther(boolean cleanText) {
        ObjectNode json = tokenizerJson();
        json.withObject("/normalizer").put("clean_text", cleanText);
        try (TextEncoder encoder = encoder(json)) {
            EncodingBuffer buffer = encoder.newBuffer(6);
            for (String text : List.of("Profit rose 3.5 %", "", "profit", "Profit rose and rose and rose")) {
                byte[] utf8 = (text + "profit").getBytes(StandardCharsets.UTF_8);
                int length = buffer.encode(MemorySegment.ofArray(utf8), utf8.length - "profit".length());
                Encoding expected = encoder.encode(text, 6);
                assertThat(Arrays.copyOf(buffer.ids(), length)).isEqualTo(expected.ids());
                assertThat(buffer.truncated()).isEqualTo(expected.truncated());
            }
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> buffer.encode(MemorySegment.ofArray(new byte[3]), 4));
            assertThatIllegalArgumentException().isThrownBy(() -> encoder.newBuffer(1));
        }
    }

    @Test
    void namesWhatIsMissingOrBroken() {
        assertRefused(() -> TextEncoder.fromFiles("my-model", Map.of()), "my-model", "tokenizer.json or vocab.txt");
        file("tokenizer_config.json", "{\"do_lower_case\": \"yes\"}");
        assertRefused(this::load, "tokenizer_config.json", "do_lower_case", "true or false");
        file("tokenizer_config.json", "{\"cls_token\": 7}");
        assertRefused(this::load, "tokenizer_config.json", "cls_token", "7");
        files.remove("tokenizer_config.json");
        file("vocab.txt", "[UNK]\n[SEP]\nprofit\n");
        assertRefused(this::load, "vocab.txt", "cls_token", "[CLS]", "3 tokens");
        file("vocab.txt", "");
        assertRefused(this::load, "vocab.txt", "0 tokens");
        files.put("vocab.txt", new byte[]{'a', '\n', (byte) 0xC3, '\n'});
        assertRefused(this::load, "vocab.txt:2", "UTF-8");
        file("tokenizer.json", "{\"model\":");
        assertRefused(this::load, "tokenizer.json", "not valid JSON");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
            "/post_processor           | null                         | post_processor",
            "/post_processor           | {\"type\":\"ByteLevel\"}         | ByteLevel",
            "/post_processor/single    | []                           | sequence A",
            "/post_processor/special_tokens | {}                       | post_processor.single[0]",
            "/model/vocab              | {}                           | model.vocab",
            "/model/vocab              | {\"profit\":-1}              | model.vocab.profit",
            "/model/vocab              | {\"profit\":4294967296}      | 4294967296",
            "/model/type               | \"Unheard\"                  | tokenizer",
            "/model/max_input_chars_per_word | \"many\"               | tokenizer",
            "/added_tokens             | [{}]                         | added_tokens",
            "/normalizer               | {\"type\":\"Unheard\"}       | tokenizer"})
    void refusesATokenizerJsonThatCannotWork(String place, String value, String reason) {
        ObjectNode json = tokenizerJson();
        int slash = place.lastIndexOf('/');
        ((ObjectNode) json.at(place.substring(0, slash))).set(place.substring(slash + 1), MAPPER.readTree(value));
        assertRefused(() -> encoder(json), "my-model/tokenizer.json", reason);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void mutatedTokenizersAreReadOrRefused(int seed) {
        String original = tokenizerJson().toString();
        Random random = new Random(seed);
        for (int i = 0; i < 1_000; i++) {
            StringBuilder mutated = new StringBuilder(original);
            for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
                int at = random.nextInt(mutated.length() - 20);
                switch (random.nextInt(3)) {
                    case 0 -> mutated.setCharAt(at, (char) (' ' + random.nextInt(95)));
                    case 1 -> mutated.delete(at, at + 1 + random.nextInt(15));
                    default -> mutated.insert(at, mutated.substring(at, at + 1 + random.nextInt(15)));
                }
            }
            try (TextEncoder encoder = encoder(mutated.toString())) {
                int[] ids = encoder.encode("Profit rose 3.5 %", LONG).ids();
                assertThat(Arrays.stream(ids)).allMatch(id -> id >= 0 && id < encoder.vocabSize());
            } catch (FormatException e) {
                assertThat(e).hasMessageStartingWith("my-model/tokenizer.json");
            }
        }
    }

    private void assertIds(TextEncoder encoder, JsonNode oracle) {
        for (int row = 0; row < expected.get("texts").size(); row++) {
            Encoding whole = encoder.encode(text(row), LONG);
            assertThat(whole.ids()).as("%s: %s", oracle.get("config"), text(row))
                    .isEqualTo(ids(oracle.get("ids").get(row)));
            assertThat(whole.truncated()).isFalse();
            for (String length : oracle.get("truncated").propertyNames()) {
                int maxLength = Integer.parseInt(length);
                Encoding truncated = encoder.encode(text(row), maxLength);
                assertThat(truncated.ids()).as("%s at %s", text(row), length)
                        .isEqualTo(ids(oracle.get("truncated").get(length).get(row)));
                assertThat(truncated.truncated()).isEqualTo(whole.ids().length > maxLength);
            }
        }
    }

    private String text(int row) {
        return expected.get("texts").get(row).stringValue();
    }

    private static int[] ids(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::intValue).toArray();
    }

    private TextEncoder load() {
        return TextEncoder.fromFiles("my-model", files);
    }

    private void file(String name, String content) {
        files.put(name, content.getBytes(StandardCharsets.UTF_8));
    }

    private ObjectNode tokenizerJson() {
        byte[] json = new BertTokenizerJson("vocab.txt", files.get("vocab.txt"), "tokenizer_config.json",
                files.get("tokenizer_config.json")).toJson();
        return (ObjectNode) MAPPER.readTree(json);
    }

    private static TextEncoder encoder(JsonNode json) {
        return encoder(json.toString());
    }

    private static TextEncoder encoder(String json) {
        return TextEncoder.fromFiles("my-model", Map.of("tokenizer.json", json.getBytes(StandardCharsets.UTF_8)));
    }

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = TextEncoderTest.class.getResourceAsStream(name)) {
            return in.readAllBytes();
        }
    }

    private static void assertRefused(Callable<TextEncoder> load, String source, String... parts) {
        assertThatExceptionOfType(FormatException.class).isThrownBy(load::call)
                .satisfies(e -> assertThat(e.source()).contains(source))
                .satisfies(e -> assertThat(e.getMessage()).contains(parts));
    }
}
