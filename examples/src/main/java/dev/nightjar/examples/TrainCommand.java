package dev.nightjar.examples;

import dev.nightjar.Dataset;
import dev.nightjar.InferenceOptions;
import dev.nightjar.PretrainedEncoder;
import dev.nightjar.SentimentModel;
import dev.nightjar.Trainer;
import dev.nightjar.TrainingConfig;
import dev.nightjar.TrainingConfig.Checkpoints;
import dev.nightjar.TrainingResult;
import dev.nightjar.TrainingResult.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Fine-tunes an encoder or a model; Ctrl-C ends it after a checkpoint. */
@Command(name = "train",
        description = "Fine-tunes a model. Ctrl-C saves a checkpoint and ends; --resume goes on from there.")
final class TrainCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = {"-m",
            "--model"}, paramLabel = "MODEL", defaultValue = "minilm",
            description = "What to start from: minilm, bert-base, or a model folder (default: ${DEFAULT-VALUE}).")
    private String start;

    @Option(names = {"-d", "--data"}, required = true, paramLabel = "FILE", description = "Labelled texts to train on.")
    private Path data;

    @Option(names = {"-o", "--output"}, required = true, paramLabel = "FOLDER", description = "Where the model goes.")
    private Path output;

    @Option(names = "--validation", paramLabel = "FILE", description = "Labelled texts to evaluate on.")
    private Path validation;

    @Option(names = "--validation-fraction", paramLabel = "FRACTION", defaultValue = "0.2",
            description = "Without --validation, part of the data to hold out; 0 for none (default: ${DEFAULT-VALUE}).")
    private double validationFraction;

    @Option(names = "--split-seed", paramLabel = "N", defaultValue = "1",
            description = "Which rows are held out (default: ${DEFAULT-VALUE}).")
    private long splitSeed;

    @Option(names = "--checkpoints", paramLabel = "FOLDER",
            description = "Where checkpoints go (default: the output folder's name with .checkpoints).")
    private Path checkpointFolder;

    @Option(names = "--checkpoint-every", paramLabel = "STEPS", defaultValue = "0",
            description = "Steps between checkpoints; 0 for every epoch (default: ${DEFAULT-VALUE}).")
    private int checkpointEvery;

    @Option(names = "--resume", description = "Go on from the latest checkpoint; all else as it was then.")
    private boolean resume;

    @Option(names = "--json", description = "Print a JSON object a line for every step, evaluation and checkpoint.")
    private boolean json;

    @Mixin
    private TrainingOptions settings;

    @Mixin
    private DataOptions dataOptions;

    @Mixin
    private DeviceOptions device;

    @Override
    public Integer call() throws IOException {
        Path checkpoints = checkpointFolder != null
                ? checkpointFolder
                : output.resolveSibling(output.getFileName() + ".checkpoints");
        TrainingConfig config = config(checkpoints);
        Dataset.Split split = data();
        InferenceOptions options = InferenceOptions.defaults().withDevice(device.device()).withSessions(1);
        try (SentimentModel model = model(split.training(), options);
                TrainingOutput listener = new TrainingOutput(spec.commandLine(), json)) {
            Trainer trainer = new Trainer(model, config).listener(listener);
            try (Interruption _ = new Interruption(trainer::requestStop)) {
                TrainingResult result = train(trainer, split, resume ? Optional.of(checkpoints) : Optional.empty());
                try (SentimentModel trained = result.model()) {
                    if (result.outcome() == Outcome.STOPPED_ON_REQUEST) {
                        listener.stopped(result);
                        return Nightjar.INTERRUPTED;
                    }
                    trained.save(output);
                }
                if (checkpointFolder == null) {
                    delete(checkpoints);
                }
                listener.saved(result, output);
            }
        }
        return 0;
    }

    private TrainingConfig config(Path checkpoints) {
        try {
            return settings.builder().threads(device.device().threads())
                    .checkpoints(new Checkpoints(checkpoints, checkpointEvery, 1)).build();
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }

    private Dataset.Split data() throws IOException {
        Dataset training = dataOptions.read(data);
        if (validation != null) {
            return new Dataset.Split(training,
                    dataOptions.read(validation, training.labelNames(), training.targetNames()));
        }
        try {
            return training.split(validationFraction, splitSeed);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }

    private SentimentModel model(Dataset training, InferenceOptions options) throws IOException {
        if (EncoderNames.all().contains(start)) {
            PretrainedEncoder encoder = new EncoderNames().convert(start);
            return SentimentModel.loadWithHeads(encoder, training.labelNames(), training.targetNames(), settings.seed(),
                    options);
        }
        return SentimentModel.loadWithHeads(Path.of(start), training.labelNames(), training.targetNames(),
                settings.seed(), options);
    }

    private static TrainingResult train(Trainer trainer, Dataset.Split split, Optional<Path> checkpoint)
            throws IOException {
        boolean validates = split.validation().size() > 0;
        if (checkpoint.isPresent()) {
            return validates
                    ? trainer.resume(checkpoint.get(), split.training(), split.validation())
                    : trainer.resume(checkpoint.get(), split.training());
        }
        return validates ? trainer.train(split.training(), split.validation()) : trainer.train(split.training());
    }

    /** Nothing can go on from the checkpoints of a training that has ended. */
    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
