package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.InferenceOps;
import dev.nightjar.backend.Linear;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * Which type this processor is fastest in: the first layer of a feed-forward network, for the tokens of a headline, is timed in each
 * type, once for each shape and process. Thread-safe.
 */
final class FastestType {
    private static final int ROWS = 32;
    private static final int RUNS = 9;
    /** What a less exact type must be faster by, so that noise does not choose it. */
    private static final double WORTHWHILE = 0.9;
    /** Everything that times depend on: kernels and products, shape, types. */
    private static final Map<List<Object>, FastestType> MEASURED = new ConcurrentHashMap<>();

    private final DType type;
    private final String reason;

    private FastestType(DType type, String reason) {
        this.type = type;
        this.reason = reason;
    }

    /** Measures, or gives what was measured before. */
    static FastestType of(CpuBackend backend, int dim, int hiddenDim) {
        List<Object> key = List.of(backend.implementations(), dim, hiddenDim);
        return MEASURED.computeIfAbsent(key, k -> measure(backend, dim, hiddenDim));
    }

    private static FastestType measure(CpuBackend backend, int dim, int hiddenDim) {
        if (backend.inferenceTypes().size() == 1) {
            return new FastestType(DType.F32, DType.F32.fullName() + ", the only one here");
        }
        Map<DType, Double> millis = new EnumMap<>(DType.class);
        DType best = DType.F32;
        for (DType type : backend.inferenceTypes()) {
            millis.put(type, time(backend, type, dim, hiddenDim) / 1e6);
            if (millis.get(type) < WORTHWHILE * millis.get(best)) {
                best = type;
            }
        }
        String times = millis.entrySet().stream()
                .map(entry -> String.format(Locale.ROOT, "%s %.2f ms", entry.getKey().fullName(), entry.getValue()))
                .collect(Collectors.joining(", "));
        return new FastestType(best, best.fullName() + ", measured on " + ROWS + " x " + dim + " x " + hiddenDim + ": "
                + times);
    }

    /** Nanoseconds of the fastest run: others are disturbed. */
    private static long time(CpuBackend backend, DType type, int dim, int hiddenDim) {
        DType activations = type == DType.I8 ? DType.BF16 : type;
        Workspace plan = Workspace.planning();
        Operands.of(plan, activations, dim, hiddenDim);
        try (Workspace workspace = Workspace.allocate(HostBuffer::new, plan.used())) {
            Operands operands = Operands.of(workspace, activations, dim, hiddenDim);
            operands.batch.loadSingles(ROWS);
            try (Weight weight = backend.prepareForInference(operands.matrix, type);
                    InferenceOps ops = backend.newInferenceOps(1, type)) {
                Linear layer = new Linear(weight, operands.bias);
                long best = Long.MAX_VALUE;
                for (int run = 0; run < RUNS; run++) {
                    long begin = System.nanoTime();
                    ops.linear(operands.batch, operands.x, layer, Activation.GELU, operands.out);
                    best = Math.min(best, System.nanoTime() - begin);
                }
                return best;
            }
        }
    }

    /** Zeros: no operation here takes a time that depends on values. */
    private record Operands(PackedBatch batch, Tensor x, Tensor matrix, Tensor bias, Tensor out) {
        static Operands of(Workspace workspace, DType activations, int dim, int hiddenDim) {
            return new Operands(new PackedBatch(workspace, ROWS, ROWS), workspace.matrix(activations, ROWS, dim),
                    workspace.matrix(DType.F32, hiddenDim, dim), workspace.vector(DType.F32, hiddenDim),
                    workspace.matrix(activations, ROWS, hiddenDim));
        }
    }

    DType type() {
        return type;
    }

    /** What was chosen, and the times. */
    String reason() {
        return reason;
    }
}
