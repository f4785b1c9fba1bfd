package dev.nightjar.train;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Buckets;
import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossWeights;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.RecordingOps;
import dev.nightjar.backend.Targets;
import dev.nightjar.model.Activations;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import dev.nightjar.text.TokenBatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Everything a batch needs besides parameters, planned once in one allocation. What changes from batch to batch stands at its beginning and
 * comes in one copy. For operations that can be recorded batches are {@linkplain PackedBatch#bounded bounded}, in the sizes of {@link
 * Buckets}; rows that are not there have no targets. Not thread-safe.
 */
public final class BatchBuffers implements AutoCloseable {
    /**
     * For how much there is room.
     *
     * @param tokens of one batch
     * @param sequences of one batch
     * @param batches of one optimizer step, each with a loss report
     * @param training whether there is to be a backward pass
     * @param type of activations and their gradients
     * @param recomputes as in {@link Activations#forTraining}
     */
    public record Capacity(int tokens, int sequences, int batches, boolean training, DType type, boolean recomputes) {
        /** In float32, keeping everything. */
        public Capacity(int tokens, int sequences, int batches, boolean training) {
            this(tokens, sequences, batches, training, DType.F32, false);
        }
    }

    /** The tensors, in the order of the plan; the first five are what changes. */
    private record Plan(PackedBatch packed, Tensor labels, Tensor scores, Tensor step, Activations activations,
            Tensor lossWeights, Tensor reports, Tensor squaredNorms) {
        static Plan of(Workspace workspace, DistilBertConfig config, Capacity capacity) {
            int tokens = capacity.tokens;
            int sequences = capacity.sequences;
            return new Plan(new PackedBatch(workspace, tokens, sequences), workspace.vector(DType.I32, sequences),
                    workspace.vector(DType.F32, sequences * config.scores()), workspace.vector(DType.I32, 1),
                    capacity.training
                            ? Activations.forTraining(workspace, config, tokens, sequences, capacity.type,
                                    capacity.recomputes)
                            : Activations.forInference(workspace, config, tokens, sequences, capacity.type),
                    workspace.vector(DType.F32, LossWeights.SIZE),
                    workspace.vector(DType.F32, capacity.batches * LossReport.SIZE),
                    workspace.vector(DType.F32, 3));
        }
    }

    private final Ops ops;
    private final DistilBertConfig config;
    private final boolean bounded;
    private final Workspace workspace;
    private final Plan plan;
    private final Targets targets;
    private final TokenBatch hostBatch;
    private final HostBuffer hostInputs;
    private final HostBuffer hostWeights = new HostBuffer((long) LossWeights.SIZE * Float.BYTES);

    /** @param ops which will work on the buffers */
    public BatchBuffers(Backend backend, Ops ops, DistilBertConfig config, Capacity capacity) {
        this.ops = ops;
        this.config = config;
        this.bounded = ops instanceof RecordingOps;
        Capacity rounded = rounded(ops, capacity);
        workspace = Workspace.allocate(backend::allocate, bytes(ops, config, capacity));
        plan = Plan.of(workspace, config, rounded);
        targets = new Targets(config.classes() == 0 ? null : plan.labels,
                config.scores() == 0 ? null : plan.scores.reshape(rounded.sequences, config.scores()));
        hostBatch = new TokenBatch(rounded.tokens, rounded.sequences);
        hostInputs = new HostBuffer(inputs().byteSize());
    }

    private static Capacity rounded(Ops ops, Capacity capacity) {
        return ops instanceof RecordingOps
                ? new Capacity(Buckets.tokens(capacity.tokens), capacity.sequences, capacity.batches, capacity.training,
                        capacity.type, capacity.recomputes)
                : capacity;
    }

    /** Bytes that the buffers take on the backend. */
    public static long bytes(Ops ops, DistilBertConfig config, Capacity capacity) {
        Workspace counting = Workspace.planning();
        Plan.of(counting, config, rounded(ops, capacity));
        return counting.used();
    }

