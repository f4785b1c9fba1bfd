package dev.nightjar.benchmarks;

import dev.nightjar.Precision;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** One batch on a GPU, from token ids to a result that was read. Run by {@code benchmarks/gpu}. */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(value = 1, jvmArgs = {"-Xms1g", "-Xmx1g", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
@State(Scope.Thread)
public class PredictionBenchmark {
    /** Sequences and the tokens of each. */
    @Param({"1x16", "1x32", "1x128", "32x128"})
    String batch;

    @Param("FLOAT32")
    Precision precision;

    /** Value of {@code nightjar.cuda.gemm}. */
    @Param("nightjar")
    String gemm;

    /** Value of {@code nightjar.cuda.graphs}. */
    @Param({"true", "false"})
    boolean graphs;

    private PredictionRig rig;

    /** Nothing wrong is timed: the answer must be that of the CPU. */
    @Setup
    public void prepare() {
        System.setProperty("nightjar.cuda.gemm", gemm);
        System.setProperty("nightjar.cuda.graphs", String.valueOf(graphs));
        String[] shape = batch.split("x", -1);
        int rows = Integer.parseInt(shape[0]);
        int length = Integer.parseInt(shape[1]);
        rig = new PredictionRig(PredictionRig.on("cuda").withPrecision(precision), rows, length);
        float expected;
        try (PredictionRig cpu = new PredictionRig(PredictionRig.on("cpu"), rows, length)) {
            expected = cpu.predict();
        }
        float actual = rig.predict();
        if (!(Math.abs(actual - expected) <= (precision == Precision.FLOAT32 ? 1e-4 : 2e-2))) {
            throw new IllegalStateException("found a probability of " + actual + ", the CPU " + expected);
        }
    }

    @TearDown
    public void release() {
        rig.close();
    }

    @Benchmark
    public float predict() {
        return rig.predict();
    }
}
