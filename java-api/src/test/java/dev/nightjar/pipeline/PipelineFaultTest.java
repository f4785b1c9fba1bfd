package dev.nightjar.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.nightjar.Device;
import dev.nightjar.InferenceOptions;
import dev.nightjar.Prediction;
import dev.nightjar.SentimentModel;
import dev.nightjar.TinyModel;
import dev.nightjar.pipeline.Collector.Answer;
import dev.nightjar.pipeline.PipelineOptions.LongTexts;
import dev.nightjar.pipeline.PipelineOptions.Overload;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What goes wrong around a pipeline: nothing is lost silently, nothing hangs, and the next text is answered. */
@Timeout(300)
class PipelineFaultTest {
    private static final int MEGABYTE = 1 << 20;

    @TempDir
    private Path folder;

    private final StubModel model = new StubModel();
    private final Collector collector = new Collector();

    private static PipelineOptions.Builder options() {
        return PipelineOptions.builder().capacity(8).maxTextBytes(64);
    }

    private InferencePipeline start(PipelineOptions.Builder options, ResultHandler handler) {
        return InferencePipeline.start(() -> model, 0, options.build(), handler);
    }

    private static void assertBalanced(InferencePipeline pipeline, long offered) {
        PipelineMetrics metrics = pipeline.metrics();
        assertThat(metrics.offered()).isEqualTo(offered);
        assertThat(metrics.inFlight()).isZero();
        assertThat(metrics.answered() + metrics.rejected() + metrics.dropped()).isEqualTo(offered);
    }

    /** Brings a text that the model is stopped at, so that what follows waits in the queue. */
    private void occupy(InferencePipeline pipeline) throws InterruptedException {
        model.hold();
        pipeline.offer(0, "first");
        model.awaitPasses(1);
    }

    private static InferenceOptions cpu() {
        return InferenceOptions.defaults().withDevice(Device.of("cpu")).withTokenBudget(64);
    }

    /** What a real model says through a pipeline about one text. */
    private Prediction ask(SentimentModel real, byte[] utf8, PipelineOptions.Builder options) {
        AtomicReference<Prediction> answer = new AtomicReference<>();
        try (InferencePipeline pipeline = InferencePipeline.start(real, options.build(),
                result -> answer.set(new Prediction(real.labels().get(result.label()), result.label(),
                        IntStream.range(0, result.classes()).mapToObj(result::probability).toList(),
                        IntStream.range(0, result.scores()).mapToObj(result::score).toList(), 0,
                        result.truncated())))) {
            assertThat(pipeline.offer(1, MemorySegment.ofArray(utf8), utf8.length)).isTrue();
        }
        return answer.get();
    }

    private static void assertSame(Prediction actual, Prediction expected) {
        assertThat(actual.labelIndex()).isEqualTo(expected.labelIndex());
        assertThat(actual.probabilities()).isEqualTo(expected.probabilities());
        assertThat(actual.scores()).isEqualTo(expected.scores());
    }

    @Test
    void aCallbackThatThrowsStopsNothing() {
        InferencePipeline pipeline = start(options(), result -> {
            if (result.id() % 2 == 0) {
                throw new IllegalStateException("callback " + result.id());
            }
            collector.answered(result);
        });
        for (int i = 0; i < 6; i++) {
            pipeline.offer(i, "text");
        }
        pipeline.close();
        assertThat(collector.ids()).containsExactly(1L, 3L, 5L);
        assertThat(pipeline.metrics().handlerFailures()).isEqualTo(3);
        assertThat(pipeline.lastFailure()).hasMessage("callback 4");
        assertBalanced(pipeline, 6);
    }

    @Test
    void anErrorInACallbackStopsNothing() {
        AtomicBoolean first = new AtomicBoolean(true);
        InferencePipeline pipeline = start(options(), result -> {
            if (first.getAndSet(false)) {
                throw new StackOverflowError("callback");
            }
            collector.answered(result);
        });
        pipeline.offer(1, "text");
        pipeline.offer(2, "text");
        pipeline.close();
        assertThat(collector.ids()).containsExactly(2L);
        assertBalanced(pipeline, 2);
    }

