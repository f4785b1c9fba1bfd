package dev.nightjar.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.nightjar.UnavailableException;
import dev.nightjar.pipeline.Collector.Answer;
import dev.nightjar.pipeline.PipelineOptions.LongTexts;
import dev.nightjar.pipeline.PipelineOptions.Overload;
import dev.nightjar.pipeline.PipelineOptions.Wait;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Batches, policies, order and counters on a model that stops where it is told. */
@Timeout(300)
class InferencePipelineTest {
    private static final Duration LONG = Duration.ofHours(1);

    private final StubModel model = new StubModel();
    private final Collector collector = new Collector();

    private InferencePipeline start(PipelineOptions.Builder options) {
        return InferencePipeline.start(() -> model, 0, options.build(), collector);
    }

    private static PipelineOptions.Builder options() {
        return PipelineOptions.builder().capacity(8).maxTextBytes(16);
    }

    private static List<Long> ids(long from, long to) {
        return LongStream.range(from, to).boxed().toList();
    }

    private static void assertBalanced(PipelineMetrics metrics) {
        assertThat(metrics.offered())
                .isEqualTo(metrics.answered() + metrics.rejected() + metrics.dropped() + metrics.inFlight());
    }

    /** Brings a text that the model is stopped at, so that what follows waits in the queue. */
    private void occupy(InferencePipeline pipeline, long id) throws InterruptedException {
        model.hold();
        pipeline.offer(id, "first");
        model.awaitPasses(1);
    }

    /** Returns when the pipeline takes no more texts. */
    private static void awaitClosing(InferencePipeline pipeline) {
        while (pipeline.metrics().rejectedClosed() == 0) {
            pipeline.offer(99, "late");
        }
    }

    @ParameterizedTest
    @EnumSource(Wait.class)
    void everyTextIsAnsweredInItsOrder(Wait wait) throws InterruptedException {
        try (InferencePipeline pipeline = start(options().waitStrategy(wait).maxBatch(3))) {
            for (int i = 0; i < 500; i++) {
                assertThat(pipeline.publish(i, "x".repeat(i % 17))).isTrue();
            }
        }
        assertThat(collector.answers())
                .isEqualTo(IntStream.range(0, 500).mapToObj(i -> new Answer(i, Math.min(16, i % 17))).toList());
    }

    @Test
    void aBatchIsWhatCameWhileTheLastOneRan() throws InterruptedException {
        InferencePipeline pipeline = start(options().maxBatch(4));
        occupy(pipeline, 0);
        for (int i = 1; i <= 7; i++) {
            pipeline.offer(i, "text");
        }
        model.releaseAll();
        pipeline.close();
        PipelineMetrics metrics = pipeline.metrics();
        assertThat(collector.ids()).isEqualTo(ids(0, 8));
        assertThat(metrics.batches()).isEqualTo(3);
        assertThat(metrics.closedBySize()).isEqualTo(1);
        assertThat(metrics.closedByDeadline()).isEqualTo(2);
    }

    @Test
    void aTextThatDoesNotFitIsTheFirstOfTheNextBatch() throws InterruptedException {
        StubModel small = new StubModel(8, 10);
        InferencePipeline pipeline = InferencePipeline.start(() -> small, 0, options().maxDelay(LONG).build(),
                collector);
        pipeline.offer(1, "12345");
        pipeline.offer(2, "1234");
        pipeline.offer(3, "12");
        pipeline.offer(4, "12345678901");
        pipeline.offer(5, "123");
        pipeline.close();
        assertThat(collector.answers()).containsExactly(new Answer(1, 5), new Answer(2, 4), new Answer(3, 2),
                new Answer(4, -1), new Answer(5, 3));
        assertThat(pipeline.metrics().closedByTokens()).isEqualTo(2);
        assertThat(pipeline.metrics().failed()).isEqualTo(1);
    }

    @Test
    void aBatchWaitsForItsDeadline() throws InterruptedException {
        // The first deadline never comes, so what closes the batch is its size; the second comes.
        InferencePipeline pipeline = start(options().maxDelay(LONG).maxBatch(2));
        pipeline.offer(1, "a");
        pipeline.offer(2, "b");
        pipeline.offer(3, "c");
        pipeline.close();
        assertThat(pipeline.metrics().closedBySize()).isEqualTo(1);
        assertThat(collector.ids()).containsExactly(1L, 2L, 3L);

        CountDownLatch answered = new CountDownLatch(1);
        StubModel other = new StubModel();
        try (InferencePipeline soon = InferencePipeline.start(() -> other, 0,
                options().maxDelay(Duration.ofMillis(2)).build(), result -> answered.countDown())) {
            soon.offer(1, "a");
            answered.await();
            assertThat(soon.metrics().closedByDeadline()).isEqualTo(1);
        }
    }

