package dev.nightjar.examples;

import dev.nightjar.Dataset;
import dev.nightjar.InferenceOptions;
import dev.nightjar.PretrainedEncoder;
import dev.nightjar.SentimentModel;
import dev.nightjar.Trainer;
import dev.nightjar.TrainingConfig;
import dev.nightjar.Weighting;
import dev.nightjar.examples.trading.FeedEvent;
import dev.nightjar.examples.trading.FeedFile;
import dev.nightjar.examples.trading.Strategy;
import dev.nightjar.examples.trading.TradingRun;
import dev.nightjar.examples.trading.TradingRun.Outcome;
import dev.nightjar.examples.trading.TradingRun.Transport;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.HdrHistogram.Histogram;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** A market replayed: headlines become sentiment, sentiment a signal, and the signal orders. */
@Command(name = "trading",
        description = "Replays a feed of quotes and headlines, trades on their sentiment against a simulated exchange, "
                + "and says how long a headline took from its time to the signal.")
final class TradingCommand implements Callable<Integer> {
    private static final double[] PERCENTILES = {50, 90, 99, 100};
    private static final double NANOS_PER_MILLI = 1e6;

    @Spec
    private CommandSpec spec;

    @Option(names = {"-m", "--model"}, paramLabel = "FOLDER",
            description = "A trained model; its first target, or its last class against its first, is the sentiment "
                    + "(default: MiniLM, fine-tuned on the bundled headlines first).")
    private Path folder;

    @Option(names = "--feed", paramLabel = "FILE",
            description = "Lines of milliseconds, Q, instrument, bid, ask, or milliseconds, N, instrument, headline, "
                    + "with tabs between (default: half a minute that comes with Nightjar).")
    private Path feed;

    @Option(names = "--speed", paramLabel = "FACTOR", defaultValue = "1",
            description = "Feed time per real time (default: ${DEFAULT-VALUE}).")
    private double speed;

    @Option(names = "--transport", paramLabel = "KIND", defaultValue = "direct",
            description = "How the feed arrives: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Transport transport;

    @Option(names = "--orders", paramLabel = "FILE", description = "Write the orders there too.")
    private Path orders;

    @Mixin
    private DeviceOptions device;

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (!(speed > 0)) {
            throw new ParameterException(spec.commandLine(), "--speed " + speed + " is not positive");
        }
        List<FeedEvent> events = feed == null ? FeedFile.bundled() : FeedFile.read(feed);
        PrintWriter out = spec.commandLine().getOut();
        try (SentimentModel model = model()) {
            out.printf(Locale.ROOT, "%d messages, %d of them headlines, at %s times their speed, %s, backend %s%n",
                    events.size(), events.stream().filter(event -> event.headline() != null).count(),
                    speed, transport, model.backendName());
            out.flush();
            Outcome outcome = TradingRun.run(model, events, speed, Strategy.Settings.defaults(), transport);
            print(out, outcome);
            if (orders != null) {
                Files.write(orders, TradingRun.orders(outcome.strategy()));
            }
        }
        return 0;
    }

    private SentimentModel model() throws IOException {
        InferenceOptions options = InferenceOptions.defaults().withDevice(device.device()).withSessions(1)
                .withTokenBudget(128).withMaxLength(128);
        if (folder != null) {
            return SentimentModel.load(folder, options);
        }
        PrintWriter err = spec.commandLine().getErr();
        Dataset headlines = Demo.headlines();
        TrainingConfig config = TrainingConfig.builder().epochs(2).learningRate(1e-4).batchSize(16).maxLength(64)
                .weighting(Weighting.parse("dao")).seed(1).threads(device.device().threads()).build();
        err.println("Fine-tuning MiniLM on " + headlines.size() + " bundled headlines, " + config.epochs()
                + " epochs; --model FOLDER takes a model that is there.");
        err.flush();
        try (SentimentModel encoder = SentimentModel.loadWithHeads(PretrainedEncoder.MINILM, headlines.labelNames(),
                headlines.targetNames(), config.seed(), options)) {
            return new Trainer(encoder, config).train(headlines).model();
        }
    }

    private static void print(PrintWriter out, Outcome outcome) {
        out.println();
        out.println("milliseconds,instrument,side,shares,sentiment,verdict,price");
        outcome.strategy().log().forEach(out::println);
        out.println();
        out.printf(Locale.ROOT, "%d orders filled, profit %+.2f%s%n", outcome.strategy().fills(),
                outcome.strategy().profit(), outcome.strategy().killed() ? ", stopped by the kill switch" : "");
        out.println();
        out.printf(Locale.ROOT, "%-28s %9s %9s %9s %9s%n", "milliseconds", "p50", "p90", "p99", "max");
        row(out, "tick to signal", outcome.tickToSignal());
        row(out, "the model's part of it", outcome.service());
        out.flush();
    }

    private static void row(PrintWriter out, String name, Histogram histogram) {
        out.printf(Locale.ROOT, "%-28s", name);
        for (double percentile : PERCENTILES) {
            out.printf(Locale.ROOT, " %9.3f", histogram.getValueAtPercentile(percentile) / NANOS_PER_MILLI);
        }
        out.println();
    }
}
