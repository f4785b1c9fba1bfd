package dev.nightjar.benchmarks;

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
 * One training step at MiniLM-L6's shape in float32: forward, backward, clipping, AdamW; a fresh batch each time, made outside the timing.
 * Compare with PyTorch through {@code compare-training}.
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

    @Param("1")
    int threads;

    @Param("32")
    int rows;

    @Param("32")
    int length;

    private SyntheticRows stream;
    private TrainingRig rig;
    private TokenizedRows batch;

    /** Nothing wrong is timed: two small steps must come out as on the reference. */
    @Setup
    public void prepare() {
        try (TrainingRig checked = new TrainingRig(backend, threads, 2, 7);
                TrainingRig oracle = new TrainingRig("reference", 1, 2, 7)) {
            SyntheticRows small = new SyntheticRows(1);
            for (int i = 0; i < 2; i++) {
                TokenizedRows next = small.batch(2, 7);
                requireSame(checked.train(next), oracle.train(next));
            }
        }
        stream = new SyntheticRows(1);
        rig = new TrainingRig(backend, threads, rows, length);
    }

    private static void requireSame(TrainingStep.Result actual, TrainingStep.Result expected) {
        boolean same = Math.abs(actual.losses().loss() - expected.losses().loss()) < 1e-4
                && Math.abs(actual.gradientNorm() / expected.gradientNorm() - 1) < 1e-3;
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
        rig.close();
    }

    @Benchmark
    public TrainingStep.Result step() {
        return rig.train(batch);
    }
}
