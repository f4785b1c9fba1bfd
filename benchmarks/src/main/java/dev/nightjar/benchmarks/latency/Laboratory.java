package dev.nightjar.benchmarks.latency;

import dev.nightjar.Device;
import dev.nightjar.InferenceOptions;
import dev.nightjar.Precision;
import dev.nightjar.PretrainedEncoder;
import dev.nightjar.SentimentModel;
import dev.nightjar.benchmarks.Headlines;
import dev.nightjar.benchmarks.Machine;
import dev.nightjar.pipeline.PipelineOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures the latency of MiniLM behind an inference pipeline; run by {@code benchmarks/latency}. */
@Command(name = "latency", mixinStandardHelpOptions = true, sortOptions = false,
        subcommands = {Laboratory.Sweep.class, Soak.class},
        description = "Open-loop latency of MiniLM-L6 behind an InferencePipeline, from UTF-8 to class and score.")
public final class Laboratory {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final long SPIN_NANOS = 1_000_000;
    private static final int WARM_UP_REQUESTS = 1000;
    private static final int CAPACITY_REQUESTS = 2000;

    private Laboratory() {
    }

    /** Runs a command; exits with its status. */
    public static void main(String[] args) {
        System.exit(new CommandLine(new Laboratory()).setCaseInsensitiveEnumValuesAllowed(true).execute(args));
    }

    /** What is put under load. */
    static final class Setup {
        @Option(names = "--device", defaultValue = "cpu", description = "Backend; default ${DEFAULT-VALUE}.")
        private String device;

        @Option(names = "--precision", defaultValue = "FLOAT32", description = "Default ${DEFAULT-VALUE}.")
        private Precision precision;

        @Option(names = "--threads", defaultValue = "1", description = "Of the model; default ${DEFAULT-VALUE}.")
        private int threads;

        @Option(names = "--queue", defaultValue = "64", description = "Texts that can wait; default ${DEFAULT-VALUE}.")
        private int queue;

        @Option(names = "--batch", defaultValue = "8", description = "Most texts of a batch; default ${DEFAULT-VALUE}.")
        private int batch;

        @Option(names = "--wait", defaultValue = "PARK",
                description = "How the pipeline's thread waits: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}.")
        private PipelineOptions.Wait wait;

        @Option(names = "--overload", defaultValue = "REJECT_NEW",
                description = "What a full queue does: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}.")
        private PipelineOptions.Overload overload;

        @Option(names = "--seed", defaultValue = "1", description = "Of arrivals and heads; default ${DEFAULT-VALUE}.")
        long seed;

        SentimentModel model() throws IOException {
            InferenceOptions options = InferenceOptions.defaults().withDevice(Device.of(device).withThreads(threads))
                    .withPrecision(precision);
            return SentimentModel.loadWithHeads(PretrainedEncoder.MINILM, List.of("negative", "neutral", "positive"),
                    List.of("score"), seed, options);
        }

        LoadGenerator generator() {
            return new LoadGenerator(Clock.system(SPIN_NANOS), PATIENCE);
        }

        PipelineOptions pipeline() {
            return PipelineOptions.builder().capacity(queue).maxBatch(batch).waitStrategy(wait).overload(overload)
                    .build();
        }

        Map<String, String> description(SentimentModel model) {
            Map<String, String> setting = new LinkedHashMap<>();
            setting.put("Machine", Machine.description());
            setting.put("Model", "MiniLM-L6, three classes and a score, " + model.backendName() + ", " + precision
                    + ", threads " + threads);
            setting.put("Pipeline", "queue " + queue + ", batches of up to " + batch + " texts without delay, " + wait
                    + ", " + overload);
            setting.put("Texts", Headlines.texts().size() + " headlines of 4 to 40 words, in turn");
            return setting;
        }

        /** Warms up and measures capacity. */
        double capacity(LoadGenerator generator, Subject subject) {
            generator.capacity(WARM_UP_REQUESTS, subject);
            return generator.capacity(CAPACITY_REQUESTS, subject);
        }
    }

    /** The sweep of loads. */
    @Command(name = "sweep", mixinStandardHelpOptions = true, sortOptions = false,
            description = "Latency at fractions of the capacity, which is measured first, as one HTML report.")
    static final class Sweep implements Callable<Integer> {
        @Mixin
        private Setup setup;

