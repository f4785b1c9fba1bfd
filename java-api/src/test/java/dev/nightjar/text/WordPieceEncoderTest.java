package dev.nightjar.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

/** Id for id against the Hugging Face library on the vocabulary of MiniLM, which is BERT's. */
class WordPieceEncoderTest {
    /** Beside the checkout of a developer, not of a user. */
    private static final Path SHARED_DATA = Path.of("..", "..", "shared", "data");
    private static final int CAPACITY = 4096;
    /** Random texts of each seed; a million in all takes half a minute. */
    private static final int TEXTS = Integer.getInteger("nightjar.test.texts", 25_000);

    private static ObjectNode rules;
    private static NativeTokenizer library;
    private static WordPieceEncoder encoder;
    private static final int[] IDS = new int[CAPACITY];

    @BeforeAll
    static void readVocabulary() throws IOException {
        String source = "all-minilm-l6-v2-tokenizer.json";
        try (InputStream in = ClassLoader.getSystemResourceAsStream(source)) {
            rules = (ObjectNode) TokenizerDefinition.parse(in.readAllBytes(), source).rules();
        }
        library = new NativeTokenizer(rules.toString(), source);
        encoder = new WordPieceEncoder(WordPiece.of(rules).orElseThrow());
    }

    @AfterAll
    static void closeLibrary() {
        library.close();
    }

    private static void assertSame(String text) {
        assertSame(encoder, library, text);
    }

    private static int encode(WordPieceEncoder encoder, MemorySegment utf8, int from, int to) {
        return encoder.encode(utf8, utf8.byteSize(), IDS, from, to);
    }

    private static void assertSame(WordPieceEncoder encoder, NativeTokenizer library, String text) {
        long[] expected = library.encode(text);
        int count = encode(encoder, utf8(text), 0, CAPACITY);
        boolean same = count == expected.length;
        for (int i = 0; same && i < count; i++) {
            same = IDS[i] == expected[i];
        }
        if (!same) {
            assertThat(Arrays.copyOf(IDS, count)).as("ids of \"%s\"", text)
                    .isEqualTo(Arrays.stream(expected).mapToInt(id -> (int) id).toArray());
        }
    }

