package dev.nightjar.benchmarks;

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

/**
 * What Java adds to one prediction on a GPU: one text's ids to pinned memory, one graph launch with its two copies, waiting, reading the
 * result, on a driver that returns at once. Samples give the median; the average, whose loop allocates nothing itself, what a prediction
 * allocates. Run by {@code benchmarks/launch-latency}.
 */
@BenchmarkMode({Mode.SampleTime, Mode.AverageTime})
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(value = 2, jvmArgs = {"-Xms1g", "-Xmx1g", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 4, time = 1)
@State(Scope.Thread)
public class PredictionOverheadBenchmark {
    @Param({"16", "32", "128"})
    int tokens;

    private PredictionRig rig;

    @Setup
    public void prepare() {
        rig = new PredictionRig(PredictionRig.on("cuda"), 1, tokens);
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
