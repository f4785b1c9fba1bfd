package dev.nightjar.io;

import dev.nightjar.FormatException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.zip.CRC32C;

/**
 * Reader of LevelDB's sorted table, the container of TensorFlow's checkpoint index: data blocks of prefix-compressed
 * entries, an index block of their places, a footer with the place of the index block. Source: {@code table_format.md}
 * of LevelDB.
 */
final class SortedTable {
    private static final long MAGIC = 0xdb4775248b80fb57L;
    private static final int FOOTER = 48;
    /** After each block: a byte for its compression and its masked checksum. */
    private static final int TRAILER = 5;

    private final String source;
    private final ByteBuffer table;

    private SortedTable(String source, byte[] table) {
        this.source = source;
        this.table = ByteBuffer.wrap(table).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The entries in the order of their keys. */
    static SequencedMap<String, byte[]> read(String source, byte[] bytes) {
        SortedTable table = new SortedTable(source, bytes);
        SequencedMap<String, byte[]> entries = new LinkedHashMap<>();
        for (byte[] handle : table.block(table.indexHandle()).values()) {
            entries.putAll(table.block(ByteBuffer.wrap(handle)));
        }
        return entries;
    }

    private ByteBuffer indexHandle() {
        int footer = table.capacity() - FOOTER;
        if (footer < 0 || table.getLong(table.capacity() - Long.BYTES) != MAGIC) {
            throw new FormatException(source, "expected a table of LevelDB's format, found no footer of it");
        }
        ByteBuffer handles = table.slice(footer, FOOTER - Long.BYTES);
        varint(handles);
        varint(handles);
        return handles;
    }

    private SequencedMap<String, byte[]> block(ByteBuffer handle) {
        long offset = varint(handle);
        long size = varint(handle);
        int end = table.capacity() - FOOTER - TRAILER;
        require(offset >= 0 && size >= Integer.BYTES && offset <= end && size <= end - offset,
                "a block lies outside of it");
        ByteBuffer block = table.slice((int) offset, (int) size).order(ByteOrder.LITTLE_ENDIAN);
        requireChecksum((int) offset, (int) size);
        require(table.get((int) (offset + size)) == 0,
                "a block is compressed, which TensorFlow does not do to an index");
        int restarts = block.getInt((int) size - Integer.BYTES);
        require(restarts >= 0 && restarts < size / Integer.BYTES, "a block has " + restarts + " restart points");
        return entries(block.limit((int) size - Integer.BYTES * (1 + restarts)));
    }

    private SequencedMap<String, byte[]> entries(ByteBuffer block) {
        SequencedMap<String, byte[]> entries = new LinkedHashMap<>();
        byte[] key = new byte[0];
        while (block.hasRemaining()) {
            long shared = varint(block);
            long own = varint(block);
            long length = varint(block);
            require(shared >= 0 && shared <= key.length, "a key shares more than the one before it has");
            ByteArrayOutputStream next = new ByteArrayOutputStream();
            next.write(key, 0, (int) shared);
            next.writeBytes(take(block, own));
            key = next.toByteArray();
            entries.put(new String(key, StandardCharsets.UTF_8), take(block, length));
        }
        return entries;
    }

    private void requireChecksum(int offset, int size) {
        CRC32C crc = new CRC32C();
        crc.update(table.slice(offset, size + 1));
        int value = (int) crc.getValue();
        int masked = Integer.rotateRight(value, 15) + 0xa282ead8;
        require(masked == table.getInt(offset + size + 1), "a block's checksum is wrong");
    }

    private byte[] take(ByteBuffer block, long length) {
        require(length >= 0 && length <= block.remaining(), "an entry is longer than its block");
        byte[] bytes = new byte[(int) length];
        block.get(bytes);
        return bytes;
    }

    private long varint(ByteBuffer bytes) {
        long value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            require(bytes.hasRemaining(), "it ends within a number");
            byte next = bytes.get();
            value |= (next & 0x7FL) << shift;
            if (next >= 0) {
                return value;
            }
        }
        throw new FormatException(source, "a number in the table is longer than 64 bits");
    }

    private void require(boolean condition, String problem) {
        if (!condition) {
            throw new FormatException(source, "the table is damaged: " + problem);
        }
    }
}
