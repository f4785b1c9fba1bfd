package dev.nightjar.io;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 of values, each of which is delimited, so that no two sequences of values have the same bytes. Not thread-safe. */
public final class Fingerprint {
    private static final int PIECE = 1 << 20;

    private final MessageDigest digest;

    public Fingerprint() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    public Fingerprint add(int value) {
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(0, value));
        return this;
    }

    public Fingerprint add(float value) {
        return add(Float.floatToIntBits(value));
    }

    public Fingerprint add(byte[] bytes) {
        add(bytes.length);
        digest.update(bytes);
        return this;
    }

    public Fingerprint add(String text) {
        return add(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Adds the bytes of a segment of any size, as they lie in memory. */
    public Fingerprint add(MemorySegment segment) {
        add(Long.toString(segment.byteSize()));
        for (long from = 0; from < segment.byteSize(); from += PIECE) {
            digest.update(segment.asSlice(from, Math.min(PIECE, segment.byteSize() - from)).asByteBuffer());
        }
        return this;
    }

    /** The hash of what was added, in hexadecimal digits; starts anew. */
    public String hex() {
        return HexFormat.of().formatHex(digest.digest());
    }
}
