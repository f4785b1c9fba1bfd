package dev.nightjar.backend.cpu;

import dev.nightjar.tensor.DType;
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
            millis.put(type, time(backend, type, dim, hiddenDim));
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

    private static double time(CpuBackend backend, DType type, int dim, int hiddenDim) {
        try (TrialLayer layer = new TrialLayer(type, ROWS, hiddenDim, dim,
                matrix -> backend.prepareForInference(matrix, type), backend.newInferenceOps(1, type))) {
            return layer.fastest(RUNS);
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
