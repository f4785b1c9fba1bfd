package dev.nightjar.study;

import dev.nightjar.ClassificationMetrics;
import dev.nightjar.ClassificationMetrics.ClassMetrics;
import dev.nightjar.DivergenceException;
import dev.nightjar.Evaluation;
import dev.nightjar.EvaluationReport;
import dev.nightjar.RegressionMetrics;
import dev.nightjar.StepReport;
import dev.nightjar.TrainingListener;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;

/** Hears a run and keeps what {@link StudyRun} tells of it. Used by the thread that trains. */
final class RunRecorder implements TrainingListener {
    private static final Map<String, ToDoubleFunction<StepReport>> COLUMNS = columns();
    private static final MathContext CURVE_DIGITS = new MathContext(6);
    private static final Path PROCESS_STATUS = Path.of("/proc/self/status");
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private final double lossBound;
    private final Consumer<StepReport> stepped;
    private final Map<String, List<Double>> trainingCurve = new LinkedHashMap<>();
    private final Map<String, List<Double>> validationCurve = new LinkedHashMap<>();
    private final Map<String, Double> sums = new LinkedHashMap<>();
    private final List<Double> stepSeconds = new ArrayList<>();
    private final long begin = System.nanoTime();
    private final long cpuBegin = cpuTime();
    private long since;
    private long cpuSince;
    private double stepCpuSeconds;
    private int stepCount;
    private int summed;
    private long residentBytes;

    /**
     * @param lossBound sum of the tasks' losses above which a run is abandoned
     * @param stepped hears of every step, after it has been noted
     */
    RunRecorder(double lossBound, Consumer<StepReport> stepped) {
        this.lossBound = lossBound;
        this.stepped = stepped;
        COLUMNS.keySet().forEach(name -> {
            trainingCurve.put(name, new ArrayList<>());
            sums.put(name, 0.0);
        });
    }

    private static Map<String, ToDoubleFunction<StepReport>> columns() {
        Map<String, ToDoubleFunction<StepReport>> columns = new LinkedHashMap<>();
        columns.put("loss", StepReport::loss);
        columns.put("classification_loss", StepReport::classificationLoss);
        columns.put("regression_loss", StepReport::regressionLoss);
        columns.put("classification_weight", StepReport::classificationWeight);
        columns.put("regression_weight", StepReport::regressionWeight);
        columns.put("classification_norm", StepReport::classificationNorm);
        columns.put("regression_norm", StepReport::regressionNorm);
        columns.put("gradient_norm", StepReport::gradientNorm);
        columns.put("learning_rate", StepReport::learningRate);
        return columns;
    }

    /** @throws DivergenceException if the tasks' losses together are above the bound */
    @Override
    public void onStep(StepReport report) {
        noteTime();
        stepCount = report.step();
        COLUMNS.forEach((name, value) -> sums.merge(name, value.applyAsDouble(report), Double::sum));
        summed++;
        int stepsPerPoint = Math.ceilDiv(report.totalSteps(), StudyRun.CURVE_POINTS);
        if (stepCount % stepsPerPoint == 0 || stepCount == report.totalSteps()) {
            endPoint();
        }
        residentBytes = Math.max(residentBytes, residentBytes().orElse(0));
        if (report.classificationLoss() + report.regressionLoss() > lossBound) {
            throw new DivergenceException(stepCount, report.loss(), report.gradientNorm());
        }
        stepped.accept(report);
        restartClock();
    }

    @Override
    public void onEvaluation(EvaluationReport report) {
        Map<String, Double> row = new LinkedHashMap<>();
        row.put("step", (double) report.step());
        row.put("epoch", (double) report.epoch());
        metrics(report.evaluation()).forEach((name, value) -> {
            if (name.indexOf('.') < 0) {
                row.put(name, value);
            }
        });
        row.forEach((name, value) -> validationCurve.computeIfAbsent(name, _ -> new ArrayList<>()).add(value));
        restartClock();
    }

    private void endPoint() {
        trainingCurve.computeIfAbsent("step", _ -> new ArrayList<>()).add((double) stepCount);
        sums.replaceAll((name, sum) -> {
            trainingCurve.get(name).add(new BigDecimal(sum / summed).round(CURVE_DIGITS).doubleValue());
            return 0.0;
        });
        summed = 0;
    }

