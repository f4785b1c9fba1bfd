package dev.nightjar.io;

import dev.nightjar.FormatException;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.ParameterLayout.Entry;
import dev.nightjar.model.ParameterLayout.Kind;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Int8Rows;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * DistilBERT models as Hugging Face lays them out: {@code config.json}, {@code model.safetensors} (or shards with
 * {@code model.safetensors.index.json}) and tokenizer files in one folder.
 *
 * <p>Regression beside classification is Nightjar's addition: {@code regressor.weight [targets, dim]} and {@code
 * regressor.bias}, which transformers reports as unexpected and leaves out. Regression alone is written and read in
 * transformers' own way, {@code "problem_type": "regression"} with the regressor under the name of {@code classifier}.
 *
 * <p>Quantised matrices are Nightjar's addition too: {@code NAME [rows, cols]} in I8 and {@code NAME_scale [rows, 1]} in F32, whose
 * product, row by row, is the matrix. The configuration says so in {@code quantization_config}, by a method that transformers does not
 * know and therefore refuses to open.
 */
public final class HuggingFaceFolder {
    private static final String CONFIG = "config.json";
    private static final String WEIGHTS = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final String CLASSIFIER = "classifier";
    private static final String REGRESSOR = "regressor";
    /** What follows the name of a quantised matrix in that of its scales. */
    private static final String SCALES = "_scale";
    private static final Set<String> TOKENIZER = Set.of("tokenizer.json", "tokenizer_config.json", "vocab.txt",
            "special_tokens_map.json", "added_tokens.json");
    private static final int MAX_CONFIG_BYTES = 16 << 20;
    private static final int MAX_TOKENIZER_BYTES = 256 << 20;
    private static final String CONVERT = "python -c \"import torch, safetensors.torch as s;"
            + " w = torch.load('pytorch_model.bin', map_location='cpu', weights_only=True);"
            + " s.save_file({k: v.clone().contiguous() for k, v in w.items()}, 'model.safetensors',"
            + " {'format': 'pt'})\"";

    private HuggingFaceFolder() {
    }

    /**
     * Opens a model and checks every tensor's name and shape; a folder whose weights are those of the bare encoder, or
     * of another task, opens without heads.
     *
     * @throws FormatException naming the file, and where it applies the field or tensor, that is missing or not as
     *        expected
     */
    public static PretrainedModel open(Path folder) throws IOException {
        Path configFile = folder.resolve(CONFIG);
        if (!Files.isRegularFile(configFile)) {
            throw new FormatException(folder.toString(), Files.isDirectory(folder)
                    ? "has no " + CONFIG + ": expected a model folder of Hugging Face"
                    : "is not a folder");
        }
        ConfigJson json = ConfigJson.parse(configFile.toString(), InputFiles.read(configFile, MAX_CONFIG_BYTES));
        Map<String, byte[]> tokenizerFiles = new LinkedHashMap<>();
        for (String name : TOKENIZER) {
            if (Files.isRegularFile(folder.resolve(name))) {
                tokenizerFiles.put(name, InputFiles.read(folder.resolve(name), MAX_TOKENIZER_BYTES));
            }
        }
        WeightSource weights = openWeights(folder);
        try {
            return resolve(configFile.toString(), json, weights, tokenizerFiles);
        } catch (Throwable t) {
            weights.close();
            throw t;
        }
    }

    private static WeightSource openWeights(Path folder) throws IOException {
        if (Files.isRegularFile(folder.resolve(WEIGHTS))) {
            return SafetensorsFile.open(folder.resolve(WEIGHTS));
        }
        if (Files.isRegularFile(folder.resolve(INDEX))) {
            return SafetensorsFile.openSharded(folder.resolve(INDEX));
        }
        if (Files.exists(folder.resolve("pytorch_model.bin"))) {
            throw new FormatException(folder.toString(),
                    "has its weights only as pytorch_model.bin, a Python pickle, which is not"
                            + " read here; convert it, in that folder, with\n" + CONVERT);
        }
        throw new FormatException(folder.toString(), "has neither " + WEIGHTS + " nor " + INDEX);
    }