    @Test
    void aFullQueueRefusesNewTexts() throws InterruptedException {
        InferencePipeline pipeline = start(options().overload(Overload.REJECT_NEW));
        occupy(pipeline, 0);
        for (int i = 1; i <= 20; i++) {
            assertThat(pipeline.offer(i, "text")).isEqualTo(i <= 8);
        }
        assertThat(pipeline.metrics().inFlight()).isEqualTo(9);
        assertThat(pipeline.metrics().queued()).isEqualTo(8);
        model.releaseAll();
        pipeline.close();
        assertThat(collector.ids()).isEqualTo(ids(0, 9));
        assertThat(pipeline.metrics().rejectedFull()).isEqualTo(12);
        assertThat(pipeline.metrics().inFlight()).isZero();
        assertBalanced(pipeline.metrics());
    }

    @Test
    void aFullQueueDropsTheOldest() throws InterruptedException {
        InferencePipeline pipeline = start(options().overload(Overload.DROP_OLDEST));
        occupy(pipeline, 0);
        for (int i = 1; i <= 20; i++) {
            assertThat(pipeline.offer(i, "text")).isTrue();
        }
        assertThat(collector.answers())
                .isEqualTo(LongStream.rangeClosed(1, 12).mapToObj(i -> new Answer(i, -2)).toList());
        model.releaseAll();
        pipeline.close();
        assertThat(collector.ids().subList(12, 21)).containsExactly(0L, 13L, 14L, 15L, 16L, 17L, 18L, 19L, 20L);
        assertThat(pipeline.metrics().dropped()).isEqualTo(12);
        assertThat(pipeline.metrics().answered()).isEqualTo(9);
        assertBalanced(pipeline.metrics());
    }

    @Test
    void aFullQueueLetsTheCallerRun() throws InterruptedException {
        StubModel callers = new StubModel();
        StubModel[] models = {model, callers};
        int[] made = {0};
        InferencePipeline pipeline = InferencePipeline.start(() -> models[made[0]++], 0,
                options().overload(Overload.CALLER_RUNS).build(), collector);
        occupy(pipeline, 0);
        for (int i = 1; i <= 8; i++) {
            pipeline.offer(i, "text");
        }
        callers.hold();
        Thread producer = Thread.ofPlatform().start(() -> {
            pipeline.offer(9, "by myself");
            pipeline.offer(10, "again");
        });
        callers.awaitPasses(1);
        callers.releaseAll();
        model.releaseAll();
        producer.join();
        pipeline.close();
        assertThat(collector.ids()).isEqualTo(ids(0, 11));
        assertThat(collector.answers()).contains(new Answer(9, 9));
        assertThat(pipeline.metrics().callerRuns()).isPositive();
        assertThat(callers.closed.getCount()).isZero();
        assertBalanced(pipeline.metrics());
    }

    @Test
    void longTextsAreCutOrRefused() {
        InferencePipeline cutting = start(options());
        assertThat(cutting.offer(1, "x".repeat(40))).isTrue();
        cutting.close();
        assertThat(collector.answers()).containsExactly(new Answer(1, 16));
        assertThat(cutting.metrics().truncated()).isEqualTo(1);

        InferencePipeline refusing = start(options().longTexts(LongTexts.REJECT));
        assertThat(refusing.offer(2, "x".repeat(17))).isFalse();
        assertThat(refusing.offer(3, "x".repeat(16))).isTrue();
        refusing.close();
        assertThat(refusing.metrics().rejectedLong()).isEqualTo(1);
        assertThat(collector.answers()).endsWith(new Answer(3, 16));
    }

    @Test
    void identicalTextsAreAnsweredOnce() {
        InferencePipeline pipeline = start(options().cacheEntries(16).maxBatch(1));
        for (int i = 0; i < 6; i++) {
            pipeline.offer(i, i % 2 == 0 ? "even" : "odder");
        }
        pipeline.close();
        assertThat(collector.answers())
                .isEqualTo(IntStream.range(0, 6).mapToObj(i -> new Answer(i, i % 2 == 0 ? 4 : 5)).toList());
        assertThat(model.passes.get()).isEqualTo(2);
        assertThat(pipeline.metrics().cacheHits()).isEqualTo(4);
    }

    @Test
    void aKnownAnswerKeepsItsPlaceBehindTextsThatRun() throws InterruptedException {
        InferencePipeline pipeline = start(options().cacheEntries(16).maxBatch(4));
        occupy(pipeline, 0);
        pipeline.offer(1, "other");
        pipeline.offer(2, "first");
        pipeline.offer(3, "third");
        model.releaseAll();
        pipeline.close();
        assertThat(collector.ids()).isEqualTo(ids(0, 4));
        assertThat(pipeline.metrics().cacheHits()).isEqualTo(1);
    }

