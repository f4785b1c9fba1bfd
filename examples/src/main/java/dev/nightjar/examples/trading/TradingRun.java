package dev.nightjar.examples.trading;

import dev.nightjar.NightjarException;
import dev.nightjar.SentimentModel;
import dev.nightjar.pipeline.InferencePipeline;
import dev.nightjar.pipeline.PipelineMetrics;
import dev.nightjar.pipeline.PipelineOptions;
import dev.nightjar.pipeline.PipelineResult;
import dev.nightjar.pipeline.ResultHandler;
import dev.nightjar.pipeline.ResultRing;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;

/**
 * Replays a feed through a model and a strategy. One thread sends the feed; the transport's thread hands each headline
 * to the pipeline the moment it arrives and queues the message; the calling thread takes the messages in order and
 * waits for the answer to each headline before it goes on. So quotes can wait for a headline before them, and the
 * orders depend on the feed and the model alone. The pipeline runs one headline at a time, because what a headline is
 * batched with may move the last bits of its score.
 */
public final class TradingRun implements ResultHandler {
    /** In-process, or through Aeron. */
    public enum Transport {
        DIRECT, AERON
    }

    /**
     * What came out.
     *
     * @param tickToSignal nanoseconds from the time a headline was due to the strategy having acted on it
     * @param service nanoseconds of these that the model took
     */
    public record Outcome(Strategy strategy, Histogram tickToSignal, Histogram service, PipelineMetrics pipeline) {
    }

    private static final int QUEUED_MESSAGES = 4096;
    private static final long HIGHEST_NANOS = Duration.ofMinutes(10).toNanos();
    private static final int DIGITS = 3;
    private static final long LOOK_MILLIS = 100;

    private final FeedReplay replay;
    private final int messages;
    private final Strategy strategy;
    private final BlockingQueue<FeedEvent> inbox = new ArrayBlockingQueue<>(QUEUED_MESSAGES);
    private final ResultRing results = new ResultRing(QUEUED_MESSAGES);
    private final Histogram tickToSignal = new Histogram(HIGHEST_NANOS, DIGITS);
    private final Histogram service = new Histogram(HIGHEST_NANOS, DIGITS);
    private FeedEvent awaited;
    /** What ended another thread, or came instead of an answer. */
    private volatile Throwable failure;

    private TradingRun(List<FeedEvent> feed, double speed, Strategy strategy) {
        this.replay = new FeedReplay(feed, speed);
        this.messages = feed.size();
        this.strategy = strategy;
    }

    /**
     * Runs a feed to its end.
     *
     * @param model with a regression target in [-1, 1], or classes from the most negative to the most positive
     * @param speed feed time per real time; infinite to send without waiting
     * @throws NightjarException if a headline could not be read
     */
    public static Outcome run(SentimentModel model, List<FeedEvent> feed, double speed, Strategy.Settings settings,
            Transport transport) throws InterruptedException {
        return new TradingRun(feed, speed, new Strategy(settings)).run(model, transport);
    }

    private Outcome run(SentimentModel model, Transport kind) throws InterruptedException {
        PipelineOptions options = PipelineOptions.builder().maxBatch(1).keepWarm(Duration.ofMillis(20)).build();
        try (InferencePipeline pipeline = InferencePipeline.start(model, options, results);
                FeedTransport transport = open(kind, event -> arrive(pipeline, event))) {
            replay.start();
            Thread sender = Thread.ofPlatform().daemon().name("feed").start(() -> {
                try {
                    replay.run(transport);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                } catch (RuntimeException e) {
                    failure = e;
                }
            });
            try {
                for (int i = 0; i < messages; i++) {
                    act(next());
                }
            } finally {
                sender.interrupt();
                sender.join();
            }
            return new Outcome(strategy, tickToSignal, service, pipeline.metrics());
        }
    }

    private static FeedTransport open(Transport kind, FeedTransport.Receiver receiver) {
        return switch (kind) {
            case DIRECT -> new FeedTransport() {
                @Override
                public void send(FeedEvent event) throws InterruptedException {
                    receiver.receive(event);
                }

                @Override
                public void close() {
                    // Has nothing.
                }
            };
            case AERON -> new AeronFeed(receiver);
        };
    }

    /** On the transport's thread. */
    private void arrive(InferencePipeline pipeline, FeedEvent event) throws InterruptedException {
        if (event.isNews() && !pipeline.publish(event.index(), event.headline())) {
            failure = new NightjarException("the pipeline refused headline " + event.index());
        }
        inbox.put(event);
    }

    private FeedEvent next() throws InterruptedException {
        FeedEvent event = null;
        while (event == null) {
            requireHealthy();
            event = inbox.poll(LOOK_MILLIS, TimeUnit.MILLISECONDS);
        }
        return event;
    }

    private void requireHealthy() {
        if (failure != null) {
            throw new NightjarException("the feed or the model failed: " + failure.getMessage(), failure);
        }
    }

    private void act(FeedEvent event) throws InterruptedException {
        if (!event.isNews()) {
            strategy.onQuote(event);
            return;
        }
        awaited = event;
        while (awaited != null) {
            if (results.poll(this, 1) == 0) {
                Thread.onSpinWait();
            }
            if (Thread.interrupted()) {
                throw new InterruptedException("interrupted while the model reads a headline");
            }
            requireHealthy();
        }
        tickToSignal.recordValue(Math.max(0, System.nanoTime() - replay.dueNanos(event)));
    }

    /** The answer to the headline that is waited for: answers come in the order of the headlines. */
    @Override
    public void answered(PipelineResult result) {
        service.recordValue(result.forwardNanos());
        strategy.onNews(awaited, sentiment(result));
        awaited = null;
    }

    @Override
    public void failed(long id, Throwable cause) {
        failure = cause;
    }

    /** In [-1, 1]: the first regression target, or the difference of the last and the first class. */
    private static double sentiment(PipelineResult result) {
        double value = result.scores() > 0
                ? result.score(0)
                : result.probability(result.classes() - 1) - result.probability(0);
        return Math.clamp(value, -1, 1);
    }

    /** The orders as one file. */
    public static byte[] orders(Strategy strategy) {
        return (String.join("\n", strategy.log()) + "\n").getBytes(StandardCharsets.US_ASCII);
    }
}
