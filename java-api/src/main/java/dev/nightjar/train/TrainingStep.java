package dev.nightjar.train;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import dev.nightjar.backend.Ops;
import dev.nightjar.loss.TaskWeighting;
import dev.nightjar.loss.TaskWeighting.TaskWeights;
import dev.nightjar.loss.TaskWeighting.Tasks;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertGradients;
import dev.nightjar.model.DropoutPlan;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.ParameterLayout.Entry;
import dev.nightjar.model.Parameters;
import dev.nightjar.optim.AdamW;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One optimizer step: forward and backward passes over the batches it accumulates, the weights of the tasks, AdamW. Not thread-safe.
 *
 * <p>A batch's gradient counts by its part of the step's rows, so that accumulating equals one large batch where every row has all
 * targets. Dropout depends on step and row, not on the batch, so it does not notice either.
 */
public final class TrainingStep implements AutoCloseable {
    /**
     * What does not change from step to step.
     *
     * @param seed of dropout
     * @param frozenLayers as in {@link DistilBert#backward}
     */
    public record Settings(long seed, int frozenLayers) {
    }

    /**
     * What a step did.
     *
     * @param losses over all its batches: losses and numbers of rows of the step; norms and weights averaged over the batches, or
     *        those of the accumulated gradients, or of their moving averages, where the weighting separates tasks
     * @param gradientNorm global norm of the combined gradient before clipping
     * @param skipped whether the step changed nothing, because a gradient exceeded the range of float16 and the scale of the loss can
     *        still be lowered
     */
    public record Result(LossReport losses, double gradientNorm, boolean skipped) {
        public boolean finite() {
            return Float.isFinite(losses.loss()) && (skipped || Double.isFinite(gradientNorm));
        }
    }

    /** A gradient allocation with the views the backward pass writes through. */
    private record Gradients(Parameters parameters, DistilBertGradients views,
            Sequence backward) implements AutoCloseable {
        static Gradients allocate(DistilBert model, ParameterLayout layout, Sequence backward) {
            Parameters parameters = new Parameters(model.backend(), layout);
            return new Gradients(parameters, new DistilBertGradients(model.config(), parameters), backward);
        }

        @Override
        public void close() {
            parameters.close();
        }
    }

    /** Operations that are recorded together. */
    private enum Sequence {
        FORWARD, BACKWARD, REGRESSION_BACKWARD, UPDATE
    }

    private static final String CLASSIFICATION_AVERAGE = "classification_average";
    private static final String REGRESSION_AVERAGE = "regression_average";

    private final DistilBert model;
    private final Backend backend;
    private final Ops ops;
    private final AdamW optimizer;
    private final TaskWeighting weighting;
    private final BatchBuffers buffers;
    private final Settings settings;
    private final DropoutPlan dropout;
    private final Recordings recordings;
    private final Gradients gradients;
    private final Gradients regressionGradients;
    /** Of the tasks' shared gradients, by file name: of the classification, then of the regression; empty without any. */
    private final Map<String, Parameters> averages = new LinkedHashMap<>();
    private final int sharedLength;
    private int batches;
    private LossReport separated;

    /**
     * @param model over the parameters of {@code optimizer}; like all other arguments it stays the caller's
     */
    public TrainingStep(DistilBert model, ParameterLayout layout, Ops ops, AdamW optimizer, TaskWeighting weighting,
            BatchBuffers buffers, Settings settings) {
        this.model = model;
        this.backend = model.backend();
        this.ops = ops;
        this.optimizer = optimizer;
        this.weighting = weighting;
        this.buffers = buffers;
        this.settings = settings;
        this.dropout = new DropoutPlan(model.config(), settings.seed, buffers.step());
        this.recordings = new Recordings(ops);
        this.gradients = Gradients.allocate(model, layout, Sequence.BACKWARD);
        this.regressionGradients = weighting.separatesTasks()
                ? Gradients.allocate(model, layout, Sequence.REGRESSION_BACKWARD)
                : null;
        if (weighting.averageDecay() > 0) {
            averages.put(CLASSIFICATION_AVERAGE, new Parameters(backend, layout));
            averages.put(REGRESSION_AVERAGE, new Parameters(backend, layout));
        }
        // Heads stand last, so what the tasks share is one run.
        this.sharedLength = layout.entries().stream().filter(Entry::taskHead).mapToInt(Entry::offset).min()
                .orElseThrow();
    }

