package dev.nightjar.examples;

import dev.nightjar.Evaluation;
import dev.nightjar.SentimentModel;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Compares a model with labelled texts. */
@Command(name = "evaluate", description = "How well a model does on labelled texts.")
final class EvaluateCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = {"-m", "--model"}, required = true, paramLabel = "FOLDER", description = "A trained model.")
    private Path folder;

    @Option(names = {"-d", "--data"}, required = true, paramLabel = "FILE", description = "Labelled texts.")
    private Path data;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Mixin
    private DataOptions dataOptions;

    @Mixin
    private PredictionOptions prediction;

    @Override
    public Integer call() throws IOException {
        try (SentimentModel model = SentimentModel.load(folder, prediction.options())) {
            Evaluation evaluation = Evaluation.of(model, dataOptions.read(data, model.labels(), model.targets()));
            PrintWriter out = spec.commandLine().getOut();
            if (json) {
                out.println(Json.line(Metrics.json(evaluation)));
            } else {
                Metrics.print(out, evaluation);
            }
            out.flush();
        }
        return 0;
    }
}