    @Test
    void aTextOrBatchThatFailsIsSaidToHaveFailed() throws InterruptedException {
        InferencePipeline pipeline = start(options(), collector);
        pipeline.publish(1, "!refused");
        occupy(pipeline);
        pipeline.publish(2, "beside");
        pipeline.publish(3, "#poison");
        model.allow(1);
        model.awaitPasses(1);
        pipeline.publish(4, "after");
        model.releaseAll();
        pipeline.close();
        assertThat(collector.answers()).containsExactly(new Answer(1, -1), new Answer(0, 5), new Answer(2, -1),
                new Answer(3, -1), new Answer(4, 5));
        assertThat(pipeline.metrics().failed()).isEqualTo(3);
        assertThat(pipeline.metrics().modelFailures()).isEqualTo(1);
        assertThat(pipeline.lastFailure()).hasMessage("poisoned");
        assertBalanced(pipeline, 5);
    }

    @Test
    void aTextOfAMegabyteIsCutOrRefused() throws IOException {
        byte[] text = "w1 w2 w3 ".repeat(MEGABYTE / 9).getBytes(StandardCharsets.UTF_8);
        try (SentimentModel real = SentimentModel.load(TinyModel.save(folder), cpu())) {
            Prediction expected = real.predict(new String(text, StandardCharsets.UTF_8));
            Prediction cut = ask(real, text, PipelineOptions.builder());
            assertSame(cut, expected);
            assertThat(cut.truncated()).isTrue();
            Prediction whole = ask(real, text, PipelineOptions.builder().capacity(4).maxTextBytes(MEGABYTE));
            assertSame(whole, expected);
            assertThat(whole.truncated()).isFalse();
        }
        InferencePipeline refusing = start(options().longTexts(LongTexts.REJECT), collector);
        assertThat(refusing.offer(1, MemorySegment.ofArray(text), text.length)).isFalse();
        assertThat(refusing.offer(2, "short")).isTrue();
        refusing.close();
        assertThat(collector.ids()).containsExactly(2L);
        assertThat(refusing.metrics().rejectedLong()).isEqualTo(1);
        assertBalanced(refusing, 2);
    }

    @Test
    void invalidUtf8AndTheEmptyTextAreAnswered() throws IOException {
        try (SentimentModel real = SentimentModel.load(TinyModel.save(folder), cpu())) {
            byte[] invalid = {(byte) 0x80, 'w', '1', ' ', (byte) 0xED, (byte) 0xA0, (byte) 0x80, 'w', '2', (byte) 0xC2};
            assertSame(ask(real, invalid, options()), real.predict("w1 w2"));
            assertSame(ask(real, new byte[0], options()), real.predict(""));
        }
    }

    @Test
    void aProducerThatDiesWhileWritingLosesOnlyItsText() throws InterruptedException {
        InferencePipeline pipeline = start(options(), collector);
        AtomicReference<Throwable> cause = new AtomicReference<>();
        try (Arena mine = Arena.ofConfined()) {
            MemorySegment text = mine.allocate(5);
            // The memory belongs to this thread, so the other one fails in the midst of bringing it.
            Thread producer = Thread.ofPlatform().uncaughtExceptionHandler((thread, e) -> cause.set(e))
                    .start(() -> pipeline.offer(1, text, 5));
            producer.join();
        }
        assertThat(cause.get()).isInstanceOf(WrongThreadException.class);
        pipeline.offer(2, "after");
        pipeline.close();
        assertThat(collector.answers()).containsExactly(new Answer(2, 5));
        assertBalanced(pipeline, 2);
    }