    /**
     * Updates the parameters once.
     *
     * @param rowBatches rows of each batch
     * @param step counted from 0
     */
    public void run(TokenizedRows rows, List<int[]> rowBatches, int step, double learningRate) {
        accumulate(rows, rowBatches, step);
        optimizer.begin(ops, step + 1, learningRate);
        recordings.run(Sequence.UPDATE,
                () -> optimizer.update(ops, gradients.parameters, buffers.squaredNorms().slice(0, 1)));
    }

    /** Computes the weighted gradient of a step, without updating anything. */
    void accumulate(TokenizedRows rows, List<int[]> rowBatches, int step) {
        ops.zero(gradients.parameters.flat());
        if (regressionGradients != null) {
            ops.zero(regressionGradients.parameters.flat());
        }
        int stepRows = rowBatches.stream().mapToInt(batch -> batch.length).sum();
        boolean classification = false;
        boolean regression = false;
        double classificationFactor = 0;
        double regressionFactor = 0;
        batches = rowBatches.size();
        for (int i = 0; i < batches; i++) {
            int[] batch = rowBatches.get(i);
            Tasks present = rows.tasks(batch);
            forward(rows, batch, step);
            Tensor report = buffers.report(i);
            float share = (float) batch.length / stepRows;
            LossWeights weights = weighting.weights(present, () -> losses(report), share);
            if (weighting.separatesTasks()) {
                backwardSeparately(present, weights, report);
            } else {
                backward(weights, gradients, report);
            }
            classificationFactor += share * weights.classification();
            regressionFactor += share * weights.regression();
            classification |= present.classification();
            regression |= present.regression();
        }
        if (weighting.separatesTasks()) {
            combine(new Tasks(classification, regression), new TaskWeights(classificationFactor, regressionFactor));
        }
    }

    private void forward(TokenizedRows rows, int[] batch, int step) {
        buffers.load(rows, batch, step);
        recordings.run(Sequence.FORWARD, buffers.packed(),
                () -> model.forward(ops, buffers.packed(), buffers.activations(), dropout));
    }

    private void backwardSeparately(Tasks present, LossWeights weights, Tensor report) {
        boolean balance = weights.balanceClasses();
        float scale = weights.gradientScale();
        if (present.classification()) {
            backward(new LossWeights(balance, false, weights.classification(), 0, scale), gradients, report);
        }
        if (present.regression()) {
            backward(new LossWeights(balance, false, 0, weights.regression(), scale), regressionGradients, report);
        }
    }

    private void backward(LossWeights weights, Gradients into, Tensor report) {
        loss(weights, report);
        recordings.run(into.backward, buffers.packed(),
                () -> model.backward(ops, buffers.packed(), buffers.activations(), dropout, settings.frozenLayers,
                        into.views));
    }

    /** One operation, not recorded: what it depends on besides the size, where its report goes, would multiply the recordings. */
    private void loss(LossWeights weights, Tensor report) {
        var activations = buffers.activations();
        ops.multiTaskLoss(buffers.packed(), buffers.targets(), activations.logits(), activations.scores(),
                model.classifierWeight(), model.regressorWeight(), buffers.lossWeights(weights), optimizer.lossScale(),
                activations.logitsGradient(), activations.scoresGradient(), report);
    }

    /** Losses of the batch whose forward pass was the last. */
    private LossReport losses(Tensor report) {
        loss(new LossWeights(false, false, 1, 1, 1), report);
        return LossReport.read(backend, report);
    }

