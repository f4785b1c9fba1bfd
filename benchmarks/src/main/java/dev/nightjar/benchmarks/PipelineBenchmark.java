package dev.nightjar.benchmarks;

import dev.nightjar.pipeline.BatchModel;
import dev.nightjar.pipeline.InferencePipeline;
import dev.nightjar.pipeline.PipelineOptions;
import dev.nightjar.pipeline.PipelineOptions.Wait;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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
 * What a pipeline adds to a prediction: from the call of {@code offer} until the producer sees the answer, with a model that only tells how long
 * the text was. The producer spins meanwhile, so that its own waking is not part of it; the pipeline waits as the parameter says.
 */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 2, jvmArgs = {"-Xms1g", "-Xmx1g", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@State(Scope.Thread)
public class PipelineBenchmark {
    private static final int BYTES = 80;

    /** Gives the length of each text. */
    private static final class LengthModel implements BatchModel {
        private final int[] lengths = new int[8];
        private int added;

        @Override
        public int columns() {
            return 1;
        }

        @Override
        public boolean add(MemorySegment utf8, int length) {
            if (added == lengths.length) {
                return false;
            }
            lengths[added++] = length;
            return true;
        }

        @Override
        public void run(MemorySegment results) {
            for (int i = 0; i < added; i++) {
                results.setAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i, lengths[i]);
            }
            added = 0;
        }

        @Override
        public void clear() {
            added = 0;
        }

        @Override
        public void close() {
            // Nothing to free.
        }
    }

    @Param({"BUSY_SPIN", "PARK"})
    Wait wait;

    /** How long nothing comes before a text: with {@code PARK}, 0 finds the pipeline awake and 200 asleep. */
    @Param({"0", "200"})
    int idleMicros;

    private MemorySegment utf8;
    private InferencePipeline pipeline;
    private long sent;
    private float length;
    private volatile long answered;

    @Setup
    public void prepare() {
        utf8 = Arena.ofAuto().allocate(BYTES);
        PipelineOptions options = PipelineOptions.builder().capacity(8).maxBatch(1).waitStrategy(wait).build();
        pipeline = InferencePipeline.start(LengthModel::new, 0, options, result -> {
            length = result.score(0);
            answered = result.id();
        });
        if (hop() != BYTES) {
            throw new IllegalStateException("the answer is " + length);
        }
    }

    /** Not part of what is measured. */
    @Setup(Level.Invocation)
    public void idle() {
        long begin = System.nanoTime();
        while (System.nanoTime() - begin < 1000L * idleMicros) {
            Thread.onSpinWait();
        }
    }

    @TearDown
    public void release() {
        pipeline.close();
    }

    @Benchmark
    public float hop() {
        sent++;
        pipeline.offer(sent, utf8, BYTES);
        while (answered != sent) {
            Thread.onSpinWait();
        }
        return length;
    }
}
