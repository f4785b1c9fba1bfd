package dev.nightjar;

import dev.nightjar.Evaluation.Metric;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * How to fine-tune. Made by {@link #builder()}, whose methods tell the meaning of each setting and its default.
 *
 * @param warmupSteps of rising learning rate; 0 where {@code warmupFraction} says
 * @param warmupFraction part of all steps; 0 where {@code warmupSteps} says
 * @param checkpoints where and how often to save; empty for never
 */
public record TrainingConfig(double learningRate, int batchSize, int accumulationSteps, int epochs, int maxLength,
        Schedule schedule, int warmupSteps, double warmupFraction, double weightDecay, double beta1, double beta2,
        double epsilon, double maxGradientNorm, double layerDecay, boolean freezeEmbeddings, int frozenLayers,
        Weighting weighting, boolean bucketing, long seed, int evaluateEvery, Metric metric, int patience,
        boolean keepBest, Optional<Checkpoints> checkpoints, int threads, int reportEvery, Precision precision,
        boolean recomputeActivations) {

    /**
     * Saving the state of a run.
     *
     * @param folder gets a folder {@code step-NNNNNNNN} each time
     * @param everySteps how often; 0 for the end of every epoch
     * @param keep how many to keep, the latest
     */
    public record Checkpoints(Path folder, int everySteps, int keep) {
        /** @throws IllegalArgumentException for a negative interval, or fewer than one to keep */
        public Checkpoints {
            Objects.requireNonNull(folder, "folder");
            require(everySteps >= 0, "checkpoint interval", everySteps, "negative");
            require(keep >= 1, "number of checkpoints to keep", keep, "not positive");
        }
    }

    public TrainingConfig {
        Objects.requireNonNull(schedule, "schedule");
        Objects.requireNonNull(weighting, "weighting");
        Objects.requireNonNull(metric, "metric");
        Objects.requireNonNull(checkpoints, "checkpoints");
        Objects.requireNonNull(precision, "precision");
        if (precision == Precision.INT8 || precision == Precision.AUTO) {
            throw new IllegalArgumentException(
                    "precision " + precision + " is for inference alone; train in float32, bfloat16 or float16");
        }
        requirePositive("learningRate", learningRate);
        requirePositive("batchSize", batchSize);
        requirePositive("accumulationSteps", accumulationSteps);
        requirePositive("epochs", epochs);
        require(maxLength >= 3, "maxLength", maxLength, "too short for a token between [CLS] and [SEP]");
        require(warmupSteps >= 0, "warmupSteps", warmupSteps, "negative");
        require(warmupFraction >= 0 && warmupFraction <= 1, "warmupFraction", warmupFraction, "not in [0, 1]");
        require(warmupSteps == 0 || warmupFraction == 0, "warmupFraction", warmupFraction,
                "given beside warmupSteps " + warmupSteps);
        require(weightDecay >= 0 && Double.isFinite(weightDecay), "weightDecay", weightDecay, "negative or infinite");
        require(beta1 >= 0 && beta1 < 1, "beta1", beta1, "not in [0, 1)");
        require(beta2 >= 0 && beta2 < 1, "beta2", beta2, "not in [0, 1)");
        requirePositive("epsilon", epsilon);
        require(maxGradientNorm > 0, "maxGradientNorm", maxGradientNorm, "not positive");
        require(layerDecay > 0 && layerDecay <= 1, "layerDecay", layerDecay, "not in (0, 1]");
        require(frozenLayers >= 0, "frozenLayers", frozenLayers, "negative");
        require(evaluateEvery >= 0, "evaluateEvery", evaluateEvery, "negative");
        require(patience >= 0, "patience", patience, "negative");
        requirePositive("threads", threads);
        requirePositive("reportEvery", reportEvery);
    }

    private static void requirePositive(String name, double value) {
        require(value > 0 && Double.isFinite(value), name, value, "not positive");
    }

    private static void require(boolean condition, String name, Number value, String problem) {
        if (!condition) {
            throw new IllegalArgumentException(name + " " + value + " is " + problem);
        }
    }

    /** The default settings, to be changed. */
    public static Builder builder() {
        return new Builder();
    }

    /** These settings, to be changed. */
    public Builder toBuilder() {
        return new Builder(this);
    }

    /** Steps of rising learning rate in a run of so many steps. */
    int warmup(int totalSteps) {
        return warmupSteps > 0 ? warmupSteps : (int) Math.ceil(warmupFraction * totalSteps);
    }

    /** As {@link dev.nightjar.model.DistilBert#backward} counts them: -1 where the embeddings are trained too. */
    int frozenBlocks() {
        return frozenLayers > 0 || freezeEmbeddings ? frozenLayers : -1;
    }

    /** Every setting that a result depends on, by name, so that a resumed run can be compared with the one it continues. */
    public Map<String, String> identity() {
        Map<String, String> identity = new LinkedHashMap<>();
        identity.put("learningRate", Double.toString(learningRate));
        identity.put("batchSize", Integer.toString(batchSize));
        identity.put("accumulationSteps", Integer.toString(accumulationSteps));
        identity.put("epochs", Integer.toString(epochs));
        identity.put("maxLength", Integer.toString(maxLength));
        identity.put("schedule", schedule.toString());
        identity.put("warmupSteps", Integer.toString(warmupSteps));
        identity.put("warmupFraction", Double.toString(warmupFraction));
        identity.put("weightDecay", Double.toString(weightDecay));
        identity.put("beta1", Double.toString(beta1));
        identity.put("beta2", Double.toString(beta2));
        identity.put("epsilon", Double.toString(epsilon));
        identity.put("maxGradientNorm", Double.toString(maxGradientNorm));
        identity.put("layerDecay", Double.toString(layerDecay));
        identity.put("frozenLayers", Integer.toString(frozenBlocks()));
        identity.put("weighting", weighting.toString());
        identity.put("bucketing", Boolean.toString(bucketing));
        identity.put("seed", Long.toString(seed));
        identity.put("evaluateEvery", Integer.toString(evaluateEvery));
        identity.put("metric", metric.toString());
        identity.put("patience", Integer.toString(patience));
        identity.put("keepBest", Boolean.toString(keepBest));
        if (precision != Precision.FLOAT32) {
            identity.put("precision", precision.toString());
        }
        return identity;
    }

    /** Collects settings; each method tells its default. Not thread-safe. */
    public static final class Builder {
        private double learningRate = 5e-5;
        private int batchSize = 32;
        private int accumulationSteps = 1;
        private int epochs = 3;
        private int maxLength = 128;
        private Schedule schedule = Schedule.LINEAR;
        private int warmupSteps;
        private double warmupFraction = 0.1;
        private double weightDecay = 0.01;
        private double beta1 = 0.9;
        private double beta2 = 0.999;
        private double epsilon = 1e-8;
        private double maxGradientNorm = 1;
        private double layerDecay = 1;
        private boolean freezeEmbeddings;
        private int frozenLayers;
        private Weighting weighting = Weighting.parse("dao");
        private boolean bucketing;
        private long seed = 42;
        private int evaluateEvery;
        private Metric metric = Metric.LOSS;
        private int patience;
        private boolean keepBest = true;
        private Optional<Checkpoints> checkpoints = Optional.empty();
        private int threads = Runtime.getRuntime().availableProcessors();
        private int reportEvery = 1;
        private Precision precision = Precision.FLOAT32;
        private boolean recomputeActivations;

        private Builder() {
        }

        private Builder(TrainingConfig from) {
            learningRate = from.learningRate;
            batchSize = from.batchSize;
            accumulationSteps = from.accumulationSteps;
            epochs = from.epochs;
            maxLength = from.maxLength;
            schedule = from.schedule;
            warmupSteps = from.warmupSteps;
            warmupFraction = from.warmupFraction;
            weightDecay = from.weightDecay;
            beta1 = from.beta1;
            beta2 = from.beta2;
            epsilon = from.epsilon;
            maxGradientNorm = from.maxGradientNorm;
            layerDecay = from.layerDecay;
            freezeEmbeddings = from.freezeEmbeddings;
            frozenLayers = from.frozenLayers;
            weighting = from.weighting;
            bucketing = from.bucketing;
            seed = from.seed;
            evaluateEvery = from.evaluateEvery;
            metric = from.metric;
            patience = from.patience;
            keepBest = from.keepBest;
            checkpoints = from.checkpoints;
            threads = from.threads;
            reportEvery = from.reportEvery;
            precision = from.precision;
            recomputeActivations = from.recomputeActivations;
        }

        /** Peak learning rate of AdamW; 5e-5. */
        public Builder learningRate(double value) {
            learningRate = value;
            return this;
        }

        /** Rows of one forward pass; 32. */
        public Builder batchSize(int value) {
            batchSize = value;
            return this;
        }

        /** Batches of one optimizer step; 1. */
        public Builder accumulationSteps(int value) {
            accumulationSteps = value;
            return this;
        }

        /** Times every row is used; 3. */
        public Builder epochs(int value) {
            epochs = value;
            return this;
        }

        /** Tokens after which a text is cut, special ones included; 128, at most the model's positions. */
        public Builder maxLength(int value) {
            maxLength = value;
            return this;
        }

        /** The learning rate after its warm-up; linear. */
        public Builder schedule(Schedule value) {
            schedule = value;
            return this;
        }

        /** Steps in which the learning rate rises from 0, instead of a fraction. */
        public Builder warmupSteps(int value) {
            warmupSteps = value;
            warmupFraction = 0;
            return this;
        }

        /** Part of all steps in which the learning rate rises from 0, rounded up; 0.1. */
        public Builder warmupFraction(double value) {
            warmupFraction = value;
            warmupSteps = 0;
            return this;
        }

        /** Decoupled decay of matrices and embeddings; 0.01. */
        public Builder weightDecay(double value) {
            weightDecay = value;
            return this;
        }

        /** Decay rates of the gradients' running means; 0.9 and 0.999. */
        public Builder betas(double first, double second) {
            beta1 = first;
            beta2 = second;
            return this;
        }

        /** AdamW's epsilon; 1e-8. */
        public Builder epsilon(double value) {
            epsilon = value;
            return this;
        }

        /** Global norm to which gradients are clipped; 1, infinity for never. */
        public Builder maxGradientNorm(double value) {
            maxGradientNorm = value;
            return this;
        }

        /** Factor on the learning rate for each layer away from the heads; 1. */
        public Builder layerDecay(double value) {
            layerDecay = value;
            return this;
        }

        /** Whether the embeddings stay as they are; false. */
        public Builder freezeEmbeddings(boolean value) {
            freezeEmbeddings = value;
            return this;
        }

        /** Transformer blocks, from the first, that stay as they are, with the embeddings; 0. */
        public Builder frozenLayers(int value) {
            frozenLayers = value;
            return this;
        }

        /** How the tasks are weighed; DAO over the pooled representation. */
        public Builder weighting(Weighting value) {
            weighting = value;
            return this;
        }

        /**
         * Whether batches are of rows of similar length; false. Batches are packed without padding, so there is none to save, and random
         * batches mix short with long texts.
         */
        public Builder bucketing(boolean value) {
            bucketing = value;
            return this;
        }

        /** Of the order of rows, dropout and new heads; 42. */
        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /** Steps between evaluations; 0, the end of every epoch. */
        public Builder evaluateEvery(int value) {
            evaluateEvery = value;
            return this;
        }

        /** What makes one evaluation better than another; the loss. */
        public Builder metric(Metric value) {
            metric = value;
            return this;
        }

        /** Evaluations without improvement after which training ends; 0, never. */
        public Builder patience(int value) {
            patience = value;
            return this;
        }

        /** Whether the result is the model of the best evaluation instead of the last step; true. */
        public Builder keepBest(boolean value) {
            keepBest = value;
            return this;
        }

        /** Where and how often to save the state of the run; nowhere. */
        public Builder checkpoints(Checkpoints value) {
            checkpoints = Optional.of(value);
            return this;
        }

        /** Threads of one operation; as many as there are processors. Results do not depend on it. */
        public Builder threads(int value) {
            threads = value;
            return this;
        }

        /** Steps between reports to the listener; 1. Where the device computes by itself, reading a report makes it wait. */
        public Builder reportEvery(int value) {
            reportEvery = value;
            return this;
        }

        /**
         * What weights, activations and their gradients are in; float32. In the other precisions a float32 master copy of the weights is
         * trained, which is also what is saved; gradients of weights and moments are float32 always, and float16 scales its loss. Which
         * backend offers what, {@link Device#statuses()} says.
         */
        public Builder precision(Precision value) {
            if (value == Precision.AUTO) {
                throw new IllegalArgumentException("a model is trained in a precision that was named, not in auto");
            }
            precision = value;
            return this;
        }

        /**
         * Whether the backward pass computes again what is inside a block instead of keeping it from the forward pass; false. It takes
         * memory off long batches, about a quarter more time, and changes no bit of the result.
         */
        public Builder recomputeActivations(boolean value) {
            recomputeActivations = value;
            return this;
        }

        /**
         * The settings.
         *
         * @throws IllegalArgumentException naming the one that is out of range
         */
        public TrainingConfig build() {
            return new TrainingConfig(learningRate, batchSize, accumulationSteps, epochs, maxLength, schedule,
                    warmupSteps, warmupFraction, weightDecay, beta1, beta2, epsilon, maxGradientNorm, layerDecay,
                    freezeEmbeddings, frozenLayers, weighting, bucketing, seed, evaluateEvery, metric, patience,
                    keepBest, checkpoints, threads, reportEvery, precision, recomputeActivations);
        }
    }
}
