package dev.nightjar.examples;

import dev.nightjar.Weighting;
import dev.nightjar.study.StudyPlan;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Task weightings against each other (after arXiv 2408.11856). */
@Command(name = "dao",
        description = "Dynamic adaptive task weights against constant and other ones: every weighting with every seed.")
final class DaoCommand implements Callable<Integer> {
    @Option(names = "--weightings", paramLabel = "NAMES", split = ",",
            description = "What to compare (default: all that train knows, and classification and regression alone).")
    private List<String> weightings;

    @Option(names = "--learning-rate", paramLabel = "RATE", defaultValue = "5e-5",
            description = "Peak learning rate (default: ${DEFAULT-VALUE}).")
    private double learningRate;

    @Option(names = "--batch-size", paramLabel = "ROWS", defaultValue = "32",
            description = "Rows of a forward pass (default: ${DEFAULT-VALUE}).")
    private int batchSize;

    @Option(names = "--epochs", paramLabel = "N", defaultValue = "3",
            description = "Times every row is used (default: ${DEFAULT-VALUE}).")
    private int epochs;

    @Option(names = "--seeds", paramLabel = "NUMBERS", split = ",", defaultValue = "1,2,3,4,5",
            description = "Of order of rows, dropout and new heads; more may be added later (default: "
                    + "${DEFAULT-VALUE}).")
    private List<Long> seeds;

    @Mixin
    private StudyOptions options;

    @Override
    public Integer call() throws IOException {
        Map<String, List<String>> grid = Map.of("weighting", weightings == null ? allWeightings() : weightings);
        return options.run(settings -> StudyPlan.grid(
                settings.toBuilder().learningRate(learningRate).batchSize(batchSize).epochs(epochs).build(), grid,
                seeds)) ? 0 : Nightjar.INTERRUPTED;
    }

    private static List<String> allWeightings() {
        List<String> all = new ArrayList<>(Weighting.NAMES);
        all.addAll(StudyPlan.SINGLE_TASKS);
        return all;
    }
}
