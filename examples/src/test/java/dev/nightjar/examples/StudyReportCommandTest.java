package dev.nightjar.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightjar.examples.report.SyntheticRuns;
import dev.nightjar.study.Study;
import dev.nightjar.study.StudyJournal;
import dev.nightjar.study.StudyRun;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** {@code nightjar study report} and {@code nightjar study regress}. */
class StudyReportCommandTest {
    @TempDir
    private Path folder;
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private Path csv;

    @BeforeEach
    void copyRuns() throws IOException {
        csv = folder.resolve("runs.csv");
        try (InputStream stream = StudyReportCommandTest.class.getResourceAsStream("/golden/regression/runs.csv")) {
            Files.copy(stream, csv);
        }
    }

    @Test
    void aTableOfRunsIsRegressed() throws IOException {
        assertThat(run("regress", "--csv", csv.toString(), "--seed", "seed", "-o", folder.resolve("r").toString()))
                .as(err::toString).isZero();
        assertThat(out.toString()).contains("report.html");
        // statsmodels: golden/regression/expected_ols.json, absolute, accuracy, log10_lr.
        List<String> accuracy = Arrays.asList(Files
                .readAllLines(folder.resolve("r/tables/coefficients_absolute_accuracy.csv")).get(2).split(",", -1));
        assertThat(Double.parseDouble(accuracy.get(1))).isCloseTo(-0.26322692580112916, Offset.offset(1e-9));
        assertThat(Double.parseDouble(accuracy.get(7))).isCloseTo(0.025864019553940038, Offset.offset(1e-9));
    }

    @Test
    void faultsAreSaidWithTheirCause() {
        String output = folder.resolve("r").toString();
        assertThat(run("regress", "--csv", csv.toString(), "--epochs", "passes", "-o", output)).isEqualTo(1);
        assertThat(err.toString()).contains("runs.csv:1: has no column \"passes\" among [learning_rate");
        assertThat(run("regress", "--csv", csv.toString(), "--baseline", "3e-5,32,3", "-o", output)).isEqualTo(1);
        assertThat(err.toString()).contains("accuracy: no run has the baseline's learning rate 3.0E-5");
        assertThat(run("regress", "--csv", csv.toString(), "--baseline", "3e-5,32", "-o", output)).isEqualTo(2);
        assertThat(err.toString()).contains("'3e-5,32' is not three positive numbers");
        assertThat(folder.resolve("r")).doesNotExist();
    }

    @Test
    void theReportFitsWhatTheStudyVaried() throws IOException {
        journal("dao", SyntheticRuns.dao());
        assertThat(run("report", folder.resolve("dao").toString())).as(err::toString).isZero();
        assertThat(folder.resolve("dao/report.md")).content().contains("DAO beats 0.5/0.5", "headlines");
        journal("variability", SyntheticRuns.variability());
        assertThat(run("report", folder.resolve("variability").toString(), "--baseline", "2e-5,16,3"))
                .as(err::toString).isZero();
        assertThat(folder.resolve("variability/report.md")).content().contains("learning rate 2e-5, batch size 16");
        journal("other", List.of(new StudyRun(Map.of("dropout", "0.1"), 1, StudyRun.Status.COMPLETED, "", 1, Map.of(),
                Map.of(), Map.of(), Map.of())));
        assertThat(run("report", folder.resolve("other").toString())).isEqualTo(1);
        assertThat(err.toString()).contains("a study of [dropout]");
    }

    @Test
    void aStudyThatHasHardlyBegunHasNoReport() throws IOException {
        journal("begun", List.of());
        assertThat(run("report", folder.resolve("begun").toString())).isEqualTo(1);
        assertThat(err.toString()).contains("no run has ended yet");
        journal("few", SyntheticRuns.variability().subList(0, 5));
        assertThat(run("report", folder.resolve("few").toString())).isEqualTo(1);
        assertThat(err.toString()).contains("accuracy:");
    }

    private void journal(String name, List<StudyRun> runs) throws IOException {
        try (StudyJournal journal = StudyJournal.open(folder.resolve(name).resolve(Study.JOURNAL),
                Map.of("training data", "headlines"))) {
            for (StudyRun run : runs) {
                journal.append(run);
            }
        }
    }

    private int run(String... arguments) {
        CommandLine command = Nightjar.commandLine().setOut(new PrintWriter(out, true))
                .setErr(new PrintWriter(err, true));
        String[] all = new String[arguments.length + 1];
        all[0] = "study";
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        return command.execute(all);
    }
}
