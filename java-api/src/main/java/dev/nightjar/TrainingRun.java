package dev.nightjar;

import dev.nightjar.TrainingConfig.Checkpoints;
import dev.nightjar.TrainingResult.Outcome;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.Ops;
import dev.nightjar.io.ParameterWeights;
import dev.nightjar.io.PretrainedModel;
import dev.nightjar.jfr.TrainingStepEvent;
import dev.nightjar.loss.ConstantWeighting;
import dev.nightjar.loss.DualBalancingWeighting;
import dev.nightjar.loss.DynamicAdaptiveWeighting;
import dev.nightjar.loss.DynamicWeightAverage;
import dev.nightjar.loss.FamoWeighting;
import dev.nightjar.loss.GradNormWeighting;
import dev.nightjar.loss.TaskWeighting;
import dev.nightjar.loss.UncertaintyWeighting;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.Parameters;
import dev.nightjar.optim.AdamW;
import dev.nightjar.optim.ParameterGroups;
import dev.nightjar.train.BatchBuffers;
import dev.nightjar.train.BatchSampler;
import dev.nightjar.train.Checkpoint;
import dev.nightjar.train.Predictions;
import dev.nightjar.train.TokenizedRows;
import dev.nightjar.train.TrainingState;
import dev.nightjar.train.TrainingStep;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;

/** One training from its first or a later step to its end; see {@link Trainer}. Owns everything it allocates. */
final class TrainingRun implements AutoCloseable {
    private final SentimentModel initial;
    private final TrainingConfig config;
    private final TrainingListener listener;
    private final DistilBertConfig modelConfig;
    private final TokenizedRows training;
    private final TokenizedRows validation;
    private final BatchSampler sampler;
    private final int stepsPerEpoch;
    private final int totalSteps;
    private final TaskWeighting weighting;
    private final Map<String, String> identity;

    private final Cleanup resources = new Cleanup();
    private final Parameters parameters;
    /** What the model computes in: the parameters, or the same in the precision of the run. */
    private final Parameters computed;
    private final Parameters best;
    private final Ops ops;
    private final DistilBert model;
    private final BatchBuffers buffers;
    private final AdamW optimizer;
    private final TrainingStep step;

    private final List<EvaluationReport> evaluations = new ArrayList<>();
    private Optional<Path> lastCheckpoint = Optional.empty();
    private int lastSaved = -1;
    private int steps;
    private int staleEvaluations;
    private int bestStep;
    private double bestValue = Double.NaN;
    private List<int[]> batches = List.of();
    private int batchesEpoch = -1;
    private long secondsSince;
    private int rowsSince;

    TrainingRun(SentimentModel initial, TrainingConfig config, Dataset trainingData, Optional<Dataset> validationData,
            TrainingListener listener) {
        initial.requireUnrounded("trained");
        this.initial = initial;
        this.config = config;
        this.listener = listener;
        modelConfig = EncodedDataset.heads(initial.config(), trainingData);
        int maxLength = Math.min(config.maxLength(), modelConfig.maxPositions());
        training = EncodedDataset.of("training data", trainingData, modelConfig, initial, maxLength);
        validation = validationData
                .map(data -> EncodedDataset.of("validation data", data, modelConfig, initial, maxLength)).orElse(null);
        requireMeasurable();
        sampler = new BatchSampler(training, config.batchSize(), config.seed(), config.bucketing());
        stepsPerEpoch = Math.ceilDiv(sampler.batchesPerEpoch(), config.accumulationSteps());
        totalSteps = Math.multiplyExact(stepsPerEpoch, config.epochs());
        weighting = weighting(config.weighting(), modelConfig);
        if (weighting.averageDecay() > 0 && config.precision() == Precision.FLOAT16) {
            throw new IllegalArgumentException(config.weighting()
                    + " keeps moving averages of gradients, which in float16 may overflow: train it in float32 or bfloat16");
        }
        identity = identity();
        try {
            Backend backend = initial.backend();
            ParameterLayout layout = new ParameterLayout(modelConfig);
            ops = resources.add(backend.newOps(config.threads(), config.precision().type()));
            listener.onPlan(requireMemory(backend, plan(layout)));
            parameters = resources.add(new Parameters(backend, layout));
            SentimentModel.fill(parameters, pretrained(initial.config(), initial.parameters()), modelConfig,
                    config.seed());
            best = keepsBest() ? resources.add(new Parameters(backend, layout)) : null;
            computed = config.precision() == Precision.FLOAT32
                    ? parameters
                    : resources.add(new Parameters(backend, layout, config.precision().type()));
            takeOver();
            model = resources.add(new DistilBert(modelConfig, computed, false));
            buffers = resources.add(new BatchBuffers(backend, ops, modelConfig, capacity()));
            AdamW.Settings settings = new AdamW.Settings((float) config.beta1(), (float) config.beta2(),
                    (float) config.epsilon(), (float) config.weightDecay(), (float) config.maxGradientNorm());
            optimizer = resources.add(new AdamW(settings,
                    ParameterGroups.of(modelConfig, layout, config.layerDecay(), config.frozenBlocks()), parameters,
                    computed));
            step = resources.add(new TrainingStep(model, layout, ops, optimizer, weighting, buffers,
                    new TrainingStep.Settings(config.seed(), config.frozenBlocks())));
        } catch (Throwable t) {
            resources.close();
            throw t;
        }
    }

