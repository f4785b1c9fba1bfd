package dev.nightjar.benchmarks.engines;

import dev.nightjar.benchmarks.Headlines;
import dev.nightjar.benchmarks.latency.ArrivalSchedule;
import dev.nightjar.benchmarks.latency.Clock;
import dev.nightjar.benchmarks.latency.LatencySummary;
import dev.nightjar.benchmarks.latency.LoadGenerator;
import dev.nightjar.benchmarks.latency.PipelineSubject;
import dev.nightjar.pipeline.PipelineOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;

/**
 * Times one engine and prints a line of JSON; run by {@code benchmarks/compare-engines}.
 *
 * <p>Usage: {@code EngineRun save FOLDER} writes the model; {@code EngineRun NAME FOLDER THREADS SECONDS} checks and times an engine: one
 * text at a time, then behind a pipeline that batches up to eight, its capacity and its latency at 70 % of that.
 */
public final class EngineRun {
    private static final int QUEUE = 64;
    private static final int BATCH = 8;
    private static final int CAPACITY_REQUESTS = 500;
    private static final double LOAD = 0.7;
    private static final long SPIN_NANOS = 60_000;

    private EngineRun() {
    }

    /** See the class comment. */
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[1]);
        if (args[0].equals("save")) {
            Engines.save(folder);
            return;
        }
        int seconds = Integer.parseInt(args[3]);
        try (Engine engine = Engines.open(args[0], folder, Integer.parseInt(args[2]))) {
            alone(engine, seconds / 2);
            Histogram alone = alone(engine, seconds);
            LoadGenerator generator = new LoadGenerator(Clock.system(SPIN_NANOS), Duration.ofMinutes(1));
            PipelineOptions options = PipelineOptions.builder().capacity(QUEUE).maxBatch(BATCH).build();
            try (PipelineSubject subject = PipelineSubject.of(() -> new EngineModel(engine, Engines.LABELS.size()),
                    options, Headlines.texts())) {
                generator.capacity(CAPACITY_REQUESTS, subject);
                double capacity = generator.capacity(CAPACITY_REQUESTS, subject);
                Histogram loaded = LatencySummary.fromScheduled(generator.openLoop(
                        ArrivalSchedule.poisson(LOAD * capacity, Duration.ofSeconds(seconds), 1), subject)).latency();
                System.out.printf(Locale.ROOT,
                        "{\"alone_p50\": %.4f, \"alone_p99\": %.4f, \"capacity\": %.2f, \"loaded_p50\": %.4f, \"loaded_p99\": %.4f}%n",
                        LatencySummary.millis(alone, 50), LatencySummary.millis(alone, 99), capacity,
                        LatencySummary.millis(loaded, 50), LatencySummary.millis(loaded, 99));
            }
        }
    }

    /** One text after the other, in turn through all of them. */
    private static Histogram alone(Engine engine, int seconds) {
        Histogram histogram = new Histogram(3);
        List<String> texts = Headlines.texts();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        for (int i = 0; System.nanoTime() < end; i++) {
            long begin = System.nanoTime();
            engine.classify(List.of(texts.get(i % texts.size())));
            histogram.recordValue(System.nanoTime() - begin);
        }
        return histogram;
    }
}
