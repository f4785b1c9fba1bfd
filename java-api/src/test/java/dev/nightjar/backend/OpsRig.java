package dev.nightjar.backend;

import dev.nightjar.backend.reference.PlainOps;
import dev.nightjar.tensor.Buffer;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Float32Codec;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import dev.nightjar.text.TokenBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;

/**
 * What one operation needs to run on any backend: tensors of seeded random values, the same for every backend, inside
 * hostile surroundings. Every tensor starts off a vector's alignment, has rows past those in use that are NaN where the
 * operation must not read and a sentinel where it must not write, and a sentinel before and after.
 */
final class OpsRig implements AutoCloseable {
    /** An output with the error it may have: {@code terms} is the length of the longest sum behind one element. */
    record Output(float[] values, float[] guards, int cols, int terms) {
        /** Fails if anything was written around the values. */
        void assertGuarded(String what) {
            for (float value : guards) {
                if (value != SENTINEL) {
                    throw new AssertionError(what + ": memory around it was overwritten with " + value);
                }
            }
        }
    }

    /** A value of every type. */
    static final float SENTINEL = 12_352;
    /** Tensors that start off a vector's alignment. */
    private static final int UNALIGNED = 17;
    private static final int SPARE_ROWS = 2;

    /** One element of the input {@code x} that is not a number like others. */
    enum Poison {
        NONE(0), NAN(Float.NaN), INFINITY(Float.POSITIVE_INFINITY);

        private final float value;

        Poison(float value) {
            this.value = value;
        }
    }

    final Backend backend;
    final InferenceOps inference;
    /** Of training; where they do inference too, the same; null where only inference is tried. */
    final Ops ops;
    final OpsShape shape;
    /** What computes, and so to which values are rounded. */
    private final DType type;
    /** Whether tensors have that type; otherwise they are float32 and merely hold its values. */
    private final boolean typed;
    private final Poison poison;
    /** Elements before and after every tensor. */
    private final int guard;
    private final List<AutoCloseable> resources = new ArrayList<>();
    private final Map<String, Output> outputs = new LinkedHashMap<>();
    private final List<Runnable> downloads = new ArrayList<>();

    OpsRig(Backend backend, int threads, OpsShape shape, Poison poison) {
        this(backend, threads, shape, poison, UNALIGNED);
    }

    /** @param guard elements before every tensor, and so how it is aligned */
    OpsRig(Backend backend, int threads, OpsShape shape, Poison poison, int guard) {
        this.backend = backend;
        this.inference = backend.newInferenceOps(threads, DType.F32);
        this.ops = inference instanceof Ops training ? training : backend.newOps(threads);
        this.shape = shape;
        this.type = DType.F32;
        this.typed = true;
        this.poison = poison;
        this.guard = guard;
    }

    /**
     * For inference in a type.
     *
     * @param inference of the backend; closed with the rig
     * @param type BF16, or I8, where everything but the matrices of {@link #linear} is BF16 or float32
     * @param typed false for operations that compute with the type's values in float32
     */
    OpsRig(Backend backend, InferenceOps inference, DType type, boolean typed, OpsShape shape, Poison poison) {
        this.backend = backend;
        this.inference = inference;
        this.ops = inference instanceof Ops training ? training : null;
        this.shape = shape;
        this.type = type;
        this.typed = typed;
        this.poison = poison;
        this.guard = UNALIGNED;
    }

    /** Of what passes between operations. */
    private DType activations() {
        return type == DType.I8 ? DType.BF16 : type;
    }

    /** Of embeddings, biases and normalisations: those of a model of int8 are float32. */
    private DType parameters() {
        return type == DType.I8 ? DType.F32 : type;
    }

    private static float[] rounded(DType to, float[] values) {
        if (to != DType.F32) {
            for (int i = 0; i < values.length; i++) {
                values[i] = PlainOps.round(to, values[i]);
            }
        }
        return values;
    }

    // ---- tensors

    /** Normal values with NaN in the rows past {@code rows}. */
    Tensor input(String name, int rows, int cols) {
        return input(name, rows, cols, 1);
    }

    Tensor input(String name, int rows, int cols, float scale) {
        return input(activations(), name, rows, cols, scale);
    }