    private boolean keepsBest() {
        return validation != null && config.keepBest();
    }

    private MemoryPlan plan(ParameterLayout layout) {
        long elements = layout.size();
        long once = elements * Float.BYTES;
        long copy = config.precision() == Precision.FLOAT32 ? 0 : elements * config.precision().type().bytes();
        return new MemoryPlan(once + copy, weighting.separatesTasks() ? 2 * once : once,
                weighting.averageDecay() > 0 ? 4 * once : 2 * once, keepsBest() ? once : 0,
                BatchBuffers.bytes(ops, modelConfig, capacity()));
    }

    private static MemoryPlan requireMemory(Backend backend, MemoryPlan plan) {
        backend.freeBytes().ifPresent(free -> {
            if (free < plan.total()) {
                throw new UnavailableException("this training needs " + plan + "; the " + backend.name()
                        + " device has only " + (free >> 20) + " MiB free. Smaller batches, shorter texts,"
                        + " recomputed activations or a 16-bit precision need less");
            }
        });
        return plan;
    }

    /** Makes what the model computes in the same as the parameters. */
    private void takeOver() {
        if (computed != parameters) {
            computed.setAll(parameters);
        }
    }

    private void requireMeasurable() {
        if (config.frozenLayers() > modelConfig.layers()) {
            throw new IllegalArgumentException("frozenLayers " + config.frozenLayers() + " is more than the model's "
                    + modelConfig.layers() + " layers");
        }
        if (validation == null) {
            if (config.patience() > 0) {
                throw new IllegalArgumentException("patience " + config.patience() + " needs validation data");
            }
            return;
        }
        // Random predictions measure as well as any whether there is something to measure the metric by.
        float[][] probabilities = new float[validation.size()][modelConfig.classes()];
        float[][] scores = new float[validation.size()][modelConfig.scores()];
        Evaluation.measure(modelConfig, validation, new Predictions(probabilities, scores)).value(config.metric());
    }

    private BatchBuffers.Capacity capacity() {
        int tokens = training.mostTokens(config.batchSize());
        if (validation != null) {
            tokens = Math.max(tokens, validation.longest());
        }
        int sequences = Math.min(config.batchSize(), training.size());
        return new BatchBuffers.Capacity(tokens, sequences, config.accumulationSteps(), true, config.precision().type(),
                config.recomputeActivations());
    }

    private static TaskWeighting weighting(Weighting weighting, DistilBertConfig modelConfig) {
        if (modelConfig.classes() == 0 || modelConfig.scores() == 0) {
            return new ConstantWeighting(1, 1, weighting.balanceClasses());
        }
        return switch (weighting) {
            case Weighting.Dao(var scope, boolean balanceClasses) -> new DynamicAdaptiveWeighting(scope(scope),
                    balanceClasses);
            case Weighting.Constant(float classification, float regression, boolean balanceClasses) ->
                new ConstantWeighting(classification, regression, balanceClasses);
            case Weighting.Uncertainty(double learningRate) -> new UncertaintyWeighting(learningRate);
            case Weighting.DynamicWeightAverage(double temperature) -> new DynamicWeightAverage(temperature);
            case Weighting.GradNorm(var scope, double alpha, double learningRate) -> new GradNormWeighting(scope(scope),
                    alpha, learningRate);
            case Weighting.DualBalancing(double averageDecay) -> new DualBalancingWeighting(averageDecay);
            case Weighting.Famo(double learningRate, double decay) -> new FamoWeighting(learningRate, decay);
        };
    }

