package dev.nightjar.text;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/**
 * The ids of one text after the other, special tokens included, in one array. With BERT's WordPiece tokenizers encoding
 * allocates nothing; with every other tokenizer a text becomes a string for the Hugging Face library, which costs a few
 * kB. Bytes that are no UTF-8 count for nothing or as U+FFFD. Not thread-safe.
 */
public final class EncodingBuffer {
    private final TextEncoder encoder;
    private final int[] prefix;
    private final int[] suffix;
    private final int maxLength;
    /** Null where the Hugging Face library encodes. */
    private final WordPieceEncoder pieces;
    private final int[] ids;
    private boolean truncated;

    EncodingBuffer(TextEncoder encoder, int[] prefix, int[] suffix, WordPieceEncoder pieces, int maxLength) {
        this.encoder = encoder;
        this.prefix = prefix;
        this.suffix = suffix;
        this.maxLength = maxLength;
        this.pieces = pieces;
        this.ids = new int[maxLength];
        System.arraycopy(prefix, 0, ids, 0, prefix.length);
    }

    /**
     * Encodes a text.
     *
     * @param utf8 the text, at its beginning
     * @param length bytes of the text
     * @return how many of {@link #ids} are its own
     * @throws IndexOutOfBoundsException if the segment is shorter
     */
    public int encode(MemorySegment utf8, int length) {
        if (length < 0 || length > utf8.byteSize()) {
            throw new IndexOutOfBoundsException(
                    "a text of " + length + " bytes in a segment of " + utf8.byteSize());
        }
        return pieces == null ? encodeNatively(utf8, length) : encodeWordPieces(utf8, length);
    }

    private int encodeWordPieces(MemorySegment utf8, int length) {
        int end = pieces.encode(utf8, length, ids, prefix.length, maxLength - suffix.length);
        System.arraycopy(suffix, 0, ids, end, suffix.length);
        truncated = pieces.truncated();
        return end + suffix.length;
    }

    private int encodeNatively(MemorySegment utf8, int length) {
        byte[] bytes = new byte[length];
        MemorySegment.copy(utf8, ValueLayout.JAVA_BYTE, 0, bytes, 0, length);
        Encoding encoding = encoder.encode(new String(bytes, StandardCharsets.UTF_8), maxLength);
        System.arraycopy(encoding.ids(), 0, ids, 0, encoding.ids().length);
        truncated = encoding.truncated();
        return encoding.ids().length;
    }

    /** The ids of the last text, and behind them what is left of others. */
    public int[] ids() {
        return ids;
    }

    /** Whether the last text had more tokens. */
    public boolean truncated() {
        return truncated;
    }
}
