package dev.nightjar.train;

import dev.nightjar.FormatException;
import dev.nightjar.backend.LossScale;
import dev.nightjar.io.AtomicFiles;
import dev.nightjar.io.Json;
import dev.nightjar.io.NamedTensor;
import dev.nightjar.io.SafetensorsFile;
import dev.nightjar.io.SafetensorsWriter;
import dev.nightjar.io.WeightSource;
import dev.nightjar.model.ParameterLayout.Entry;
import dev.nightjar.model.Parameters;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The state of a run on the disk: a folder {@code step-NNNNNNNN} with {@code state.json} and one safetensors file for the parameters, each
 * moment and, where there are any, the best parameters so far and each moving average of a task weighting. A folder appears whole or not at all.
 */
public final class Checkpoint {
    private static final String STATE = "state.json";
    private static final String LOSS_SCALE = "lossScale";
    private static final String PREFIX = "step-";
    private static final int FORMAT = 1;

    private Checkpoint() {
    }

    /**
     * Writes a checkpoint and then removes the oldest ones beyond {@code keep}.
     *
     * @param tensors by file name without its ending
     * @return its folder
     */
    public static Path write(Path folder, TrainingState state, Map<String, Parameters> tensors, int keep)
            throws IOException {
        Path checkpoint = folder.resolve(String.format(Locale.ROOT, PREFIX + "%08d", state.step()));
        AtomicFiles.writeFolder(checkpoint, name -> name.equals(STATE) || name.endsWith(".safetensors"), temporary -> {
            for (var entry : tensors.entrySet()) {
                writeTensors(temporary.resolve(entry.getKey() + ".safetensors"), entry.getValue());
            }
            Files.writeString(temporary.resolve(STATE), toJson(state));
        });
        List<Path> all = list(folder);
        for (Path old : all.subList(0, Math.max(0, all.size() - keep))) {
            AtomicFiles.deleteTree(old);
        }
        return checkpoint;
    }

    /**
     * Refuses a folder for the checkpoints of a new run that has those of another: the two would mix, and the oldest be removed.
     *
     * @throws FileAlreadyExistsException if it has any
     */
    public static void requireNone(Path folder) throws IOException {
        if (Files.isDirectory(folder) && !list(folder).isEmpty()) {
            throw new FileAlreadyExistsException(folder.toString(), null,
                    "it holds checkpoints; resume from them, remove them or name another folder");
        }
    }

    /**
     * The latest checkpoint of a folder; the folder itself if it is one.
     *
     * @throws FormatException if there is none
     */
    public static Path latest(Path folder) throws IOException {
        if (Files.exists(folder.resolve(STATE))) {
            return folder;
        }
        List<Path> all = Files.isDirectory(folder) ? list(folder) : List.of();
        if (all.isEmpty()) {
            throw new FormatException(folder.toString(), "no checkpoint: expected " + STATE + " or folders " + PREFIX
                    + "NNNNNNNN");
        }
        return all.getLast();
    }

    /** In order of their steps. */
    private static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.filter(path -> path.getFileName().toString().matches(PREFIX + "\\d{8,10}"))
                    .filter(path -> Files.exists(path.resolve(STATE)))
                    .sorted(Comparator
                            .comparingLong(path -> Long
                                    .parseLong(path.getFileName().toString().substring(PREFIX.length()))))
                    .toList();
        }
    }

    /**
     * Reads all but the tensors.
     *
     * @throws FormatException if the state is not one that {@link #write} wrote
     */
    public static TrainingState read(Path checkpoint) throws IOException {
        Path file = checkpoint.resolve(STATE);
        String source = file.toString();
        JsonNode json = Json.object(source, Files.readAllBytes(file));
        int format = integer(source, json, "format");
        if (format != FORMAT) {
            throw new FormatException(source, "expected format " + FORMAT + ", found " + format);
        }
        int bestStep = integer(source, json, "bestStep");
        double bestValue = bestStep == 0 ? Double.NaN : number(source, "bestValue", json.path("bestValue"));
        return new TrainingState(integer(source, json, "step"), integer(source, json, "staleEvaluations"), bestStep,
                bestValue, map(source, json, "weighting", value -> number(source, "weighting", value)),
                lossScale(source, json),
                map(source, json, "identity", JsonNode::asString));
    }

    private static String toJson(TrainingState state) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("format", FORMAT);
        json.put("step", state.step());
        json.put("staleEvaluations", state.staleEvaluations());
        json.put("bestStep", state.bestStep());
        if (state.bestStep() > 0) {
            json.put("bestValue", state.bestValue());
        }
        json.put("weighting", state.weighting());
        state.lossScale().ifPresent(scale -> json.put(LOSS_SCALE, Map.of("factor", scale.factor(), "goodSteps",
                scale.goodSteps(), "skippedSteps", scale.skippedSteps(), "lastFactor", scale.lastFactor())));
        json.put("identity", state.identity());
        return new String(new JsonMapper().writerWithDefaultPrettyPrinter().writeValueAsBytes(json),
                StandardCharsets.UTF_8) + "\n";
    }

    private static Optional<LossScale> lossScale(String source, JsonNode json) {
        JsonNode scale = json.path(LOSS_SCALE);
        return scale.isMissingNode()
                ? Optional.empty()
                : Optional.of(new LossScale((float) number(source, "factor", scale.path("factor")),
                        integer(source, scale, "goodSteps"), integer(source, scale, "skippedSteps"),
                        (float) number(source, "lastFactor", scale.path("lastFactor"))));
    }

    private static int integer(String source, JsonNode json, String key) {
        JsonNode value = json.path(key);
        if (!value.isInt() || value.intValue() < 0) {
            throw new FormatException(source, "expected a number " + key + ", found " + value);
        }
        return value.intValue();
    }

    private static double number(String source, String key, JsonNode value) {
        if (!value.isNumber()) {
            throw new FormatException(source, "expected a number in " + key + ", found " + value);
        }
        return value.doubleValue();
    }

    private static <T> Map<String, T> map(String source, JsonNode json, String key, Function<JsonNode, T> value) {
        JsonNode object = json.path(key);
        if (!object.isObject()) {
            throw new FormatException(source, "expected an object " + key + ", found " + object);
        }
        Map<String, T> map = new LinkedHashMap<>();
        object.properties().forEach(entry -> map.put(entry.getKey(), value.apply(entry.getValue())));
        return map;
    }

    private static void writeTensors(Path file, Parameters parameters) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            List<NamedTensor> tensors = parameters.layout().entries().stream()
                    .map(entry -> new NamedTensor(entry.name(), entry.shape(), parameters.fetch(entry.name(), arena)))
                    .toList();
            SafetensorsWriter.write(file, tensors, DType.F32);
        }
    }

    /**
     * Reads one of the tensor files.
     *
     * @param name without its ending
     * @throws FormatException if it does not hold exactly such parameters
     */
    public static void restore(Path checkpoint, String name, Parameters parameters) throws IOException {
        try (WeightSource weights = SafetensorsFile.open(checkpoint.resolve(name + ".safetensors"))) {
            for (Entry entry : parameters.layout().entries()) {
                List<Long> found = weights.info(entry.name()).shape();
                if (!found.equals(entry.shape())) {
                    throw new FormatException(weights.location() + ", tensor " + entry.name(),
                            "has shape " + found + ", the model " + entry.shape());
                }
                try (Arena arena = Arena.ofConfined()) {
                    var host = arena.allocate(4L * entry.length(), Float.BYTES);
                    weights.read(entry.name(), host);
                    parameters.set(entry.name(), host);
                }
            }
        }
    }
}
