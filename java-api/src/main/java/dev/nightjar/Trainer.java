package dev.nightjar;

import dev.nightjar.train.Checkpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;

/**
 * Fine-tunes a {@link SentimentModel}: every parameter or the upper layers, one task or both.
 *
 * <pre>{@code
 * Trainer trainer = new Trainer(model, TrainingConfig.builder().epochs(3).build());
 * TrainingResult result = trainer.train(training, validation);
 * result.model().save(Path.of("my-model"));
 * }</pre>
 *
 * <p>The model it starts from stays as it is. Its heads are kept where the data has the same targets and no other labels; else the trained
 * model has new heads with the data's names. A run is determined by model, data, settings and seed on one backend, whatever the number of
 * threads, and goes on from any of its checkpoints as if it had never stopped.
 *
 * <p>A run needs about 16 bytes for each parameter (with its gradient and two moments), 2 more in a 16-bit precision, 4 more to keep the
 * best, 4 more for DAO over the shared parameters, and the activations of one batch: {@link TrainingListener#onPlan} says how many exactly,
 * before anything is allocated, and a device that has less refuses with {@link UnavailableException}.
 *
 * <p>Not thread-safe but for {@link #requestStop()}: one run at a time. The model must stay open while one runs.
 */
public final class Trainer {
    private final SentimentModel model;
    private final TrainingConfig config;
    private TrainingListener listener = TrainingListener.NONE;
    private volatile boolean stopRequested;

    public Trainer(SentimentModel model, TrainingConfig config) {
        this.model = Objects.requireNonNull(model, "model");
        this.config = Objects.requireNonNull(config, "config");
    }

    /** Says who hears of the progress from the next run on. */
    public Trainer listener(TrainingListener newListener) {
        this.listener = Objects.requireNonNull(newListener, "listener");
        return this;
    }

    /**
     * Trains without evaluating. Rows without label and score are left out.
     *
     * @throws IllegalArgumentException if data, model and settings do not fit
     * @throws IllegalStateException if the model was loaded in another precision than float32: what it holds is rounded
     * @throws DivergenceException if the loss is no longer a number
     * @throws java.nio.file.FileAlreadyExistsException if the folder for checkpoints has some of another run
     * @throws IOException if a checkpoint cannot be written
     */
    public TrainingResult train(Dataset training) throws IOException {
        return run(training, Optional.empty(), Optional.empty());
    }

    /** Trains, evaluating on {@code validation} as the settings say; else like {@link #train(Dataset)}. */
    public TrainingResult train(Dataset training, Dataset validation) throws IOException {
        return run(training, Optional.of(validation), Optional.empty());
    }

    /**
     * Goes on with a run that was stopped or died; model, data and settings as they were then.
     *
     * @param checkpoint one checkpoint, or the folder of the checkpoints for the latest
     * @throws FormatException if there is none, it is damaged, or it is of another run, naming what differs
     */
    public TrainingResult resume(Path checkpoint, Dataset training) throws IOException {
        return run(training, Optional.empty(), Optional.of(checkpoint));
    }

    /** Goes on with a run that evaluates; see {@link #resume(Path, Dataset)}. */
    public TrainingResult resume(Path checkpoint, Dataset training, Dataset validation) throws IOException {
        return run(training, Optional.of(validation), Optional.of(checkpoint));
    }

    /**
     * Makes the run end after its current step, with a checkpoint if the settings say where; without a run, the next one ends before its
     * first step. May be called from any thread and returns at once.
     */
    public void requestStop() {
        stopRequested = true;
    }

    private TrainingResult run(Dataset training, Optional<Dataset> validation, Optional<Path> checkpoint)
            throws IOException {
        try (TrainingRun run = new TrainingRun(model, config, training, validation, listener)) {
            if (checkpoint.isPresent()) {
                run.restore(checkpoint.get());
            } else if (config.checkpoints().isPresent()) {
                Checkpoint.requireNone(config.checkpoints().get().folder());
            }
            return run.run(() -> stopRequested);
        } finally {
            stopRequested = false;
        }
    }
}