    private static TaskWeighting.Scope scope(Weighting.Scope scope) {
        return switch (scope) {
            case POOLED_REPRESENTATION -> TaskWeighting.Scope.POOLED_REPRESENTATION;
            case SHARED_PARAMETERS -> TaskWeighting.Scope.SHARED_PARAMETERS;
        };
    }

    private Map<String, String> identity() {
        Map<String, String> all = new LinkedHashMap<>(config.identity());
        all.put("model", modelConfig.toString());
        all.put("training data", training.size() + " rows, SHA-256 " + training.fingerprint());
        all.put("validation data", validation == null
                ? "none"
                : validation.size() + " rows, SHA-256 " + validation.fingerprint());
        return all;
    }

    private PretrainedModel pretrained(DistilBertConfig shape, Parameters source) {
        return new PretrainedModel(shape, true, new ParameterWeights("model", source), initial.tokenizerFiles());
    }

    /** Continues from a checkpoint of the same run. */
    void restore(Path path) throws IOException {
        Path checkpoint = Checkpoint.latest(path);
        TrainingState state = Checkpoint.read(checkpoint);
        requireSameRun(checkpoint, state.identity());
        if (state.step() > totalSteps) {
            throw new FormatException(checkpoint.toString(),
                    "is at step " + state.step() + " of a run of only " + totalSteps);
        }
        steps = state.step();
        staleEvaluations = state.staleEvaluations();
        bestStep = state.bestStep();
        bestValue = state.bestValue();
        try {
            weighting.restore(state.weighting());
        } catch (IllegalArgumentException e) {
            throw new FormatException(checkpoint.toString(), e.getMessage(), e);
        }
        for (var tensors : tensors().entrySet()) {
            Checkpoint.restore(checkpoint, tensors.getKey(), tensors.getValue());
        }
        takeOver();
        if (optimizer.lossScale() != null) {
            optimizer.lossScale(state.lossScale().orElseThrow(
                    () -> new FormatException(checkpoint.toString(),
                            "the state of a run in float16 has no lossScale")));
        }
    }

    private void requireSameRun(Path checkpoint, Map<String, String> then) {
        Set<String> names = new LinkedHashSet<>(identity.keySet());
        names.addAll(then.keySet());
        for (String name : names) {
            if (!Objects.equals(identity.get(name), then.get(name))) {
                throw new FormatException(checkpoint.toString(),
                        "cannot go on: " + name + " was " + then.get(name) + ", is now " + identity.get(name));
            }
        }
    }

    /** What a checkpoint holds, by file name. */
    private Map<String, Parameters> tensors() {
        Map<String, Parameters> tensors = new LinkedHashMap<>();
        tensors.put("parameters", parameters);
        tensors.put("first_moment", optimizer.firstMoment());
        tensors.put("second_moment", optimizer.secondMoment());
        if (best != null && bestStep > 0) {
            tensors.put("best", best);
        }
        tensors.putAll(step.averages());
        return tensors;
    }

    TrainingResult run(BooleanSupplier stopRequested) throws IOException {
        int firstStep = steps;
        restartClock();
        while (steps < totalSteps && !exhausted()) {
            if (stopRequested.getAsBoolean()) {
                if (steps > firstStep) {
                    requireFinite(step.read());
                }
                if (config.checkpoints().isPresent() && lastSaved != steps) {
                    save(config.checkpoints().get());
                }
                return result(Outcome.STOPPED_ON_REQUEST);
            }
            advance();
        }
        return result(exhausted() ? Outcome.STOPPED_EARLY : Outcome.COMPLETED);
    }

    private boolean exhausted() {
        return config.patience() > 0 && staleEvaluations >= config.patience();
    }

