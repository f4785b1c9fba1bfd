package dev.nightjar.study;

import dev.nightjar.TrainingConfig;
import dev.nightjar.Weighting;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * The runs of a study: configurations × seeds over settings that all runs share. Immutable.
 *
 * <p>A configuration gives settings by name, all configurations the same ones. Their names are {@code learning_rate}, {@code batch_size},
 * {@code epochs}, {@code max_length}, {@code warmup_fraction}, {@code weight_decay}, {@code max_gradient_norm}, {@code layer_decay},
 * {@code frozen_layers} and {@code weighting}; the last is a name that {@link Weighting#parse} knows, or one of {@link #SINGLE_TASKS}.
 *
 * @param base settings of all runs, but for those that the configurations give and the seed
 * @param configurations in order, numbers written plainly ({@code 1e-5} becomes {@code 0.00001})
 * @param seeds each of which every configuration runs with
 */
public record StudyPlan(TrainingConfig base, List<Map<String, String>> configurations, List<Long> seeds) {
    /** Names of the weightings that train one task alone; the other's head stays as it began. */
    public static final List<String> SINGLE_TASKS = List.of("classification", "regression");

    private static final Map<String, BiFunction<TrainingConfig.Builder, String, TrainingConfig.Builder>> SETTINGS = settings();

    /**
     * One run that is to be made.
     *
     * @param configuration settings by name
     */
    public record Run(Map<String, String> configuration, long seed) {
        /** Configuration and seed in a line, as in {@link StudyRun#key()}. */
        public String key() {
            return StudyRun.key(configuration, seed);
        }
    }

    /**
     * @throws IllegalArgumentException if there are no configurations or seeds, one is given twice, configurations give different
     *         settings, or naming one whose value cannot be used
     */
    public StudyPlan {
        if (configurations.isEmpty() || seeds.isEmpty()) {
            throw new IllegalArgumentException(
                    "a study of " + configurations.size() + " configurations and " + seeds.size()
                            + " seeds has no run");
        }
        if (base.checkpoints().isPresent()) {
            throw new IllegalArgumentException("the runs of a study keep no checkpoints");
        }
        List<Map<String, String>> normalised = new ArrayList<>();
        for (Map<String, String> configuration : configurations) {
            normalised.add(normalised(base, configuration));
        }
        Set<String> names = normalised.getFirst().keySet();
        for (Map<String, String> configuration : normalised) {
            if (!List.copyOf(configuration.keySet()).equals(List.copyOf(names))) {
                throw new IllegalArgumentException(
                        "one configuration gives " + names + ", another " + configuration.keySet());
            }
        }
        configurations = List.copyOf(normalised);
        seeds = List.copyOf(seeds);
        requireDistinct("configuration", configurations);
        requireDistinct("seed", seeds);
    }

    /**
     * Every combination of the values, the last setting changing fastest.
     *
     * @param values of each setting, in the order that the settings are to have
     */
    public static StudyPlan grid(TrainingConfig base, Map<String, List<String>> values, List<Long> seeds) {
        List<Map<String, String>> grid = List.of(Map.of());
        for (Map.Entry<String, List<String>> setting : values.entrySet()) {
            List<Map<String, String>> finer = new ArrayList<>();
            for (Map<String, String> configuration : grid) {
                for (String value : setting.getValue()) {
                    Map<String, String> longer = new LinkedHashMap<>(configuration);
                    longer.put(setting.getKey(), value);
                    finer.add(longer);
                }
            }
            grid = finer;
        }
        return new StudyPlan(base, grid, seeds);
    }

    /**
     * Independent random configurations (Bergstra and Bengio, JMLR 2012). A larger count adds to the same configurations.
     *
     * @param distributions of each setting, in the order that the settings are to have, such as {@link #oneOf} and {@link #logUniform}
     * @param drawSeed which configurations
     */
    public static StudyPlan random(TrainingConfig base, Map<String, Function<Random, String>> distributions, int count,
            long drawSeed, List<Long> seeds) {
        Random random = new Random(drawSeed);
        List<Map<String, String>> configurations = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Map<String, String> configuration = new LinkedHashMap<>();
            distributions.forEach((name, distribution) -> configuration.put(name, distribution.apply(random)));
            configurations.add(normalised(base, configuration));
        }
        // Where the same one is drawn again, its runs would be the same.
        return new StudyPlan(base, configurations.stream().distinct().toList(), seeds);
    }

    /** One of some values, all equally probable. */
    public static Function<Random, String> oneOf(String... values) {
        return random -> values[random.nextInt(values.length)];
    }

    /** A number whose logarithm is uniform between those of two positive bounds, rounded to three digits. */
    public static Function<Random, String> logUniform(double low, double high) {
        if (!(low > 0 && low <= high && Double.isFinite(high))) {
            throw new IllegalArgumentException("bounds " + low + " and " + high + " of a logarithmic range");
        }
        return random -> {
            double value = low * Math.pow(high / low, random.nextDouble());
            return new BigDecimal(value).round(new MathContext(3)).toString();
        };
    }

    /** All runs, one seed after the other, so that a study that is cut short has whole repetitions. */
    public List<Run> runs() {
        return seeds.stream()
                .flatMap(seed -> configurations.stream().map(configuration -> new Run(configuration, seed))).toList();
    }

    /** The settings of one run. */
    public TrainingConfig config(Run run) {
        return config(base, run.configuration()).toBuilder().seed(run.seed()).reportEvery(1).build();
    }

    /** Names of the settings that the configurations give. */
    public List<String> settingNames() {
        return List.copyOf(configurations.getFirst().keySet());
    }

    /** The settings that all runs share and a result depends on, by name. */
    Map<String, String> sharedSettings() {
        Map<String, String> shared = new LinkedHashMap<>(base.identity());
        shared.remove("seed");
        settingNames().forEach(name -> shared.remove(camelCase(name)));
        return shared;
    }

    private static TrainingConfig config(TrainingConfig base, Map<String, String> configuration) {
        TrainingConfig.Builder builder = base.toBuilder();
        for (Map.Entry<String, String> setting : configuration.entrySet()) {
            BiFunction<TrainingConfig.Builder, String, TrainingConfig.Builder> setter = SETTINGS.get(setting.getKey());
            if (setter == null) {
                throw new IllegalArgumentException(
                        "setting " + setting.getKey() + " is not one of " + SETTINGS.keySet());
            }
            try {
                setter.apply(builder, setting.getValue()).build();
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(
                        setting.getKey() + " cannot be \"" + setting.getValue() + "\": " + e.getMessage(), e);
            }
        }
        return builder.build();
    }

    /** The same configuration, spelt the one way that keys and tables have it. */
    private static Map<String, String> normalised(TrainingConfig base, Map<String, String> configuration) {
        Map<String, String> normalised = new LinkedHashMap<>();
        configuration.forEach((name, value) -> normalised.put(name, name.equals("weighting")
                ? value.toLowerCase(Locale.ROOT)
                : plainNumber(name, value)));
        TrainingConfig _ = config(base, normalised);
        return Collections.unmodifiableMap(normalised);
    }

    /** The name of a setting in {@link TrainingConfig}. */
    private static String camelCase(String name) {
        return Pattern.compile("_(.)").matcher(name).replaceAll(match -> match.group(1).toUpperCase(Locale.ROOT));
    }

    private static String plainNumber(String name, String value) {
        try {
            return new BigDecimal(value.strip()).stripTrailingZeros().toPlainString();
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(name + " \"" + value + "\" is not a number", e);
        }
    }

    private static Weighting weighting(String name) {
        return switch (name) {
            case "classification" -> new Weighting.Constant(1, 0, false);
            case "regression" -> new Weighting.Constant(0, 1, false);
            default -> Weighting.parse(name);
        };
    }

    private static Map<String, BiFunction<TrainingConfig.Builder, String, TrainingConfig.Builder>> settings() {
        Map<String, BiFunction<TrainingConfig.Builder, String, TrainingConfig.Builder>> settings = new LinkedHashMap<>();
        settings.put("learning_rate", (builder, value) -> builder.learningRate(Double.parseDouble(value)));
        settings.put("batch_size", (builder, value) -> builder.batchSize(Integer.parseInt(value)));
        settings.put("epochs", (builder, value) -> builder.epochs(Integer.parseInt(value)));
        settings.put("max_length", (builder, value) -> builder.maxLength(Integer.parseInt(value)));
        settings.put("warmup_fraction", (builder, value) -> builder.warmupFraction(Double.parseDouble(value)));
        settings.put("weight_decay", (builder, value) -> builder.weightDecay(Double.parseDouble(value)));
        settings.put("max_gradient_norm", (builder, value) -> builder.maxGradientNorm(Double.parseDouble(value)));
        settings.put("layer_decay", (builder, value) -> builder.layerDecay(Double.parseDouble(value)));
        settings.put("frozen_layers", (builder, value) -> builder.frozenLayers(Integer.parseInt(value)));
        settings.put("weighting", (builder, value) -> builder.weighting(weighting(value)));
        return Collections.unmodifiableMap(settings);
    }

    private static <T> void requireDistinct(String kind, List<T> values) {
        Set<T> seen = new HashSet<>();
        for (T value : values) {
            if (!seen.add(value)) {
                throw new IllegalArgumentException(kind + " " + value + " is given twice");
            }
        }
    }
}
