package dev.nightjar.backend;

import dev.nightjar.tensor.Buffer;
import dev.nightjar.tensor.DType;
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
    record Output(float[] values, float[] guards, int terms) {
    }

    static final float SENTINEL = 12_345.678f;
    /** Tensors that start off a vector's alignment. */
    private static final int UNALIGNED = 17;
    private static final int SPARE_ROWS = 2;

    final Backend backend;
    final InferenceOps inference;
    /** Of training; where they do inference too, the same. */
    final Ops ops;
    final OpsShape shape;
    /** Name of the input whose middle row gets one NaN; null for none. */
    private final String poisoned;
    /** Elements before and after every tensor. */
    private final int guard;
    private final List<AutoCloseable> resources = new ArrayList<>();
    private final Map<String, Output> outputs = new LinkedHashMap<>();
    private final List<Runnable> downloads = new ArrayList<>();

    OpsRig(Backend backend, int threads, OpsShape shape, String poisoned) {
        this(backend, threads, shape, poisoned, UNALIGNED);
    }

    /** @param guard elements before every tensor, and so how it is aligned */
    OpsRig(Backend backend, int threads, OpsShape shape, String poisoned, int guard) {
        this.backend = backend;
        this.inference = backend.newInferenceOps(threads, DType.F32);
        this.ops = inference instanceof Ops training ? training : backend.newOps(threads);
        this.shape = shape;
        this.poisoned = poisoned;
        this.guard = guard;
    }

    // ---- tensors

    /** Normal values with NaN in the rows past {@code rows}. */
    Tensor input(String name, int rows, int cols) {
        return input(name, rows, cols, 1);
    }

    Tensor input(String name, int rows, int cols, float scale) {
        float[] values = normal(name, rows * cols, scale);
        if (name.equals(poisoned)) {
            values[rows / 2 * cols + cols / 3] = Float.NaN;
        }
        return place(values, rows, cols, spareRows(rows), Float.NaN);
    }

    /** Given values with NaN in the rows past {@code rows}. */
    Tensor values(int rows, int cols, float... values) {
        return place(values, rows, cols, spareRows(rows), Float.NaN);
    }

    /** An output that must be overwritten. */
    Tensor output(String name, int rows, int cols, int terms) {
        float[] values = new float[rows * cols];
        Arrays.fill(values, SENTINEL);
        return collected(name, values, rows, cols, spareRows(rows), terms);
    }

    /** A tensor that the operation changes or adds to. */
    Tensor updated(String name, int rows, int cols, int terms) {
        float[] values = normal(name, rows * cols, 1);
        if (name.equals(poisoned)) {
            values[rows / 2 * cols + cols / 3] = Float.NaN;
        }
        return collected(name, values, rows, cols, spareRows(rows), terms);
    }

    /** As {@link #updated}, starting from {@code values}. */
    Tensor updated(String name, int terms, int rows, int cols, float... values) {
        return collected(name, values, rows, cols, spareRows(rows), terms);
    }

    LayerNorm norm(int dim) {
        return new LayerNorm(input("gamma", 1, dim), input("beta", 1, dim));
    }

    LayerNorm normGradient(int dim, int terms) {
        return new LayerNorm(updated("dGamma", 1, dim, terms), updated("dBeta", 1, dim, terms));
    }

    Weight weight(String name, int rows, int cols, boolean constant) {
        Weight weight = backend.prepare(
                place(normal(name, rows * cols, (float) (1 / Math.sqrt(cols))), rows, cols, 0, SENTINEL), constant);
        resources.add(weight);
        return weight;
    }

    Linear linear(String name, int rows, int cols) {
        return new Linear(weight(name + ".weight", rows, cols, true), input(name + ".bias", 1, rows));
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
        return collected(name, normal(name, rows * cols, 1), rows, cols, 0, terms);
    }

    /** Vectors have none. */
    private static int spareRows(int rows) {
        return rows == 1 ? 0 : SPARE_ROWS;
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

    private Tensor collected(String name, float[] values, int rows, int cols, int spareRows, int terms) {
        Tensor tensor = place(values, rows, cols, spareRows, SENTINEL);
        Tensor everything = Tensor.vector(tensor.buffer(), 0, DType.F32,
                Math.toIntExact(tensor.buffer().byteSize() / Float.BYTES));
        downloads.add(() -> outputs.put(name, split(download(everything), values.length, terms)));
        return tensor;
    }

    private Tensor place(float[] values, int rows, int cols, int spareRows, float spare) {
        int allocatedRows = rows + spareRows;
        int count = allocatedRows * cols;
        float[] all = new float[guard + count + guard];
        Arrays.fill(all, SENTINEL);
        Arrays.fill(all, guard, guard + count, spare);
        System.arraycopy(values, 0, all, guard, values.length);
        Buffer buffer = owned(backend.allocate((long) all.length * Float.BYTES));
        backend.upload(MemorySegment.ofArray(all), Tensor.vector(buffer, 0, DType.F32, all.length));
        long offset = (long) guard * Float.BYTES;
        return rows == 1
                ? Tensor.vector(buffer, offset, DType.F32, cols)
                : Tensor.matrix(buffer, offset, DType.F32, allocatedRows, cols);
    }

    private float[] download(Tensor tensor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tensor.byteSize(), Float.BYTES);
            backend.download(tensor, host);
            return host.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    private Output split(float[] all, int count, int terms) {
        float[] values = new float[count];
        float[] guards = new float[all.length - count];
        System.arraycopy(all, guard, values, 0, count);
        System.arraycopy(all, 0, guards, 0, guard);
        System.arraycopy(all, guard + count, guards, guard, all.length - guard - count);
        return new Output(values, guards, terms);
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
        ops.close();
        for (AutoCloseable resource : resources.reversed()) {
            try {
                resource.close();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
