package dev.nightjar.examples;

import dev.nightjar.Dataset;
import dev.nightjar.InferenceOptions;
import dev.nightjar.PretrainedEncoder;
import dev.nightjar.SentimentModel;
import dev.nightjar.TrainingConfig;
import dev.nightjar.study.Study;
import dev.nightjar.study.StudyPlan;
import dev.nightjar.study.StudyRun;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BiFunction;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** What both studies need: a model to start from, data, where results go, and how much to do at once. */
final class StudyOptions {
    @Spec(Target.MIXEE)
    private CommandSpec spec;

    @Option(names = {"-m",
            "--model"}, paramLabel = "MODEL", defaultValue = "minilm", description = "What every run starts from: minilm, bert-base, or a model folder (default: ${DEFAULT-VALUE}).")
    private String start;

    @Option(names = {"-d", "--data"}, required = true, paramLabel = "FILE", description = "Labelled texts to train on.")
    private Path data;

    @Option(names = {"-o",
            "--output"}, required = true, paramLabel = "FOLDER", description = "Where journal, tables and report go; the same command goes on with what is there.")
    private Path output;

    @Option(names = "--validation", paramLabel = "FILE", description = "Labelled texts to measure on (default: part of the data).")
    private Path validation;

    @Option(names = "--rows", paramLabel = "N", defaultValue = "1000", description = "Rows to train on, drawn from the data; 0 for all (default: ${DEFAULT-VALUE}).")
    private int rows;

    @Option(names = "--validation-rows", paramLabel = "N", defaultValue = "500", description = "Rows to measure on; 0 for all of --validation (default: ${DEFAULT-VALUE}).")
    private int validationRows;

    @Option(names = "--data-seed", paramLabel = "N", defaultValue = "1", description = "Which rows are drawn (default: ${DEFAULT-VALUE}).")
    private long dataSeed;

    @Option(names = "--seeds", paramLabel = "NUMBERS", split = ",", required = true, description = "Of order of rows, dropout and new heads; every configuration runs with each. More may be added later.")
    private List<Long> seeds;

    @Option(names = "--max-length", paramLabel = "TOKENS", defaultValue = "128", description = "Cut texts after so many tokens (default: ${DEFAULT-VALUE}).")
    private int maxLength;

    @Option(names = "--evaluate-every", paramLabel = "STEPS", defaultValue = "0", description = "Steps between evaluations; 0 for every epoch (default: ${DEFAULT-VALUE}).")
    private int evaluateEvery;

    @Option(names = "--loss-bound", paramLabel = "LOSS", defaultValue = "50", description = "Abandon a run as diverged when class and score loss of a step together are above this (default: ${DEFAULT-VALUE}).")
    private double lossBound;

    @Option(names = "--workers", paramLabel = "N", defaultValue = "1", converter = DeviceOptions.PositiveConverter.class, description = "Runs to make at the same time, each with --threads (default: ${DEFAULT-VALUE}).")
    private int workers;

    @Mixin
    private DataOptions dataOptions;

    @Mixin
    private DeviceOptions device;

    /**
     * Makes the runs of a plan, showing how far it is; false if it was interrupted.
     *
     * @param planner makes the plan of common settings and seeds; refuses by {@link IllegalArgumentException}
     */
    boolean run(BiFunction<TrainingConfig, List<Long>, StudyPlan> planner) throws IOException {
        CommandLine command = spec.commandLine();
        StudyPlan plan;
        try {
            // The model of the last step is what is measured: the best one on the way would hide the effect of epochs.
            plan = planner.apply(TrainingConfig.builder().maxLength(maxLength).evaluateEvery(evaluateEvery)
                    .keepBest(false).threads(device.device().threads()).build(), seeds);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(command, e.getMessage(), e);
        }
        Dataset.Split split = data();
        try (StudyProgress progress = new StudyProgress(plan, command.getErr())) {
            Study study = new Study(plan, seed -> model(split.training(), seed), split.training(), split.validation())
                    .workers(workers)
                    .lossBound(lossBound).listener(progress);
            try (Interruption _ = new Interruption(study::requestStop)) {
                List<StudyRun> runs = study.run(output);
                int missing = plan.runs().size() - runs.size();
                if (missing > 0) {
                    progress.line(missing + " runs are left; go on with the same command");
                    return false;
                }
            }
        }
        return true;
    }

    private Dataset.Split data() throws IOException {
        Dataset all = dataOptions.read(data);
        if (validation != null) {
            Dataset measured = dataOptions.read(validation, all.labelNames(), all.targetNames());
            return new Dataset.Split(draw(all, rows, "--rows"), draw(measured, validationRows, "--validation-rows"));
        }
        if (validationRows == 0) {
            throw new ParameterException(spec.commandLine(), "--validation-rows 0 needs --validation");
        }
        Dataset.Split split = all.split(fraction(all, validationRows, "--validation-rows"), dataSeed);
        return new Dataset.Split(draw(split.training(), rows, "--rows"), split.validation());
    }

    private Dataset draw(Dataset from, int count, String option) {
        return count == 0 ? from : from.split(fraction(from, count, option), dataSeed).validation();
    }

    private double fraction(Dataset from, int count, String option) {
        if (count < 0 || count > from.size()) {
            throw new ParameterException(spec.commandLine(),
                    option + " " + count + ", but there are " + from.size() + " rows");
        }
        return (double) count / from.size();
    }

    private SentimentModel model(Dataset training, long seed) throws IOException {
        InferenceOptions options = InferenceOptions.defaults().withDevice(device.device()).withSessions(1);
        if (EncoderNames.all().contains(start)) {
            PretrainedEncoder encoder = new EncoderNames().convert(start);
            return SentimentModel.loadWithHeads(encoder, training.labelNames(), training.targetNames(), seed,
                    options);
        }
        return SentimentModel.loadWithHeads(Path.of(start), training.labelNames(), training.targetNames(), seed,
                options);
    }
}
