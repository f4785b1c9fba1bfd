package dev.nightjar.optim;

import dev.nightjar.backend.AdamWStep;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.ParameterGroup;
import dev.nightjar.model.Parameters;
import dev.nightjar.tensor.Tensor;
import java.util.List;

/** AdamW with clipping by global norm, and its two moments. Not thread-safe. */
public final class AdamW implements AutoCloseable {
    /**
     * What stays the same over a run.
     *
     * @param maxGradientNorm infinity for no clipping
     */
    public record Settings(float beta1, float beta2, float epsilon, float weightDecay, float maxGradientNorm) {
    }

    private final Settings settings;
    private final List<ParameterGroup> groups;
    private final Parameters parameters;
    private final Parameters firstMoment;
    private final Parameters secondMoment;

    /** @param parameters what is trained; stays the caller's */
    public AdamW(Settings settings, List<ParameterGroup> groups, Parameters parameters) {
        this.settings = settings;
        this.groups = groups;
        this.parameters = parameters;
        this.firstMoment = new Parameters(parameters.backend(), parameters.layout());
        this.secondMoment = new Parameters(parameters.backend(), parameters.layout());
    }

    /**
     * One update.
     *
     * @param step counted from 1
     * @param learningRate of this step, before the groups' factors
     * @param squaredNorm [1], gets the gradients' sum of squares before clipping
     */
    public void step(Ops ops, int step, double learningRate, Parameters gradients, Tensor squaredNorm) {
        ops.squaredNorm(gradients.flat(), squaredNorm);
        AdamWStep scalars = new AdamWStep(step, (float) learningRate, settings.beta1, settings.beta2, settings.epsilon,
                settings.weightDecay, settings.maxGradientNorm);
        ops.adamW(scalars, groups, gradients.flat(), squaredNorm, parameters.flat(), firstMoment.flat(),
                secondMoment.flat());
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
    }
}
