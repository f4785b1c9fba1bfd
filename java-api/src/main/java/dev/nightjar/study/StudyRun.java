package dev.nightjar.study;

import java.math.BigDecimal;
import java.util.Collections;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A run of a study that has ended. Immutable; all maps keep their order.
 *
 * <p>Everything but {@code costs} is determined by configuration and seed (on one backend).
 *
 * @param configuration the settings that the study varies, by name, as text ({@code learning_rate=0.00002, batch_size=16}); numbers are
 *        written plainly, without trailing zeros
 * @param seed of the order of rows, dropout and new heads
 * @param note empty where the run is complete, else why it is not
 * @param stepCount optimizer steps made
 * @param metrics measured on the validation rows after the last step, by name; empty where the run diverged. NaN where not defined. For
 *        classes {@code accuracy}, {@code f1} (two classes only: of the second, the positive one), {@code f1_macro},
 *        {@code f1_weighted}, {@code loss} (mean cross-entropy), {@code matthews}, {@code calibration_error}, and
 *        {@code support.LABEL} (rows), {@code precision.LABEL}, {@code recall.LABEL}, {@code f1.LABEL} of every class; for scores {@code mse}, {@code mae},
 *        {@code pearson}, {@code spearman} and {@code r2}, each a mean over the targets
 * @param trainingCurve columns of equal length, at most {@value StudyRun#CURVE_POINTS} rows, each the mean over the steps since the row
 *        before: {@code step} (the last of them), {@code loss} (weighted), {@code classification_loss}, {@code regression_loss},
 *        {@code classification_weight}, {@code regression_weight} (lambda), {@code classification_norm}, {@code regression_norm} (of
 *        the tasks' gradients), {@code gradient_norm} (before clipping), {@code learning_rate}
 * @param validationCurve columns of equal length, a row for each evaluation on the way, the last included: {@code step}, {@code epoch},
 *        and the metrics that are not of a single class
 * @param costs what the run took, which no two runs agree in: {@code seconds} from loading the model to the last evaluation,
 *        {@code cpu_seconds} of the worker's thread (all of the run's computation where it computes with one thread; absent where the
 *        platform does not tell), {@code step_seconds} the median of a training step, {@code step_cpu_seconds} the mean of a step on the
 *        worker's thread, {@code resident_bytes} the most memory that the whole process, other workers included, had resident after a
 *        step of this run (absent where there is no {@code /proc})
 */
public record StudyRun(Map<String, String> configuration, long seed, Status status, String note, int stepCount,
        Map<String, Double> metrics, Map<String, List<Double>> trainingCurve,
        Map<String, List<Double>> validationCurve, Map<String, Double> costs) {
    /** Most rows of a training curve. */
    public static final int CURVE_POINTS = 100;

    /** How a run ended. */
    public enum Status {
        /** All epochs are done. */
        COMPLETED,
        /** Loss or gradient became no number, or the loss passed the study's bound; abandoned there. */
        DIVERGED
    }

    public StudyRun {
        configuration = ordered(configuration);
        Objects.requireNonNull(status, "status");
        Objects.requireNonNull(note, "note");
        metrics = ordered(metrics);
        trainingCurve = columns(trainingCurve);
        validationCurve = columns(validationCurve);
        costs = ordered(costs);
    }

    /** By configuration, numbers by value, then by seed: an order that does not depend on how the study was executed. */
    public static final Comparator<StudyRun> ORDER = StudyRun::compare;

    private static int compare(StudyRun a, StudyRun b) {
        Iterator<String> others = b.configuration.values().iterator();
        for (String value : a.configuration.values()) {
            if (!others.hasNext()) {
                return 1;
            }
            int order = compareValues(value, others.next());
            if (order != 0) {
                return order;
            }
        }
        return others.hasNext() ? -1 : Long.compare(a.seed, b.seed);
    }

    private static int compareValues(String a, String b) {
        try {
            return new BigDecimal(a).compareTo(new BigDecimal(b));
        } catch (NumberFormatException e) {
            return a.compareTo(b);
        }
    }

    private static <V> Map<String, V> ordered(Map<String, V> map) {
        return Collections.unmodifiableMap(new LinkedHashMap<>(map));
    }

    private static Map<String, List<Double>> columns(Map<String, List<Double>> columns) {
        Map<String, List<Double>> copy = new LinkedHashMap<>();
        columns.forEach((name, values) -> copy.put(name, List.copyOf(values)));
        if (copy.values().stream().mapToInt(List::size).distinct().count() > 1) {
            throw new IllegalArgumentException("columns of unequal length in a curve of " + copy.keySet());
        }
        return Collections.unmodifiableMap(copy);
    }

    /** Configuration and seed in a line, which no other run of the study has. */
    public String key() {
        return key(configuration, seed);
    }

    static String key(Map<String, String> configuration, long seed) {
        StringBuilder key = new StringBuilder();
        configuration.forEach((name, value) -> key.append(name).append('=').append(value).append(' '));
        return key.append("seed=").append(seed).toString();
    }

    /**
     * A setting as a number.
     *
     * @throws IllegalArgumentException if there is no such setting, or it is no number
     */
    public double setting(String name) {
        String value = configuration.get(name);
        if (value == null) {
            throw new IllegalArgumentException("the study does not vary " + name + ", only " + configuration.keySet());
        }
        try {
            return Double.parseDouble(value);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(name + " of run " + key() + " is not a number", e);
        }
    }

    /** A metric, or NaN where the run has none of that name. */
    public double metric(String name) {
        return metrics.getOrDefault(name, Double.NaN);
    }
}
