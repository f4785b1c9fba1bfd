package dev.nightjar.io;

import dev.nightjar.FormatException;
import dev.nightjar.tensor.Float32Codec;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.SequencedMap;
import java.util.Set;

/** Tensors that lie little-endian and row-major in mapped memory, whichever format said where. */
final class MappedWeights implements WeightSource {

    /** One tensor: its description and exactly its bytes. */
    record Stored(TensorInfo info, MemorySegment data) {
    }

    private final String location;
    private final Arena arena;
    private final SequencedMap<String, Stored> tensors;

    /** @param arena owner of the tensors' memory, shared; closed with this source */
    MappedWeights(String location, Arena arena, SequencedMap<String, Stored> tensors) {
        this.location = location;
        this.arena = arena;
        this.tensors = tensors;
    }

    static MemorySegment map(Path file, Arena arena) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
        }
    }

    /** Maps what a stream holds, by way of a temporary file that is gone when this returns. */
    static MemorySegment spool(InputStream stream, Arena arena) throws IOException {
        Path file = Files.createTempFile("nightjar-", ".weights");
        try {
            Files.copy(stream, file, StandardCopyOption.REPLACE_EXISTING);
            return map(file, arena);
        } finally {
            deleteMapped(file);
        }
    }

    /** Where a mapped file cannot be deleted (Windows), that is left to the end of the process. */
    private static void deleteMapped(Path file) {
        try {
            Files.delete(file);
        } catch (IOException e) {
            file.toFile().deleteOnExit();
        }
    }

    @Override
    public String location() {
        return location;
    }

    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(tensors.keySet());
    }

    @Override
    public TensorInfo info(String name) {
        return stored(name).info();
    }

    @Override
    public void read(String name, MemorySegment destination) {
        Stored stored = stored(name);
        WeightSource.requireSize(location, stored.info(), destination);
        Float32Codec.decode(stored.info().dtype(), stored.data(), destination, stored.info().elementCount());
    }

    private Stored stored(String name) {
        Stored stored = tensors.get(name);
        if (stored == null) {
            throw new FormatException(location, "there is no tensor " + name);
        }
        return stored;
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
