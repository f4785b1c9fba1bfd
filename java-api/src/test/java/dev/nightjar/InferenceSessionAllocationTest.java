package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import dev.nightjar.backend.cuda.CudaSimulator;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * After a session has seen a size of batch, its predictions leave nothing for the garbage collector: once they are compiled, which
 * happens at a time of the virtual machine's choosing, a round of them allocates not a byte.
 */
class InferenceSessionAllocationTest {
    private static final ThreadMXBean THREADS = ManagementFactory.getPlatformMXBean(ThreadMXBean.class);

    @TempDir
    private Path folder;

    private float predict(InferenceSession session, int[] ids) {
        session.add(ids);
        session.run();
        return session.probability(0, 1) + session.score(0, 0);
    }

    @Test
    void aPredictionOnAGpuAllocatesNothing() throws IOException {
        try (CudaSimulator simulator = CudaSimulator.openWithKernels()) {
            // Findings are not looked for here, and the simulated device is slow enough.
            simulator.option("checks", 0);
            assertAllocatesNothing(Device.of("cuda"), Precision.FLOAT32, 10, 100);
        }
    }

    @ParameterizedTest
    @CsvSource({"FLOAT32, 1", "FLOAT32, 3", "BFLOAT16, 1", "BFLOAT16, 3", "INT8, 1", "INT8, 3"})
    void aPredictionOnTheCpuAllocatesNothing(Precision precision, int threads) throws IOException {
        assumeTrue(Device.statuses().stream().filter(status -> status.backend().equals("cpu"))
                .anyMatch(status -> status.precisions().contains(precision)), "no " + precision + " here");
        assertAllocatesNothing(Device.of("cpu").withThreads(threads), precision, 300, 1000);
    }

    private void assertAllocatesNothing(Device device, Precision precision, int rounds, int predictions)
            throws IOException {
        int[] ids = {2, 17, 5, 40, 3};
        InferenceOptions options = InferenceOptions.defaults().withDevice(device).withPrecision(precision);
        try (SentimentModel model = SentimentModel.loadWithHeads(TinyModel.save(folder), List.of("a", "b"),
                List.of("s"), 1, options);
                InferenceSession session = model.newSession()) {
            float expected = predict(session, ids);
            long[] workers = workers();
            assertThat(workers).hasSize(device.threads() - 1);
            long allocated = -1;
            for (int round = 0; round < rounds && allocated != 0; round++) {
                long[] before = THREADS.getThreadAllocatedBytes(workers);
                long callerBefore = THREADS.getCurrentThreadAllocatedBytes();
                float sum = 0;
                for (int i = 0; i < predictions; i++) {
                    sum += predict(session, ids);
                }
                allocated = THREADS.getCurrentThreadAllocatedBytes() - callerBefore;
                long[] after = THREADS.getThreadAllocatedBytes(workers);
                for (int i = 0; i < workers.length; i++) {
                    allocated += after[i] - before[i];
                }
                assertThat(sum / predictions).isCloseTo(expected, within(1e-4f));
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
