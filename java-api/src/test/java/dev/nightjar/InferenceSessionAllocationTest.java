package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.nightjar.backend.cuda.CudaSimulator;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** After a session has seen a size of batch, its predictions leave nothing for the garbage collector. */
class InferenceSessionAllocationTest {
    private static final int WARMUP = 200;
    private static final int PREDICTIONS = 100;

    @TempDir
    private Path folder;

    private float predict(InferenceSession session, int[] ids) {
        session.add(ids);
        session.run();
        return session.probability(0, 1) + session.score(0, 0);
    }

    @Test
    void aPredictionOnAGpuAllocatesNothing() throws IOException {
        ThreadMXBean threads = ManagementFactory.getPlatformMXBean(ThreadMXBean.class);
        int[] ids = {2, 17, 5, 40, 3};
        try (CudaSimulator simulator = CudaSimulator.openWithKernels()) {
            // Findings are not looked for here, and the simulated device is slow enough.
            simulator.option("checks", 0);
            try (SentimentModel model = TinyModel.load(folder, List.of("a", "b"), List.of("s"), Device.of("cuda"));
                    InferenceSession session = model.newSession()) {
                float result = 0;
                for (int i = 0; i < WARMUP; i++) {
                    result = predict(session, ids);
                }
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < PREDICTIONS; i++) {
                    result -= predict(session, ids) / PREDICTIONS;
                }
                long allocated = threads.getCurrentThreadAllocatedBytes() - before;
                assertThat(allocated).as("bytes allocated by %d predictions", PREDICTIONS).isZero();
                assertThat(Math.abs(result)).isLessThan(1e-4f);
            }
        }
    }
}
