package dev.nightjar;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What a training ended with.
 *
 * @param model the best one where the training kept it, else that of the last step; the caller closes it
 * @param outcome why it ended
 * @param steps made, those before a resumption included
 * @param bestStep after which {@code model} was as it is; {@code steps} where no best one was kept
 * @param evaluations since the start or resumption
 * @param checkpoint the last one saved since then
 */
public record TrainingResult(SentimentModel model, Outcome outcome, int steps, int bestStep,
        List<EvaluationReport> evaluations, Optional<Path> checkpoint) {
    /** Why a training ended. */
    public enum Outcome {
        /** All epochs are done. */
        COMPLETED,
        /** The watched metric did not improve for as many evaluations as the configuration allows. */
        STOPPED_EARLY,
        /** {@link Trainer#requestStop()} was called. */
        STOPPED_ON_REQUEST
    }

    public TrainingResult {
        evaluations = List.copyOf(evaluations);
    }
}
