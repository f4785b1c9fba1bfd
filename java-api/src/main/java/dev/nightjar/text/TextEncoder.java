package dev.nightjar.text;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.nightjar.FormatException;
import dev.nightjar.UnavailableException;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.locks.StampedLock;

/**
 * Turns text into token ids with a Hugging Face tokenizer. Thread-safe.
 *
 * <p>Only normalisation, splitting and the vocabulary come from the tokenizer's file. Its truncation and padding settings are ignored:
 * length is an argument here, and nothing is ever padded. The special tokens around a text are read from the file's post-processor and
 * placed in Java.
 *
 * <p>The work is done by DJL's build of the Hugging Face tokenizers library, which DJL extracts once into its cache (
 * {@code DJL_CACHE_DIR}, else {@code ~/.djl.ai}). While that library is being loaded, and only then, the system properties
 * {@code ai.djl.offline} and {@code RUST_FLAVOR} are set to {@code true} and {@code cpu} where neither an environment variable nor a
 * property sets them: otherwise DJL may look for a GPU build on the network. DJL's usage report is not part of the calls made here.
 */
public final class TextEncoder implements AutoCloseable {
    private static boolean libraryLoaded;

    /** Keeps the native tokenizer alive while an encode uses it: readers encode, the one writer frees it. */
    private final StampedLock lock = new StampedLock();
    private final String source;
    private final int[] prefix;
    private final int[] suffix;
    private final int vocabSize;
    private long handle;

    private TextEncoder(TokenizerDefinition definition, String source) {
        this.source = source;
        this.prefix = definition.prefix();
        this.suffix = definition.suffix();
        this.vocabSize = definition.vocabSize();
        loadLibrary();
        try {
            this.handle = TokenizersLibrary.LIB.createTokenizerFromString(definition.nativeJson());
        } catch (RuntimeException e) {
            throw new FormatException(source, "not a tokenizer this build can run: " + e.getMessage(), e);
        }
    }

    /**
     * The tokenizer among the files of a Hugging Face folder: {@code tokenizer.json}, else a BERT WordPiece tokenizer made from
     * {@code vocab.txt} (one token a line) and {@code tokenizer_config.json}. Where the latter is absent the defaults of Hugging Face's
     * {@code BertTokenizer} hold: lower case, accents stripped, Chinese characters split, {@code [UNK]}, {@code [CLS]}, {@code [SEP]}.
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
            json = new WordPieceTokenizer(source, vocabulary, folder + "/tokenizer_config.json",
                    files.get("tokenizer_config.json")).toJson();
        }
        return new TextEncoder(TokenizerDefinition.parse(json, source), source);
    }

    /**
     * Encodes a text; the empty text is its special tokens alone. Unpaired surrogates count as U+FFFD.
     *
     * @param maxLength most ids to return, special tokens included; what is left out is the end of the text, never a special token
     * @throws IllegalArgumentException if {@code maxLength} is less than {@link #specialTokens}
     * @throws IllegalStateException if this encoder is closed
     */
    public Encoding encode(String text, int maxLength) {
        Objects.requireNonNull(text, "text");
        if (maxLength < specialTokens()) {
            throw new IllegalArgumentException("a length of " + maxLength + " has no room for the " + specialTokens()
                    + " special tokens around a text");
        }
        long[] tokens = tokens(wellFormed(text));
        int kept = Math.min(tokens.length, maxLength - specialTokens());
        int[] ids = new int[prefix.length + kept + suffix.length];
        System.arraycopy(prefix, 0, ids, 0, prefix.length);
        for (int i = 0; i < kept; i++) {
            ids[prefix.length + i] = (int) tokens[i];
        }
        System.arraycopy(suffix, 0, ids, prefix.length + kept, suffix.length);
        return new Encoding(ids, kept < tokens.length);
    }

    /** Special tokens around every text: 2 for BERT's {@code [CLS] … [SEP]}. */
    public int specialTokens() {
        return prefix.length + suffix.length;
    }

    /** One more than the largest id that can come out: what the model's word embedding must have rows for. */
    public int vocabSize() {
        return vocabSize;
    }

    /** Frees the native tokenizer after the running calls of {@link #encode}; a second call does nothing. */
    @Override
    public void close() {
        long stamp = lock.writeLock();
        try {
            if (handle != 0) {
                TokenizersLibrary.LIB.deleteTokenizer(handle);
                handle = 0;
            }
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    private long[] tokens(String text) {
        long stamp = lock.readLock();
        try {
            if (handle == 0) {
                throw new IllegalStateException("the text encoder is closed");
            }
            long encoding;
            try {
                encoding = TokenizersLibrary.LIB.encode(handle, text, false);
            } catch (RuntimeException e) {
                throw new FormatException(source, "the tokenizer cannot encode a text: " + e.getMessage(), e);
            }
            try {
                return TokenizersLibrary.LIB.getTokenIds(encoding);
            } finally {
                TokenizersLibrary.LIB.deleteEncoding(encoding);
            }
        } finally {
            lock.unlockRead(stamp);
        }
    }

    /** Replaces unpaired surrogates: with one in it, the native library would misread every supplementary character of the text. */
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

    private static synchronized void loadLibrary() {
        if (libraryLoaded) {
            return;
        }
        boolean offline = setIfUnset("ai.djl.offline", "DJL_OFFLINE", "true");
        boolean flavor = setIfUnset("RUST_FLAVOR", "RUST_FLAVOR", "cpu");
        try {
            LibUtils.checkStatus();
            libraryLoaded = true;
        } catch (RuntimeException | LinkageError e) {
            throw new UnavailableException("the tokenizers library cannot be loaded on " + System.getProperty("os.name")
                    + " " + System.getProperty("os.arch") + ": " + e, e);
        } finally {
            if (offline) {
                System.clearProperty("ai.djl.offline");
            }
            if (flavor) {
                System.clearProperty("RUST_FLAVOR");
            }
        }
    }

    private static boolean setIfUnset(String property, String variable, String value) {
        if (System.getenv(variable) != null || System.getProperty(property) != null) {
            return false;
        }
        System.setProperty(property, value);
        return true;
    }
}