    /** The first step also loads and tokenizes, so its time is none of a step. */
    private void noteTime() {
        if (since != 0) {
            stepSeconds.add((System.nanoTime() - since) * 1e-9);
            stepCpuSeconds += (cpuTime() - cpuSince) * 1e-9;
        }
    }

    private void restartClock() {
        since = System.nanoTime();
        cpuSince = cpuTime();
    }

    Map<String, List<Double>> trainingCurve() {
        if (summed > 0) {
            endPoint();
        }
        return trainingCurve;
    }

    Map<String, List<Double>> validationCurve() {
        return validationCurve;
    }

    /** What the run took until now. */
    Map<String, Double> costs() {
        Map<String, Double> costs = new LinkedHashMap<>();
        costs.put("seconds", (System.nanoTime() - begin) * 1e-9);
        if (THREADS.isCurrentThreadCpuTimeSupported()) {
            costs.put("cpu_seconds", (cpuTime() - cpuBegin) * 1e-9);
        }
        if (!stepSeconds.isEmpty()) {
            double[] sorted = stepSeconds.stream().mapToDouble(Double::doubleValue).sorted().toArray();
            int middle = sorted.length / 2;
            costs.put("step_seconds",
                    sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2);
            if (THREADS.isCurrentThreadCpuTimeSupported()) {
                costs.put("step_cpu_seconds", stepCpuSeconds / sorted.length);
            }
        }
        if (residentBytes > 0) {
            costs.put("resident_bytes", (double) residentBytes);
        }
        return costs;
    }

    /** The metrics of an evaluation by the names that {@link StudyRun} lists. */
    static Map<String, Double> metrics(Evaluation evaluation) {
        Map<String, Double> metrics = new LinkedHashMap<>();
        evaluation.classification().ifPresent(classification -> putClassification(metrics, classification));
        if (!evaluation.regression().isEmpty()) {
            putMean(metrics, "mse", evaluation, RegressionMetrics::meanSquaredError);
            putMean(metrics, "mae", evaluation, RegressionMetrics::meanAbsoluteError);
            putMean(metrics, "pearson", evaluation, RegressionMetrics::pearson);
            putMean(metrics, "spearman", evaluation, RegressionMetrics::spearman);
            putMean(metrics, "r2", evaluation, RegressionMetrics::r2);
        }
        return metrics;
    }

    private static void putClassification(Map<String, Double> metrics, ClassificationMetrics classification) {
        List<ClassMetrics> classes = classification.classes();
        metrics.put("accuracy", classification.accuracy());
        if (classes.size() == 2) {
            metrics.put("f1", classes.getLast().f1());
        }
        metrics.put("f1_macro", classification.macroF1());
        metrics.put("f1_weighted", classification.weightedF1());
        metrics.put("loss", classification.logLoss());
        metrics.put("matthews", classification.matthews());
        metrics.put("calibration_error", classification.calibrationError());
        for (ClassMetrics each : classes) {
            metrics.put("support." + each.label(), (double) each.support());
            metrics.put("precision." + each.label(), each.precision());
            metrics.put("recall." + each.label(), each.recall());
            metrics.put("f1." + each.label(), each.f1());
        }
    }

    private static void putMean(Map<String, Double> metrics, String name, Evaluation evaluation,
            ToDoubleFunction<RegressionMetrics> value) {
        metrics.put(name, evaluation.regression().stream().mapToDouble(value).average().orElseThrow());
    }

    /** Nanoseconds that the current thread has computed; 0 where the platform does not tell. */
    private static long cpuTime() {
        return THREADS.isCurrentThreadCpuTimeSupported() ? THREADS.getCurrentThreadCpuTime() : 0;
    }

    private static OptionalLong residentBytes() {
        try (Stream<String> lines = Files.lines(PROCESS_STATUS)) {
            return lines.filter(line -> line.startsWith("VmRSS:")).map(line -> line.replaceAll("\\D", ""))
                    .mapToLong(kibibytes -> Long.parseLong(kibibytes) * 1024).findFirst();
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }
}