    private static MemorySegment utf8(String text) {
        return MemorySegment.ofArray(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void everyRowOfTheDataSets() throws IOException {
        assumeThat(SHARED_DATA).isDirectory();
        try (Stream<Path> files = Files.walk(SHARED_DATA)) {
            for (Path file : files.filter(f -> f.toString().endsWith("sv")).toList()) {
                try (Stream<String> lines = Files.lines(file)) {
                    lines.filter(line -> line.length() < CAPACITY).forEach(WordPieceEncoderTest::assertSame);
                }
            }
        }
    }

    @Test
    void everyCodePoint() {
        StringBuilder text = new StringBuilder();
        for (int codePoint = 0; codePoint <= Character.MAX_CODE_POINT; codePoint++) {
            if (codePoint < Character.MIN_SURROGATE || codePoint > Character.MAX_SURROGATE) {
                text.append(' ').appendCodePoint(codePoint).append(" in").appendCodePoint(codePoint).append("flation");
            }
            if (codePoint % 64 == 63) {
                assertSame(text.toString());
                text.setLength(0);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void randomTexts(int seed) {
        assertSameOnRandomTexts(encoder, library, seed, TEXTS);
    }

    @Test
    void randomTextsOfACasedVocabulary() {
        ObjectNode cased = rules.deepCopy();
        cased.withObject("/normalizer").put("lowercase", false).putNull("strip_accents");
        try (NativeTokenizer oracle = new NativeTokenizer(cased.toString(), "cased")) {
            assertSameOnRandomTexts(new WordPieceEncoder(WordPiece.of(cased).orElseThrow()), oracle, 0, TEXTS);
        }
    }

    private static void assertSameOnRandomTexts(WordPieceEncoder encoder, NativeTokenizer library, int seed,
            int texts) {
        Random random = new Random(seed);
        List<String> words = rules.at("/model/vocab").propertyStream().map(entry -> entry.getKey()).toList();
        for (int i = 0; i < texts; i++) {
            assertSame(encoder, library, randomText(random, words));
        }
    }

    /**
     * A few pieces of all that has rules of its own: words, accents, marks that move, scripts, punctuation, special
     * tokens, anything.
     */
    private static String randomText(Random random, List<String> words) {
        StringBuilder text = new StringBuilder();
        for (int pieces = 1 + random.nextInt(6); pieces > 0; pieces--) {
            switch (random.nextInt(12)) {
                case 0, 1, 2 -> text.append(words.get(random.nextInt(words.size())));
                case 3 -> text.append(' ');
                case 4 -> text.appendCodePoint(random.nextInt(0x80));
                case 5 -> text.appendCodePoint(0xC0 + random.nextInt(0x250));
                case 6 -> text.appendCodePoint(0x300 + random.nextInt(0x70));
                case 7 ->
                    text.appendCodePoint(0x1D157 + random.nextInt(0x70)).appendCodePoint(0x302A + random.nextInt(6));
                case 8 -> text.appendCodePoint(0xAC00 + random.nextInt(11_172));
                case 9 -> text.appendCodePoint(0x4DF0 + random.nextInt(0x60));
                case 10 -> text.append(random.nextBoolean() ? "[SEP]" : "[MAS").append("x".repeat(random.nextInt(120)));
                default -> {
                    int any = random.nextInt(0x20000);
                    text.appendCodePoint(Character.getType(any) == Character.SURROGATE ? ' ' : any);
                }
            }
        }
        return text.toString();
    }

    @Test
    void invalidBytesCountForNothing() {
        Random random = new Random(7);
        byte[] valid = "Gewinn wächst um 3 % — 中国 🚀 profit".getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < TEXTS; i++) {
            byte[] bytes = valid.clone();
            for (int edits = 1 + random.nextInt(4); edits > 0; edits--) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
            }
            // The JDK puts U+FFFD in their place, which the normaliser drops.
            long[] expected = library.encode(new String(bytes, StandardCharsets.UTF_8));
            int count = encode(encoder, MemorySegment.ofArray(bytes), 0, CAPACITY);
            assertThat(Arrays.copyOf(IDS, count)).isEqualTo(Arrays.stream(expected).mapToInt(id -> (int) id).toArray());
        }
    }

    @Test
    void allocatesNothing() {
        ThreadMXBean threads = ManagementFactory.getPlatformMXBean(ThreadMXBean.class);
        MemorySegment text = utf8(
                "Café shares [SEP] rose 12.5 %, unbelievably — \u682A\u4FA1 \uD83D\uDE00 A\u030A\u0327");
        long allocated = -1;
        // Compiling goes on for a while, and interpreted calls allocate.
        for (int round = 0; round < 300 && allocated != 0; round++) {
            long before = threads.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < 1000; i++) {
                encode(encoder, text, 0, CAPACITY);
            }
            allocated = threads.getCurrentThreadAllocatedBytes() - before;
        }
        assertThat(allocated).as("bytes for 1000 texts").isZero();
    }

    @Test
    void stopsAtTheLimitAndSaysSo() {
        MemorySegment text = utf8("unbelievableness of it all");
        int count = encode(encoder, text, 0, CAPACITY);
        int[] whole = Arrays.copyOf(IDS, count);
        for (int limit : IntStream.rangeClosed(0, count).toArray()) {
            Arrays.fill(IDS, -1);
            assertThat(encode(encoder, text, 1, 1 + limit)).isEqualTo(1 + limit);
            assertThat(Arrays.copyOfRange(IDS, 1, 1 + limit)).isEqualTo(Arrays.copyOf(whole, limit));
            assertThat(IDS[0]).isEqualTo(-1);
            assertThat(IDS[1 + limit]).isEqualTo(-1);
            assertThat(encoder.truncated()).isEqualTo(limit < count);
        }
    }

    @ParameterizedTest
    @CsvSource({"/normalizer, clean_text, false", "/normalizer, handle_chinese_chars, false",
            "/normalizer, strip_accents, false", "/normalizer, type, true", "/pre_tokenizer, type, true",
            "/model, type, true", "/model, max_input_chars_per_word, true", "/model, unk_token, true"})
    void leavesOtherRulesToTheLibrary(String place, String key, boolean value) {
        ObjectNode other = rules.deepCopy();
        other.withObject(place).put(key, value);
        assertThat(WordPiece.of(other)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"normalized", "single_word", "lstrip", "rstrip"})
    void leavesUnusualAddedTokensToTheLibrary(String key) {
        ObjectNode other = rules.deepCopy();
        ((ObjectNode) other.at("/added_tokens/0")).put(key, true);
        assertThat(WordPiece.of(other)).isEmpty();
    }
}
