package dev.nightjar.benchmarks.latency;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightjar.pipeline.BatchModel;
import dev.nightjar.pipeline.PipelineOptions;
import dev.nightjar.pipeline.PipelineOptions.Overload;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The books of a pipeline under load, whatever it does with what it cannot take. */
@Timeout(60)
class PipelineSubjectTest {
    private static final int REQUESTS = 100;

    /** Runs a batch when it is told to. */
    private static final class SteppedModel implements BatchModel {
        private final Semaphore entered = new Semaphore(0);
        private final Semaphore steps = new Semaphore(0);
        private boolean failing;

        @Override
        public int columns() {
            return 1;
        }

        @Override
        public boolean add(MemorySegment utf8, int length) {
            return true;
        }

        @Override
        public void run(MemorySegment results) {
            entered.release();
            steps.acquireUninterruptibly();
            if (failing) {
                throw new IllegalStateException("planted");
            }
        }

        @Override
        public void clear() {
            // Nothing is kept.
        }

        @Override
        public void close() {
            // Nothing to free.
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"REJECT_NEW", "DROP_OLDEST"})
    void whatAFullQueueRefusesOrGivesUpIsCounted(Overload overload) {
        SteppedModel model = new SteppedModel();
        RequestLog log = new RequestLog(ArrivalSchedule.atOnce(REQUESTS), 0);
        PipelineOptions options = PipelineOptions.builder().capacity(4).maxBatch(1).overload(overload).build();
        try (PipelineSubject subject = PipelineSubject.of(() -> model, options, List.of("a", "b"))) {
            offer(0, subject, log);
            model.entered.acquireUninterruptibly();
            for (int request = 1; request < REQUESTS; request++) {
                offer(request, subject, log);
            }
            model.steps.release(REQUESTS);
        }
        log.requireBalanced();
        // One runs, four wait.
        assertThat(log.answered()).isEqualTo(5);
        assertThat(overload == Overload.REJECT_NEW ? log.rejected() : log.dropped()).isEqualTo(REQUESTS - 5);
        assertThat(log.outOfOrder()).isZero();
        assertThat(log.isAnswered(overload == Overload.REJECT_NEW ? 1 : REQUESTS - 1)).isTrue();
    }

    @Test
    void aModelThatFailsFailsItsRequests() {
        SteppedModel model = new SteppedModel();
        model.failing = true;
        model.steps.release(REQUESTS);
        RequestLog log = new RequestLog(ArrivalSchedule.atOnce(2), 0);
        try (PipelineSubject subject = PipelineSubject.of(() -> model, PipelineOptions.builder().build(),
                List.of("a"))) {
            offer(0, subject, log);
            offer(1, subject, log);
        }
        assertThat(log.requireBalanced().failed()).isEqualTo(2);
    }

    private static void offer(int request, Subject subject, RequestLog log) {
        if (!subject.offer(request, log)) {
            log.rejected(request);
        }
    }
}
