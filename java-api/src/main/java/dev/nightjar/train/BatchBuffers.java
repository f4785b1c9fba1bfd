package dev.nightjar.train;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.Targets;
import dev.nightjar.model.Activations;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import dev.nightjar.text.TokenBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Everything a batch needs besides parameters, planned once in one allocation. Not thread-safe. */
public final class BatchBuffers implements AutoCloseable {
    /**
     * For how much there is room.
     *
     * @param tokens of one batch
     * @param sequences of one batch
     * @param batches of one optimizer step, each with a loss report
     * @param training whether there is to be a backward pass
     */
    public record Capacity(int tokens, int sequences, int batches, boolean training) {
    }

    /** The tensors, in the order of the plan. */
    private record Plan(PackedBatch packed, Tensor labels, Tensor scores, Activations activations, Tensor reports,
            Tensor squaredNorms) {
        static Plan of(Workspace workspace, DistilBertConfig config, Capacity capacity) {
            int sequences = capacity.sequences;
            return new Plan(new PackedBatch(workspace, capacity.tokens, sequences),
                    workspace.vector(DType.I32, sequences),
                    workspace.vector(DType.F32, sequences * config.scores()),
                    capacity.training
                            ? Activations.forTraining(workspace, config, capacity.tokens, sequences)
                            : Activations.forInference(workspace, config, capacity.tokens, sequences, DType.F32),
                    workspace.vector(DType.F32, capacity.batches * LossReport.SIZE),
                    workspace.vector(DType.F32, 3));
        }
    }

    private final Backend backend;
    private final DistilBertConfig config;
    private final Workspace workspace;
    private final Plan plan;
    private final Targets targets;
    private final TokenBatch hostBatch;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment hostLabels;
    private final MemorySegment hostScores;

    public BatchBuffers(Backend backend, DistilBertConfig config, Capacity capacity) {
        this.backend = backend;
        this.config = config;
        Workspace counting = Workspace.planning();
        Plan.of(counting, config, capacity);
        workspace = Workspace.allocate(backend::allocate, counting.used());
        plan = Plan.of(workspace, config, capacity);
        targets = new Targets(config.classes() == 0 ? null : plan.labels,
                config.scores() == 0 ? null : plan.scores.reshape(capacity.sequences, config.scores()));
        hostBatch = new TokenBatch(capacity.tokens, capacity.sequences);
        hostLabels = arena.allocate(ValueLayout.JAVA_INT, capacity.sequences);
        hostScores = arena.allocate(ValueLayout.JAVA_FLOAT, (long) capacity.sequences * config.scores());
    }

    /** Puts rows and their targets into the backend's memory. */
    void load(TokenizedRows rows, int[] indexes) {
        int targetCount = config.scores();
        hostBatch.clear();
        for (int b = 0; b < indexes.length; b++) {
            TokenizedRows.Row row = rows.get(indexes[b]);
            hostBatch.add(row.ids(), row.key());
            hostLabels.setAtIndex(ValueLayout.JAVA_INT, b, row.label());
            for (int k = 0; k < targetCount; k++) {
                hostScores.setAtIndex(ValueLayout.JAVA_FLOAT, (long) b * targetCount + k, row.scores()[k]);
            }
        }
        plan.packed.load(backend, hostBatch);
        backend.upload(hostLabels.asSlice(0, 4L * indexes.length), plan.labels.slice(0, indexes.length));
        if (targetCount > 0) {
            int scores = indexes.length * targetCount;
            backend.upload(hostScores.asSlice(0, 4L * scores), plan.scores.slice(0, scores));
        }
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

    Activations activations() {
        return plan.activations;
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
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
