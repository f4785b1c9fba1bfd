package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.InferenceOps;
import dev.nightjar.backend.Linear;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Float32Codec;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.function.Function;

/** A linear layer with GELU and random values, the same in every type, to be timed or compared. */
final class TrialLayer implements AutoCloseable {
    private final Workspace workspace;
    private final Operands operands;
    private final Weight weight;
    private final InferenceOps ops;

    /**
     * @param type of the weight
     * @param prepare makes a weight of a float32 matrix [n, k]
     * @param ops that run it; closed with this
     */
    TrialLayer(DType type, int rows, int n, int k, Function<Tensor, Weight> prepare, InferenceOps ops) {
        this.ops = ops;
        DType activations = type == DType.I8 ? DType.BF16 : type;
        Workspace plan = Workspace.planning();
        Operands.of(plan, activations, rows, n, k);
        workspace = Workspace.allocate(HostBuffer::new, plan.used());
        operands = Operands.of(workspace, activations, rows, n, k);
        operands.batch.loadSingles(rows);
        Random random = new Random(1);
        fill(operands.x, random, 1);
        fill(operands.matrix, random, 1 / Math.sqrt(k));
        fill(operands.bias, random, 0.1);
        weight = prepare.apply(operands.matrix);
    }

    private record Operands(PackedBatch batch, Tensor x, Tensor matrix, Tensor bias, Tensor out) {
        static Operands of(Workspace workspace, DType activations, int rows, int n, int k) {
            return new Operands(new PackedBatch(workspace, rows, rows), workspace.matrix(activations, rows, k),
                    workspace.matrix(DType.F32, n, k), workspace.vector(DType.F32, n),
                    workspace.matrix(activations, rows, n));
        }
    }

    private static void fill(Tensor tensor, Random random, double deviation) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = arena.allocate(ValueLayout.JAVA_FLOAT, tensor.elements());
            for (long i = 0; i < tensor.elements(); i++) {
                values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) (deviation * random.nextGaussian()));
            }
            Float32Codec.encode(tensor.dtype(), values, tensor.segment(), tensor.elements());
        }
    }

    /** Computes [rows, n]. */
    float[] run() {
        compute();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = arena.allocate(ValueLayout.JAVA_FLOAT, operands.out.elements());
            Float32Codec.decode(operands.out.dtype(), operands.out.segment(), values, operands.out.elements());
            return values.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /** Milliseconds of the fastest of so many runs: others are disturbed. */
    double fastest(int runs) {
        long best = Long.MAX_VALUE;
        for (int run = 0; run < runs; run++) {
            long begin = System.nanoTime();
            compute();
            best = Math.min(best, System.nanoTime() - begin);
        }
        return best / 1e6;
    }

    private void compute() {
        ops.linear(operands.batch, operands.x, new Linear(weight, operands.bias), Activation.GELU, operands.out);
    }

    @Override
    public void close() {
        ops.close();
        weight.close();
        workspace.close();
    }
}
