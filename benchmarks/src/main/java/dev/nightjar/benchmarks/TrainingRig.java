package dev.nightjar.benchmarks;

import dev.nightjar.MemoryPlan;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Backends;
import dev.nightjar.backend.Ops;
import dev.nightjar.loss.ConstantWeighting;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.Parameters;
import dev.nightjar.optim.AdamW;
import dev.nightjar.optim.ParameterGroups;
import dev.nightjar.tensor.DType;
import dev.nightjar.train.BatchBuffers;
import dev.nightjar.train.TokenizedRows;
import dev.nightjar.train.TrainingStep;
import java.util.List;
import java.util.stream.IntStream;

/** A classifier with random weights, ready to be trained step by step on one backend. */
final class TrainingRig implements AutoCloseable {
    /** MiniLM-L6 with the peer's dropouts and classes. */
    static final DistilBertConfig MINILM = new DistilBertConfig(30522, 512, 384, 6, 12, 1536, false, 0,
            List.of("negative", "neutral", "positive"), List.of(), 0.1f, 0.1f, 0.2f, 0.02f);

    /** DistilBERT base, likewise. */
    static final DistilBertConfig BASE = new DistilBertConfig(30522, 512, 768, 6, 12, 3072, false, 0, MINILM.labels(),
            List.of(), 0.1f, 0.1f, 0.2f, 0.02f);

    /** The same in little, to try a program or an implementation. */
    static final DistilBertConfig SMALL = new DistilBertConfig(30522, 64, 32, 2, 4, 64, false, 0, MINILM.labels(),
            List.of(), 0.1f, 0.1f, 0.2f, 0.02f);

    private static final AdamW.Settings ADAMW = new AdamW.Settings(0.9f, 0.999f, 1e-8f, 0.01f, 1);
    private static final double LEARNING_RATE = 5e-5;
    private static final long SEED = 1;

    private final Backend backend;
    private final Parameters parameters;
    private final Parameters computed;
    private final DistilBert model;
    private final Ops ops;
    private final AdamW optimizer;
    private final BatchBuffers buffers;
    private final TrainingStep step;
    private final MemoryPlan plan;
    private int steps;

    /** @param type to compute in, with float32 master weights */
    TrainingRig(String backendName, int threads, DistilBertConfig config, DType type, int rows, int length) {
        backend = Backends.open(backendName);
        ParameterLayout layout = new ParameterLayout(config);
        parameters = new Parameters(backend, layout);
        layout.names().forEach(name -> parameters.initialise(name, config.initializerRange(), SEED));
        if (type == DType.F32) {
            computed = parameters;
        } else {
            computed = new Parameters(backend, layout, type);
            computed.setAll(parameters);
        }
        model = new DistilBert(config, computed, false);
        ops = backend.newOps(threads, type);
        optimizer = new AdamW(ADAMW, ParameterGroups.of(config, layout, 1, -1), parameters, computed);
        BatchBuffers.Capacity capacity = new BatchBuffers.Capacity(rows * length, rows, 1, true, type, false);
        buffers = new BatchBuffers(backend, ops, config, capacity);
        step = new TrainingStep(model, layout, ops, optimizer, new ConstantWeighting(1, 1, false), buffers,
                new TrainingStep.Settings(SEED, -1));
        long once = parameters.flat().byteSize();
        plan = new MemoryPlan(once + (computed == parameters ? 0 : computed.flat().byteSize()), once, 2 * once, 0,
                BatchBuffers.bytes(ops, config, capacity));
    }

    /** Who computes, as the backend says. */
    String kernels() {
        return backend.details().get("kernels");
    }

    /** The memory that this takes, as a training would say beforehand. */
    MemoryPlan plan() {
        return plan;
    }

    /** Starts one step over all the rows. */
    void step(TokenizedRows rows) {
        int[] all = IntStream.range(0, rows.size()).toArray();
        step.run(rows, List.of(all), steps++, LEARNING_RATE);
    }

    /** One step over all the rows; what comes back says that the device is done. */
    TrainingStep.Result train(TokenizedRows rows) {
        step(rows);
        return step.read();
    }

    @Override
    public void close() {
        step.close();
        buffers.close();
        optimizer.close();
        ops.close();
        model.close();
        computed.close();
        parameters.close();
        backend.close();
    }
}
