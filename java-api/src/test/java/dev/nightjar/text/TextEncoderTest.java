package dev.nightjar.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.nightjar.FormatException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
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

    @TempDir
    private Path folder;
    private Path vocabulary;
    private Path config;
    private JsonNode expected;

    @BeforeEach
    void copyResources() throws IOException {
        vocabulary = folder.resolve("vocab.txt");
        config = folder.resolve("tokenizer_config.json");
        try (InputStream in = TextEncoderTest.class.getResourceAsStream("vocab.txt")) {
            Files.copy(in, vocabulary);
        }
        try (InputStream in = TextEncoderTest.class.getResourceAsStream("expected_ids.json")) {
            expected = MAPPER.readTree(in);
        }
    }

    @Test
    void vocabularyGivesTheIdsOfHuggingFace() throws IOException {
        for (JsonNode oracle : expected.get("cases")) {
            Files.writeString(config, oracle.get("config").toString());
            try (TextEncoder encoder = TextEncoder.load(folder)) {
                assertIds(encoder, oracle);
            }
        }
    }

    @Test
    void tokenizerJsonGivesTheIdsOfHuggingFace() throws IOException {
        for (JsonNode oracle : expected.get("cases")) {
            Files.writeString(config, oracle.get("config").toString());
            byte[] json;
            try (TextEncoder encoder = TextEncoder.fromVocabulary(vocabulary, config)) {
                json = encoder.toJson();
            }
            Files.write(folder.resolve("tokenizer.json"), json);
            try (TextEncoder encoder = TextEncoder.load(folder)) {
                assertIds(encoder, oracle);
                assertThat(encoder.toJson()).isEqualTo(json);
            }
        }
    }

    @Test
    void withoutConfigTheDefaultsOfBertTokenizerHold() throws IOException {
        try (TextEncoder encoder = TextEncoder.load(folder)) {
            assertIds(encoder, expected.get("cases").get(0));
            assertThat(encoder.vocabSize()).isEqualTo(79);
            assertThat(encoder.specialTokens()).isEqualTo(2);
        }
    }

    @Test
    void bertProcessingFramesLikeATemplate() throws IOException {
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
    void truncationAndPaddingOfTheFileDoNotMatter() throws IOException {
        ObjectNode json = tokenizerJson();
        json.putObject("truncation").put("direction", "Right").put("max_length", 5).put("strategy", "LongestFirst")
                .put("stride", 0);
        json.putObject("padding").put("direction", "Right").putNull("pad_to_multiple_of").put("pad_id", 0)
                .put("pad_type_id", 0).put("pad_token", "[PAD]").putObject("strategy").put("Fixed", 16);
        try (TextEncoder encoder = encoder(json)) {
            assertIds(encoder, expected.get("cases").get(0));
            JsonNode kept = MAPPER.readTree(encoder.toJson());
            assertThat(kept.get("truncation").isNull()).isTrue();
            assertThat(kept.get("padding").isNull()).isTrue();
        }
    }

    @Test
    void specialTokensMayBeRenamed() throws IOException {
        Files.writeString(vocabulary, "<pad>\n<u>\n<s>\n</s>\nprofit\n");
        Files.writeString(config, """
                {"cls_token": "<s>", "sep_token": {"content": "</s>", "lstrip": false}, "unk_token": "<u>",
                 "pad_token": "<pad>"}""");
        try (TextEncoder encoder = TextEncoder.load(folder)) {
            assertThat(encoder.encode("profit loss</s>", LONG).ids()).containsExactly(2, 4, 1, 3, 3);
        }
    }

    @Test
    void windowsLineEndsDoNotBelongToTokens() throws IOException {
        Files.writeString(vocabulary, Files.readString(vocabulary).replace("\n", "\r\n"));
        try (TextEncoder encoder = TextEncoder.load(folder)) {
            assertIds(encoder, expected.get("cases").get(0));
        }
    }

    @Test
    void anUnpairedSurrogateLeavesTheRestOfTheTextAlone() throws IOException {
        try (TextEncoder encoder = TextEncoder.load(folder)) {
            int[] clean = encoder.encode("\uD83D\uDE00 profit \uD83D\uDE80rose", LONG).ids();
            assertThat(encoder.encode("\uD83D\uDE00 profit\uDE00 \uD83D\uDE80rose\uD83D", LONG).ids()).isEqualTo(clean);
        }
    }

    @Test
    void concurrentCallersGetTheirOwnIds() throws Exception {
        try (TextEncoder encoder = TextEncoder.load(folder);
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
    void refusesBadArgumentsAndUseAfterClose() throws IOException {
        TextEncoder encoder = TextEncoder.load(folder);
        assertThatIllegalArgumentException().isThrownBy(() -> encoder.encode("profit", 1))
                .withMessageContaining("length of 1");
        assertThatNullPointerException().isThrownBy(() -> encoder.encode(null, LONG));
        encoder.close();
        encoder.close();
        assertThatIllegalStateException().isThrownBy(() -> encoder.encode("profit", LONG));
    }

    @Test
    void namesWhatIsMissingOrBroken() throws IOException {
        assertRefused(() -> TextEncoder.load(folder.resolve("none")), "none", "tokenizer.json or vocab.txt");
        Files.writeString(config, "{\"do_lower_case\": \"yes\"}");
        assertRefused(() -> TextEncoder.load(folder), "tokenizer_config.json", "do_lower_case", "true or false");
        Files.writeString(config, "{\"cls_token\": 7}");
        assertRefused(() -> TextEncoder.load(folder), "tokenizer_config.json", "cls_token", "7");
        Files.delete(config);
        Files.writeString(vocabulary, "[UNK]\n[SEP]\nprofit\n");
        assertRefused(() -> TextEncoder.load(folder), "vocab.txt", "cls_token", "[CLS]", "3 tokens");
        Files.writeString(vocabulary, "");
        assertRefused(() -> TextEncoder.load(folder), "vocab.txt", "0 tokens");
        Files.write(vocabulary, new byte[]{'a', '\n', (byte) 0xC3, '\n'});
        assertRefused(() -> TextEncoder.load(folder), "vocab.txt:2", "UTF-8");
        Files.writeString(folder.resolve("tokenizer.json"), "{\"model\":");
        assertRefused(() -> TextEncoder.load(folder), "tokenizer.json", "not valid JSON");
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
    void refusesATokenizerJsonThatCannotWork(String place, String value, String reason) throws IOException {
        ObjectNode json = tokenizerJson();
        int slash = place.lastIndexOf('/');
        ((ObjectNode) json.at(place.substring(0, slash))).set(place.substring(slash + 1), MAPPER.readTree(value));
        assertRefused(() -> encoder(json), "mine.json", reason);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void mutatedTokenizersAreReadOrRefused(int seed) throws IOException {
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
            byte[] bytes = mutated.toString().getBytes(StandardCharsets.UTF_8);
            try (TextEncoder encoder = TextEncoder.fromJson(bytes, "mutated")) {
                int[] ids = encoder.encode("Profit rose 3.5 %", LONG).ids();
                assertThat(Arrays.stream(ids)).allMatch(id -> id >= 0 && id < encoder.vocabSize());
            } catch (FormatException e) {
                assertThat(e).hasMessageStartingWith("mutated");
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

    private ObjectNode tokenizerJson() throws IOException {
        try (TextEncoder encoder = TextEncoder.load(folder)) {
            return (ObjectNode) MAPPER.readTree(encoder.toJson());
        }
    }

    private static TextEncoder encoder(JsonNode json) {
        return TextEncoder.fromJson(json.toString().getBytes(StandardCharsets.UTF_8), "mine.json");
    }

    private static void assertRefused(Callable<TextEncoder> load, String source, String... parts) {
        assertThatExceptionOfType(FormatException.class).isThrownBy(load::call)
                .satisfies(e -> assertThat(e.source()).contains(source))
                .satisfies(e -> assertThat(e.getMessage()).contains(parts));
    }
}
