package dev.nightjar.optim;

import dev.nightjar.backend.AdamWStep;
import dev.nightjar.backend.AdamWTensors;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.LossScale;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.ParameterGroup;
import dev.nightjar.backend.ParameterTable;
import dev.nightjar.model.Parameters;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * AdamW with clipping by global norm: its two moments and, for a model that computes in float16, the scale of its loss. Not thread-safe.
 */
public final class AdamW implements AutoCloseable {
    /**
     * What stays the same over a run.
     *
     * @param maxGradientNorm infinity for no clipping
     */
    public record Settings(float beta1, float beta2, float epsilon, float weightDecay, float maxGradientNorm) {
    }

    private final Settings settings;
    private final ParameterTable table;
    private final Parameters parameters;
    private final Parameters copy;
    private final Parameters firstMoment;
    private final Parameters secondMoment;
    private final Workspace scalars;
    private final Tensor step;
    private final Tensor lossScale;
    private final HostBuffer hostStep = new HostBuffer((long) AdamWStep.SIZE * Float.BYTES);

    /** For a model that computes in the parameters themselves, in float32. */
    public AdamW(Settings settings, List<ParameterGroup> groups, Parameters parameters) {
        this(settings, groups, parameters, parameters);
    }

    /**
     * @param parameters what is trained, float32; stays the caller's
     * @param copy what the model computes in: {@code parameters} themselves, or the same in another type, which every step brings up to
     *        date; stays the caller's
     */
    public AdamW(Settings settings, List<ParameterGroup> groups, Parameters parameters, Parameters copy) {
        this.settings = settings;
        this.parameters = parameters;
        this.copy = copy;
        Backend backend = parameters.backend();
        this.table = new ParameterTable(backend, groups);
        this.firstMoment = new Parameters(backend, parameters.layout());
        this.secondMoment = new Parameters(backend, parameters.layout());
        this.scalars = Workspace.allocate(backend::allocate, 2L * HostBuffer.ALIGNMENT);
        this.step = scalars.vector(DType.F32, AdamWStep.SIZE);
        this.lossScale = copy.type() == DType.F16 ? scalars.vector(DType.F32, LossScale.SIZE) : null;
        if (lossScale != null) {
            lossScale(LossScale.INITIAL);
        }
    }

    /**
     * Says which step {@link #update} makes next.
     *
     * @param number counted from 1
     * @param learningRate of this step, before the groups' factors
     */
    public void begin(Ops ops, int number, double learningRate) {
        new AdamWStep(number, (float) learningRate, settings.beta1, settings.beta2, settings.epsilon,
                settings.weightDecay, settings.maxGradientNorm).write(hostStep.segment());
        ops.upload(hostStep.segment(), step);
    }

    /**
     * One update; may be recorded.
     *
     * @param squaredNorm [1], gets the sum of squares of the gradients before clipping, scaled as they are
     */
    public void update(Ops ops, Parameters gradients, Tensor squaredNorm) {
        ops.squaredNorm(gradients.flat(), squaredNorm);
        ops.adamW(step, table, squaredNorm, lossScale, new AdamWTensors(parameters.flat(),
                copy == parameters ? null : copy.flat(), gradients.flat(), firstMoment.flat(), secondMoment.flat()));
        if (lossScale != null) {
            ops.updateLossScale(squaredNorm, lossScale);
        }
    }

    /** The scale of the loss in the backend's memory, for {@link Ops#multiTaskLoss}; null in any type but float16. */
    public Tensor lossScale() {
        return lossScale;
    }

    /** The scale of the loss for the next step, where there is one; waits for the device. */
    public LossScale fetchLossScale() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(ValueLayout.JAVA_FLOAT, LossScale.SIZE);
            parameters.backend().download(lossScale, host);
            return LossScale.read(host);
        }
    }

    /** Replaces the scale of the loss, where there is one. */
    public void lossScale(LossScale newScale) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(ValueLayout.JAVA_FLOAT, LossScale.SIZE);
            newScale.write(host);
            parameters.backend().upload(host, lossScale);
        }
    }

    /** Running mean of the gradients. */
    public Parameters firstMoment() {
        return firstMoment;
    }

    /** Running mean of the gradients' squares. */
    public Parameters secondMoment() {
        return secondMoment;
    }

    @Override
    public void close() {
        firstMoment.close();
        secondMoment.close();
        table.close();
        scalars.close();
        hostStep.close();
    }
}