    /** All that changes from batch to batch as one vector of bytes, which begins with the packed batch. */
    private Tensor inputs() {
        long begin = plan.packed.inputs().byteOffset();
        long end = plan.step.byteOffset() + plan.step.byteSize();
        return Tensor.vector(plan.step.buffer(), begin, DType.I8, Math.toIntExact(end - begin));
    }

    /**
     * Puts rows and their targets into the backend's memory.
     *
     * @param step optimizer step that they are for, counted from 0
     */
    void load(TokenizedRows rows, int[] indexes, int step) {
        hostBatch.clear();
        for (int index : indexes) {
            TokenizedRows.Row row = rows.get(index);
            hostBatch.add(row.ids(), row.key());
        }
        PackedBatch packed = plan.packed;
        if (bounded) {
            packed.bound(Buckets.tokens(hostBatch.tokens()),
                    Buckets.sequences(hostBatch.sequences(), packed.sequenceCapacity()),
                    Buckets.length(hostBatch.maxLength(), config.maxPositions()));
        } else {
            packed.bound(hostBatch.tokens(), hostBatch.sequences(), hostBatch.maxLength());
        }
        MemorySegment memory = hostInputs.segment();
        packed.stageAll(hostBatch, memory);
        stageTargets(rows, indexes, memory);
        memory.set(ValueLayout.JAVA_INT, at(plan.step), step);
        ops.upload(memory, inputs());
    }

    private void stageTargets(TokenizedRows rows, int[] indexes, MemorySegment memory) {
        int targetCount = config.scores();
        for (int b = 0; b < plan.packed.sequences(); b++) {
            TokenizedRows.Row row = b < indexes.length ? rows.get(indexes[b]) : null;
            memory.set(ValueLayout.JAVA_INT, at(plan.labels) + 4L * b, row == null ? -1 : row.label());
            for (int k = 0; k < targetCount; k++) {
                memory.set(ValueLayout.JAVA_FLOAT, at(plan.scores) + 4L * (b * targetCount + k),
                        row == null ? Float.NaN : row.scores()[k]);
            }
        }
    }

    private long at(Tensor tensor) {
        return tensor.byteOffset() - plan.packed.inputs().byteOffset();
    }

    /** How many rows from {@code from} fit into one batch, at least one. */
    int fitting(TokenizedRows rows, int from) {
        int tokens = 0;
        int end = from;
        while (end < rows.size() && end - from < plan.packed.sequenceCapacity()
                && tokens + rows.get(end).ids().length <= plan.packed.tokenCapacity()) {
            tokens += rows.get(end).ids().length;
            end++;
        }
        if (end == from) {
            throw new IllegalArgumentException("row " + rows.get(from).key() + " of " + rows.get(from).ids().length
                    + " tokens exceeds the capacity of " + plan.packed.tokenCapacity());
        }
        return end - from;
    }

    PackedBatch packed() {
        return plan.packed;
    }

    Targets targets() {
        return targets;
    }

    /** [1], int32, what {@link #load} was told; for {@link dev.nightjar.model.DropoutPlan}. */
    Tensor step() {
        return plan.step;
    }

    Activations activations() {
        return plan.activations;
    }

    /** The weights in the backend's memory, as {@link Ops#multiTaskLoss} wants them. */
    Tensor lossWeights(LossWeights weights) {
        weights.write(hostWeights.segment());
        ops.upload(hostWeights.segment(), plan.lossWeights);
        return plan.lossWeights;
    }

    /** The loss report of one batch of the step. */
    Tensor report(int batch) {
        return plan.reports.slice(batch * LossReport.SIZE, LossReport.SIZE);
    }

    /** [3]: sums of squares of the gradients of a step, of the classification's and of the regression's shared ones. */
    Tensor squaredNorms() {
        return plan.squaredNorms;
    }

    @Override
    public void close() {
        workspace.close();
        hostBatch.close();
        hostInputs.close();
        hostWeights.close();
    }
}