    /** Puts configuration and weights together; takes over the weights unless this throws. */
    static PretrainedModel resolve(String source, ConfigJson json, WeightSource weights,
            Map<String, byte[]> tokenizerFiles) {
        boolean classifier = weights.names().contains(CLASSIFIER + ".weight");
        boolean regressor = weights.names().contains(REGRESSOR + ".weight");
        boolean classifierRegresses = classifier && json.regression();
        if (classifierRegresses && regressor) {
            throw new FormatException(source + ", problem_type",
                    "is \"regression\", but there are both classifier.weight and"
                            + " regressor.weight: expected \"single_label_classification\"");
        }
        List<String> labels = classifier && !classifierRegresses ? json.labels() : List.of();
        List<String> targets = List.of();
        if (regressor) {
            targets = targetNames(source, json.regressionTargets(), rows(weights, REGRESSOR + ".weight"));
        } else if (classifierRegresses) {
            targets = json.regressionTargets().isEmpty() ? scoreNames(json.labels()) : json.regressionTargets();
        }
        boolean hasHeads = classifier || regressor;
        DistilBertConfig config = hasHeads ? json.withHeads(source, labels, targets) : headless(source, json);
        // A bare DistilBertModel is saved without the prefix.
        boolean bare = weights.names().contains("embeddings.word_embeddings.weight");
        SequencedMap<String, DerivedWeights.Origin> origins = new LinkedHashMap<>();
        for (Entry entry : PretrainedModel.parameters(weights, config, hasHeads)) {
            String stored = bare ? entry.name().replaceFirst("^distilbert\\.", "") : entry.name();
            stored = classifierRegresses ? stored.replace(REGRESSOR, CLASSIFIER) : stored;
            String scales = stored + SCALES;
            origins.put(entry.name(), weights.names().contains(scales)
                    ? new DerivedWeights.Scaled(stored, scales)
                    : new DerivedWeights.Same(stored));
        }
        return new PretrainedModel(config, hasHeads, new DerivedWeights(weights, origins), tokenizerFiles);
    }

    private static DistilBertConfig headless(String source, ConfigJson json) {
        return json.regression()
                ? json.withHeads(source, List.of(), scoreNames(json.labels()))
                : json.withHeads(source, json.labels(), json.regressionTargets());
    }

    private static long rows(WeightSource weights, String matrix) {
        List<Long> shape = weights.info(matrix).shape();
        if (shape.size() != 2 || shape.get(0) < 1 || shape.get(0) > Integer.MAX_VALUE) {
            throw new FormatException(weights.location() + ", tensor " + matrix,
                    "expected a matrix [targets, dim], found shape " + shape);
        }
        return shape.get(0);
    }

    private static List<String> targetNames(String source, List<String> given, long count) {
        if (given.isEmpty()) {
            return count == 1
                    ? List.of("score")
                    : IntStream.range(0, (int) count).mapToObj(target -> "score_" + target).toList();
        }
        if (given.size() != count) {
            throw new FormatException(source + ", regression_targets",
                    "names " + given.size() + " targets, regressor.weight has " + count + " rows");
        }
        return given;
    }

    /** Names for targets that transformers only numbered. */
    private static List<String> scoreNames(List<String> labels) {
        return labels.equals(List.of("LABEL_0")) ? List.of("score") : labels;
    }

