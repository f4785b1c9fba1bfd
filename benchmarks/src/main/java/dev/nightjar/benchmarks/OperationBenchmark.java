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

/** Each operation of a forward pass on one thread; the time to print a layer's budget from. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 2, jvmArgs = {"-Xms1g", "-Xmx1g", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@State(Scope.Thread)
public class OperationBenchmark {
    /** The operations of a forward pass, with the products' shapes [K, N]. */
    public enum Operation {
        EMBEDDING, QKV_384_1152, ATTENTION, ATTENTION_OUTPUT_384_384, LINEAR_GELU_384_1536, LINEAR_NORM_1536_384, HEADS
    }

    private static final float TOLERANCE = 1e-3f;

    @Param("cpu")
    String backend;

    @Param
    Operation operation;

    /** Sequences and the tokens of each. */
    @Param({"1x16", "1x128", "8x128"})
    String batch;

    private OperationRig rig;

    /** Nothing wrong is timed: the result must be the reference's. */
    @Setup
    public void prepare() {
        String[] shape = batch.split("x", -1);
        int sequences = Integer.parseInt(shape[0]);
        int length = Integer.parseInt(shape[1]);
        rig = new OperationRig(backend, operation, sequences, length);
        rig.run();
        float[] actual = rig.output();
        try (OperationRig reference = new OperationRig("reference", operation, sequences, length)) {
            reference.run();
            float[] expected = reference.output();
            for (int i = 0; i < expected.length; i++) {
                if (!(Math.abs(actual[i] - expected[i]) <= TOLERANCE)) {
                    throw new IllegalStateException(
                            "element " + i + " is " + actual[i] + ", the reference's " + expected[i]);
                }
            }
        }
    }

    @TearDown
    public void release() {
        rig.close();
    }

    @Benchmark
    public void run() {
        rig.run();
    }
}
