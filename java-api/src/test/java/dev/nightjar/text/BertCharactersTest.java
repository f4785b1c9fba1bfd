package dev.nightjar.text;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * {@code bert-characters.txt} against the Hugging Face library, for every code point. {@link #main} writes the file anew.
 *
 * <p>The library shows what it normalises a text to when its vocabulary is the 256 bytes: the ids are the UTF-8 of the result.
 */
class BertCharactersTest {
    private static final String HEADER = """
            # What the BERT normaliser and splitter of the Hugging Face tokenizers library do with code points (hexadecimal, first and last).
            # Written by BertCharactersTest.main; not listed: letters that stay as they are, and Hangul syllables, which decompose by rule.
            """;
    /** Between words; dropped from texts, so in none of them. */
    private static final String SPLIT = "\0";
    private static final int HANGUL_FIRST = 0xAC00;
    private static final int HANGUL_LAST = 0xD7A3;
    /** Combining mark of class 9, combining stem of class 216, combining dot of class 226: kept, and of known order. */
    private static final int LOW_MARK = 0x1B44;
    private static final int HIGH_MARK = 0x1D16D;

    /** Normaliser and splitter of the library. */
    private static final class Oracle implements AutoCloseable {
        private final long handle;

        Oracle(boolean uncased) {
            String bytes = IntStream.range(0, 256).mapToObj(b -> "\"<0x%02X>\":%d".formatted(b, b))
                    .collect(Collectors.joining(","));
            String json = """
                    {"version":"1.0","added_tokens":[],"normalizer":{"type":"BertNormalizer","clean_text":true,
                    "handle_chinese_chars":true,"strip_accents":%b,"lowercase":%b},"pre_tokenizer":{"type":"BertPreTokenizer"},
                    "post_processor":null,"decoder":null,"model":{"type":"BPE","byte_fallback":true,"vocab":{%s},"merges":[]}}
                    """
                    .formatted(uncased, uncased, bytes);
            new NativeTokenizer(json, "bytes").close();
            handle = TokenizersLibrary.LIB.createTokenizerFromString(json);
        }

        /** The words of the text between an a and a b. */
        List<String> words(String text) {
            long encoding = TokenizersLibrary.LIB.encode(handle, "a" + text + "b", false);
            long[] ids = TokenizersLibrary.LIB.getTokenIds(encoding);
            long[] wordIds = TokenizersLibrary.LIB.getWordIds(encoding);
            TokenizersLibrary.LIB.deleteEncoding(encoding);
            List<String> words = new ArrayList<>();
            for (int begin = 0, end; begin < ids.length; begin = end) {
                end = begin;
                while (end < ids.length && wordIds[end] == wordIds[begin]) {
                    end++;
                }
                byte[] utf8 = new byte[end - begin];
                for (int i = begin; i < end; i++) {
                    utf8[i - begin] = (byte) ids[i];
                }
                words.add(new String(utf8, StandardCharsets.UTF_8));
            }
            return words;
        }

        String word(int... codePoints) {
            List<String> words = words(new String(codePoints, 0, codePoints.length));
            return words.size() == 1 ? words.getFirst().substring(1, words.getFirst().length() - 1) : null;
        }

        @Override
        public void close() {
            TokenizersLibrary.LIB.deleteTokenizer(handle);
        }
    }

    private static String ranges(String what, IntPredicate condition) {
        StringBuilder lines = new StringBuilder();
        for (int codePoint = 0; codePoint <= Character.MAX_CODE_POINT; codePoint++) {
            int first = codePoint;
            while (codePoint <= Character.MAX_CODE_POINT && condition.test(codePoint)) {
                codePoint++;
            }
            if (codePoint > first) {
                lines.append("%s %x %x%n".formatted(what, first, codePoint - 1));
            }
        }
        return lines.toString();
    }

    /** What the file must hold. */
    private static String table() {
        String[] cased = new String[Character.MAX_CODE_POINT + 1];
        String[] uncased = new String[cased.length];
        StringBuilder table = new StringBuilder(HEADER);
        try (Oracle oracle = new Oracle(false)) {
            Arrays.setAll(cased, c -> isSurrogate(c) ? "" : String.join(SPLIT, oracle.words(Character.toString(c))));
        }
        IntPredicate dropped = c -> cased[c].equals("ab");
        table.append(ranges("dropped", dropped)).append(ranges("space", c -> cased[c].equals("a" + SPLIT + "b")));
        table.append(ranges("isolated", c -> cased[c].equals("a" + SPLIT + Character.toString(c) + SPLIT + "b")));
        try (Oracle oracle = new Oracle(true)) {
            Arrays.setAll(uncased, c -> isSurrogate(c) ? "" : String.join(SPLIT, oracle.words(Character.toString(c))));
            IntPredicate stripped = c -> uncased[c].equals("ab") && !dropped.test(c);
            IntPredicate starter = c -> oracle.word(HIGH_MARK, c, LOW_MARK).codePointAt(0) == HIGH_MARK;
            table.append(ranges("stripped", c -> stripped.test(c) && !starter.test(c)));
            table.append(ranges("stripped-starter", c -> stripped.test(c) && starter.test(c)));
            table.append(marks(oracle, uncased));
        }
        return table.append(mappings(cased, uncased)).toString();
    }

    private static boolean isSurrogate(int codePoint) {
        return codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE;
    }

    /** Kept marks that change places with another one, ranked by how many of them each comes behind. */
    private static String marks(Oracle oracle, String[] uncased) {
        // Only marks have a combining class, and what is one never ceases to be; asking for all would take long.
        int[] marks = IntStream.rangeClosed(0, Character.MAX_CODE_POINT).filter(c -> isMark(Character.getType(c)))
                .filter(c -> uncased[c].equals("a" + Character.toString(c) + "b"))
                .filter(c -> swaps(oracle, HIGH_MARK, c) || swaps(oracle, c, LOW_MARK)).toArray();
        StringBuilder lines = new StringBuilder();
        int[] behind = new int[marks.length];
        Arrays.setAll(behind, i -> (int) Arrays.stream(marks).filter(other -> swaps(oracle, marks[i], other)).count());
        List<Integer> ranks = Arrays.stream(behind).distinct().sorted().boxed().toList();
        for (int i = 0; i < marks.length; i++) {
            lines.append("mark %x %x %d%n".formatted(marks[i], marks[i], 1 + ranks.indexOf(behind[i])));
        }
        return lines.toString();
    }

    private static boolean isMark(int category) {
        return category == Character.NON_SPACING_MARK || category == Character.COMBINING_SPACING_MARK
                || category == Character.ENCLOSING_MARK;
    }

    private static boolean swaps(Oracle oracle, int first, int second) {
        return oracle.word(first, second).codePointAt(0) != first;
    }

    /** Runs of code points that become one code point each, at a constant step; then those that become several. */
    private static String mappings(String[] cased, String[] uncased) {
        int[] target = new int[cased.length];
        StringBuilder expanded = new StringBuilder();
        for (int c = 0; c < cased.length; c++) {
            target[c] = c;
            if (uncased[c].equals(cased[c]) || uncased[c].equals("ab") || (c >= HANGUL_FIRST && c <= HANGUL_LAST)) {
                continue;
            }
            String[] words = uncased[c].split(SPLIT, -1);
            String result = words.length == 3 ? words[1] : uncased[c].substring(1, uncased[c].length() - 1);
            target[c] = result.codePointAt(0);
            if (result.codePointCount(0, result.length()) > 1) {
                target[c] = c;
                expanded.append("expanded %x %x %s%n".formatted(c, c, result.codePoints()
                        .mapToObj(Integer::toHexString).collect(Collectors.joining(" "))));
            }
        }
        StringBuilder single = new StringBuilder();
        for (int c = 0; c < target.length; c++) {
            if (target[c] == c) {
                continue;
            }
            int stride = c + 1 < target.length && target[c + 1] == target[c] ? 0 : 1;
            int last = c;
            while (last + 1 < target.length && target[last + 1] != last + 1
                    && target[last + 1] == target[last] + stride) {
                last++;
            }
            single.append("to %x %x %x %d%n".formatted(c, last, target[c], stride));
            c = last;
        }
        return single.append(expanded).toString();
    }

    @Test
    void theTableIsWhatTheLibraryDoes() throws IOException {
        try (InputStream in = BertCharacters.class.getResourceAsStream("bert-characters.txt")) {
            assertThat(new String(in.readAllBytes(), StandardCharsets.US_ASCII)).isEqualTo(table());
        }
    }

    public static void main(String[] arguments) throws IOException {
        Files.writeString(Path.of(arguments[0]), table());
    }
}