    /**
     * Writes a model, with or without heads, as it was opened; see
     * {@link #write(Path, DistilBertConfig, Collection, DType, Map)}.
     */
    public static void write(Path folder, PretrainedModel model, DType storage) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            List<NamedTensor> tensors = new ArrayList<>();
            for (Entry entry : PretrainedModel.parameters(model.weights(), model.config(), model.hasHeads())) {
                MemorySegment data = arena.allocate((long) entry.length() * Float.BYTES, Float.BYTES);
                model.weights().read(entry.name(), data);
                tensors.add(new NamedTensor(entry.name(), entry.shape(), data));
            }
            store(folder, model.config(), tensors, storage, model.tokenizerFiles());
        }
    }

    /**
     * Writes a model folder atomically. An existing folder is replaced if it holds nothing but files of such a model.
     *
     * @param tensors all the tensors of a model of this configuration, under the names of {@link
     *        PretrainedModel#weights()}
     * @param storage F32, or F16 or BF16 to round to, or I8 to quantise the blocks' matrices
     * @param tokenizerFiles content by file name, as in {@link PretrainedModel#tokenizerFiles()}
     * @throws IllegalArgumentException if the tensors or tokenizer files are not those of such a model
     * @throws java.nio.file.FileAlreadyExistsException if the folder holds anything else
     */
    public static void write(Path folder, DistilBertConfig config, Collection<NamedTensor> tensors, DType storage,
            Map<String, byte[]> tokenizerFiles) throws IOException {
        if (!TOKENIZER.containsAll(tokenizerFiles.keySet())) {
            throw new IllegalArgumentException(
                    "tokenizer files are some of " + TOKENIZER + ", not " + tokenizerFiles.keySet());
        }
        requireComplete(config, tensors);
        store(folder, config, tensors, storage, tokenizerFiles);
    }

    private static void store(Path folder, DistilBertConfig config, Collection<NamedTensor> tensors, DType storage,
            Map<String, byte[]> tokenizerFiles) throws IOException {
        List<NamedTensor> stored = new ArrayList<>();
        ParameterLayout layout = new ParameterLayout(config);
        for (NamedTensor tensor : tensors) {
            Entry entry = layout.entry(tensor.name());
            if (storage == DType.I8 && entry.kind() == Kind.MATRIX && entry.layer() < config.layers()) {
                stored.addAll(quantised(tensor));
            } else {
                String name = config.classes() == 0
                        ? tensor.name().replace(REGRESSOR, CLASSIFIER)
                        : tensor.name();
                stored.add(new NamedTensor(name, tensor.shape(), tensor.data()));
            }
        }
        Set<String> replaceable = new HashSet<>(TOKENIZER);
        replaceable.addAll(List.of(CONFIG, WEIGHTS));
        AtomicFiles.writeFolder(folder, replaceable::contains, temporary -> {
            Files.write(temporary.resolve(CONFIG), ConfigJson.write(config, storage));
            SafetensorsWriter.write(temporary.resolve(WEIGHTS), stored, storage == DType.I8 ? DType.F32 : storage);
            for (Map.Entry<String, byte[]> file : tokenizerFiles.entrySet()) {
                Files.write(temporary.resolve(file.getKey()), file.getValue());
            }
        });
    }

    /** A matrix as int8s, and the scales of its rows. */
    private static List<NamedTensor> quantised(NamedTensor matrix) {
        int rows = Math.toIntExact(matrix.shape().get(0));
        int cols = Math.toIntExact(matrix.shape().get(1));
        MemorySegment values = Arena.ofAuto().allocate((long) rows * cols);
        MemorySegment scales = Arena.ofAuto().allocate((long) rows * Float.BYTES, Float.BYTES);
        try {
            Int8Rows.quantise(rows, cols, matrix.data(), values, scales);
        } catch (ArithmeticException e) {
            throw new FormatException("tensor " + matrix.name(), e.getMessage(), e);
        }
        return List.of(new NamedTensor(matrix.name(), matrix.shape(), DType.I8, values),
                new NamedTensor(matrix.name() + SCALES, List.of((long) rows, 1L), scales));
    }

    private static void requireComplete(DistilBertConfig config, Collection<NamedTensor> tensors) {
        Map<String, List<Long>> given = new LinkedHashMap<>();
        tensors.forEach(tensor -> given.put(tensor.name(), tensor.shape()));
        for (Entry entry : new ParameterLayout(config).entries()) {
            List<Long> found = given.remove(entry.name());
            if (!entry.shape().equals(found)) {
                throw new IllegalArgumentException(
                        "the configuration expects a tensor " + entry.name() + " " + entry.shape()
                                + ", given is " + (found == null ? "none" : found.toString()));
            }
        }
        if (!given.isEmpty()) {
            throw new IllegalArgumentException("the configuration has no tensors " + given.keySet());
        }
    }
}
