package dev.nightjar.model;

import dev.nightjar.backend.Backend;
import dev.nightjar.io.HuggingFaceFolder;
import dev.nightjar.io.PretrainedModel;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;

/** A model and its parameters on a backend that stays the caller's. */
public final class TestNetwork implements AutoCloseable {
    public final Parameters parameters;
    public final DistilBert network;

    private TestNetwork(DistilBertConfig config, Parameters parameters, DType type) {
        this.parameters = parameters;
        try {
            this.network = new DistilBert(config, parameters, type);
        } catch (RuntimeException e) {
            parameters.close();
            throw e;
        }
    }

    /** Parameters to compute with in a type. */
    private static Parameters parameters(Backend backend, DistilBertConfig config, DType type) {
        return new Parameters(backend, new ParameterLayout(config), type == DType.I8 ? DType.F32 : type);
    }

    /** A file of the tiny model whose values PyTorch gave. */
    public static Path golden(String name) {
        try {
            return Path.of(TestNetwork.class.getResource("/golden/tiny/" + name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The tiny model. */
    public static TestNetwork golden(Backend backend, DType type) throws IOException {
        try (PretrainedModel pretrained = HuggingFaceFolder.open(golden("config.json").getParent())) {
            return of(pretrained, backend, type);
        }
    }

    /** A model with the weights that are there and zero for those that are not. */
    public static TestNetwork of(PretrainedModel pretrained, Backend backend, DType type) {
        Parameters parameters = parameters(backend, pretrained.config(), type);
        for (String name : pretrained.weights().names()) {
            parameters.set(name, MemorySegment.ofArray(pretrained.weights().read(name)));
        }
        return new TestNetwork(pretrained.config(), parameters, type);
    }

    /** Two layers, three classes and two scores, with weights that keep the variance of what passes. */
    public static TestNetwork random(Backend backend, DType type, int dim, int heads, int hiddenDim) {
        DistilBertConfig config = new DistilBertConfig(50, 512, dim, 2, heads, hiddenDim, false, -1,
                List.of("a", "b", "c"), List.of("x", "y"), 0, 0, 0, 0.02f);
        Parameters parameters = parameters(backend, config, type);
        for (ParameterLayout.Entry entry : parameters.layout().entries()) {
            float centre = entry.kind() == ParameterLayout.Kind.NORM_WEIGHT ? 1 : 0;
            double deviation = switch (entry.kind()) {
                case EMBEDDING -> 1;
                case MATRIX -> 1 / Math.sqrt(entry.cols());
                case BIAS, NORM_WEIGHT, NORM_BIAS -> 0.1;
            };
            Random random = new Random(entry.name().hashCode());
            float[] values = new float[entry.length()];
            for (int i = 0; i < values.length; i++) {
                values[i] = centre + (float) (deviation * random.nextGaussian());
            }
            parameters.set(entry.name(), MemorySegment.ofArray(values));
        }
        return new TestNetwork(config, parameters, type);
    }

    /** The same numbers in float32 on another backend. */
    public TestNetwork copy(Backend backend) {
        Parameters copy = new Parameters(backend, parameters.layout());
        try (Arena arena = Arena.ofConfined()) {
            for (String name : parameters.layout().names()) {
                copy.set(name, parameters.fetch(name, arena));
            }
        }
        return new TestNetwork(network.config(), copy, DType.F32);
    }

    /** Makes a number of a word's embedding NaN. */
    public void poisonWord(int id) {
        String name = "distilbert.embeddings.word_embeddings.weight";
        ParameterLayout.Entry entry = parameters.layout().entry(name);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = parameters.fetch(name, arena);
            values.setAtIndex(ValueLayout.JAVA_FLOAT, (long) id * entry.cols() + 1, Float.NaN);
            parameters.set(name, values);
        }
    }

    @Override
    public void close() {
        network.close();
        parameters.close();
    }
}
