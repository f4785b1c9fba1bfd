package dev.nightjar.io;

import dev.nightjar.FormatException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A message in protobuf's wire format, read field by field; nothing is copied but what is asked for. */
final class ProtoReader {
    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int BYTES = 2;
    private static final int FIXED32 = 5;
    private static final int MAX_RANK = 32;

    private final String source;
    private final MemorySegment message;
    private long position;
    private int field;
    private int wireType;
    private long number;
    private MemorySegment bytes = MemorySegment.NULL;

    ProtoReader(String source, MemorySegment message) {
        this.source = source;
        this.message = message;
    }

    /** Goes to the next field; false at the end. */
    boolean next() {
        if (position == message.byteSize()) {
            return false;
        }
        long tag = readVarint();
        field = (int) (tag >>> 3);
        wireType = (int) (tag & 7);
        switch (wireType) {
            case VARINT -> number = readVarint();
            case BYTES -> bytes = take(readVarint());
            case FIXED64 -> take(Long.BYTES);
            case FIXED32 -> take(Integer.BYTES);
            default -> throw malformed("wire type " + wireType + " of field " + field + " is unknown");
        }
        return true;
    }

    /** Number of the field, as in the message's definition. */
    int field() {
        return field;
    }

    long number() {
        expect(VARINT);
        return number;
    }

    MemorySegment bytes() {
        expect(BYTES);
        return bytes;
    }

    String string() {
        return new String(bytes().toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    ProtoReader message() {
        return new ProtoReader(source, bytes());
    }

    /** Adds a repeated integer field, whether it comes packed or one by one. */
    void addExtents(List<Long> extents) {
        if (wireType != BYTES) {
            addExtent(extents, number());
            return;
        }
        ProtoReader packed = message();
        while (packed.position < packed.message.byteSize()) {
            addExtent(extents, packed.readVarint());
        }
    }

    /** Adds to a shape, of which no more than a few extents are believed. */
    void addExtent(List<Long> extents, long extent) {
        if (extents.size() == MAX_RANK) {
            throw malformed("a shape has more than " + MAX_RANK + " extents");
        }
        extents.add(extent);
    }

    private long readVarint() {
        long value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (position == message.byteSize()) {
                throw malformed("the message ends within a number");
            }
            byte next = message.get(ValueLayout.JAVA_BYTE, position++);
            value |= (next & 0x7FL) << shift;
            if (next >= 0) {
                return value;
            }
        }
        throw malformed("a number is longer than 64 bits");
    }

    private MemorySegment take(long length) {
        if (length < 0 || length > message.byteSize() - position) {
            throw malformed("field " + field + " claims " + Long.toUnsignedString(length) + " bytes, "
                    + (message.byteSize() - position) + " are left");
        }
        position += length;
        return message.asSlice(position - length, length);
    }

    private void expect(int expected) {
        if (wireType != expected) {
            throw malformed("field " + field + " has wire type " + wireType + ", expected " + expected);
        }
    }

    private FormatException malformed(String problem) {
        return new FormatException(source, "not a valid protobuf message: " + problem);
    }
}
