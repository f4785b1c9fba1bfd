package dev.nightjar.benchmarks;

import dev.nightjar.Device;
import dev.nightjar.InferenceOptions;
import dev.nightjar.InferenceSession;
import dev.nightjar.Precision;
import dev.nightjar.Prediction;
import dev.nightjar.PretrainedEncoder;
import dev.nightjar.SentimentModel;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;
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

/** One headline from UTF-8 in the caller's memory to class probabilities and a score there: MiniLM-L6 on one thread. */
@BenchmarkMode({Mode.SampleTime, Mode.AverageTime})
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 2, jvmArgs = {"-Xms1g", "-Xmx1g", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@State(Scope.Thread)
public class SessionBenchmark {
    private static final String TEXT = "Profit at Harrow Dynamics doubles on record orders, and the dividend rises";
    private static final float TOLERANCE = 1e-4f;
    private static final float ROUNDED_TOLERANCE = 2e-2f;

    @Param("cpu")
    String backend;

    @Param("FLOAT32")
    Precision precision;

    private SentimentModel model;
    private InferenceSession session;
    private MemorySegment utf8;
    private MemorySegment results;

    /** Nothing wrong is timed: the answer must be the reference's. */
    @Setup
    public void prepare() throws IOException {
        model = model(backend, precision);
        session = model.newSession();
        session.warmUp();
        byte[] bytes = TEXT.getBytes(StandardCharsets.UTF_8);
        Arena arena = Arena.ofAuto();
        utf8 = arena.allocate(bytes.length).copyFrom(MemorySegment.ofArray(bytes));
        results = arena.allocate(ValueLayout.JAVA_FLOAT, session.columns());
        predict();
        float tolerance = precision == Precision.FLOAT32 ? TOLERANCE : ROUNDED_TOLERANCE;
        try (SentimentModel reference = model("reference", Precision.FLOAT32)) {
            Prediction expected = reference.predict(TEXT);
            for (int label = 0; label < expected.probabilities().size(); label++) {
                float actual = results.getAtIndex(ValueLayout.JAVA_FLOAT, label);
                if (!(Math.abs(actual - expected.probabilities().get(label)) <= tolerance)) {
                    throw new IllegalStateException("class " + label + " is " + actual + ", the reference " + expected);
                }
            }
        }
    }

    private static SentimentModel model(String backend, Precision precision) throws IOException {
        return SentimentModel.loadWithHeads(PretrainedEncoder.MINILM, List.of("negative", "neutral", "positive"),
                List.of("score"), 1,
                InferenceOptions.defaults().withDevice(Device.of(backend)).withPrecision(precision));
    }

    @TearDown
    public void release() {
        session.close();
        model.close();
    }

    @Benchmark
    public MemorySegment predict() {
        session.addText(utf8, (int) utf8.byteSize());
        session.run();
        session.copyResults(results);
        return results;
    }
}
