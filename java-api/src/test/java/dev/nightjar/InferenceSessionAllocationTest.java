package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import dev.nightjar.backend.cuda.CudaSimulator;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * After a session has seen a size of batch, its predictions leave nothing for the garbage collector: once they are compiled, which
 * happens at a time of the virtual machine's choosing, a round of them allocates not a byte. The build runs this without escape
 * analysis, so that it is the code that allocates nothing, and not a compiler that happens to see it.
 */
class InferenceSessionAllocationTest {
    private static final ThreadMXBean THREADS = ManagementFactory.getPlatformMXBean(ThreadMXBean.class);

    private static final int[] IDS = {2, 17, 5, 40, 3};
    private static final MemorySegment TOKENS = Arena.global().allocateFrom(ValueLayout.JAVA_INT, IDS);
    private static final MemorySegment TEXT = utf8("w12 w0 w35");
    private static final MemorySegment RESULTS = Arena.global().allocate(ValueLayout.JAVA_FLOAT, 3);
    /** Predictions until the virtual machine has compiled all they call. */
    private static final int COMPILED_AFTER = 30_000;
    /** Of {@link #aMillionPredictionsNeedNoCollection}; a million take half a minute. */
    private static final int PREDICTIONS = Integer.getInteger("nightjar.test.predictions", 100_000);

    @TempDir
    private Path folder;

    private static MemorySegment utf8(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return Arena.global().allocate(bytes.length).copyFrom(MemorySegment.ofArray(bytes));
    }

    /** From token ids to single numbers. */
    private static float predictIds(InferenceSession session) {
        session.add(IDS);
        session.run();
        return session.probability(0, 1) + session.score(0, 0);
    }

    /** From the bytes of the same tokens to a row of results, both in memory of the caller's. */
    private static float predictText(InferenceSession session) {
        session.addText(TEXT, (int) TEXT.byteSize());
        session.run();
        session.copyResults(RESULTS);
        return RESULTS.getAtIndex(ValueLayout.JAVA_FLOAT, 1) + RESULTS.getAtIndex(ValueLayout.JAVA_FLOAT, 2);
    }

    /** From ids in memory of the caller's. */
    private static float predictTokens(InferenceSession session) {
        session.addTokens(TOKENS, IDS.length);
        session.run();
        session.copyResults(RESULTS);
        return RESULTS.getAtIndex(ValueLayout.JAVA_FLOAT, 1) + RESULTS.getAtIndex(ValueLayout.JAVA_FLOAT, 2);
    }

    @Test
    void aPredictionOnAGpuAllocatesNothing() throws IOException {
        try (CudaSimulator simulator = CudaSimulator.openWithKernels()) {
            // Findings are not looked for here, and the simulated device is slow enough.
            simulator.option("checks", 0);
            assertAllocatesNothing(Device.of("cuda"), Precision.FLOAT32, 10, 100,
                    InferenceSessionAllocationTest::predictIds);
        }
    }

    @ParameterizedTest
    @CsvSource({"FLOAT32, 1", "FLOAT32, 3", "BFLOAT16, 1", "BFLOAT16, 3", "INT8, 1", "INT8, 3"})
    void aPredictionOnTheCpuAllocatesNothing(Precision precision, int threads) throws IOException {
        assumeTrue(Device.statuses().stream().filter(status -> status.backend().equals("cpu"))
                .anyMatch(status -> status.precisions().contains(precision)), "no " + precision + " here");
        assertAllocatesNothing(Device.of("cpu").withThreads(threads), precision, 300, 1000,
                InferenceSessionAllocationTest::predictIds);
    }

    @Test
    void fromBytesToResultNothingIsAllocated() throws IOException {
        assertAllocatesNothing(Device.of("cpu"), Precision.FLOAT32, 300, 1000,
                InferenceSessionAllocationTest::predictText);
    }

    @Test
    void fromTokensToResultNothingIsAllocated() throws IOException {
        assertAllocatesNothing(Device.of("cpu"), Precision.FLOAT32, 300, 1000,
                InferenceSessionAllocationTest::predictTokens);
    }

    @Test
    void aMillionPredictionsNeedNoCollection() throws IOException {
        try (SentimentModel model = TinyModel.load(folder, List.of("a", "b"), List.of("s"), Device.of("cpu"));
                InferenceSession session = model.newSession()) {
            session.warmUp();
            float expected = predictText(session);
            long before = 0;
            for (int i = -COMPILED_AFTER; i < PREDICTIONS; i++) {
                if (i == 0) {
                    before = collections();
                }
                if (predictText(session) != expected) {
                    throw new AssertionError("prediction " + i + " differs");
                }
            }
            assertThat(collections()).as("collections").isEqualTo(before);
        }
    }

    private static long collections() {
        return ManagementFactory.getGarbageCollectorMXBeans().stream()
                .mapToLong(GarbageCollectorMXBean::getCollectionCount).sum();
    }

    private void assertAllocatesNothing(Device device, Precision precision, int rounds, int predictions,
            ToDoubleFunction<InferenceSession> predict) throws IOException {
        InferenceOptions options = InferenceOptions.defaults().withDevice(device).withPrecision(precision);
        try (SentimentModel model = SentimentModel.loadWithHeads(TinyModel.save(folder), List.of("a", "b"),
                List.of("s"), 1, options);
                InferenceSession session = model.newSession()) {
            double expected = predict.applyAsDouble(session);
            long[] workers = workers();
            assertThat(workers).hasSize(device.threads() - 1);
            long allocated = -1;
            for (int round = 0; round < rounds && allocated != 0; round++) {
                long[] before = THREADS.getThreadAllocatedBytes(workers);
                long callerBefore = THREADS.getCurrentThreadAllocatedBytes();
                double sum = 0;
                for (int i = 0; i < predictions; i++) {
                    sum += predict.applyAsDouble(session);
                }
                allocated = THREADS.getCurrentThreadAllocatedBytes() - callerBefore;
                long[] after = THREADS.getThreadAllocatedBytes(workers);
                for (int i = 0; i < workers.length; i++) {
                    allocated += after[i] - before[i];
                }
                assertThat(sum / predictions).isCloseTo(expected, within(1e-4));
            }
            assertThat(allocated).as("bytes allocated by %d predictions", predictions).isZero();
        }
    }

    /** Threads that the cpu backend shares its operations with. */
    private static long[] workers() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("nightjar-cpu-")).mapToLong(Thread::threadId).toArray();
    }
}
