package dev.nightjar.backend.cpu;

import dev.nightjar.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Whether AMX gives what AVX-512 gives, and sooner. Its kernels were written without a processor that has it, so every process tries them
 * before it trusts them.
 *
 * @param difference where results differ; null if they do not
 * @param faster whether it takes less time in every type
 * @param times in words
 */
record AmxTrial(String difference, boolean faster, String times) {
    private static final List<DType> TYPES = List.of(DType.BF16, DType.I8);
    /** Blocks of more and of less than a tile, columns that fill no panel, a depth that fills neither dwords nor a tile. */
    private static final int[] AWKWARD_ROWS = {37, 5};
    private static final int AWKWARD_COLUMNS = 45;
    private static final int AWKWARD_DEPTH = 90;
    /** The first layer of DistilBERT base's feed-forward network, for the tokens of a headline. */
    private static final int ROWS = 32;
    private static final int COLUMNS = 3072;
    private static final int DEPTH = 768;
    private static final int RUNS = 9;
    /** A unit in the last place of bfloat16, and of what magnitude at least. */
    private static final double ULP = 0x1p-7;
    private static final double SMALL = 0x1p-4;

    private static AmxTrial outcome;

    /** On this processor, which has AMX; once for the process. */
    static synchronized AmxTrial outcome() {
        if (outcome == null) {
            outcome = of(NativeKernels.load(NativeKernels.Isa.AMX).lowPrecision(),
                    NativeKernels.load(NativeKernels.Isa.AVX512_BF16).lowPrecision());
        }
        return outcome;
    }

    /** Compares kernels with others that are trusted. */
    static AmxTrial of(LowPrecisionKernels tried, LowPrecisionKernels trusted) {
        for (DType type : TYPES) {
            for (int rows : AWKWARD_ROWS) {
                String difference = difference(type, rows, tried, trusted);
                if (difference != null) {
                    return new AmxTrial(difference, false, "");
                }
            }
        }
        boolean faster = true;
        List<String> times = new ArrayList<>();
        for (DType type : TYPES) {
            double time = time(type, tried);
            double trustedTime = time(type, trusted);
            faster &= time < trustedTime;
            times.add(String.format(Locale.ROOT, "%s %.2f ms against AVX-512's %.2f", type.fullName(), time,
                    trustedTime));
        }
        return new AmxTrial(null, faster, String.join(", ", times));
    }

    private static String difference(DType type, int rows, LowPrecisionKernels tried, LowPrecisionKernels trusted) {
        float[] actual = product(type, rows, tried);
        float[] expected = product(type, rows, trusted);
        for (int i = 0; i < expected.length; i++) {
            // Sums of int8 products are exact, those of bfloat16 are rounded in another order.
            double tolerance = type == DType.I8 ? 0 : ULP * Math.max(Math.abs(expected[i]), SMALL);
            if (!(Math.abs(actual[i] - expected[i]) <= tolerance)) {
                return String.format(Locale.ROOT, "%s, %d x %d x %d: [%d, %d] is %s, and %s by AVX-512",
                        type.fullName(),
                        rows, AWKWARD_DEPTH, AWKWARD_COLUMNS, i / AWKWARD_COLUMNS, i % AWKWARD_COLUMNS, actual[i],
                        expected[i]);
            }
        }
        return null;
    }

    private static float[] product(DType type, int rows, LowPrecisionKernels kernels) {
        try (TrialLayer layer = layer(type, rows, AWKWARD_COLUMNS, AWKWARD_DEPTH, kernels)) {
            return layer.run();
        }
    }

    private static double time(DType type, LowPrecisionKernels kernels) {
        try (TrialLayer layer = layer(type, ROWS, COLUMNS, DEPTH, kernels)) {
            return layer.fastest(RUNS);
        }
    }

    private static TrialLayer layer(DType type, int rows, int n, int k, LowPrecisionKernels kernels) {
        return new TrialLayer(type, rows, n, k, matrix -> new PackedWeight(kernels.products(), matrix, type),
                new LowPrecisionOps(1, kernels));
    }

    /** Whether a choice of the fastest may be AMX. */
    boolean chosen() {
        return difference == null && faster;
    }

    /** What was found. */
    @Override
    public String toString() {
        if (difference != null) {
            return "wrong products (" + difference + ")";
        }
        return (faster ? "right and faster: " : "right and no faster: ") + times;
    }
}