    /** One step and what follows it: report, evaluation, checkpoint. */
    private void advance() throws IOException {
        double learningRate = config.learningRate()
                * config.schedule().factor(steps, config.warmup(totalSteps), totalSteps);
        List<int[]> stepBatches = batches(steps);
        TrainingStepEvent event = new TrainingStepEvent();
        event.begin();
        step.run(training, stepBatches, steps, learningRate);
        steps++;
        int rows = stepBatches.stream().mapToInt(batch -> batch.length).sum();
        rowsSince += rows;

        boolean epochEnds = steps % stepsPerEpoch == 0;
        boolean evaluationDue = config.evaluateEvery() == 0 ? epochEnds : steps % config.evaluateEvery() == 0;
        boolean evaluates = validation != null && (evaluationDue || steps == totalSteps);
        boolean saves = config.checkpoints()
                .map(c -> c.everySteps() == 0 ? epochEnds : steps % c.everySteps() == 0).orElse(false);
        boolean reports = steps % config.reportEvery() == 0 || steps == totalSteps;
        // Nothing is evaluated or saved that has diverged.
        if (reports || evaluates || saves || weighting.observesSteps()) {
            TrainingStep.Result result = step.read();
            requireFinite(result);
            weighting.observe(result.losses(), () -> updatedLosses(stepBatches, result));
            if (reports || evaluates || saves) {
                report(result, learningRate);
            }
        }
        if (epochEnds) {
            weighting.endEpoch();
        }
        if (evaluates) {
            evaluate();
        }
        if (saves) {
            save(config.checkpoints().orElseThrow());
        }
        if (evaluates || saves) {
            restartClock();
        }
        event.step = steps;
        event.rows = rows;
        event.learningRate = learningRate;
        event.commit();
    }

    /** Losses of the last step's rows after its update. */
    private LossReport updatedLosses(List<int[]> stepBatches, TrainingStep.Result result) {
        LossReport losses = step.losses(training, stepBatches, steps - 1);
        requireFinite(new TrainingStep.Result(losses, result.gradientNorm(), result.skipped()));
        return losses;
    }

    private void requireFinite(TrainingStep.Result result) {
        if (!result.finite()) {
            throw new DivergenceException(steps, result.losses().loss(), result.gradientNorm());
        }
    }

    private List<int[]> batches(int atStep) {
        int epoch = atStep / stepsPerEpoch;
        if (epoch != batchesEpoch) {
            batches = sampler.epoch(epoch);
            batchesEpoch = epoch;
        }
        int from = atStep % stepsPerEpoch * config.accumulationSteps();
        return batches.subList(from, Math.min(batches.size(), from + config.accumulationSteps()));
    }

    private void report(TrainingStep.Result result, double learningRate) {
        LossReport losses = result.losses();
        double seconds = (System.nanoTime() - secondsSince) * 1e-9;
        listener.onStep(new StepReport(steps, totalSteps, epoch(), losses.loss(), losses.classificationLoss(),
                losses.regressionLoss(), losses.classificationWeight(), losses.regressionWeight(),
                losses.classificationNorm(), losses.regressionNorm(), learningRate, result.gradientNorm(),
                rowsSince / seconds));
        restartClock();
    }

    private void restartClock() {
        secondsSince = System.nanoTime();
        rowsSince = 0;
    }

    /** Of the last step, counted from 1. */
    private int epoch() {
        return (steps - 1) / stepsPerEpoch + 1;
    }

    private void evaluate() {
        Evaluation evaluation = Evaluation.measure(modelConfig, validation,
                Predictions.of(model, ops, buffers, validation));
        double value = evaluation.value(config.metric());
        boolean improved = config.metric().better(value, bestValue);
        if (improved) {
            bestValue = value;
            bestStep = steps;
            staleEvaluations = 0;
            if (best != null) {
                ops.axpby(1, parameters.flat(), 0, best.flat());
            }
        } else {
            staleEvaluations++;
        }
        EvaluationReport report = new EvaluationReport(steps, epoch(), evaluation, value, improved);
        evaluations.add(report);
        listener.onEvaluation(report);
    }

    private void save(Checkpoints checkpoints) throws IOException {
        TrainingState state = new TrainingState(steps, staleEvaluations, bestStep, bestValue, weighting.state(),
                optimizer.lossScale() == null ? Optional.empty() : Optional.of(optimizer.fetchLossScale()), identity);
        Path saved = Checkpoint.write(checkpoints.folder(), state, tensors(), checkpoints.keep());
        lastCheckpoint = Optional.of(saved);
        lastSaved = steps;
        listener.onCheckpoint(saved);
    }

    private TrainingResult result(Outcome outcome) throws IOException {
        boolean returnsBest = best != null && bestStep > 0;
        PretrainedModel trained = pretrained(modelConfig, returnsBest ? best : parameters);
        SentimentModel result = SentimentModel.of(trained, modelConfig, initial.options(), config.seed());
        return new TrainingResult(result, outcome, steps, returnsBest ? bestStep : steps, evaluations, lastCheckpoint);
    }

    @Override
    public void close() {
        resources.close();
    }
}
