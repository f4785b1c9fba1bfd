package dev.nightjar.text;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.IntBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What Hugging Face's {@code BertNormalizer} and {@code BertPreTokenizer} make of every code point. Immutable.
 *
 * <p>The facts come from {@code bert-characters.txt}, which {@code BertCharactersTest} reads off the Hugging Face tokenizers library: its
 * Unicode tables are older than the JDK's and stay as they are when the JDK's move on. Each code point has an {@linkplain #entry entry}: what
 * to do, and with which code point.
 */
final class BertCharacters {
    /** Part of a word. */
    static final int LETTER = 0;
    /** Leaves no trace. */
    static final int DROPPED = 1;
    /** Ends a word. */
    static final int SPACE = 2;
    /** A word by itself: punctuation and Chinese characters. */
    static final int ISOLATED = 3;
    /** Part of a word, after which canonical ordering starts over: a stripped mark of combining class 0. */
    static final int BARRIER = 4;
    /** A kept mark, moved before preceding ones of a larger {@link #order}. */
    static final int MARK = 5;
    /** Several code points, each of which has an entry. */
    static final int EXPANSION = 6;

    private static final int CODE_POINT_BITS = 21;
    private static final int CODE_POINT = (1 << CODE_POINT_BITS) - 1;
    private static final int ORDER_SHIFT = CODE_POINT_BITS;
    private static final int KIND_SHIFT = 28;
    private static final int BLOCK_BITS = 7;
    private static final int BLOCK = 1 << BLOCK_BITS;

    private static final int HANGUL_FIRST = 0xAC00;
    private static final int HANGUL_LAST = 0xD7A3;
    private static final int HANGUL_VOWELS = 21;
    private static final int HANGUL_TRAILS = 28;

    private static final BertCharacters CASED = new BertCharacters(false);
    private static final BertCharacters UNCASED = new BertCharacters(true);

    /** Entries in blocks of {@link #BLOCK}; equal blocks are stored once. */
    private final int[] entries;
    private final char[] blockOf;
    private final int[][] expansions;

    private BertCharacters(boolean uncased) {
        int[] all = new int[Character.MAX_CODE_POINT + 1];
        Arrays.setAll(all, codePoint -> codePoint);
        List<int[]> expanded = new ArrayList<>();
        try (InputStream in = BertCharacters.class.getResourceAsStream("bert-characters.txt");
                BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.US_ASCII))) {
            lines.lines().filter(line -> !line.startsWith("#")).map(line -> line.split(" ", -1))
                    .forEachOrdered(fields -> read(fields, uncased, all, expanded));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (uncased) {
            for (int syllable = HANGUL_FIRST; syllable <= HANGUL_LAST; syllable++) {
                all[syllable] = EXPANSION << KIND_SHIFT | expanded.size();
                expanded.add(jamo(syllable - HANGUL_FIRST));
            }
        }
        expansions = expanded.toArray(int[][]::new);
        blockOf = new char[all.length >> BLOCK_BITS];
        entries = shareBlocks(all, blockOf);
    }

    /** Of lower-case models, whose accents are stripped, or of cased ones. */
    static BertCharacters of(boolean uncased) {
        return uncased ? UNCASED : CASED;
    }

    /**
     * One line: what, the first code point, the last one, and operands. Mappings come last, so that a mapped code point gets the entry of what
     * it is mapped to.
     */
    private static void read(String[] fields, boolean uncased, int[] all, List<int[]> expanded) {
        int first = Integer.parseInt(fields[1], 16);
        int last = Integer.parseInt(fields[2], 16);
        switch (fields[0]) {
            case "dropped" -> setKind(all, first, last, DROPPED);
            case "space" -> setKind(all, first, last, SPACE);
            case "isolated" -> setKind(all, first, last, ISOLATED);
            default -> {
                if (uncased) {
                    readUncased(fields, first, last, all, expanded);
                }
            }
        }
    }

    private static void readUncased(String[] fields, int first, int last, int[] all, List<int[]> expanded) {
        switch (fields[0]) {
            case "stripped" -> setKind(all, first, last, DROPPED);
            case "stripped-starter" -> setKind(all, first, last, BARRIER);
            case "mark" -> all[first] |= MARK << KIND_SHIFT | Integer.parseInt(fields[3]) << ORDER_SHIFT;
            case "to" -> {
                int target = Integer.parseInt(fields[3], 16);
                int stride = Integer.parseInt(fields[4]);
                for (int codePoint = first; codePoint <= last; codePoint++, target += stride) {
                    all[codePoint] = all[target];
                }
            }
            case "expanded" -> {
                all[first] = EXPANSION << KIND_SHIFT | expanded.size();
                expanded.add(
                        Arrays.stream(fields, 3, fields.length).mapToInt(field -> all[Integer.parseInt(field, 16)])
                                .toArray());
            }
            default -> throw new IllegalStateException("bert-characters.txt: unknown line " + String.join(" ", fields));
        }
    }

    private static void setKind(int[] all, int first, int last, int kind) {
        for (int codePoint = first; codePoint <= last; codePoint++) {
            all[codePoint] = kind << KIND_SHIFT | codePoint;
        }
    }

    /** Canonical decomposition of a Hangul syllable (The Unicode Standard, section 3.12); jamo are letters. */
    private static int[] jamo(int syllable) {
        int lead = 0x1100 + syllable / (HANGUL_VOWELS * HANGUL_TRAILS);
        int vowel = 0x1161 + syllable / HANGUL_TRAILS % HANGUL_VOWELS;
        int trail = 0x11A7 + syllable % HANGUL_TRAILS;
        return trail == 0x11A7 ? new int[]{lead, vowel} : new int[]{lead, vowel, trail};
    }

    private static int[] shareBlocks(int[] all, char[] blockOf) {
        Map<IntBuffer, Character> seen = new HashMap<>();
        List<int[]> blocks = new ArrayList<>();
        for (int i = 0; i < blockOf.length; i++) {
            int[] block = Arrays.copyOfRange(all, i << BLOCK_BITS, (i + 1) << BLOCK_BITS);
            blockOf[i] = seen.computeIfAbsent(IntBuffer.wrap(block), key -> {
                blocks.add(block);
                return (char) (blocks.size() - 1);
            });
        }
        return blocks.stream().flatMapToInt(Arrays::stream).toArray();
    }

    /** The entry of a code point from 0 to 10FFFF. */
    int entry(int codePoint) {
        return entries[blockOf[codePoint >> BLOCK_BITS] << BLOCK_BITS | (codePoint & (BLOCK - 1))];
    }

    static int kind(int entry) {
        return entry >>> KIND_SHIFT;
    }

    /** The code point to go on with, of a letter, mark or isolated one. */
    static int codePoint(int entry) {
        return entry & CODE_POINT;
    }

    /** Rank of a mark's canonical combining class among the kept marks', from 1. */
    static int order(int entry) {
        return (entry >>> ORDER_SHIFT) & ((1 << (KIND_SHIFT - ORDER_SHIFT)) - 1);
    }

    /** Entries of an expansion. */
    int[] expansion(int entry) {
        return expansions[entry & CODE_POINT];
    }
}
