package dev.nightjar.text;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.nightjar.FormatException;
import dev.nightjar.UnavailableException;
import java.util.concurrent.locks.StampedLock;

/**
 * A tokenizer of the Hugging Face tokenizers library, in DJL's build. Thread-safe.
 *
 * <p>DJL extracts the library once into its cache ({@code DJL_CACHE_DIR}, else {@code ~/.djl.ai}). While it is being loaded, and only then,
 * the system properties {@code ai.djl.offline} and {@code RUST_FLAVOR} are set to {@code true} and {@code cpu} where neither an environment
 * variable nor a property sets them: otherwise DJL may look for a GPU build on the network. DJL's usage report is not part of the calls
 * made here.
 */
final class NativeTokenizer implements AutoCloseable {
    private static boolean libraryLoaded;

    /** Keeps the tokenizer alive while an encode uses it: readers encode, the one writer frees it. */
    private final StampedLock lock = new StampedLock();
    private final String source;
    private long handle;

    /**
     * @param json from {@link TokenizerDefinition#rules}
     * @param source what error messages call it
     */
    NativeTokenizer(String json, String source) {
        this.source = source;
        loadLibrary();
        try {
            this.handle = TokenizersLibrary.LIB.createTokenizerFromString(json);
        } catch (RuntimeException e) {
            throw new FormatException(source, "not a tokenizer this build can run: " + e.getMessage(), e);
        }
    }

    /** Ids of a text without unpaired surrogates, no special tokens around it. */
    long[] encode(String text) {
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

    /** Frees it after the running calls of {@link #encode}; a second call does nothing. */
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
