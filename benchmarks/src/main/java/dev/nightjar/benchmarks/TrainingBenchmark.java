package dev.nightjar.benchmarks;

import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.DType;
import dev.nightjar.train.TokenizedRows;
import dev.nightjar.train.TrainingStep;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * One training step: forward, backward, clipping, AdamW; a fresh batch each time, made outside the timing. At its end it prints the memory
 * that was planned and the most that the process ever occupied. Compare with PyTorch through {@code compare-training}.
 */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgs = {"-Xms1g", "-Xmx1g", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 2, time = 5)
@Measurement(iterations = 5, time = 5)
@State(Scope.Benchmark)
public class TrainingBenchmark {
    @Param("cpu")
    String backend;

    /** {@code minilm} or {@code base}. */
    @Param("minilm")
    String shape;

    /** {@code float32}, or {@code bfloat16} with float32 master weights. */
    @Param("float32")
    String precision;

    @Param("1")
    int threads;

    @Param("32")
    int rows;

    @Param("32")
    int length;

    private SyntheticRows stream;
    private TrainingRig rig;
    private TokenizedRows batch;

    /** Nothing wrong is timed: two steps of a small model must come out as on the reference. */
    @Setup
    public void prepare() {
        DType type = switch (precision) {
            case "float32" -> DType.F32;
            case "bfloat16" -> DType.BF16;
            default -> throw new IllegalArgumentException("precision " + precision);
        };
        DistilBertConfig config = switch (shape) {
            case "minilm" -> TrainingRig.MINILM;
            case "base" -> TrainingRig.BASE;
            default -> throw new IllegalArgumentException("shape " + shape);
        };
        try (TrainingRig checked = new TrainingRig(backend, threads, TrainingRig.SMALL, type, 2, 7);
                TrainingRig oracle = new TrainingRig("reference", 1, TrainingRig.SMALL, DType.F32, 2, 7)) {
            SyntheticRows small = new SyntheticRows(1);
            for (int i = 0; i < 2; i++) {
                TokenizedRows next = small.batch(2, 7);
                requireSame(checked.train(next), oracle.train(next), type == DType.F32 ? 1 : 50);
            }
        }
        Machine.forgetPeak();
        stream = new SyntheticRows(1);
        rig = new TrainingRig(backend, threads, config, type, rows, length);
    }

    private static void requireSame(TrainingStep.Result actual, TrainingStep.Result expected, double factor) {
        boolean same = Math.abs(actual.losses().loss() - expected.losses().loss()) < 1e-4 * factor
                && Math.abs(actual.gradientNorm() / expected.gradientNorm() - 1) < 1e-3 * factor;
        if (!same) {
            throw new IllegalStateException("found " + actual + ", the reference " + expected);
        }
    }

    @Setup(Level.Invocation)
    public void nextBatch() {
        batch = stream.batch(rows, length);
    }

    @TearDown
    public void release() {
        System.out.printf("%nplanned %d bytes, peak %d bytes, kernels %s%n", rig.plan().total(),
                Machine.peakResidentBytes(), rig.kernels());
        rig.close();
    }

    @Benchmark
    public TrainingStep.Result step() {
        return rig.train(batch);
    }
}