        @Option(names = "--output", required = true,
                description = "Folder for report.html, report.md, tables, latency.hlog, pauses.jfr.")
        private Path output;

        @Option(names = "--seconds", defaultValue = "25", description = "Of each load; default ${DEFAULT-VALUE}.")
        private int seconds;

        @Option(names = "--loads", split = ",", defaultValue = "0.3,0.5,0.7,0.9,1,2",
                description = "Shares of capacity, ascending; default ${DEFAULT-VALUE}.")
        private List<Double> loads;

        @Option(names = "--replay", description = "Also replays the timestamps at the begin of this file's lines.")
        private Path replay;

        @Option(names = "--speed", defaultValue = "1", description = "Of the replay; default ${DEFAULT-VALUE}.")
        private double speed;

        private LoadGenerator generator;

        @Override
        public Integer call() throws IOException {
            Files.createDirectories(output);
            generator = setup.generator();
            List<LoadPoint> sweep = new ArrayList<>();
            List<LoadPoint> others = new ArrayList<>();
            Duration duration = Duration.ofSeconds(seconds);
            try (SentimentModel model = setup.model();
                    PipelineSubject subject = PipelineSubject.of(model, setup.pipeline(), Headlines.texts());
                    PauseRecorder recorder = new PauseRecorder()) {
                double capacity = setup.capacity(generator, subject);
                System.out.printf("capacity %.1f texts/s%n", capacity);
                LatencySummary single = LatencySummary.fromScheduled(generator
                        .closedLoop(ArrivalSchedule.constant(0.1 * capacity, duration.dividedBy(2)), subject));
                Instant start = Instant.now();
                for (double load : loads) {
                    sweep.add(
                            measure(ArrivalSchedule.poisson(load * capacity, duration, setup.seed), capacity, subject));
                }
                double reference = LatencyReport.REFERENCE_LOAD * capacity;
                others.add(measure(ArrivalSchedule.constant(reference, duration), capacity, subject));
                others.add(measure(ArrivalSchedule.bursts(reference, 8, duration), capacity, subject));
                if (replay != null) {
                    others.add(measure(ArrivalSchedule.replay(replay, speed), capacity, subject));
                }
                Map<String, RequestLog> logs = new LinkedHashMap<>();
                sweep.forEach(point -> logs.put(point.tag(), point.log()));
                others.forEach(point -> logs.put(point.tag(), point.log()));
                HistogramLog.write(output.resolve("latency.hlog"), start, logs);
                LatencyReport.of(new LatencyReport.Data(setup.description(model), capacity, single, sweep, others,
                        recorder.stop(output.resolve("pauses.jfr")), stall())).write(output);
            }
            System.out.println("wrote " + output.resolve("report.html"));
            return 0;
        }

        private LoadPoint measure(ArrivalSchedule schedule, double capacity, Subject subject) {
            LoadPoint point = LoadPoint.of(schedule, capacity, generator.openLoop(schedule, subject));
            System.out.printf("%-20s %4.0f %% %7.1f/s: answered %d of %d, p50 %.2f ms, p99 %.2f ms, max %.2f ms%n",
                    point.arrivals(), 100 * point.fraction(), point.perSecond(), point.log().answered(),
                    point.log().offered(), LatencySummary.millis(point.summary().latency(), 50),
                    LatencySummary.millis(point.summary().latency(), 99),
                    LatencySummary.millis(point.summary().latency(), 100));
            return point;
        }

        /** One second of standstill under a constant load, sent both ways. */
        private LatencyReport.Stall stall() {
            ArrivalSchedule schedule = ArrivalSchedule.constant(200, Duration.ofSeconds(10));
            PipelineOptions options = PipelineOptions.builder().capacity(1024).maxBatch(1).build();
            List<RequestLog> logs = new ArrayList<>();
            for (boolean open : new boolean[]{true, false}) {
                try (PipelineSubject subject = PipelineSubject.of(
                        () -> new StallingModel(1_000_000, schedule.size() / 2, 1_000_000_000), options,
                        List.of("x"))) {
                    logs.add(open ? generator.openLoop(schedule, subject) : generator.closedLoop(schedule, subject));
                }
            }
            return new LatencyReport.Stall("1 ms a text, 200 texts/s, one stall of 1 s after 5 s.",
                    LatencySummary.fromScheduled(logs.getFirst()).latency(),
                    LatencySummary.fromSent(logs.getLast()).latency());
        }
    }
}
