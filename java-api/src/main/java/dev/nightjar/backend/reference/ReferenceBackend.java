package dev.nightjar.backend.reference;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/** Plain Java on one thread with float64 accumulation: slow, readable, and the oracle of every other backend. */
public final class ReferenceBackend implements Backend {
    @Override
    public String name() {
        return "reference";
    }

    @Override
    public Map<String, String> details() {
        return Map.of("implementation", "plain Java, float64 accumulation, one thread");
    }

    @Override
    public HostBuffer allocate(long bytes) {
        return new HostBuffer(bytes);
    }

    @Override
    public Weight prepare(Tensor matrix, boolean constant) {
        return () -> matrix;
    }

    @Override
    public void upload(MemorySegment source, Tensor destination) {
        destination.segment().copyFrom(exactly(source, destination));
    }

    @Override
    public void download(Tensor source, MemorySegment destination) {
        exactly(destination, source).copyFrom(source.segment());
    }

    /** The host memory, after checking that it is as long as the tensor. */
    public static MemorySegment exactly(MemorySegment host, Tensor tensor) {
        if (host.byteSize() != tensor.byteSize()) {
            throw new IllegalArgumentException("host memory of " + host.byteSize() + " bytes for " + tensor);
        }
        return host;
    }

    @Override
    public Ops newOps(int threads) {
        return new ReferenceOps();
    }

    @Override
    public void close() {
        // Buffers belong to whoever allocated them.
    }
}
