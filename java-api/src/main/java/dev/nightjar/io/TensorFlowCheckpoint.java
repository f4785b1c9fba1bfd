package dev.nightjar.io;

import dev.nightjar.FormatException;
import dev.nightjar.io.MappedWeights.Stored;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;

/**
 * Reader of TensorFlow's checkpoints ("tensor bundles"): {@code NAME.index} says where in {@code
 * NAME.data-00000-of-00001} each variable lies. Field numbers are those of TensorFlow's {@code tensor_bundle.proto}.
 */
public final class TensorFlowCheckpoint {
    private static final Map<Long, DType> DTYPES = Map.of(1L, DType.F32, 2L, DType.F64, 3L, DType.I32, 6L, DType.I8, 9L,
            DType.I64, 14L, DType.BF16, 19L, DType.F16);
    private static final int MAX_INDEX_BYTES = 64 << 20;

    private TensorFlowCheckpoint() {
    }

    /** Finds the bytes of a file of variables. */
    interface Shards {
        MemorySegment open(String suffix) throws IOException;
    }

    /**
     * Opens a checkpoint by its index; the files of data lie beside it.
     *
     * @param index a file whose name ends in {@code .index}
     * @throws FormatException if a file is missing or not well-formed
     */
    public static WeightSource open(Path index) throws IOException {
        String name = index.getFileName().toString();
        if (!name.endsWith(".index")) {
            throw new FormatException(index.toString(), "expected a name that ends in .index");
        }
        String stem = name.substring(0, name.length() - "index".length());
        Arena arena = Arena.ofShared();
        try {
            return read(index.toString(), arena, InputFiles.read(index, MAX_INDEX_BYTES), suffix -> {
                Path data = index.resolveSibling(stem + suffix);
                if (!Files.isRegularFile(data)) {
                    throw new FormatException(index.toString(), "its data file " + data.getFileName() + " is missing");
                }
                return MappedWeights.map(data, arena);
            });
        } catch (Throwable t) {
            arena.close();
            throw t;
        }
    }

    /** @param shards called with {@code data-00000-of-00001} and so on */
    static WeightSource read(String source, Arena arena, byte[] index, Shards shards) throws IOException {
        SequencedMap<String, byte[]> table = SortedTable.read(source, index);
        byte[] header = table.remove("");
        if (header == null) {
            throw new FormatException(source, "expected the index of a TensorFlow checkpoint, found no header in it");
        }
        int count = shardCount(source, header);
        Map<Integer, MemorySegment> opened = new LinkedHashMap<>();
        SequencedMap<String, Stored> tensors = new LinkedHashMap<>();
        for (Map.Entry<String, byte[]> entry : table.entrySet()) {
            String where = source + ", tensor " + entry.getKey();
            BundleEntry bundle = BundleEntry.read(where, entry.getValue());
            DType dtype = DTYPES.get(bundle.type());
            if (dtype == null) {
                continue; // Strings and the like: the state of a Python program, no weights.
            }
            if (bundle.shard() < 0 || bundle.shard() >= count) {
                throw new FormatException(where, "lies in shard " + bundle.shard() + " of " + count);
            }
            MemorySegment data = opened.get(bundle.shard());
            if (data == null) {
                data = shards.open(String.format(Locale.ROOT, "data-%05d-of-%05d", bundle.shard(), count));
                opened.put(bundle.shard(), data);
            }
            tensors.put(entry.getKey(), stored(where, entry.getKey(), dtype, bundle, data));
        }
        return new MappedWeights(source, arena, tensors);
    }

    private static int shardCount(String source, byte[] header) {
        long count = 1;
        ProtoReader fields = new ProtoReader(source + ", header", MemorySegment.ofArray(header));
        while (fields.next()) {
            if (fields.field() == 1) {
                count = fields.number();
            } else if (fields.field() == 2 && fields.number() != 0) {
                throw new FormatException(source, "is big-endian, expected little-endian");
            }
        }
        if (count < 1 || count > 99_999) {
            throw new FormatException(source, "claims " + count + " data files");
        }
        return (int) count;
    }

    private static Stored stored(String where, String name, DType dtype, BundleEntry bundle, MemorySegment data) {
        TensorInfo info;
        try {
            info = new TensorInfo(name, dtype, bundle.shape());
        } catch (IllegalArgumentException e) {
            throw new FormatException(where, e.getMessage(), e);
        }
        if (bundle.size() != info.byteCount()) {
            throw new FormatException(where,
                    "expected " + info.byteCount() + " bytes for " + dtype + " " + bundle.shape()
                            + ", found " + bundle.size());
        }
        if (bundle.offset() < 0 || bundle.offset() > data.byteSize() - bundle.size()) {
            throw new FormatException(where, "expected " + bundle.size() + " bytes at " + bundle.offset()
                    + ", its data file has only " + data.byteSize());
        }
        return new Stored(info, data.asSlice(bundle.offset(), bundle.size()));
    }

    /** A variable's place: type, extents, and bytes within a shard. */
    private record BundleEntry(long type, List<Long> shape, int shard, long offset, long size) {

        static BundleEntry read(String where, byte[] value) {
            long type = 0;
            List<Long> shape = new ArrayList<>();
            long shard = 0;
            long offset = 0;
            long size = 0;
            ProtoReader fields = new ProtoReader(where, MemorySegment.ofArray(value));
            while (fields.next()) {
                switch (fields.field()) {
                    case 1 -> type = fields.number();
                    case 2 -> readShape(fields.message(), shape);
                    case 3 -> shard = fields.number();
                    case 4 -> offset = fields.number();
                    case 5 -> size = fields.number();
                    case 7 -> throw new FormatException(where, "is stored in slices, expected it in one piece");
                    default -> {
                        // The checksum of the data is not checked.
                    }
                }
            }
            return new BundleEntry(type, shape, Math.clamp(shard, -1, Integer.MAX_VALUE), offset, size);
        }

        private static void readShape(ProtoReader fields, List<Long> shape) {
            while (fields.next()) {
                if (fields.field() != 2) {
                    continue;
                }
                long extent = 0; // a default, which is not written
                ProtoReader dimension = fields.message();
                while (dimension.next()) {
                    extent = dimension.field() == 1 ? dimension.number() : extent;
                }
                fields.addExtent(shape, extent);
            }
        }
    }
}
