package dev.nightjar.study;

import dev.nightjar.StepReport;
import java.util.List;

/** Hears of a study's progress, from one thread at a time. What it throws ends the study. */
public interface StudyListener {
    /** Hears nothing. */
    StudyListener NONE = new StudyListener() {
    };

    /**
     * Before the first run.
     *
     * @param missing the runs that are to be made, those in the journal not among them
     * @param planned number of all runs
     */
    default void onStart(List<StudyPlan.Run> missing, int planned) {
    }

    /** After a training step of a run. */
    default void onStep(StudyPlan.Run run, StepReport report) {
    }

    /** After a run has ended and is in the journal. */
    default void onRun(StudyRun run) {
    }
}
