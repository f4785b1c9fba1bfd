package dev.nightjar.examples.report;

import dev.nightjar.study.StudyRun;
import dev.nightjar.study.StudyRun.Status;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Runs that nobody made, for the reports' tests: seeded noise about smooth functions of the settings. */
public final class SyntheticRuns {
    private SyntheticRuns() {
    }

    /** The grid of the variability study with two seeds; two of the 128 runs diverged. */
    public static List<StudyRun> variability() {
        Random random = new Random(8);
        List<StudyRun> runs = new ArrayList<>();
        for (String rate : List.of("0.00001", "0.00002", "0.00005", "0.0002")) {
            for (String batch : List.of("8", "16", "32", "64")) {
                for (String epochs : List.of("1", "2", "3", "5")) {
                    for (long seed = 1; seed <= 2; seed++) {
                        boolean diverged = rate.equals("0.0002") && batch.equals("8") && epochs.equals("5");
                        Map<String, String> configuration = new LinkedHashMap<>();
                        configuration.put("learning_rate", rate);
                        configuration.put("batch_size", batch);
                        configuration.put("epochs", epochs);
                        runs.add(diverged
                                ? diverged(configuration, seed)
                                : variability(configuration, seed, random));
                    }
                }
            }
        }
        return runs;
    }

    private static StudyRun variability(Map<String, String> configuration, long seed, Random random) {
        double rate = Math.log10(Double.parseDouble(configuration.get("learning_rate"))) + 4.2;
        double batch = Double.parseDouble(configuration.get("batch_size"));
        double epochs = Double.parseDouble(configuration.get("epochs"));
        double quality = 0.86 - 0.05 * rate * rate + 0.02 * epochs - 0.0025 * epochs * epochs - 0.0004 * batch
                + 0.00008 * batch * epochs + 0.006 * random.nextGaussian();
        Map<String, Double> metrics = new LinkedHashMap<>();
        metrics.put("accuracy", quality);
        metrics.put("f1", quality - 0.01 + 0.004 * random.nextGaussian());
        metrics.put("f1_macro", quality - 0.005 + 0.004 * random.nextGaussian());
        metrics.put("loss", 1.1 - 0.8 * quality + 0.01 * random.nextGaussian());
        int steps = (int) (512 / batch * epochs);
        return new StudyRun(configuration, seed, Status.COMPLETED, "", steps, metrics,
                curve(steps, step -> 0.35 + 0.35 * Math.exp(-3 * (rate + 1) * step * batch / 512), random), Map.of(),
                Map.of("seconds", 10.0));
    }

    private static StudyRun diverged(Map<String, String> configuration, long seed) {
        return new StudyRun(configuration, seed, Status.DIVERGED, "the loss of step 3 is above 50", 3, Map.of(),
                Map.of(), Map.of(), Map.of());
    }

    private interface Curve {
        double at(int step);
    }

    private static Map<String, List<Double>> curve(int steps, Curve loss, Random random) {
        Map<String, List<Double>> curve = new LinkedHashMap<>();
        int rows = Math.min(StudyRun.CURVE_POINTS, steps);
        for (int row = 1; row <= rows; row++) {
            int step = steps * row / rows;
            add(curve, "step", step);
            add(curve, "loss", loss.at(step) + 0.01 * random.nextGaussian());
        }
        return curve;
    }

    private static void add(Map<String, List<Double>> curve, String name, double value) {
        curve.computeIfAbsent(name, _ -> new ArrayList<>()).add(value);
    }

    /** Five seeds of six weightings; the score's error is lower with DAO, the class's accuracy hardly differs. */
    public static List<StudyRun> dao() {
        Random random = new Random(9);
        List<StudyRun> runs = new ArrayList<>();
        for (long seed = 1; seed <= 5; seed++) {
            double luck = 0.01 * random.nextGaussian();
            for (String weighting : List.of("constant", "dao", "dao-lambda", "dao-omega", "uncertainty", "regression",
                    "classification")) {
                runs.add(dao(weighting, seed, luck, random));
            }
        }
        runs.add(diverged(Map.of("weighting", "dwa"), 1));
        return runs;
    }

    private static StudyRun dao(String weighting, long seed, double luck, Random random) {
        boolean dao = weighting.startsWith("dao");
        Map<String, Double> metrics = new LinkedHashMap<>();
        if (!weighting.equals("regression")) {
            metrics.put("accuracy", 0.78 + luck + (dao ? 0.004 : 0) + 0.005 * random.nextGaussian());
            metrics.put("f1_macro", 0.74 + luck + (dao ? 0.02 : 0) + 0.006 * random.nextGaussian());
            metrics.put("loss", 0.55 - luck + 0.01 * random.nextGaussian());
            for (String label : List.of("negative", "neutral", "positive")) {
                for (String measure : List.of("precision", "recall", "f1")) {
                    double rare = label.equals("negative") && weighting.matches("dao|dao-omega") ? 0.05 : 0;
                    metrics.put(measure + "." + label, 0.7 + luck + rare + 0.01 * random.nextGaussian());
                }
            }
        }
        if (!weighting.equals("classification")) {
            metrics.put("mse", 0.062 - luck / 4 - (dao ? 0.006 : 0) + 0.001 * random.nextGaussian());
            metrics.put("mae", 0.19 - luck / 2 - (dao ? 0.012 : 0) + 0.003 * random.nextGaussian());
            metrics.put("pearson", 0.82 + luck + (dao ? 0.01 : 0) + 0.004 * random.nextGaussian());
        }
        Map<String, List<Double>> curve = new LinkedHashMap<>();
        for (int step = 1; step <= 48; step++) {
            double part = step / 48.0;
            double lambda = weighting.startsWith("dao") && !weighting.endsWith("omega") ? 0.3 + 0.4 * part : 0.5;
            add(curve, "step", step);
            add(curve, "loss", 0.5 + 0.4 * Math.exp(-3 * part) + 0.02 * random.nextGaussian());
            boolean classes = !weighting.equals("regression");
            boolean scores = !weighting.equals("classification");
            add(curve, "classification_loss",
                    !classes ? 0 : 0.5 + 0.6 * Math.exp(-3 * part) + 0.02 * random.nextGaussian());
            add(curve, "regression_loss",
                    !scores ? 0 : 0.05 + 0.2 * Math.exp(-4 * part) + 0.005 * random.nextGaussian());
            add(curve, "classification_weight", lambda + 0.02 * random.nextGaussian());
            add(curve, "regression_weight", 1 - lambda + 0.02 * random.nextGaussian());
            add(curve, "classification_norm", 0.2 - 0.1 * part + 0.01 * random.nextGaussian());
            add(curve, "regression_norm", 0.1 + 0.1 * part + 0.01 * random.nextGaussian());
        }
        return new StudyRun(Map.of("weighting", weighting), seed, Status.COMPLETED, "", 48, metrics, curve, Map.of(),
                Map.of("seconds", 20.0, "step_seconds", 0.3 + (dao ? 0.01 : 0) + 0.005 * random.nextGaussian()));
    }

    /** A run with a loss at some steps. */
    static StudyRun withCurve(List<Double> steps, List<Double> losses) {
        return new StudyRun(Map.of(), 1, Status.COMPLETED, "", steps.size(), Map.of(),
                Map.of("step", steps, "loss", losses), Map.of(), Map.of());
    }
}
