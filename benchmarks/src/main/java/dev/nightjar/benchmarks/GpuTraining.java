package dev.nightjar.benchmarks;

import dev.nightjar.Device;
import dev.nightjar.Precision;
import dev.nightjar.tensor.DType;
import dev.nightjar.train.TokenizedRows;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Prints the training rate on the GPU of this machine as Markdown: whole steps of MiniLM-L6's shape, one after the other as in a training that
 * reports seldom, in float32 and bfloat16, as graphs and launched one by one.
 *
 * <p>Usage: {@code GpuTraining [--brief]}; brief is one small batch of a small model, once, to try the program itself. The driver is found as by
 * {@link GpuLatency}.
 */
public final class GpuTraining {
    private static final String GRAPHS = "nightjar.cuda.graphs";
    private static final Map<Precision, DType> TYPES = Map.of(Precision.FLOAT32, DType.F32, Precision.BFLOAT16,
            DType.BF16);

    /** Rows of a batch and tokens of each. */
    private record Shape(int rows, int length) {
    }

    private GpuTraining() {
    }

    /** Runs the benchmark; see the class comment for its arguments. */
    public static void main(String[] args) {
        boolean brief = List.of(args).contains("--brief");
        Device.Status cuda = Device.statuses().stream().filter(status -> status.backend().equals("cuda")).findFirst()
                .orElseThrow();
        if (!cuda.available()) {
            System.err.println("gpu: " + cuda.reason());
            System.exit(1);
        }
        String device = cuda.details().get("device");
        String warning = GpuLatency.isReal(device) ? "" : "SIMULATED, not a GPU: ";
        System.out.println("\n# " + warning + "Training on " + device + "\n");
        System.out.println(Machine.description() + "; driver " + cuda.details().get("driver")
                + "; products by " + cuda.details().get("matrix products") + ". "
                + (brief ? "A small model" : "MiniLM-L6")
                + ", three classes: forward, backward, clipping, AdamW; the loss stays on the device.\n");
        System.out.println("| Batch | Precision | Launches | Step, ms | Rows/s |\n|---|---|---|---:|---:|");
        for (Shape shape : brief ? List.of(new Shape(2, 7)) : List.of(new Shape(16, 64), new Shape(32, 128))) {
            for (Precision precision : cuda.trainingPrecisions()) {
                if (TYPES.containsKey(precision)) {
                    print(shape, precision, true, brief);
                    print(shape, precision, false, brief);
                }
            }
        }
        System.out.println();
    }

    private static void print(Shape shape, Precision precision, boolean graphs, boolean brief) {
        System.setProperty(GRAPHS, Boolean.toString(graphs));
        double seconds = secondsOfAStep(shape, TYPES.get(precision), brief);
        System.out.printf(Locale.ROOT, "| %d x %d | %s | %s | %.3f | %.0f |%n", shape.rows, shape.length, precision,
                graphs ? "graphs" : "one by one", seconds * 1e3, shape.rows / seconds);
    }

    private static double secondsOfAStep(Shape shape, DType type, boolean brief) {
        int warmup = brief ? 1 : 20;
        int steps = brief ? 1 : 100;
        SyntheticRows stream = new SyntheticRows(1);
        List<TokenizedRows> batches = new ArrayList<>();
        for (int i = 0; i < warmup + steps; i++) {
            batches.add(stream.batch(shape.rows, shape.length));
        }
        try (TrainingRig rig = new TrainingRig("cuda", 1, brief ? TrainingRig.SMALL : TrainingRig.MINILM, type,
                shape.rows,
                shape.length)) {
            batches.subList(0, warmup - 1).forEach(rig::step);
            rig.train(batches.get(warmup - 1));
            long start = System.nanoTime();
            batches.subList(warmup, warmup + steps - 1).forEach(rig::step);
            if (!rig.train(batches.getLast()).finite()) {
                throw new IllegalStateException("the training diverged, so its time says nothing");
            }
            return (System.nanoTime() - start) * 1e-9 / steps;
        }
    }
}
