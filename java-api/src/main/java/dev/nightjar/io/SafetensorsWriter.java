package dev.nightjar.io;

import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Float32Codec;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writer of safetensors files in the form of PyTorch's: {@code "format": "pt"}, data aligned to 8 bytes. */
public final class SafetensorsWriter {
    private static final long CHUNK_ELEMENTS = 1 << 18;

    private SafetensorsWriter() {
    }

    /**
     * Writes or replaces a file, the tensors in the order given. A failure leaves a part of it, and it is not synchronised with
     * the disk: {@link AtomicFiles#writeFolder} sees to both for the whole folder that the file belongs to.
     *
     * @param storage of tensors in float32: F32, or F16 or BF16 to round to (nearest, ties to even)
     * @throws IllegalArgumentException for another type, a name given twice or the reserved name {@code __metadata__}
     */
    public static void write(Path file, Collection<NamedTensor> tensors, DType storage) throws IOException {
        if (storage != DType.F32 && storage != DType.F16 && storage != DType.BF16) {
            throw new IllegalArgumentException("weights are written as F32, F16 or BF16, not " + storage);
        }
        byte[] header = header(tensors, storage);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE);
                Arena arena = Arena.ofConfined()) {
            ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(header.length);
            writeFully(channel, length.flip());
            writeFully(channel, ByteBuffer.wrap(header));
            MemorySegment chunk = arena.allocate(CHUNK_ELEMENTS * storage.bytes());
            for (NamedTensor tensor : tensors) {
                if (tensor.type() == DType.F32) {
                    writeRounded(channel, tensor.data(), storage, chunk);
                } else {
                    writeFully(channel, tensor.data());
                }
            }
        }
    }

    private static byte[] header(Collection<NamedTensor> tensors, DType storage) {
        Map<String, Object> header = new LinkedHashMap<>();
        header.put("__metadata__", Map.of("format", "pt"));
        long offset = 0;
        for (NamedTensor tensor : tensors) {
            Map<String, Object> entry = new LinkedHashMap<>();
            DType type = tensor.type() == DType.F32 ? storage : tensor.type();
            long end = offset + new TensorInfo(tensor.name(), type, tensor.shape()).byteCount();
            entry.put("dtype", type.name());
            entry.put("shape", tensor.shape());
            entry.put("data_offsets", List.of(offset, end));
            if (header.put(tensor.name(), entry) != null) {
                throw new IllegalArgumentException("the tensor name " + tensor.name() + " is reserved or given twice");
            }
            offset = end;
        }
        String json = Json.MAPPER.writeValueAsString(header);
        int bytes = json.getBytes(StandardCharsets.UTF_8).length;
        return (json + " ".repeat(-bytes & 7)).getBytes(StandardCharsets.UTF_8);
    }

    private static void writeRounded(FileChannel channel, MemorySegment data, DType storage, MemorySegment chunk)
            throws IOException {
        long elements = data.byteSize() / Float.BYTES;
        for (long done = 0; done < elements; done += CHUNK_ELEMENTS) {
            long count = Math.min(CHUNK_ELEMENTS, elements - done);
            Float32Codec.encode(storage, data.asSlice(done * Float.BYTES, count * Float.BYTES), chunk, count);
            writeFully(channel, chunk.asSlice(0, count * storage.bytes()).asByteBuffer());
        }
    }

    private static void writeFully(FileChannel channel, MemorySegment data) throws IOException {
        for (long done = 0; done < data.byteSize(); done += CHUNK_ELEMENTS) {
            long bytes = Math.min(CHUNK_ELEMENTS, data.byteSize() - done);
            writeFully(channel, data.asSlice(done, bytes).asByteBuffer());
        }
    }

    private static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
