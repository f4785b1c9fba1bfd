package dev.nightjar.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.nightjar.Device;
import dev.nightjar.InferenceOptions;
import dev.nightjar.SentimentModel;
import dev.nightjar.TinyModel;
import dev.nightjar.pipeline.PipelineOptions.Wait;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** From a producer's bytes to a result, neither thread allocates, once everything is compiled. */
@Timeout(300)
class PipelineAllocationTest {
    private static final ThreadMXBean THREADS = ManagementFactory.getPlatformMXBean(ThreadMXBean.class);
    private static final int ROUNDS = 300;
    private static final int TEXTS = 1000;

    @TempDir
    private Path folder;

    private final AtomicLong answered = new AtomicLong();
    private volatile long owner;

    private void count(PipelineResult result) {
        owner = Thread.currentThread().threadId();
        answered.lazySet(answered.get() + 1);
    }

    private void assertAllocatesNothing(InferencePipeline pipeline) throws InterruptedException {
        byte[] words = "w1 w2 w3 w4 w5".getBytes(StandardCharsets.UTF_8);
        long allocated = -1;
        try (Arena arena = Arena.ofShared()) {
            MemorySegment text = arena.allocate(words.length).copyFrom(MemorySegment.ofArray(words));
            long brought = 0;
            for (int round = 0; round < ROUNDS && allocated != 0; round++) {
                long ownerBefore = owner == 0 ? 0 : THREADS.getThreadAllocatedBytes(owner);
                long before = THREADS.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < TEXTS; i++) {
                    brought += pipeline.publish(i, text, i % (words.length + 1)) ? 1 : 0;
                }
                while (answered.get() < brought) {
                    Thread.onSpinWait();
                }
                allocated = THREADS.getCurrentThreadAllocatedBytes() - before
                        + THREADS.getThreadAllocatedBytes(owner) - ownerBefore;
            }
        } finally {
            pipeline.close();
        }
        assertThat(allocated).as("bytes allocated for %d texts", TEXTS).isZero();
        assertThat(pipeline.metrics().answered()).isEqualTo(answered.get());
    }

    @ParameterizedTest
    @CsvSource({"BUSY_SPIN, 1, 0", "PARK, 16, 0", "YIELD, 16, 4"})
    void aPipelineAllocatesNothingForAText(Wait wait, int maxBatch, int cacheEntries) throws InterruptedException {
        PipelineOptions options = PipelineOptions.builder().capacity(64).maxTextBytes(64).waitStrategy(wait)
                .maxBatch(maxBatch).cacheEntries(cacheEntries).build();
        assertAllocatesNothing(InferencePipeline.start(StubModel::new, 0, options, this::count));
    }

    @Test
    void norDoesARealModelBehindIt() throws IOException, InterruptedException {
        InferenceOptions cpu = InferenceOptions.defaults().withDevice(Device.of("cpu")).withTokenBudget(64);
        try (SentimentModel model = SentimentModel.load(TinyModel.save(folder), cpu)) {
            PipelineOptions options = PipelineOptions.builder().capacity(64).maxTextBytes(64).build();
            assertAllocatesNothing(InferencePipeline.start(model, options, this::count));
        }
    }
}
