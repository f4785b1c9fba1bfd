package dev.nightjar.examples;

import dev.nightjar.Prediction;
import dev.nightjar.SentimentModel;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Predicts texts given as arguments, in a file or on standard input, in their order. */
@Command(name = "classify",
        description = "Class and score of texts: arguments, or the lines of a file or of standard input.")
final class ClassifyCommand implements Callable<Integer> {
    private static final int BATCH = 256;

    @Spec
    private CommandSpec spec;

    @Option(names = {"-m", "--model"}, required = true, paramLabel = "FOLDER", description = "A trained model.")
    private Path folder;

    @Option(names = {"-i", "--input"}, paramLabel = "FILE", description = "A text file in UTF-8, one text a line.")
    private Path input;

    @Option(names = "--refuse-long", description = "Fail on a text that is too long instead of cutting it.")
    private boolean refuseLong;

    @Option(names = "--json", description = "Print a JSON object a line.")
    private boolean json;

    @Mixin
    private PredictionOptions prediction;

    @Parameters(paramLabel = "TEXT", description = "Texts to classify.")
    private List<String> texts = List.of();

    @Override
    public Integer call() throws IOException {
        if (input != null && !texts.isEmpty()) {
            throw new ParameterException(spec.commandLine(), "give texts or --input, not both");
        }
        try (SentimentModel model = SentimentModel.load(folder, prediction.options().withRefuseLong(refuseLong))) {
            if (!texts.isEmpty()) {
                print(model, texts);
                return 0;
            }
            try (BufferedReader lines = input == null
                    ? new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))
                    : Files.newBufferedReader(input)) {
                classify(model, lines);
            }
        }
        return 0;
    }

    /** Predicts many lines at once where they are at hand, and a single one at once where somebody types. */
    private void classify(SentimentModel model, BufferedReader lines) throws IOException {
        List<String> batch = new ArrayList<>();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            batch.add(line);
            if (batch.size() == BATCH || !lines.ready()) {
                print(model, batch);
                batch.clear();
            }
        }
        if (!batch.isEmpty()) {
            print(model, batch);
        }
    }

    private void print(SentimentModel model, List<String> batch) {
        PrintWriter out = spec.commandLine().getOut();
        List<Prediction> predictions = model.predict(batch);
        for (int i = 0; i < batch.size(); i++) {
            Prediction prediction = predictions.get(i);
            out.println(json ? Json.line(json(model, batch.get(i), prediction)) : row(batch.get(i), prediction));
        }
        out.flush();
    }

    static String row(String text, Prediction prediction) {
        StringBuilder row = new StringBuilder();
        if (prediction.label() != null) {
            row.append(
                    String.format(Locale.ROOT, "%-10s %5.1f %%  ", prediction.label(), 100 * prediction.confidence()));
        }
        for (float score : prediction.scores()) {
            row.append(String.format(Locale.ROOT, "%+.3f  ", score));
        }
        return row.append(text).append(prediction.truncated() ? "  [cut]" : "").toString();
    }

    private static ObjectNode json(SentimentModel model, String text, Prediction prediction) {
        ObjectNode node = JsonNodeFactory.instance.objectNode().put("text", text);
        if (prediction.label() != null) {
            node.put("label", prediction.label());
            ObjectNode probabilities = node.putObject("probabilities");
            for (int label = 0; label < model.labels().size(); label++) {
                probabilities.put(model.labels().get(label), prediction.probabilities().get(label));
            }
        }
        if (!prediction.scores().isEmpty()) {
            ObjectNode scores = node.putObject("scores");
            for (int target = 0; target < model.targets().size(); target++) {
                scores.put(model.targets().get(target), prediction.scores().get(target));
            }
        }
        return node.put("tokens", prediction.tokenCount()).put("truncated", prediction.truncated());
    }
}
