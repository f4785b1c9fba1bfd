package dev.nightjar.benchmarks;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Backends;
import dev.nightjar.backend.Heads;
import dev.nightjar.backend.InferenceOps;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.Linear;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.Weight;
import dev.nightjar.benchmarks.OperationBenchmark.Operation;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import dev.nightjar.text.TokenBatch;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** One operation of inference at MiniLM-L6's shape in float32, with random inputs and weights, on one backend. */
final class OperationRig implements AutoCloseable {
    private static final int VOCABULARY = 30522;
    private static final int POSITIONS = 512;
    private static final int DIM = 384;
    private static final int HIDDEN = 1536;
    private static final int HEADS = 12;
    private static final int CLASSES = 3;

    private final Random random = new Random(1);
    private final List<AutoCloseable> owned = new ArrayList<>();
    private final Backend backend;
    private final InferenceOps ops;
    private final PackedBatch batch;
    private final Runnable operation;
    private final Tensor out;

    /**
     * @param sequences of the batch
     * @param length tokens of each
     */
    OperationRig(String backendName, Operation operation, int sequences, int length) {
        backend = Backends.open(backendName);
        ops = backend.newInferenceOps(1, DType.F32);
        batch = batch(sequences, length);
        int tokens = sequences * length;
        int inputs = switch (operation) {
            case ATTENTION -> 3 * DIM;
            case LINEAR_NORM_1536_384 -> HIDDEN;
            default -> DIM;
        };
        Tensor x = matrix(tokens, inputs, 1);
        out = matrix(operation == Operation.HEADS ? sequences : tokens, switch (operation) {
            case QKV_384_1152 -> 3 * DIM;
            case LINEAR_GELU_384_1536 -> HIDDEN;
            case HEADS -> CLASSES;
            default -> DIM;
        }, 0);
        this.operation = switch (operation) {
            case EMBEDDING -> {
                Tensor words = matrix(VOCABULARY, DIM, 1);
                Tensor positions = matrix(POSITIONS, DIM, 1);
                LayerNorm norm = norm();
                yield () -> ops.embedding(batch, words, positions, norm, out);
            }
            case QKV_384_1152, LINEAR_GELU_384_1536 -> {
                Linear layer = linear(out.cols(), DIM);
                Activation activation = operation == Operation.QKV_384_1152 ? Activation.NONE : Activation.GELU;
                yield () -> ops.linear(batch, x, layer, activation, out);
            }
            case ATTENTION -> () -> ops.attention(batch, HEADS, x, out);
            case ATTENTION_OUTPUT_384_384, LINEAR_NORM_1536_384 -> {
                Linear layer = linear(DIM, inputs);
                Tensor residual = matrix(tokens, DIM, 1);
                Tensor sum = matrix(tokens, DIM, 0);
                LayerNorm norm = norm();
                yield () -> ops.linearResidualLayerNorm(batch, x, layer, residual, norm, sum, out);
            }
            case HEADS -> {
                Heads heads = new Heads(linear(DIM, DIM), linear(CLASSES, DIM), null);
                Heads.Outputs outputs = new Heads.Outputs(matrix(sequences, DIM, 0), matrix(sequences, DIM, 0),
                        matrix(sequences, CLASSES, 0), out, null);
                yield () -> ops.heads(batch, x, heads, outputs);
            }
        };
    }

    private PackedBatch batch(int sequences, int length) {
        Workspace plan = Workspace.planning();
        new PackedBatch(plan, sequences * length, sequences);
        PackedBatch packed = new PackedBatch(own(Workspace.allocate(backend::allocate, plan.used())),
                sequences * length,
                sequences);
        try (TokenBatch tokens = new TokenBatch(sequences * length, sequences)) {
            for (int row = 0; row < sequences; row++) {
                tokens.add(random.ints(length, 0, VOCABULARY).toArray(), row);
            }
            packed.load(backend, tokens);
        }
        return packed;
    }

    /** Normally distributed values; zeros for a deviation of 0. */
    private Tensor matrix(int rows, int cols, double deviation) {
        Workspace plan = Workspace.planning();
        plan.matrix(DType.F32, rows, cols);
        return filled(own(Workspace.allocate(backend::allocate, plan.used())).matrix(DType.F32, rows, cols), deviation);
    }

    private Tensor vector(int length) {
        Workspace plan = Workspace.planning();
        plan.vector(DType.F32, length);
        return filled(own(Workspace.allocate(backend::allocate, plan.used())).vector(DType.F32, length), 1);
    }

    private Tensor filled(Tensor tensor, double deviation) {
        if (deviation > 0) {
            float[] values = new float[Math.toIntExact(tensor.elements())];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) (deviation * random.nextGaussian());
            }
            backend.upload(MemorySegment.ofArray(values), tensor);
        }
        return tensor;
    }

    private LayerNorm norm() {
        return new LayerNorm(vector(DIM), vector(DIM));
    }

    private Linear linear(int outputs, int inputs) {
        Weight weight = own(backend.prepare(matrix(outputs, inputs, 1 / Math.sqrt(inputs)), true));
        return new Linear(weight, vector(outputs));
    }

    private <T extends AutoCloseable> T own(T resource) {
        owned.addFirst(resource);
        return resource;
    }

    void run() {
        operation.run();
    }

    /** What the last run gave. */
    float[] output() {
        float[] values = new float[Math.toIntExact(out.elements())];
        backend.download(out, MemorySegment.ofArray(values));
        return values;
    }

    @Override
    public void close() {
        ops.close();
        for (AutoCloseable resource : owned) {
            try {
                resource.close();
            } catch (Exception e) {
                throw new IllegalStateException("cannot free " + resource, e);
            }
        }
        backend.close();
    }
}
