package dev.nightjar.study;

import dev.nightjar.Dataset;
import dev.nightjar.DivergenceException;
import dev.nightjar.SentimentModel;
import dev.nightjar.Trainer;
import dev.nightjar.TrainingResult;
import dev.nightjar.TrainingResult.Outcome;
import dev.nightjar.io.AtomicFiles;
import dev.nightjar.study.StudyRun.Status;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;

/**
 * Makes the runs of a {@link StudyPlan}: each fine-tunes a model on the training rows and measures it on the validation rows. Finished
 * runs are kept in a {@link StudyJournal}, so that a study that was stopped or killed goes on where it was when it is run again.
 *
 * <p>What a run measures is determined by its configuration, its seed, model, data and backend; what the study tells is the same however
 * many workers made it, in whatever order, and however often it was killed.
 *
 * <p>A plan may grow: with more seeds or configurations of the same settings the finished runs count.
 *
 * <p>One call of {@link #run} at a time; {@link #requestStop()} from any thread.
 */
public final class Study {
    /** The journal within a study's folder. */
    public static final String JOURNAL = "journal.jsonl";
    /** The table of the runs and their metrics, without anything that differs from one execution to the next. */
    public static final String RUNS = "runs.csv";
    /** The table of what the runs took. */
    public static final String COSTS = "costs.csv";

    /** Where runs get the model that they fine-tune. */
    @FunctionalInterface
    public interface ModelSource {
        /**
         * A model, which the run closes.
         *
         * @param seed of new heads
         */
        SentimentModel open(long seed) throws IOException;
    }

    private final StudyPlan plan;
    private final ModelSource models;
    private final Dataset training;
    private final Dataset validation;
    private int workers = 1;
    private double lossBound = Double.POSITIVE_INFINITY;
    private StudyListener listener = StudyListener.NONE;
    private volatile boolean stopRequested;
    private final Object listening = new Object();

    /** @param models called by several threads at once where there are several workers */
    public Study(StudyPlan plan, ModelSource models, Dataset training, Dataset validation) {
        this.plan = Objects.requireNonNull(plan, "plan");
        this.models = Objects.requireNonNull(models, "models");
        this.training = Objects.requireNonNull(training, "training");
        this.validation = Objects.requireNonNull(validation, "validation");
    }

    /** How many runs are made at the same time, each on a thread of its own and with the threads that the plan's settings say; 1. */
    public Study workers(int count) {
        if (count < 1) {
            throw new IllegalArgumentException("workers " + count + " is not positive");
        }
        workers = count;
        return this;
    }

    /** The sum of the tasks' losses in a step, task weights not counted, above which a run is abandoned as diverged; infinity. */
    public Study lossBound(double bound) {
        if (!(bound > 0)) {
            throw new IllegalArgumentException("loss bound " + bound + " is not positive");
        }
        lossBound = bound;
        return this;
    }

    /** Says who hears of the progress. */
    public Study listener(StudyListener newListener) {
        listener = Objects.requireNonNull(newListener, "listener");
        return this;
    }

    /** Makes {@link #run} return soon; runs that have not ended are dropped, to be made another time. */
    public void requestStop() {
        stopRequested = true;
    }

    /**
     * Makes the runs that are not yet in the folder's journal, and writes the tables of those the plan names.
     *
     * @return the runs of the plan, in {@linkplain StudyRun#ORDER their order}; some are missing if the study was stopped
     * @throws dev.nightjar.FormatException if the folder has the journal of another study, naming what differs
     * @throws IOException if another process is at work in the folder, or it cannot be written
     */
    public List<StudyRun> run(Path folder) throws IOException {
        try (StudyJournal journal = StudyJournal.open(folder.resolve(JOURNAL), identity())) {
            Set<String> finished = keys(journal.runs());
            List<StudyPlan.Run> runs = plan.runs();
            List<StudyPlan.Run> missing = mixed(runs.stream().filter(run -> !finished.contains(run.key())).toList());
            listener.onStart(missing, runs.size());
            work(missing, journal);

            Set<String> planned = runs.stream().map(StudyPlan.Run::key).collect(Collectors.toSet());
            List<StudyRun> results = journal.runs().stream().filter(run -> planned.contains(run.key()))
                    .sorted(StudyRun.ORDER).toList();
            write(folder.resolve(RUNS), StudyTables.runs(results));
            write(folder.resolve(COSTS), StudyTables.costs(results));
            return results;
        } finally {
            stopRequested = false;
        }
    }

