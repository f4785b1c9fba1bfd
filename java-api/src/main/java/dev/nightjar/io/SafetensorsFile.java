package dev.nightjar.io;

import dev.nightjar.FormatException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.foreign.ValueLayout.OfLong;
import java.nio.ByteOrder;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import tools.jackson.databind.JsonNode;

/**
 * Reader of safetensors files: 8 bytes with the header's length (little-endian), a JSON header, the tensors' bytes.
 * Files are mapped, not copied.
 */
public final class SafetensorsFile {
    private static final OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    /** The limit of the format's own implementation. */
    private static final long MAX_HEADER_BYTES = 100_000_000;

    private static final int MAX_INDEX_BYTES = 64 << 20;

    private SafetensorsFile() {
    }

    /**
     * Opens one file.
     *
     * @throws FormatException if it is not a complete, consistent safetensors file
     */
    public static WeightSource open(Path file) throws IOException {
        Arena arena = Arena.ofShared();
        try {
            String source = file.toString();
            return new MappedWeights(source, arena, parse(source, MappedWeights.map(file, arena)));
        } catch (Throwable t) {
            arena.close();
            throw t;
        }
    }

    /**
     * Opens the shards that an index ({@code model.safetensors.index.json}) lists as one source. Shards are plain file
     * names in the index's folder; a name with a path in it, or a link that leads out of the folder, is refused (except
     * into the blobs of the Hugging Face cache, whose snapshots are links).
     *
     * @throws FormatException if the index or a shard is not well-formed, or they contradict each other
     */
    public static WeightSource openSharded(Path index) throws IOException {
        String source = index.toString();
        SequencedMap<String, String> shardOf = parseIndex(source, InputFiles.read(index, MAX_INDEX_BYTES));
        SequencedMap<String, SequencedMap<String, MappedWeights.Stored>> shards = new LinkedHashMap<>();
        SequencedMap<String, MappedWeights.Stored> tensors = new LinkedHashMap<>();
        Arena arena = Arena.ofShared();
        try {
            for (var entry : shardOf.entrySet()) {
                String shard = entry.getValue();
                if (!shards.containsKey(shard)) {
                    Path file = shardPath(index, shard);
                    shards.put(shard, parse(file.toString(), MappedWeights.map(file, arena)));
                }
                MappedWeights.Stored stored = shards.get(shard).get(entry.getKey());
                if (stored == null) {
                    throw new FormatException(source, "tensor " + entry.getKey() + " is not in its shard " + shard);
                }
                tensors.put(entry.getKey(), stored);
            }
            return new MappedWeights(source, arena, tensors);
        } catch (Throwable t) {
            arena.close();
            throw t;
        }
    }

    /** Parses a whole file that lies in memory. */
    static SequencedMap<String, MappedWeights.Stored> parse(String source, MemorySegment file) {
        long available = file.byteSize() - LENGTH.byteSize();
        if (available < 2) {
            throw new FormatException(source, "expected a safetensors file, found only " + file.byteSize() + " bytes");
        }
        long headerBytes = file.get(LENGTH, 0);
        if (headerBytes < 2 || headerBytes > Math.min(available, MAX_HEADER_BYTES)) {
            throw new FormatException(source, "claims a header of " + Long.toUnsignedString(headerBytes)
                    + " bytes, expected 2 to " + Math.min(available, MAX_HEADER_BYTES));
        }
        byte[] header = file.asSlice(LENGTH.byteSize(), headerBytes).toArray(ValueLayout.JAVA_BYTE);
        MemorySegment data = file.asSlice(LENGTH.byteSize() + headerBytes);
        SequencedMap<String, MappedWeights.Stored> tensors = new LinkedHashMap<>();
        for (SafetensorsHeader.Entry entry : SafetensorsHeader.parse(source, header, data.byteSize()).values()) {
            MemorySegment bytes = data.asSlice(entry.begin(), entry.end() - entry.begin());
            tensors.put(entry.info().name(), new MappedWeights.Stored(entry.info(), bytes));
        }
        return tensors;
    }

    /** Tensor name to shard name; shard names are plain file names. */
    static SequencedMap<String, String> parseIndex(String source, byte[] json) {
        JsonNode map = Json.object(source, json).path("weight_map");
        if (!map.isObject()) {
            throw new FormatException(source, "expected an object weight_map of tensor names to shard files");
        }
        SequencedMap<String, String> shardOf = new LinkedHashMap<>();
        for (var entry : map.properties()) {
            String shard = entry.getValue().isString() ? entry.getValue().stringValue() : "";
            if (!shard.matches("[A-Za-z0-9_][A-Za-z0-9_.-]*\\.safetensors")) {
                throw new FormatException(source,
                        "tensor " + entry.getKey() + ": expected the plain name of a .safetensors file"
                                + " in the same folder, found " + entry.getValue());
            }
            shardOf.put(entry.getKey(), shard);
        }
        return shardOf;
    }

    private static Path shardPath(Path index, String shard) throws IOException {
        Path folder = index.toAbsolutePath().getParent().toRealPath();
        Path real;
        try {
            real = folder.resolve(shard).toRealPath();
        } catch (NoSuchFileException e) {
            throw new FormatException(index.toString(), "the shard " + shard + " is missing", e);
        }
        if (!real.getParent().equals(folder) && !real.getParent().equals(hubBlobs(folder))) {
            throw new FormatException(index.toString(),
                    "the shard " + shard + " is a link out of the folder, to " + real);
        }
        return real;
    }

    /**
     * In the hub's cache, {@code models--x/snapshots/REVISION} holds links into {@code models--x/blobs}; otherwise
     * null.
     */
    private static Path hubBlobs(Path folder) {
        Path snapshots = folder.getParent();
        boolean isSnapshot = snapshots != null && snapshots.endsWith("snapshots") && snapshots.getParent() != null;
        return isSnapshot ? snapshots.resolveSibling("blobs") : null;
    }
}
