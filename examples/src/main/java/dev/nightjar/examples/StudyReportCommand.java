package dev.nightjar.examples;

import dev.nightjar.FormatException;
import dev.nightjar.examples.report.DaoReport;
import dev.nightjar.examples.report.VariabilityReport;
import dev.nightjar.study.DegenerateDesignException;
import dev.nightjar.study.Observation.Hyperparameters;
import dev.nightjar.study.Study;
import dev.nightjar.study.StudyJournal;
import dev.nightjar.study.StudyRun;
import dev.nightjar.study.WeightingComparison;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Writes the report of a study from its journal. */
@Command(name = "report",
        description = "Writes the report of a study, also of one that has not ended: report.html, report.md and "
                + "tables of every number.")
final class StudyReportCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "FOLDER",
            description = "Of the study: where its journal is and the report goes.")
    private Path folder;

    @Mixin
    private BaselineOptions baseline;

    @Override
    public Integer call() throws IOException {
        write(folder, baseline.baseline());
        spec.commandLine().getOut().println("wrote " + folder.resolve("report.html"));
        return 0;
    }

    /** The report at the end of a study. Runs that do not suffice for one are no fault of the study: it says so and goes on. */
    static void writeAfterStudy(Path folder, CommandLine command) throws IOException {
        try {
            write(folder, Hyperparameters.PAPER_BASELINE);
            command.getOut().println("wrote " + folder.resolve("report.html"));
        } catch (DegenerateDesignException e) {
            command.getErr().println("no report: " + e.getMessage() + "; see nightjar study report --help");
        }
    }

    /** Writes the report that fits what the study varied. */
    private static void write(Path folder, Hyperparameters baseline) throws IOException {
        Path file = folder.resolve(Study.JOURNAL);
        StudyJournal.Content journal = StudyJournal.read(file);
        if (journal.runs().isEmpty()) {
            throw new FormatException(file.toString(), "no run has ended yet");
        }
        StudyRun first = journal.runs().getFirst();
        Set<String> varied = first.configuration().keySet();
        if (varied.equals(Set.of(WeightingComparison.SETTING))) {
            DaoReport.write(journal.identity(), journal.runs(), folder);
        } else if (varied.equals(Set.of("learning_rate", "batch_size", "epochs"))) {
            VariabilityReport.write(journal.identity(), journal.runs(), baseline, folder);
        } else {
            throw new FormatException(file.toString(), "a study of " + varied
                    + ": there are reports of [weighting] and of [learning_rate, batch_size, epochs]");
        }
    }
}
