package dev.nightjar.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.reference.PlainOps;
import dev.nightjar.io.HuggingFaceFolder;
import dev.nightjar.io.PretrainedModel;
import dev.nightjar.io.SafetensorsFile;
import dev.nightjar.io.WeightSource;
import dev.nightjar.loss.DynamicAdaptiveWeighting;
import dev.nightjar.loss.TaskWeighting;
import dev.nightjar.loss.TaskWeighting.Scope;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.ParameterLayout.Entry;
import dev.nightjar.model.Parameters;
import dev.nightjar.optim.AdamW;
import dev.nightjar.optim.ParameterGroups;
import dev.nightjar.train.TokenizedRows.Row;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.IntStream;

/** The tiny model of the golden values on a backend, or another one, with everything a training step needs. */
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

    /**
     * What of a model is of which type.
     *
     * @param weights that it computes with
     * @param values that pass between its operations
     * @param rounded whose values the parameters are
     */
    record Types(DType weights, DType values, DType rounded) {
        /** Weights and values of one type. */
        Types(DType type, DType rounded) {
            this(type, type, rounded);
        }
    }

    GoldenModel(Backend backend) throws IOException {
        this(backend, backend.newOps(1), new Types(DType.F32, DType.F32));
    }

    /** @param ops closed with this */
    GoldenModel(Backend backend, Ops ops, Types types) throws IOException {
        this(backend, ops, types, Source.golden(), 256);
    }

    /** A model's shape and parameters by name. */
    record Source(DistilBertConfig config, Map<String, float[]> parameters) {
        static Source golden() throws IOException {
            try (PretrainedModel pretrained = HuggingFaceFolder.open(path("config.json").getParent())) {
                return of(pretrained.config(), pretrained.weights()::read);
            }
        }

        static Source of(DistilBertConfig config, Function<String, float[]> read) {
            Map<String, float[]> parameters = new TreeMap<>();
            new ParameterLayout(config).names().forEach(name -> parameters.put(name, read.apply(name)));
            return new Source(config, parameters);
        }
    }

    /**
     * Another model.
     *
     * @param ops closed with this
     * @param tokens of a batch
     */
    GoldenModel(Backend backend, Ops ops, Types types, Source source, int tokens) {
        this.ops = ops;
        config = source.config;
        ParameterLayout layout = new ParameterLayout(config);
        parameters = new Parameters(backend, layout);
        for (String name : layout.names()) {
            parameters.set(name, MemorySegment.ofArray(round(source.parameters.get(name), types.rounded)));
        }
        if (types.weights == DType.F32) {
            computed = parameters;
        } else {
            computed = new Parameters(backend, parameters.layout(), types.weights);
            computed.setAll(parameters);
        }
        model = new DistilBert(config, computed, false);
        buffers = new BatchBuffers(backend, ops, config,
                new BatchBuffers.Capacity(tokens, 8, 4, true, types.values, false));
        optimizer = new AdamW(OPTIMIZER, ParameterGroups.of(config, parameters.layout(), 1, -1), parameters, computed);
    }

    private static float[] round(float[] original, DType type) {
        float[] values = original.clone();
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

    /** The gradient of a batch under DAO by layer, times a factor. */
    Map<Integer, float[]> gradients(TokenizedRows rows, float factor) {
        try (TrainingStep step = step(new DynamicAdaptiveWeighting(Scope.POOLED_REPRESENTATION, true));
                Arena arena = Arena.ofConfined()) {
            step.accumulate(rows, List.of(all(rows)), 0);
            Map<Integer, float[]> gradients = new TreeMap<>();
            for (Entry entry : step.gradients().layout().entries()) {
                float[] values = step.gradients().fetch(entry.name(), arena).toArray(ValueLayout.JAVA_FLOAT);
                for (int i = 0; i < values.length; i++) {
                    values[i] *= factor;
                }
                gradients.merge(entry.layer(), values, GoldenModel::concatenated);
            }
            return gradients;
        }
    }

    private static float[] concatenated(float[] first, float[] second) {
        float[] all = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, all, first.length, second.length);
        return all;
    }

    /** Refuses gradients whose errors are more than so many times those of a plain run in the same type. */
    static void assertClose(Map<Integer, float[]> actual, Map<Integer, float[]> plain, Map<Integer, float[]> exact,
            double allowed) {
        exact.forEach((layer, expected) -> assertThat(relativeDistance(actual.get(layer), expected))
                .as("layer %d", layer)
                .isLessThanOrEqualTo(allowed * relativeDistance(plain.get(layer), expected)));
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
