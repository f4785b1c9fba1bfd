package dev.nightjar.examples;

import dev.nightjar.study.StudyPlan;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How learning rate, batch size and epochs move a fine-tuned model (after arXiv 2501.00241), as a controlled grid. */
@Command(name = "variability",
        description = "How learning rate, batch size and epochs move accuracy, F1 and loss: every combination with "
                + "every seed.")
final class VariabilityCommand implements Callable<Integer> {
    @Option(names = "--learning-rates", paramLabel = "RATES", split = ",", defaultValue = "1e-5,2e-5,5e-5,2e-4",
            description = "Peak learning rates (default: ${DEFAULT-VALUE}).")
    private List<String> learningRates;

    @Option(names = "--batch-sizes", paramLabel = "ROWS", split = ",", defaultValue = "8,16,32,64",
            description = "Rows of a forward pass (default: ${DEFAULT-VALUE}).")
    private List<String> batchSizes;

    @Option(names = "--epochs", paramLabel = "NUMBERS", split = ",", defaultValue = "1,2,3,5",
            description = "Times every row is used (default: ${DEFAULT-VALUE}).")
    private List<String> epochs;

    @Option(names = "--seeds", paramLabel = "NUMBERS", split = ",", defaultValue = "1,2",
            description = "Of order of rows, dropout and new heads; more may be added later (default: "
                    + "${DEFAULT-VALUE}).")
    private List<Long> seeds;

    @Mixin
    private StudyOptions options;

    @Override
    public Integer call() throws IOException {
        Map<String, List<String>> grid = new LinkedHashMap<>();
        grid.put("learning_rate", learningRates);
        grid.put("batch_size", batchSizes);
        grid.put("epochs", epochs);
        return options.run(settings -> StudyPlan.grid(settings, grid, seeds)) ? 0 : Nightjar.INTERRUPTED;
    }
}
