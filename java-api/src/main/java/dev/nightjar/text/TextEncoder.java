package dev.nightjar.text;

import dev.nightjar.FormatException;
import dev.nightjar.UnavailableException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;

/**
 * Turns text into token ids with a Hugging Face tokenizer. Thread-safe.
 *
 * <p>Only normalisation, splitting and the vocabulary come from the tokenizer's file. Its truncation and padding
 * settings are ignored: length is an argument here, and nothing is ever padded. The special tokens around a text are
 * read from the file's post-processor and placed in Java.
 *
 * <p>BERT's WordPiece tokenizers run in Java ({@link WordPieceEncoder}), every other one in the Hugging Face library
 * ({@link NativeTokenizer}), with the same ids.
 */
public final class TextEncoder implements AutoCloseable {
    private final int[] prefix;
    private final int[] suffix;
    private final int vocabSize;
    /** One of these two is null. */
    private final WordPiece wordPiece;
    private final NativeTokenizer nativeTokenizer;
    private volatile boolean closed;

    private TextEncoder(TokenizerDefinition definition, WordPiece wordPiece, String source) {
        this.prefix = definition.prefix();
        this.suffix = definition.suffix();
        this.vocabSize = definition.vocabSize();
        this.wordPiece = wordPiece;
        this.nativeTokenizer = wordPiece == null ? new NativeTokenizer(definition.rules().toString(), source) : null;
    }

    /**
     * The tokenizer among the files of a Hugging Face folder: {@code tokenizer.json}, else a BERT WordPiece tokenizer
     * made from {@code vocab.txt} (one token a line) and {@code tokenizer_config.json}. Where the latter is absent the
     * defaults of Hugging Face's {@code BertTokenizer} hold: lower case, accents stripped, Chinese characters split,
     * {@code [UNK]}, {@code [CLS]}, {@code [SEP]}.
     *
     * @param folder what error messages call the folder
     * @param files content by file name; others than these three are ignored
     * @throws FormatException if there is no tokenizer, or it is broken, or it places no special token before a text
     * @throws UnavailableException if there is no tokenizers library for this platform
     */
    public static TextEncoder fromFiles(String folder, Map<String, byte[]> files) {
        byte[] json = files.get("tokenizer.json");
        String source = folder + "/tokenizer.json";
        if (json == null) {
            byte[] vocabulary = files.get("vocab.txt");
            if (vocabulary == null) {
                throw new FormatException(folder, "no tokenizer: expected tokenizer.json or vocab.txt");
            }
            source = folder + "/vocab.txt";
            json = new BertTokenizerJson(source, vocabulary, folder + "/tokenizer_config.json",
                    files.get("tokenizer_config.json")).toJson();
        }
        TokenizerDefinition definition = TokenizerDefinition.parse(json, source);
        return new TextEncoder(definition, WordPiece.of(definition.rules()).orElse(null), source);
    }

    /**
     * Encodes a text; the empty text is its special tokens alone. Unpaired surrogates count as U+FFFD.
     *
     * @param maxLength most ids to return, special tokens included; what is left out is the end of the text, never a
     *         special token
     * @throws IllegalArgumentException if {@code maxLength} is less than {@link #specialTokens}
     * @throws IllegalStateException if this encoder is closed
     */
    public Encoding encode(String text, int maxLength) {
        Objects.requireNonNull(text, "text");
        requireRoom(maxLength);
        if (closed) {
            throw new IllegalStateException("the text encoder is closed");
        }
        int room = maxLength - specialTokens();
        return wordPiece == null ? encodeNatively(wellFormed(text), room) : encodeWordPieces(wellFormed(text), room);
    }

    private void requireRoom(int maxLength) {
        if (maxLength < specialTokens()) {
            throw new IllegalArgumentException("a length of " + maxLength + " has no room for the " + specialTokens()
                    + " special tokens around a text");
        }
    }

    /**
     * A buffer for one thread that encodes one text after the other, to be used while this encoder is open.
     *
     * @param maxLength as in {@link #encode}
     */
    public EncodingBuffer newBuffer(int maxLength) {
        requireRoom(maxLength);
        return new EncodingBuffer(this, prefix, suffix, wordPiece == null ? null : new WordPieceEncoder(wordPiece),
                maxLength);
    }

    private Encoding encodeNatively(String text, int room) {
        long[] tokens = nativeTokenizer.encode(text);
        int kept = Math.min(tokens.length, room);
        int[] ids = new int[specialTokens() + kept];
        for (int i = 0; i < kept; i++) {
            ids[prefix.length + i] = (int) tokens[i];
        }
        return surrounded(ids, kept < tokens.length);
    }

    private Encoding encodeWordPieces(String text, int room) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        WordPieceEncoder pieces = new WordPieceEncoder(wordPiece);
        // A byte gives at most one token.
        int[] ids = new int[prefix.length + Math.min(room, utf8.length)];
        int end = pieces.encode(MemorySegment.ofArray(utf8), utf8.length, ids, prefix.length, ids.length);
        return surrounded(Arrays.copyOf(ids, end + suffix.length), pieces.truncated());
    }

    /** Writes the special tokens into the places left for them. */
    private Encoding surrounded(int[] ids, boolean truncated) {
        System.arraycopy(prefix, 0, ids, 0, prefix.length);
        System.arraycopy(suffix, 0, ids, ids.length - suffix.length, suffix.length);
        return new Encoding(ids, truncated);
    }

    /** Special tokens around every text: 2 for BERT's {@code [CLS] … [SEP]}. */
    public int specialTokens() {
        return prefix.length + suffix.length;
    }

    /** One more than the largest id that can come out: what the model's word embedding must have rows for. */
    public int vocabSize() {
        return vocabSize;
    }

    /** Frees what is native after the running calls of {@link #encode}; a second call does nothing. */
    @Override
    public void close() {
        closed = true;
        if (nativeTokenizer != null) {
            nativeTokenizer.close();
        }
    }

    /**
     * Replaces unpaired surrogates: with one in it, the native library would misread every supplementary character of
     * the text.
     */
    private static String wellFormed(String text) {
        StringBuilder repaired = null;
        for (int i = 0; i < text.length(); i++) {
            if (!Character.isSurrogate(text.charAt(i))) {
                continue;
            }
            if (Character.isSupplementaryCodePoint(text.codePointAt(i))) {
                i++;
                continue;
            }
            if (repaired == null) {
                repaired = new StringBuilder(text);
            }
            repaired.setCharAt(i, '\uFFFD');
        }
        return repaired == null ? text : repaired.toString();
    }
}