    @Test
    void producersOutliveAPipelineThatIsClosed() throws InterruptedException {
        InferencePipeline pipeline = start(options(), collector);
        occupy(pipeline);
        AtomicInteger calls = new AtomicInteger(1);
        CountDownLatch running = new CountDownLatch(4);
        List<Thread> producers = IntStream.range(0, 4).mapToObj(p -> Thread.ofPlatform().start(() -> {
            running.countDown();
            try {
                boolean taken = true;
                for (int i = 0; taken; i++) {
                    calls.incrementAndGet();
                    taken = pipeline.publish(p * 1000L + i, "text");
                }
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        })).toList();
        running.await();
        Thread closer = Thread.ofPlatform().start(pipeline::close);
        for (Thread producer : producers) {
            producer.join();
        }
        assertThat(model.closed.getCount()).as("the model is in use").isOne();
        model.releaseAll();
        closer.join();
        assertThat(model.closed.getCount()).isZero();
        assertThat(pipeline.metrics().rejectedClosed()).isEqualTo(4);
        assertThat(collector.answers()).hasSize(calls.get() - 4);
        assertBalanced(pipeline, calls.get());
    }

    @Test
    void aModelIsNotClosedUnderItsPipeline() throws IOException {
        try (SentimentModel real = SentimentModel.load(TinyModel.save(folder), cpu())) {
            InferencePipeline pipeline = InferencePipeline.start(real, options().build(), collector);
            assertThatIllegalStateException().isThrownBy(real::close);
            pipeline.offer(1, "w1");
            pipeline.close();
            assertThat(collector.ids()).containsExactly(1L);
        }
    }

    @Test
    void aHandlerMayCloseThePipeline() throws InterruptedException {
        AtomicReference<InferencePipeline> self = new AtomicReference<>();
        CountDownLatch set = new CountDownLatch(1);
        InferencePipeline pipeline = start(options().maxBatch(1), result -> {
            try {
                set.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            collector.answered(result);
            self.get().close();
        });
        self.set(pipeline);
        pipeline.offer(1, "text");
        pipeline.offer(2, "text");
        set.countDown();
        model.closed.await();
        pipeline.close();
        assertThat(collector.ids()).containsExactly(1L, 2L);
    }

    @Test
    void aHandlerThatPublishesToItsFullPipelineIsRefused() throws InterruptedException {
        AtomicReference<InferencePipeline> self = new AtomicReference<>();
        List<Boolean> accepted = new ArrayList<>();
        InferencePipeline pipeline = start(options(), result -> {
            if (result.id() == 0) {
                try {
                    for (int i = 0; i < 9; i++) {
                        accepted.add(self.get().publish(100 + i, "more"));
                    }
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            }
        });
        self.set(pipeline);
        occupy(pipeline);
        model.releaseAll();
        pipeline.close();
        assertThat(accepted).hasSize(9);
        assertBalanced(pipeline, 10);
    }

    /** Different for different texts, so that an answer tells which text was read. */
    private static int length(long id) {
        return (int) (id * 7 % 61);
    }

    @ParameterizedTest
    @EnumSource(Overload.class)
    void ofSixtyFourProducersNothingIsLost(Overload overload) throws InterruptedException {
        int producers = 64;
        int texts = 300;
        InferencePipeline pipeline = InferencePipeline.start(StubModel::new, 0,
                options().overload(overload).maxBatch(5).build(), collector);
        AtomicInteger refused = new AtomicInteger();
        CountDownLatch start = new CountDownLatch(1);
        List<Thread> threads = IntStream.range(0, producers).mapToObj(p -> Thread.ofPlatform().start(() -> {
            try {
                start.await();
                for (int i = 0; i < texts; i++) {
                    long id = p * 1000L + i;
                    String text = "x".repeat(length(id));
                    boolean taken = i % 3 == 0 ? pipeline.publish(id, text) : pipeline.offer(id, text);
                    refused.addAndGet(taken ? 0 : 1);
                }
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        })).toList();
        start.countDown();
        for (Thread thread : threads) {
            thread.join();
        }
        pipeline.close();
        List<Answer> answers = collector.answers();
        assertThat(answers.stream().map(Answer::id).distinct().count()).isEqualTo(answers.size());
        assertThat(answers).hasSize(producers * texts - refused.get())
                .allMatch(answer -> answer.length() == -2 || answer.length() == length(answer.id()));
        for (int p = 0; p < producers; p++) {
            int producer = p;
            assertThat(answers.stream().filter(a -> a.id() / 1000 == producer && a.length() >= 0).map(Answer::id))
                    .as("answers to producer %d", p).isSorted();
        }
        assertThat(pipeline.metrics().dropped()).isEqualTo(answers.stream().filter(a -> a.length() == -2).count());
        assertThat(pipeline.metrics().rejected()).isEqualTo(refused.get());
        assertThat(refused.get() > 0).as("refused").isEqualTo(overload == Overload.REJECT_NEW);
        assertBalanced(pipeline, (long) producers * texts);
    }

    @Test
    void anInterruptEndsPublishing() throws InterruptedException {
        InferencePipeline pipeline = start(options(), collector);
        occupy(pipeline);
        for (int i = 1; i <= 8; i++) {
            pipeline.publish(i, "text");
        }
        AtomicReference<Throwable> cause = new AtomicReference<>();
        Thread producer = Thread.ofPlatform().start(() -> {
            try {
                pipeline.publish(9, "too many");
            } catch (InterruptedException e) {
                cause.set(e);
            }
        });
        while (pipeline.metrics().inFlight() < 10) {
            Thread.onSpinWait();
        }
        producer.interrupt();
        producer.join();
        assertThat(cause.get()).isInstanceOf(InterruptedException.class);
        model.releaseAll();
        pipeline.close();
        assertThat(collector.answers()).hasSize(9);
        assertThat(pipeline.metrics().rejectedInterrupted()).isEqualTo(1);
        assertBalanced(pipeline, 10);
    }

    @Test
    void aSlowConsumerHoldsThePipelineBackAndLosesNothing() {
        ResultRing ring = new ResultRing(2);
        InferencePipeline pipeline = start(options().maxBatch(1), ring);
        int accepted = 0;
        while (pipeline.metrics().rejectedFull() == 0) {
            accepted += pipeline.offer(accepted, "text") ? 1 : 0;
        }
        // Two wait in the ring, and one, which is not counted as answered, for room in it.
        assertThat(pipeline.metrics().answered()).isLessThanOrEqualTo(2);
        Thread closer = Thread.ofPlatform().start(pipeline::close);
        int polled = 0;
        while (polled < accepted) {
            polled += ring.poll(collector, 1);
        }
        join(closer);
        assertThat(collector.ids()).isEqualTo(IntStream.range(0, accepted).mapToObj(i -> (long) i).toList());
        assertBalanced(pipeline, accepted + pipeline.metrics().rejectedFull());
    }

    @Test
    void aConsumerThatNeverComesDoesNotPreventClosing() {
        ResultRing ring = new ResultRing(2);
        InferencePipeline pipeline = start(options().maxBatch(1), ring);
        while (pipeline.metrics().answered() < 2 || pipeline.metrics().rejectedFull() == 0) {
            pipeline.offer(1, "text");
        }
        pipeline.closeNow();
        PipelineMetrics metrics = pipeline.metrics();
        assertThat(metrics.answered()).isEqualTo(2);
        // Eight were in the queue at some time.
        assertThat(metrics.dropped()).isGreaterThanOrEqualTo(6);
        assertBalanced(pipeline, metrics.offered());
        assertThat(ring.poll(collector, 10)).isEqualTo(2);
    }

    @Test
    void anInterruptedCloserDropsWhatWaits() throws InterruptedException {
        InferencePipeline pipeline = start(options().maxBatch(1), collector);
        occupy(pipeline);
        pipeline.offer(1, "text");
        AtomicBoolean stillInterrupted = new AtomicBoolean();
        Thread closer = Thread.ofPlatform().start(() -> {
            pipeline.close();
            stillInterrupted.set(Thread.currentThread().isInterrupted());
        });
        closer.interrupt();
        // The closer takes no notice of the interrupt before it waits, which it does for the text that the model holds.
        while (pipeline.metrics().rejectedClosed() == 0) {
            pipeline.offer(2, "late");
        }
        model.releaseAll();
        closer.join();
        assertThat(stillInterrupted).isTrue();
        assertBalanced(pipeline, pipeline.metrics().offered());
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