    /** What all runs have in common, by name. */
    private Map<String, String> identity() throws IOException {
        Map<String, String> identity = new LinkedHashMap<>();
        try (SentimentModel model = models.open(0)) {
            identity.put("model", model.parameterCount() + " parameters, SHA-256 " + model.fingerprint());
            identity.put("backend", model.backendName());
        }
        identity.put("training data", training.size() + " rows, SHA-256 " + training.fingerprint());
        identity.put("validation data", validation.size() + " rows, SHA-256 " + validation.fingerprint());
        identity.put("varied settings", String.join(", ", plan.settingNames()));
        identity.put("loss bound", Double.toString(lossBound));
        identity.putAll(plan.sharedSettings());
        return identity;
    }

    /**
     * Seed by seed, the runs of each in an order of no meaning: what is there of a study that was cut short is not all of one kind, and
     * neither are the runs that the time left is told from.
     */
    private static List<StudyPlan.Run> mixed(List<StudyPlan.Run> runs) {
        Map<Long, List<StudyPlan.Run>> bySeed = runs.stream()
                .collect(Collectors.groupingBy(StudyPlan.Run::seed, LinkedHashMap::new,
                        Collectors.toCollection(ArrayList::new)));
        bySeed.forEach((seed, ofSeed) -> Collections.shuffle(ofSeed, new Random(seed)));
        return bySeed.values().stream().flatMap(List::stream).toList();
    }

    private static Set<String> keys(List<StudyRun> runs) {
        return runs.stream().map(StudyRun::key).collect(Collectors.toSet());
    }

    private void work(List<StudyPlan.Run> missing, StudyJournal journal) throws IOException {
        Queue<StudyPlan.Run> queue = new ConcurrentLinkedQueue<>(missing);
        List<Future<?>> ends = new ArrayList<>();
        try (ExecutorService executor = Executors.newFixedThreadPool(workers)) {
            for (int worker = 0; worker < workers; worker++) {
                ends.add(executor.submit(() -> {
                    try {
                        workOff(queue, journal);
                    } catch (Throwable t) {
                        stopRequested = true;
                        throw t;
                    }
                    return null;
                }));
            }
        }
        for (Future<?> end : ends) {
            await(end);
        }
    }

    private static void await(Future<?> end) throws IOException {
        try {
            end.get();
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case IOException cause -> throw cause;
                case RuntimeException cause -> throw cause;
                case Error cause -> throw cause;
                default -> throw new IllegalStateException(e.getCause());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for a worker that has ended", e);
        }
    }

    private void workOff(Queue<StudyPlan.Run> queue, StudyJournal journal) throws IOException {
        for (StudyPlan.Run run = queue.poll(); run != null && !stopRequested; run = queue.poll()) {
            Optional<StudyRun> ended = make(run);
            if (ended.isPresent()) {
                journal.append(ended.get());
                synchronized (listening) {
                    listener.onRun(ended.get());
                }
            }
        }
    }

    /** Makes one run; empty if it was stopped. */
    private Optional<StudyRun> make(StudyPlan.Run run) throws IOException {
        try (SentimentModel model = models.open(run.seed())) {
            Trainer trainer = new Trainer(model, plan.config(run));
            RunRecorder recorder = new RunRecorder(lossBound, report -> {
                synchronized (listening) {
                    listener.onStep(run, report);
                }
                if (stopRequested) {
                    trainer.requestStop();
                }
            });
            try {
                TrainingResult result = trainer.listener(recorder).train(training, validation);
                result.model().close();
                if (result.outcome() == Outcome.STOPPED_ON_REQUEST) {
                    return Optional.empty();
                }
                Map<String, Double> metrics = result.evaluations().stream()
                        .filter(report -> report.step() == result.bestStep())
                        .map(report -> RunRecorder.metrics(report.evaluation())).findFirst().orElseThrow();
                return Optional.of(ended(run, recorder, Status.COMPLETED, "", result.steps(), metrics));
            } catch (DivergenceException e) {
                return Optional.of(ended(run, recorder, Status.DIVERGED, e.getMessage(), e.step(), Map.of()));
            }
        }
    }

    private static StudyRun ended(StudyPlan.Run run, RunRecorder recorder, Status status, String note, int stepCount,
            Map<String, Double> metrics) {
        return new StudyRun(run.configuration(), run.seed(), status, note, stepCount, metrics,
                recorder.trainingCurve(), recorder.validationCurve(), recorder.costs());
    }

    private static void write(Path file, String content) throws IOException {
        AtomicFiles.writeFile(file, channel -> writeFully(channel, content));
    }

    private static void writeFully(FileChannel channel, String content) throws IOException {
        ByteBuffer bytes = StandardCharsets.UTF_8.encode(content);
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