    @Test
    void theCacheForgetsOneTextForAnother() throws InterruptedException {
        try (InferencePipeline pipeline = start(options().cacheEntries(1).maxBatch(2))) {
            for (int round = 0; round < 50; round++) {
                pipeline.publish(round, "a" + round % 3);
            }
        }
        assertThat(collector.answers()).hasSize(50).allMatch(answer -> answer.length() == 2);
    }

    @Test
    void anIdleModelIsKeptWarm() throws InterruptedException {
        try (InferencePipeline pipeline = start(options().keepWarm(Duration.ofMillis(1)))) {
            model.awaitPasses(3);
            assertThat(model.keepWarmPasses.get()).isGreaterThanOrEqualTo(3);
            assertThat(pipeline.metrics().batches()).isZero();
        }
        assertThat(collector.answers()).isEmpty();
    }

    @Test
    void closingWithoutDrainingDropsWhatWaits() throws InterruptedException {
        InferencePipeline pipeline = start(options());
        occupy(pipeline, 0);
        pipeline.offer(1, "waits");
        pipeline.offer(2, "waits");
        Thread closer = Thread.ofPlatform().start(pipeline::closeNow);
        awaitClosing(pipeline);
        model.releaseAll();
        closer.join();
        PipelineMetrics metrics = pipeline.metrics();
        assertThat(collector.answers().getFirst()).isEqualTo(new Answer(0, 5));
        assertThat(metrics.answered()).isEqualTo(1);
        assertThat(metrics.dropped()).isGreaterThanOrEqualTo(2);
        assertThat(metrics.rejectedClosed()).isPositive();
        assertThat(metrics.inFlight()).isZero();
        assertBalanced(metrics);
        assertThat(model.closed.getCount()).isZero();
        pipeline.close();
        assertThat(pipeline.offer(4, "too late")).isFalse();
    }

    @Test
    void closingWaitsNoLongerThanItsPatience() throws InterruptedException {
        InferencePipeline pipeline = start(options().maxBatch(1));
        occupy(pipeline, 0);
        pipeline.offer(1, "waits");
        Thread releaser = Thread.ofPlatform().start(() -> {
            awaitClosing(pipeline);
            model.releaseAll();
        });
        pipeline.close(Duration.ZERO);
        releaser.join();
        assertThat(collector.answers().getFirst()).isEqualTo(new Answer(0, 5));
        assertThat(pipeline.metrics().inFlight()).isZero();
        assertBalanced(pipeline.metrics());
    }

    @Test
    void aResultRingCarriesAnswersToAnotherThread() {
        ResultRing ring = new ResultRing(16);
        InferencePipeline pipeline = InferencePipeline.start(() -> model, 0, options().build(), ring);
        for (int i = 0; i < 5; i++) {
            pipeline.offer(i, i == 3 ? "!refused" : "text");
        }
        pipeline.close();
        assertThat(ring.poll(collector, 2)).isEqualTo(2);
        assertThat(ring.poll(collector, 100)).isEqualTo(3);
        assertThat(ring.poll(collector, 100)).isZero();
        assertThat(collector.answers()).containsExactly(new Answer(0, 4), new Answer(1, 4), new Answer(2, 4),
                new Answer(3, -1), new Answer(4, 4));
        assertThatIllegalStateException()
                .isThrownBy(() -> InferencePipeline.start(StubModel::new, 0, options().build(), ring));
    }

    @Test
    void aConsumerThatThrowsLosesOnlyThatResult() {
        ResultRing ring = new ResultRing(16);
        InferencePipeline pipeline = InferencePipeline.start(() -> model, 0, options().build(), ring);
        pipeline.offer(1, "a");
        pipeline.offer(2, "b");
        pipeline.close();
        assertThatIllegalStateException().isThrownBy(() -> ring.poll(result -> {
            throw new IllegalStateException("mine");
        }, 10)).withMessage("mine");
        assertThat(ring.poll(collector, 10)).isEqualTo(1);
        assertThat(collector.ids()).containsExactly(2L);
    }

    @Test
    void aPipelineThatCannotStartSaysWhyAndClosesItsModel() throws InterruptedException {
        assertThatExceptionOfType(UnavailableException.class).isThrownBy(() -> start(options().cpu(1023)));
        model.closed.await();
    }

    @Test
    void aTextOutsideItsSegmentIsRefusedBeforeItIsCounted() {
        try (InferencePipeline pipeline = start(options())) {
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> pipeline.offer(1, MemorySegment.ofArray(new byte[3]), 4));
            assertThat(pipeline.metrics().offered()).isZero();
        }
    }
}
