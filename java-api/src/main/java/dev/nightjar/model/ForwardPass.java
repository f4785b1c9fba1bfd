package dev.nightjar.model;

import dev.nightjar.backend.InferenceOps;
import dev.nightjar.backend.RecordingOps;
import dev.nightjar.text.TokenBatch;
import java.util.List;

/**
 * Predictions for one batch after the other, in buffers planned once for a capacity. Not thread-safe; passes of one
 * model run side by side. Close it before the model.
 */
public abstract sealed class ForwardPass implements AutoCloseable permits DirectForwardPass, RecordedForwardPass {

    /**
     * The pass that suits the model's backend.
     *
     * @param threads that one operation may use
     * @param tokenCapacity most tokens of a batch
     * @param sequenceCapacity most sequences of a batch
     */
    public static ForwardPass of(DistilBert model, int threads, int tokenCapacity, int sequenceCapacity) {
        return of(model, threads, List.of(), tokenCapacity, sequenceCapacity);
    }

    /**
     * As {@link #of(DistilBert, int, int, int)}.
     *
     * @param workerCpus see {@link InferenceOps#pinWorkers}
     */
    public static ForwardPass of(DistilBert model, int threads, List<Integer> workerCpus, int tokenCapacity,
            int sequenceCapacity) {
        InferenceOps ops = model.backend().newInferenceOps(threads, model.type());
        try {
            ops.pinWorkers(workerCpus);
            return ops instanceof RecordingOps recording
                    ? new RecordedForwardPass(model, recording, tokenCapacity, sequenceCapacity)
                    : new DirectForwardPass(model, ops, tokenCapacity, sequenceCapacity);
        } catch (RuntimeException | Error e) {
            ops.close();
            throw e;
        }
    }

    /**
     * Runs a batch to its end.
     *
     * @throws IllegalArgumentException if it exceeds the capacity
     */
    public abstract void run(TokenBatch batch);

    /** Probability of a class for a sequence of the last batch. */
    public abstract float probability(int sequence, int label);

    /** Value of a regression target for a sequence of the last batch. */
    public abstract float score(int sequence, int target);

    /** Frees the buffers; idempotent. */
    @Override
    public abstract void close();
}