    /**
     * Weighs the tasks by the norms of their shared gradients, which takes a trip to the host, and adds them up.
     *
     * @param factors what each task's loss was multiplied by, averaged over the batches
     */
    private void combine(Tasks present, TaskWeights factors) {
        Tensor gradient = gradients.parameters.flat();
        Tensor regressionGradient = regressionGradients.parameters.flat();
        Tensor shared = gradient.slice(0, sharedLength);
        Tensor regressionShared = regressionGradient.slice(0, sharedLength);
        if (!averages.isEmpty()) {
            average(present.classification(), averages.get(CLASSIFICATION_AVERAGE), shared);
            average(present.regression(), averages.get(REGRESSION_AVERAGE), regressionShared);
        }
        ops.squaredNorm(shared, buffers.squaredNorms().slice(1, 1));
        ops.squaredNorm(regressionShared, buffers.squaredNorms().slice(2, 1));
        float[] squares = fetch(buffers.squaredNorms());
        double scale = optimizer.lossScale() == null ? 1 : optimizer.fetchLossScale().factor();
        double classificationNorm = Math.sqrt(squares[1]) / scale;
        double regressionNorm = Math.sqrt(squares[2]) / scale;
        TaskWeights weights = weighting.combine(present, classificationNorm, regressionNorm);
        ops.axpby((float) weights.regression(), regressionShared, (float) weights.classification(), shared);
        TaskWeights heads = weighting.weighsHeads() ? weights : new TaskWeights(1, 1);
        int headsLength = Math.toIntExact(gradient.elements()) - sharedLength;
        ops.axpby((float) heads.regression(), regressionGradient.slice(sharedLength, headsLength),
                (float) heads.classification(), gradient.slice(sharedLength, headsLength));
        separated = new LossReport(0, 0, (float) classificationNorm, (float) regressionNorm,
                (float) (weights.classification() * factors.classification()),
                (float) (weights.regression() * factors.regression()), 0, 0);
    }

    /** Puts a task's moving average in the place of its shared gradient, which enters it if the task is present. */
    private void average(boolean present, Parameters average, Tensor shared) {
        Tensor mean = average.flat().slice(0, sharedLength);
        if (present) {
            float decay = (float) weighting.averageDecay();
            ops.axpby(1 - decay, shared, decay, mean);
        }
        ops.axpby(1, mean, 0, shared);
    }

    /** What the last step did; waits for the device. */
    public Result read() {
        LossReport total = total();
        if (separated != null) {
            total = new LossReport(total.classificationLoss(), total.regressionLoss(), separated.classificationNorm(),
                    separated.regressionNorm(), separated.classificationWeight(), separated.regressionWeight(),
                    total.labelledRows(), total.scoredRows());
        }
        double norm = Math.sqrt(fetch(buffers.squaredNorms())[0]);
        if (optimizer.lossScale() == null) {
            return new Result(total, norm, false);
        }
        float scale = optimizer.fetchLossScale().lastFactor();
        return new Result(total, norm / scale, !Double.isFinite(norm) && scale > 1);
    }

    /**
     * Losses of rows with the parameters as they are now, every row counting 1; overwrites the losses that {@link #read} reads.
     *
     * @param rowBatches as of the last step
     * @param step whose dropout to apply
     */
    public LossReport losses(TokenizedRows rows, List<int[]> rowBatches, int step) {
        for (int i = 0; i < rowBatches.size(); i++) {
            forward(rows, rowBatches.get(i), step);
            loss(new LossWeights(false, false, 1, 1, 1), buffers.report(i));
        }
        return total();
    }

    /** The reports of all batches: losses over all rows; norms and weights averaged over the batches. */
    private LossReport total() {
        double classificationLoss = 0;
        double regressionLoss = 0;
        double[] means = new double[4];
        int labelled = 0;
        int scored = 0;
        for (int i = 0; i < batches; i++) {
            LossReport r = LossReport.read(backend, buffers.report(i));
            classificationLoss += (double) r.classificationLoss() * r.labelledRows();
            regressionLoss += (double) r.regressionLoss() * r.scoredRows();
            means[0] += (double) r.classificationNorm() / batches;
            means[1] += (double) r.regressionNorm() / batches;
            means[2] += (double) r.classificationWeight() / batches;
            means[3] += (double) r.regressionWeight() / batches;
            labelled += r.labelledRows();
            scored += r.scoredRows();
        }
        return new LossReport((float) (classificationLoss / Math.max(1, labelled)),
                (float) (regressionLoss / Math.max(1, scored)), (float) means[0], (float) means[1], (float) means[2],
                (float) means[3], labelled, scored);
    }

    /** What a checkpoint must keep of a weighting with moving averages, by file name; they stay this step's. */
    public Map<String, Parameters> averages() {
        return Collections.unmodifiableMap(averages);
    }

    private float[] fetch(Tensor vector) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(vector.byteSize(), Float.BYTES);
            backend.download(vector, host);
            return host.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /** The gradient of the last step, before clipping. */
    Parameters gradients() {
        return gradients.parameters;
    }

    @Override
    public void close() {
        recordings.close();
        gradients.close();
        if (regressionGradients != null) {
            regressionGradients.close();
        }
        averages.values().forEach(Parameters::close);
    }
}