    /** As {@link #input}, of the type of embeddings, biases and normalisations. */
    Tensor parameter(String name, int rows, int cols) {
        return input(parameters(), name, rows, cols, 1);
    }

    private Tensor input(DType of, String name, int rows, int cols, float scale) {
        return place(of, poisoned(name, cols, rounded(of, normal(name, rows * cols, scale))), rows, cols,
                spareRows(rows),
                Float.NaN);
    }

    private float[] poisoned(String name, int cols, float[] values) {
        if (poison != Poison.NONE && name.equals("x")) {
            int rows = values.length / cols;
            values[rows / 2 * cols + cols / 3] = poison.value;
        }
        return values;
    }

    /** Given values with NaN in the rows past {@code rows}. */
    Tensor values(int rows, int cols, float... values) {
        return place(DType.F32, values, rows, cols, spareRows(rows), Float.NaN);
    }

    /** An output that must be overwritten. */
    Tensor output(String name, int rows, int cols, int terms) {
        return output(activations(), name, rows, cols, terms);
    }

    /** As {@link #output}, in float32 whatever computes. */
    Tensor result(String name, int rows, int cols, int terms) {
        return output(DType.F32, name, rows, cols, terms);
    }

    private Tensor output(DType of, String name, int rows, int cols, int terms) {
        float[] values = new float[rows * cols];
        Arrays.fill(values, SENTINEL);
        return collected(of, name, values, rows, cols, spareRows(rows), terms);
    }

    /** A tensor that the operation changes or adds to. */
    Tensor updated(String name, int rows, int cols, int terms) {
        float[] values = poisoned(name, cols, rounded(activations(), normal(name, rows * cols, 1)));
        return collected(activations(), name, values, rows, cols, spareRows(rows), terms);
    }

    /** As {@link #updated}, starting from {@code values}. */
    Tensor updated(String name, int terms, int rows, int cols, float... values) {
        return collected(DType.F32, name, values, rows, cols, spareRows(rows), terms);
    }

    LayerNorm norm(int dim) {
        return new LayerNorm(parameter("gamma", 1, dim), parameter("beta", 1, dim));
    }

    LayerNorm normGradient(int dim, int terms) {
        return new LayerNorm(updated("dGamma", 1, dim, terms), updated("dBeta", 1, dim, terms));
    }

    Weight weight(String name, int rows, int cols, boolean constant) {
        return owned(backend.prepare(matrix(DType.F32, name, rows, cols), constant));
    }

    private Tensor matrix(DType of, String name, int rows, int cols) {
        float[] values = rounded(of, normal(name, rows * cols, (float) (1 / Math.sqrt(cols))));
        return place(DType.F32, values, rows, cols, 0, SENTINEL);
    }

    private Weight owned(Weight weight) {
        resources.add(weight);
        return weight;
    }

    /** A layer of the encoder. */
    Linear linear(String name, int rows, int cols) {
        return linear(type, parameters(), name, rows, cols);
    }

    /** A layer of the heads, which are not quantised. */
    Linear head(String name, int rows, int cols) {
        return linear(activations(), activations(), name, rows, cols);
    }

    /** @param values in which the weight's values are, unless they are quantised */
    private Linear linear(DType of, DType values, String name, int rows, int cols) {
        Tensor matrix = matrix(values, name + ".weight", rows, cols);
        return new Linear(owned(backend.prepareForInference(matrix, typed ? of : DType.F32)),
                parameter(name + ".bias", 1, rows));
    }

    /** Numbers that are indexes or counts. */
    Tensor integers(int... values) {
        Tensor tensor = Tensor.vector(owned(backend.allocate((long) values.length * Integer.BYTES)), 0, DType.I32,
                values.length);
        backend.upload(MemorySegment.ofArray(values), tensor);
        return tensor;
    }

    /** Exactly so many rows. */
    Rows rows(int count) {
        return new Rows(count, integers(count));
    }

