package dev.nightjar.io;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Writes protobuf messages and the integers they are made of. */
final class ProtoWriter {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    ProtoWriter number(int field, long value) {
        return varint((long) field << 3).varint(value);
    }

    ProtoWriter bytes(int field, byte[] value) {
        return varint(((long) field << 3) | 2).varint(value.length).raw(value);
    }

    ProtoWriter string(int field, String value) {
        return bytes(field, value.getBytes(StandardCharsets.UTF_8));
    }

    ProtoWriter message(int field, ProtoWriter value) {
        return bytes(field, value.toByteArray());
    }

    ProtoWriter fixed32(int field) {
        return varint(((long) field << 3) | 5).raw(new byte[4]);
    }

    ProtoWriter fixed64(int field) {
        return varint(((long) field << 3) | 1).raw(new byte[8]);
    }

    ProtoWriter varint(long value) {
        for (long rest = value;; rest >>>= 7) {
            if ((rest & ~0x7FL) == 0) {
                bytes.write((int) rest);
                return this;
            }
            bytes.write((int) ((rest & 0x7F) | 0x80));
        }
    }

    ProtoWriter raw(byte[] value) {
        bytes.writeBytes(value);
        return this;
    }

    byte[] toByteArray() {
        return bytes.toByteArray();
    }
}
