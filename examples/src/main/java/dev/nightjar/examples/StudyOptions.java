package dev.nightjar.examples;

import dev.nightjar.Dataset;
import dev.nightjar.InferenceOptions;
import dev.nightjar.PretrainedEncoder;
import dev.nightjar.SentimentModel;
import dev.nightjar.TrainingConfig;
import dev.nightjar.study.Study;
import dev.nightjar.study.StudyPlan;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Function;
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
            "--model"}, paramLabel = "MODEL", defaultValue = "minilm",
            description = "What every run starts from: minilm, bert-base, or a model folder (default: "
                    + "${DEFAULT-VALUE}).")
    private String start;

    @Option(names = {"-d", "--data"}, required = true, paramLabel = "FILE", description = "Labelled texts to train on.")
    private Path data;

    @Option(names = {"-o",
            "--output"}, required = true, paramLabel = "FOLDER",
            description = "Where journal, tables and report go; the same command goes on with what is there.")
    private Path output;

    @Option(names = "--validation", paramLabel = "FILE",
            description = "Labelled texts to measure on (default: part of the data).")
    private Path validation;

    @Option(names = "--rows", paramLabel = "N", defaultValue = "1000",
            description = "Rows to train on, drawn from the data; 0, or more than there are, for all (default: "
                    + "${DEFAULT-VALUE}).")
    private int rows;

    @Option(names = "--validation-rows", paramLabel = "N", defaultValue = "500",
            description = "Rows to measure on, drawn from --validation, else held out of the data; 0 for all of "
                    + "--validation (default: ${DEFAULT-VALUE}).")
    private int validationRows;

    @Option(names = "--data-seed", paramLabel = "N", defaultValue = "1",
            description = "Which rows are drawn (default: ${DEFAULT-VALUE}).")
    private long dataSeed;

    @Option(names = "--max-length", paramLabel = "TOKENS", defaultValue = "128",
            description = "Cut texts after so many tokens (default: ${DEFAULT-VALUE}).")
    private int maxLength;

    @Option(names = "--evaluate-every", paramLabel = "STEPS", defaultValue = "0",
            description = "Steps between evaluations; 0 for every epoch (default: ${DEFAULT-VALUE}).")
    private int evaluateEvery;

    @Option(names = "--loss-bound", paramLabel = "LOSS", defaultValue = "50",
            description = "Abandon a run as diverged when class and score loss of a step together are above this "
                    + "(default: ${DEFAULT-VALUE}).")
    private double lossBound;

    @Option(names = "--workers", paramLabel = "N", defaultValue = "1",
            converter = DeviceOptions.PositiveConverter.class,
            description = "Runs to make at the same time, each with --threads, else their share of the processors "
                    + "(default: ${DEFAULT-VALUE}).")
    private int workers;

    @Mixin
    private DataOptions dataOptions;

    @Mixin
    private DeviceOptions device;

    /**
     * Makes the runs of a plan, showing how far it is, and writes the report; false if it was interrupted.
     *
     * @param planner makes the plan of the settings that the studies share; refuses by {@link IllegalArgumentException}
     */
    boolean run(Function<TrainingConfig, StudyPlan> planner) throws IOException {
        CommandLine command = spec.commandLine();
        StudyPlan plan;
        try {
            // The model of the last step is what is measured: the best one on the way would hide the effect of epochs.
            plan = planner.apply(TrainingConfig.builder().maxLength(maxLength).evaluateEvery(evaluateEvery)
                    .keepBest(false).threads(device.device(workers).threads()).build());
        } catch (IllegalArgumentException e) {
            throw new ParameterException(command, e.getMessage(), e);
        }
        Dataset.Split split = data();
        try (StudyProgress progress = new StudyProgress(plan, split.training().size(), command.getErr())) {
            Study study = new Study(plan, seed -> model(split.training(), seed), split.training(), split.validation())
                    .workers(workers).lossBound(lossBound).listener(progress);
            try (Interruption _ = new Interruption(study::requestStop)) {
                int missing = plan.runs().size() - study.run(output).size();
                if (missing > 0) {
                    progress.line(missing + " runs are left; go on with the same command");
                    return false;
                }
            }
        }
        StudyReportCommand.writeAfterStudy(output, command);
        return true;
    }

    private Dataset.Split data() throws IOException {
        Dataset all = dataOptions.read(data);
        Dataset.Split split;
        if (validation != null) {
            Dataset measured = dataOptions.read(validation, all.labelNames(), all.targetNames());
            split = new Dataset.Split(all, draw(measured, validationRows));
        } else if (validationRows > 0 && validationRows < all.size()) {
            split = all.split((double) validationRows / all.size(), dataSeed);
        } else {
            throw new ParameterException(spec.commandLine(), "--validation-rows " + validationRows + " of the "
                    + all.size() + " rows in " + data + ": expected at least 1, and fewer than there are");
        }
        return new Dataset.Split(draw(split.training(), rows), split.validation());
    }

    private Dataset draw(Dataset from, int count) {
        if (count < 0) {
            throw new ParameterException(spec.commandLine(), count + " rows to draw: expected 0 or more");
        }
        boolean all = count == 0 || count >= from.size();
        return all ? from : from.split((double) count / from.size(), dataSeed).validation();
    }

    private SentimentModel model(Dataset training, long seed) throws IOException {
        InferenceOptions options = InferenceOptions.defaults().withDevice(device.device(workers)).withSessions(1);
        if (EncoderNames.all().contains(start)) {
            PretrainedEncoder encoder = new EncoderNames().convert(start);
            return SentimentModel.loadWithHeads(encoder, training.labelNames(), training.targetNames(), seed,
                    options);
        }
        return SentimentModel.loadWithHeads(Path.of(start), training.labelNames(), training.targetNames(), seed,
                options);
    }
}