    /** Elements of 4 bytes that {@code write} writes. */
    Tensor scalars(int count, Consumer<MemorySegment> write) {
        float[] values = new float[count];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(ValueLayout.JAVA_FLOAT, count);
            write.accept(host);
            MemorySegment.copy(host, ValueLayout.JAVA_FLOAT, 0, values, 0, count);
        }
        return values(1, count, values);
    }

    ParameterTable table(List<ParameterGroup> groups) {
        ParameterTable table = new ParameterTable(backend, groups);
        resources.add(table);
        return table;
    }

    /** The gradient of a weight, which has no rows to spare. */
    Tensor weightGradient(String name, int rows, int cols, int terms) {
        return collected(DType.F32, name, normal(name, rows * cols, 1), rows, cols, 0, terms);
    }

    /** Vectors have none, and neither have tensors of operations that are trusted. */
    private int spareRows(int rows) {
        return rows == 1 || !typed ? 0 : SPARE_ROWS;
    }

    /** A batch of the shape's lengths, ids in [0, vocabulary) with repetitions, keys unlike the sequences' numbers. */
    PackedBatch batch(int vocabulary) {
        Random random = new Random(7);
        Workspace planned = Workspace.planning();
        new PackedBatch(planned, shape.tokens() + 3, shape.sequences() + 1);
        Workspace workspace = Workspace.allocate(backend::allocate, planned.used());
        resources.add(workspace);
        PackedBatch batch = new PackedBatch(workspace, shape.tokens() + 3, shape.sequences() + 1);
        try (TokenBatch tokens = new TokenBatch(shape.tokens(), shape.sequences())) {
            for (int length : shape.lengths()) {
                tokens.add(random.ints(length, 0, vocabulary).toArray(), random.nextInt());
            }
            batch.load(backend, tokens);
        }
        return batch;
    }

    /** Closes a buffer with the rig. */
    Buffer owned(Buffer buffer) {
        resources.add(buffer);
        return buffer;
    }

    private static float[] normal(String name, int count, float scale) {
        Random random = new Random(name.hashCode());
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian() * scale;
        }
        return values;
    }

    private Tensor collected(DType of, String name, float[] values, int rows, int cols, int spareRows, int terms) {
        Tensor tensor = place(of, values, rows, cols, spareRows, SENTINEL);
        Tensor everything = Tensor.vector(tensor.buffer(), 0, tensor.dtype(),
                Math.toIntExact(tensor.buffer().byteSize() / tensor.dtype().bytes()));
        downloads.add(() -> outputs.put(name, split(download(everything), values.length, cols, terms)));
        return tensor;
    }

    private Tensor place(DType of, float[] values, int rows, int cols, int spareRows, float spare) {
        DType stored = typed ? of : DType.F32;
        int allocatedRows = rows + spareRows;
        int count = allocatedRows * cols;
        float[] all = new float[guard + count + guard];
        Arrays.fill(all, SENTINEL);
        Arrays.fill(all, guard, guard + count, spare);
        System.arraycopy(values, 0, all, guard, values.length);
        Buffer buffer = owned(backend.allocate((long) all.length * stored.bytes()));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment encoded = arena.allocate(buffer.byteSize(), Float.BYTES);
            Float32Codec.encode(stored, arena.allocateFrom(ValueLayout.JAVA_FLOAT, all), encoded, all.length);
            backend.upload(encoded, Tensor.vector(buffer, 0, stored, all.length));
        }
        long offset = (long) guard * stored.bytes();
        return rows == 1
                ? Tensor.vector(buffer, offset, stored, cols)
                : Tensor.matrix(buffer, offset, stored, allocatedRows, cols);
    }

    private float[] download(Tensor tensor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tensor.byteSize(), Float.BYTES);
            MemorySegment values = arena.allocate(ValueLayout.JAVA_FLOAT, tensor.elements());
            backend.download(tensor, host);
            Float32Codec.decode(tensor.dtype(), host, values, tensor.elements());
            return values.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    private Output split(float[] all, int count, int cols, int terms) {
        float[] values = new float[count];
        float[] guards = new float[all.length - count];
        System.arraycopy(all, guard, values, 0, count);
        System.arraycopy(all, 0, guards, 0, guard);
        System.arraycopy(all, guard + count, guards, guard, all.length - guard - count);
        return new Output(values, guards, cols, terms);
    }

    // ---- results

    /** Every output and updated tensor by name. */
    Map<String, Output> outputs() {
        downloads.forEach(Runnable::run);
        return outputs;
    }

    @Override
    public void close() {
        inference.close();
        if (ops != null) {
            ops.close();
        }
        for (AutoCloseable resource : resources.reversed()) {
            try {
                resource.close();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
