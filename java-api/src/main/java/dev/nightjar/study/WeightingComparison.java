package dev.nightjar.study;

import dev.nightjar.study.DegenerateDesignException.Defect;
import dev.nightjar.study.StudyRun.Status;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import org.hipparchus.stat.StatUtils;

/**
 * Task weightings compared with a control, seed by seed: runs of one seed share the order of the rows, dropout and new heads, so that their
 * difference is less noisy than either. Immutable; does not depend on the order of the runs.
 */
public final class WeightingComparison {
    /** The setting whose values are compared. */
    public static final String SETTING = "weighting";
    /** The paper's fair control: weights 0.5 and 0.5. */
    public static final String CONSTANT = "constant";
    /** Metrics of which less is better. */
    private static final Set<String> ERRORS = Set.of("mse", "mae", "loss", "calibration_error");
    /** Metrics of the regression head; the others are the classification head's. */
    private static final Set<String> OF_SCORES = Set.of("mse", "mae", "pearson", "spearman", "r2");

    /**
     * One weighting against the control in one metric.
     *
     * @param weighting compared
     * @param metric name
     * @param paired weighting less control
     * @param holm p of the mean difference, adjusted over the weightings compared in this metric; NaN where there is none
     */
    public record Comparison(String weighting, String metric, PairedComparison paired, double holm) {
        /** Whether the interval of the difference leaves out 0 on the better side. */
        public boolean better() {
            return paired.difference().significant()
                    && paired.difference().value() > 0 == WeightingComparison.largerIsBetter(metric);
        }

        /** Whether it leaves out 0 on the worse side. */
        public boolean worse() {
            return paired.difference().significant() && !better();
        }
    }

    private final String control;
    private final SortedMap<String, SortedMap<Long, StudyRun>> byWeighting = new TreeMap<>();

    /**
     * Takes the completed runs. What they measured of a head that their weighting never trained is left out.
     *
     * @throws DegenerateDesignException if none is of the control
     */
    public WeightingComparison(List<StudyRun> runs, String control) {
        this.control = control;
        for (StudyRun run : runs) {
            if (run.status() == Status.COMPLETED) {
                byWeighting.computeIfAbsent(run.configuration().get(SETTING), _ -> new TreeMap<>()).put(run.seed(),
                        ofTrainedHeads(run));
            }
        }
        if (!byWeighting.containsKey(control)) {
            throw new DegenerateDesignException(Defect.NO_BASELINE,
                    "no completed run of the control \"" + control + "\", only of " + byWeighting.keySet());
        }
    }

    private static StudyRun ofTrainedHeads(StudyRun run) {
        boolean classes = trains(run, "classification_weight");
        boolean scores = trains(run, "regression_weight");
        if (classes && scores) {
            return run;
        }
        Map<String, Double> metrics = new LinkedHashMap<>(run.metrics());
        metrics.keySet().removeIf(metric -> OF_SCORES.contains(metric) ? !scores : !classes);
        return new StudyRun(run.configuration(), run.seed(), run.status(), run.note(), run.stepCount(), metrics,
                run.trainingCurve(), run.validationCurve(), run.costs());
    }

    private static boolean trains(StudyRun run, String weight) {
        List<Double> weights = run.trainingCurve().getOrDefault(weight, List.of());
        return weights.isEmpty() || weights.stream().anyMatch(value -> value != 0);
    }

    /** What the others are compared with. */
    public String control() {
        return control;
    }

    /** The control, then the others by name. */
    public List<String> weightings() {
        List<String> names = new ArrayList<>(byWeighting.keySet());
        names.remove(control);
        names.addFirst(control);
        return names;
    }

    /** A weighting's runs by seed. */
    public List<StudyRun> runs(String weighting) {
        return List.copyOf(byWeighting.getOrDefault(weighting, new TreeMap<>()).values());
    }

    /** Names of the metrics that any run knows, in alphabetic order. */
    public Set<String> metrics() {
        return byWeighting.values().stream().flatMap(runs -> runs.values().stream())
                .flatMap(run -> run.metrics().keySet().stream()).collect(Collectors.toCollection(TreeSet::new));
    }

    /** Whether larger values of a metric are better. */
    public static boolean largerIsBetter(String metric) {
        return !ERRORS.contains(metric.toLowerCase(Locale.ROOT));
    }

    /** Mean of a weighting's runs with Student's interval; NaN errors with a single run, all NaN with none that knows the value. */
    public Estimate mean(String weighting, ToDoubleFunction<StudyRun> value) {
        double[] values = runs(weighting).stream().mapToDouble(value).filter(Double::isFinite).toArray();
        double mean = values.length == 0 ? Double.NaN : StatUtils.mean(values);
        double error = values.length < 2
                ? Double.NaN
                : Math.sqrt(StatUtils.variance(values) / values.length);
        return Estimate.of(mean, error, Math.max(1, values.length - 1));
    }

    /** Every weighting but the control in a metric; those that share fewer than two seeds with it are left out. */
    public List<Comparison> compare(String metric) {
        List<Comparison> comparisons = new ArrayList<>();
        for (String weighting : weightings().subList(1, byWeighting.size())) {
            SortedMap<Long, double[]> pairs = pairs(weighting, run -> run.metric(metric));
            if (pairs.size() > 1) {
                comparisons.add(new Comparison(weighting, metric,
                        PairedComparison.of(pairs.values().stream().mapToDouble(pair -> pair[0]).toArray(),
                                pairs.values().stream().mapToDouble(pair -> pair[1]).toArray()),
                        Double.NaN));
            }
        }
        return adjusted(comparisons);
    }

    /** By seed, a value of a weighting's run and of the control's; only seeds where both are finite. */
    public SortedMap<Long, double[]> pairs(String weighting, ToDoubleFunction<StudyRun> value) {
        Map<Long, StudyRun> controls = byWeighting.get(control);
        SortedMap<Long, double[]> pairs = new TreeMap<>();
        byWeighting.getOrDefault(weighting, new TreeMap<>()).forEach((seed, run) -> {
            if (controls.containsKey(seed)) {
                double[] pair = {value.applyAsDouble(run), value.applyAsDouble(controls.get(seed))};
                if (Double.isFinite(pair[0]) && Double.isFinite(pair[1])) {
                    pairs.put(seed, pair);
                }
            }
        });
        return pairs;
    }

    private static List<Comparison> adjusted(List<Comparison> comparisons) {
        List<Comparison> tested = comparisons.stream().filter(c -> !Double.isNaN(c.paired().difference().p()))
                .toList();
        double[] holm = MultipleTesting.holm(tested.stream().mapToDouble(c -> c.paired().difference().p()).toArray());
        return comparisons.stream().map(c -> tested.contains(c)
                ? new Comparison(c.weighting(), c.metric(), c.paired(), holm[tested.indexOf(c)])
                : c).toList();
    }
}
