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

/** Shows how far a study is. What is left is counted in epochs, as runs are of different lengths. */
final class StudyProgress implements StudyListener, AutoCloseable {
    /** Parts of an epoch, so that progress is seen within one too. */
    private static final int PARTS = 1000;

    private final StudyPlan plan;
    private final PrintWriter err;
    private final Map<StudyPlan.Run, Long> active = new HashMap<>();
    private Progress progress;
    private int plannedRuns;
    private int endedRuns;
    private long endedParts;

    StudyProgress(StudyPlan plan, PrintWriter err) {
        this.plan = plan;
        this.err = err;
    }

    @Override
    public void onStart(List<StudyPlan.Run> missing, int planned) {
        plannedRuns = planned;
        endedRuns = planned - missing.size();
        progress = new Progress("epochs/" + PARTS, missing.stream().mapToLong(this::parts).sum(), err);
        progress.line(planned + " runs, of which " + endedRuns + " are in the journal");
    }

    private long parts(StudyPlan.Run run) {
        return (long) PARTS * plan.config(run).epochs();
    }

    @Override
    public void onStep(StudyPlan.Run run, StepReport step) {
        active.put(run, parts(run) * step.step() / step.totalSteps());
        show(String.format(Locale.ROOT, "%.1f rows/s", step.rowsPerSecond()));
    }

    @Override
    public void onRun(StudyRun run) {
        StudyPlan.Run ended = new StudyPlan.Run(run.configuration(), run.seed());
        active.remove(ended);
        endedRuns++;
        endedParts += parts(ended);
        progress.line(run.key() + ": " + summary(run));
        show("");
    }

    private void show(String message) {
        long parts = endedParts + active.values().stream().mapToLong(Long::longValue).sum();
        progress.update(parts, "run " + endedRuns + "/" + plannedRuns + "  " + message);
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
