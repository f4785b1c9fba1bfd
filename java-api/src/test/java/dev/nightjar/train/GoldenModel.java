package dev.nightjar.train;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.reference.PlainOps;
import dev.nightjar.io.HuggingFaceFolder;
import dev.nightjar.io.PretrainedModel;
import dev.nightjar.io.SafetensorsFile;
import dev.nightjar.io.WeightSource;
import dev.nightjar.loss.TaskWeighting;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.Parameters;
import dev.nightjar.optim.AdamW;
import dev.nightjar.optim.ParameterGroups;
import dev.nightjar.train.TokenizedRows.Row;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** The tiny model of the golden values on a backend, with everything a training step needs. */
final class GoldenModel implements AutoCloseable {
    /** The optimizer that the 20 golden steps used. */
    static final AdamW.Settings OPTIMIZER = new AdamW.Settings(0.9f, 0.999f, 1e-8f, 0.01f, 1);

    final DistilBertConfig config;
    /** Master values, which a model in another type has a copy of. */
    final Parameters parameters;
    private final Parameters computed;
    final DistilBert model;
    final Ops ops;
    final BatchBuffers buffers;
    final AdamW optimizer;

    GoldenModel(Backend backend) throws IOException {
        this(backend, backend.newOps(1), DType.F32, DType.F32);
    }

    /**
     * @param ops closed with this
     * @param type that the operations compute in
     * @param rounded type whose values the parameters are
     */
    GoldenModel(Backend backend, Ops ops, DType type, DType rounded) throws IOException {
        this.ops = ops;
        try (PretrainedModel pretrained = HuggingFaceFolder.open(path("config.json").getParent())) {
            config = pretrained.config();
            ParameterLayout layout = new ParameterLayout(config);
            parameters = new Parameters(backend, layout);
            for (String name : layout.names()) {
                parameters.set(name, MemorySegment.ofArray(round(pretrained.weights().read(name), rounded)));
            }
        }
        if (type == DType.F32) {
            computed = parameters;
        } else {
            computed = new Parameters(backend, parameters.layout(), type);
            computed.setAll(parameters);
        }
        model = new DistilBert(config, computed, false);
        buffers = new BatchBuffers(backend, ops, config, new BatchBuffers.Capacity(256, 8, 4, true, type, false));
        optimizer = new AdamW(OPTIMIZER, ParameterGroups.of(config, parameters.layout(), 1, -1), parameters, computed);
    }

    private static float[] round(float[] values, DType type) {
        if (type != DType.F32) {
            for (int i = 0; i < values.length; i++) {
                values[i] = PlainOps.round(type, values[i]);
            }
        }
        return values;
    }

    static Path path(String name) {
        try {
            return Path.of(GoldenModel.class.getResource("/golden/tiny/" + name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    static WeightSource open(String name) throws IOException {
        return SafetensorsFile.open(path(name));
    }

    /** The rows of a padded golden batch, without their padding. */
    static TokenizedRows rows(WeightSource file, String prefix) {
        float[] ids = file.read(prefix + "input_ids");
        float[] mask = file.read(prefix + "attention_mask");
        float[] labels = file.read(prefix + "labels");
        float[] targets = file.read(prefix + "targets");
        int width = ids.length / labels.length;
        List<Row> rows = new ArrayList<>();
        for (int b = 0; b < labels.length; b++) {
            int begin = b * width;
            int[] real = IntStream.range(begin, begin + width).filter(i -> mask[i] == 1).map(i -> (int) ids[i])
                    .toArray();
            rows.add(new Row(real, b, (int) labels[b], new float[]{targets[b]}));
        }
        return new TokenizedRows(rows);
    }

    static int[] all(TokenizedRows rows) {
        return IntStream.range(0, rows.size()).toArray();
    }

    TrainingStep step(TaskWeighting weighting) {
        return new TrainingStep(model, parameters.layout(), ops, optimizer, weighting, buffers,
                new TrainingStep.Settings(0, -1));
    }

    /** Largest distance of two arrays' elements. */
    static double maxDistance(float[] actual, float[] expected) {
        double max = 0;
        for (int i = 0; i < expected.length; i++) {
            double distance = Math.abs((double) actual[i] - expected[i]);
            max = Double.isNaN(distance) ? Double.NaN : Math.max(max, distance);
        }
        return actual.length == expected.length ? max : Double.NaN;
    }

    /** Norm of the difference by the norm of the expected, or the former alone where nothing is expected. */
    static double relativeDistance(float[] actual, float[] expected) {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += Math.pow((double) actual[i] - expected[i], 2);
            norm += Math.pow(expected[i], 2);
        }
        return actual.length == expected.length
                ? Math.sqrt(difference) / (norm == 0 ? 1 : Math.sqrt(norm))
                : Double.NaN;
    }

    @Override
    public void close() {
        optimizer.close();
        buffers.close();
        ops.close();
        model.close();
        computed.close();
        parameters.close();
    }
}
