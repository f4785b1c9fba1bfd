package dev.nightjar.examples;

import dev.nightjar.Evaluation.Metric;
import dev.nightjar.Precision;
import dev.nightjar.Schedule;
import dev.nightjar.TrainingConfig;
import dev.nightjar.Weighting;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** The settings of a training, with the library's defaults. */
final class TrainingOptions {
    @Option(names = "--epochs", paramLabel = "N", defaultValue = "3",
            description = "Times every row is used (default: ${DEFAULT-VALUE}).")
    private int epochs;

    @Option(names = "--learning-rate", paramLabel = "RATE", defaultValue = "5e-5",
            description = "Peak learning rate (default: ${DEFAULT-VALUE}).")
    private double learningRate;

    @Option(names = "--batch-size", paramLabel = "ROWS", defaultValue = "32",
            description = "Rows of a forward pass (default: ${DEFAULT-VALUE}).")
    private int batchSize;

    @Option(names = "--accumulate", paramLabel = "N", defaultValue = "1",
            description = "Forward passes of an optimizer step (default: ${DEFAULT-VALUE}).")
    private int accumulationSteps;

    @Option(names = "--max-length", paramLabel = "TOKENS", defaultValue = "128",
            description = "Cut texts after so many tokens (default: ${DEFAULT-VALUE}).")
    private int maxLength;

    @Option(names = "--weighting", paramLabel = "NAME", defaultValue = "dao", converter = WeightingConverter.class,
            description = "How class and score share the loss: dao, dao-shared, dao-lambda, dao-shared-lambda, "
                    + "dao-omega, "
                    + "constant, uncertainty, dwa, gradnorm, gradnorm-shared, db-mtl, famo (default: ${DEFAULT-VALUE}).")
    private Weighting weighting;

    @Option(names = "--schedule", paramLabel = "NAME", defaultValue = "linear",
            description = "Of the learning rate: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Schedule schedule;

    @Option(names = "--warmup", paramLabel = "FRACTION", defaultValue = "0.1",
            description = "Part of the steps in which the learning rate rises (default: ${DEFAULT-VALUE}).")
    private double warmupFraction;

    @Option(names = "--weight-decay", paramLabel = "RATE", defaultValue = "0.01",
            description = "Decoupled, of matrices and embeddings (default: ${DEFAULT-VALUE}).")
    private double weightDecay;

    @Option(names = "--max-gradient-norm", paramLabel = "NORM", defaultValue = "1",
            description = "Clip gradients to this norm; Infinity for never (default: ${DEFAULT-VALUE}).")
    private double maxGradientNorm;

    @Option(names = "--layer-decay", paramLabel = "FACTOR", defaultValue = "1",
            description = "On the learning rate for each layer away from the heads (default: ${DEFAULT-VALUE}).")
    private double layerDecay;

    @Option(names = "--freeze-embeddings", description = "Leave the embeddings as they are.")
    private boolean freezeEmbeddings;

    @Option(names = "--freeze-layers", paramLabel = "N", defaultValue = "0",
            description = "Leave so many lower layers as they are, and the embeddings (default: ${DEFAULT-VALUE}).")
    private int frozenLayers;

    @Option(names = "--bucketing", description = "Batch texts of similar length.")
    private boolean bucketing;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "42",
            description = "Of the order of rows, dropout and new heads (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(names = "--evaluate-every", paramLabel = "STEPS", defaultValue = "0",
            description = "Steps between evaluations; 0 for every epoch (default: ${DEFAULT-VALUE}).")
    private int evaluateEvery;

    @Option(names = "--metric", paramLabel = "NAME", defaultValue = "loss",
            description = "What the best model is best at: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Metric metric;

    @Option(names = "--patience", paramLabel = "N", defaultValue = "0",
            description = "Stop after so many evaluations without improvement; 0 for never (default: "
                    + "${DEFAULT-VALUE}).")
    private int patience;

    @Option(names = "--keep-last", description = "Save the model of the last step instead of the best one.")
    private boolean keepLast;

    @Option(names = "--precision", defaultValue = "float32", paramLabel = "TYPE",
            description = "What to compute in, with float32 master weights: ${COMPLETION-CANDIDATES}; what a device "
                    + "offers, doctor says (default: ${DEFAULT-VALUE}).")
    private Precision precision;

    @Option(names = "--recompute",
            description = "Compute activations again instead of keeping them: less memory, more time, the same result.")
    private boolean recompute;

    /** The settings so far; where to save checkpoints and how many threads to use is added elsewhere. */
    TrainingConfig.Builder builder() {
        return TrainingConfig.builder().epochs(epochs).learningRate(learningRate).batchSize(batchSize)
                .accumulationSteps(accumulationSteps).maxLength(maxLength).weighting(weighting).schedule(schedule)
                .warmupFraction(warmupFraction).weightDecay(weightDecay).maxGradientNorm(maxGradientNorm)
                .layerDecay(layerDecay).freezeEmbeddings(freezeEmbeddings).frozenLayers(frozenLayers)
                .bucketing(bucketing).seed(seed).evaluateEvery(evaluateEvery).metric(metric).patience(patience)
                .keepBest(!keepLast).precision(precision).recomputeActivations(recompute);
    }

    long seed() {
        return seed;
    }

    static final class WeightingConverter implements ITypeConverter<Weighting> {
        @Override
        public Weighting convert(String value) {
            try {
                return Weighting.parse(value);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
