package dev.nightjar.examples;

import dev.nightjar.StepReport;
import dev.nightjar.study.StudyListener;
import dev.nightjar.study.StudyPlan;
import dev.nightjar.study.StudyRun;
import java.io.PrintWriter;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Shows how far a study is, by the rows that are trained on, as runs are of different lengths. */
final class StudyProgress implements StudyListener, AutoCloseable {
    private final StudyPlan plan;
    private final int trainingRows;
    private final PrintWriter err;
    private final Map<StudyPlan.Run, Long> active = new HashMap<>();
    private Progress progress;
    private int plannedRuns;
    private int endedRuns;
    private long endedRows;

    /** @param trainingRows rows of an epoch */
    StudyProgress(StudyPlan plan, int trainingRows, PrintWriter err) {
        this.plan = plan;
        this.trainingRows = trainingRows;
        this.err = err;
    }

    @Override
    public void onStart(List<StudyPlan.Run> missing, int planned) {
        plannedRuns = planned;
        endedRuns = planned - missing.size();
        progress = new Progress("training rows", missing.stream().mapToLong(this::rows).sum(), err);
        progress.line(planned + " runs, of which " + endedRuns + " are in the journal");
    }

    private long rows(StudyPlan.Run run) {
        return (long) trainingRows * plan.config(run).epochs();
    }

    @Override
    public void onStep(StudyPlan.Run run, StepReport step) {
        active.put(run, rows(run) * step.step() / step.totalSteps());
        show(String.format(Locale.ROOT, "%.1f rows/s", step.rowsPerSecond()));
    }

    @Override
    public void onRun(StudyRun run) {
        StudyPlan.Run ended = new StudyPlan.Run(run.configuration(), run.seed());
        active.remove(ended);
        endedRuns++;
        endedRows += rows(ended);
        progress.line(run.key() + ": " + summary(run));
        show("");
    }

    private void show(String message) {
        long rows = endedRows + active.values().stream().mapToLong(Long::longValue).sum();
        progress.update(rows, "run " + endedRuns + "/" + plannedRuns + "  " + message);
    }

    private static String summary(StudyRun run) {
        if (run.status() == StudyRun.Status.DIVERGED) {
            return run.note();
        }
        StringBuilder summary = new StringBuilder();
        for (String name : List.of("accuracy", "f1_macro", "loss", "mse", "pearson")) {
            if (run.metrics().containsKey(name)) {
                summary.append(String.format(Locale.ROOT, "%s %.4f  ", name, run.metric(name)));
            }
        }
        return summary.append(String.format(Locale.ROOT, "%.1f s", run.costs().get("seconds"))).toString();
    }

    /** Prints a line that stays. */
    void line(String text) {
        progress.line(text);
    }

    @Override
    public void close() {
        if (progress != null) {
            progress.close();
        }
    }
}
