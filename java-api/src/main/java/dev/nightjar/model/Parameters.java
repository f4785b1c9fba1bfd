package dev.nightjar.model;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.Philox;
import dev.nightjar.model.ParameterLayout.Entry;
import dev.nightjar.tensor.Buffer;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * One float32 number per parameter of a model in one allocation of a backend: the weights, or their gradients, or a moment of AdamW.
 * Starts at zero. Reading from several threads is safe, writing is not.
 */
public final class Parameters implements AutoCloseable {
    private final Backend backend;
    private final ParameterLayout layout;
    private final Buffer buffer;
    private final Tensor flat;

    public Parameters(Backend backend, ParameterLayout layout) {
        this.backend = backend;
        this.layout = layout;
        this.buffer = backend.allocate((long) layout.size() * DType.F32.bytes());
        this.flat = Tensor.vector(buffer, 0, DType.F32, layout.size());
    }

    public Backend backend() {
        return backend;
    }

    public ParameterLayout layout() {
        return layout;
    }

    /** All of them as one vector, gaps included. */
    public Tensor flat() {
        return flat;
    }

    /** One parameter, as a matrix or vector like in the checkpoint. */
    public Tensor get(String name) {
        Entry entry = layout.entry(name);
        return entry.matrix() ? view(entry, entry.rows()) : flat.slice(entry.offset(), entry.cols());
    }

    LayerNorm norm(String prefix) {
        return new LayerNorm(get(prefix + ".weight"), get(prefix + ".bias"));
    }

    /** Queries', keys' and values' weights of a layer as one matrix [3 D, D]. */
    Tensor packedQkvWeight(String attention) {
        Entry query = layout.entry(attention + "q_lin.weight");
        return view(query, 3 * query.rows());
    }

    /** Queries', keys' and values' biases of a layer as one vector [3 D]. */
    Tensor packedQkvBias(String attention) {
        Entry query = layout.entry(attention + "q_lin.bias");
        return flat.slice(query.offset(), 3 * query.cols());
    }

    private Tensor view(Entry entry, int rows) {
        return Tensor.matrix(buffer, (long) entry.offset() * DType.F32.bytes(), DType.F32, rows, entry.cols());
    }

    /** Copies one parameter from host memory of exactly its size in float32. */
    public void set(String name, MemorySegment values) {
        backend.upload(values, get(name));
    }

    /** Copies one parameter to new host memory of {@code arena}. */
    public MemorySegment fetch(String name, Arena arena) {
        Tensor tensor = get(name);
        MemorySegment host = arena.allocate(tensor.byteSize(), DType.F32.bytes());
        backend.download(tensor, host);
        return host;
    }

    /** Copies everything from parameters of the same layout, which may live on another backend. */
    public void copyFrom(Parameters other) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(flat.byteSize(), DType.F32.bytes());
            other.backend.download(other.flat, host);
            backend.upload(host, flat);
        }
    }

    /**
     * Sets one parameter as a new model has it: matrices and embeddings normal with {@code standardDeviation}, biases 0, gains 1. The
     * values depend on the seed and the name alone.
     */
    public void initialise(String name, float standardDeviation, long seed) {
        Entry entry = layout.entry(name);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(ValueLayout.JAVA_FLOAT, entry.length());
            switch (entry.kind()) {
                case EMBEDDING, MATRIX -> fillNormal(host, entry, standardDeviation, seed);
                case NORM_WEIGHT -> {
                    for (int i = 0; i < entry.length(); i++) {
                        host.setAtIndex(ValueLayout.JAVA_FLOAT, i, 1);
                    }
                }
                case BIAS, NORM_BIAS -> host.fill((byte) 0);
            }
            set(name, host);
        }
    }

    /** Box-Muller on the Philox stream of the parameter. */
    private static void fillNormal(MemorySegment host, Entry entry, float standardDeviation, long seed) {
        int[] words = new int[4];
        for (int i = 0; i < entry.length(); i += 2) {
            Philox.words(seed, i, 0, entry.name().hashCode(), 0, words);
            double radius = Math.sqrt(-2 * Math.log((Integer.toUnsignedLong(words[0]) + 1) * 0x1p-32))
                    * standardDeviation;
            double angle = 2 * Math.PI * Integer.toUnsignedLong(words[1]) * 0x1p-32;
            host.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) (radius * Math.cos(angle)));
            if (i + 1 < entry.length()) {
                host.setAtIndex(ValueLayout.JAVA_FLOAT, i + 1, (float) (radius * Math.sin(angle)));
            }
        }
    }

    @Override
    public void close() {
        buffer.close();
    }
}
