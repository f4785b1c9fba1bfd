package dev.nightjar.model;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.Philox;
import dev.nightjar.model.ParameterLayout.Entry;
import dev.nightjar.tensor.Buffer;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Float32Codec;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * One number per parameter of a model in one allocation of a backend: the weights, or their gradients, or a moment of AdamW. They come and
 * go as float32 and are kept in a type of the caller's choice. Starts at zero. Reading from several threads is safe, writing is not.
 */
public final class Parameters implements AutoCloseable {
    private final Backend backend;
    private final ParameterLayout layout;
    private final DType type;
    private final Buffer buffer;
    private final Tensor flat;

    /** In float32. */
    public Parameters(Backend backend, ParameterLayout layout) {
        this(backend, layout, DType.F32);
    }

    /** @param type F32, F16 or BF16 */
    public Parameters(Backend backend, ParameterLayout layout, DType type) {
        this.backend = backend;
        this.layout = layout;
        this.type = type;
        this.buffer = backend.allocate((long) layout.size() * type.bytes());
        this.flat = Tensor.vector(buffer, 0, type, layout.size());
    }

    public Backend backend() {
        return backend;
    }

    public ParameterLayout layout() {
        return layout;
    }

    public DType type() {
        return type;
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
        return Tensor.matrix(buffer, (long) entry.offset() * type.bytes(), type, rows, entry.cols());
    }

    /**
     * Copies one parameter from host memory, rounding to the nearest value of {@link #type()}, ties to even.
     *
     * @param values exactly its size in float32
     * @throws ArithmeticException naming a value that is beyond the range of {@link #type()}
     */
    public void set(String name, MemorySegment values) {
        Tensor tensor = requireSize(name, values);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocate(tensor.byteSize(), Float.BYTES);
            Float32Codec.encode(type, values, stored, tensor.elements());
            backend.upload(stored, tensor);
        }
    }

    /** Copies one parameter as float32 to new host memory of {@code arena}. */
    public MemorySegment fetch(String name, Arena arena) {
        MemorySegment values = arena.allocate(ValueLayout.JAVA_FLOAT, layout.entry(name).length());
        read(name, values);
        return values;
    }

    /** Copies one parameter as float32 to host memory of exactly its size. */
    public void read(String name, MemorySegment destination) {
        Tensor tensor = requireSize(name, destination);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocate(tensor.byteSize(), Float.BYTES);
            backend.download(tensor, stored);
            Float32Codec.decode(type, stored, destination, tensor.elements());
        }
    }

    /**
     * Takes over every parameter of the same layout, rounding to {@link #type()}.
     *
     * @throws ArithmeticException naming a value that is beyond the range of {@link #type()}
     */
    public void setAll(Parameters source) {
        for (String name : layout.names()) {
            try (Arena arena = Arena.ofConfined()) {
                set(name, source.fetch(name, arena));
            }
        }
    }

    private Tensor requireSize(String name, MemorySegment values) {
        Tensor tensor = get(name);
        if (values.byteSize() != tensor.elements() * Float.BYTES) {
            throw new IllegalArgumentException(values.byteSize() + " bytes of float32 for " + name + ", " + tensor);
        }
        return tensor;
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
