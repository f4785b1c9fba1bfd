package dev.nightjar.examples;

import dev.nightjar.examples.report.VariabilityReport;
import dev.nightjar.study.ObservationTable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The variability study's regressions on a table of runs, whoever made them. */
@Command(name = "regress",
        description = "Regresses what a table of runs measured on learning rate, batch size and epochs, and writes "
                + "the variability study's report.")
final class RegressCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--csv", required = true, paramLabel = "FILE", description = "Runs, a line each, with a header.")
    private Path csv;

    @Option(names = {"-o",
            "--output"}, required = true, paramLabel = "FOLDER",
            description = "Where report.html, report.md and tables go.")
    private Path output;

    @Option(names = "--learning-rate", paramLabel = "COLUMN", defaultValue = "learning_rate",
            description = "Its column (default: ${DEFAULT-VALUE}).")
    private String learningRate;

    @Option(names = "--batch-size", paramLabel = "COLUMN", defaultValue = "batch_size",
            description = "Its column (default: ${DEFAULT-VALUE}).")
    private String batchSize;

    @Option(names = "--epochs", paramLabel = "COLUMN", defaultValue = "epochs",
            description = "Its column (default: ${DEFAULT-VALUE}).")
    private String epochs;

    @Option(names = "--seed", paramLabel = "COLUMN",
            description = "The column that names runs whose errors may depend on each other (default: none).")
    private String seed;

    @Option(names = "--responses", paramLabel = "COLUMNS", split = ",", defaultValue = "accuracy,f1,loss",
            description = "What was measured; of \"loss\" less is better, of others more (default: ${DEFAULT-VALUE}).")
    private List<String> responses;

    @Mixin
    private BaselineOptions baseline;

    @Override
    public Integer call() throws IOException {
        ObservationTable columns = new ObservationTable(learningRate, batchSize, epochs, Optional.ofNullable(seed),
                responses);
        VariabilityReport.write(csv.getFileName().toString(), columns.read(csv), responses, baseline.baseline(),
                output);
        spec.commandLine().getOut().println("wrote " + output.resolve("report.html"));
        return 0;
    }
}
