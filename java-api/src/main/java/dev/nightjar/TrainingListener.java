package dev.nightjar;

import java.nio.file.Path;

/** Hears of a training's progress, on the thread that trains. What it throws ends the training. */
public interface TrainingListener {
    /** Hears nothing. */
    TrainingListener NONE = new TrainingListener() {
    };

    /** Before anything is allocated. */
    default void onPlan(MemoryPlan plan) {
    }

    /** After a step, as often as {@link TrainingConfig#reportEvery()} says and before evaluations and checkpoints. */
    default void onStep(StepReport report) {
    }

    /** After an evaluation. */
    default void onEvaluation(EvaluationReport report) {
    }

    /** After a checkpoint is on the disk. */
    default void onCheckpoint(Path checkpoint) {
    }
}
