package dev.nightjar.examples.report;

import dev.nightjar.examples.report.Table.Column;
import dev.nightjar.study.DegenerateDesignException;
import dev.nightjar.study.Estimate;
import dev.nightjar.study.PairedComparison;
import dev.nightjar.study.StudyRun;
import dev.nightjar.study.StudyRun.Status;
import dev.nightjar.study.WeightingComparison;
import dev.nightjar.study.WeightingComparison.Comparison;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;

/** The report of a DAO study: task weightings against constant weights of 0.5 and 0.5, seed by seed (arXiv 2408.11856). */
public final class DaoReport {
    private static final List<String> METRICS = List.of("mse", "mae", "pearson", "accuracy", "f1_macro", "loss");
    private static final String DAO = "dao";
    private static final List<String> CLASS_MEASURES = List.of("f1", "recall", "precision");

    private final WeightingComparison comparison;
    private final List<String> weightings;
    private final List<String> metrics;
    private final Report report = new Report("Dynamic adaptive task weights against constant ones");

    private DaoReport(List<StudyRun> runs) {
        comparison = new WeightingComparison(runs, WeightingComparison.CONSTANT);
        weightings = comparison.weightings();
        metrics = METRICS.stream().filter(comparison.metrics()::contains).toList();
    }

    /**
     * Writes {@code report.html}, {@code report.md} and {@code tables/*.csv} about the runs of a study. The same runs give the same bytes,
     * in whatever order they come.
     *
     * @param identity what all runs have in common, as the journal has it
     * @throws DegenerateDesignException if no run of the control has completed
     */
    public static void write(Map<String, String> identity, List<StudyRun> runs, Path folder) throws IOException {
        of(identity, runs).write(folder);
    }

    static Report of(Map<String, String> identity, List<StudyRun> runs) {
        DaoReport report = new DaoReport(runs);
        report.statement();
        report.means();
        report.pairedDifferences();
        report.classes();
        report.weightsAndNorms();
        report.losses();
        report.costs();
        report.method();
        report.setting(identity, runs);
        return report.report;
    }

    private void statement() {
        report.key(verdict("mse", "-15.58 %")).key(verdict("accuracy", "+1.24 %"));
        report.paragraph(
                "The paper compares with earlier work, on its own data; here both sides are the same model, data,"
                        + " steps and seeds, and only the weighting of the two tasks differs. Constant weights of"
                        + " 0.5 and 0.5 are the fair control, as DAO's task weights add up to 1.");
    }

    private String verdict(String metric, String paper) {
        return comparison.compare(metric).stream().filter(c -> c.weighting().equals(DAO)).findFirst().map(c -> {
            PairedComparison paired = c.paired();
            Estimate difference = paired.difference();
            long better = WeightingComparison.largerIsBetter(metric) ? paired.wins() : losses(metric);
            String verdict = c.better()
                    ? "DAO beats 0.5/0.5"
                    : c.worse()
                            ? "DAO is worse than 0.5/0.5"
                            : "DAO and 0.5/0.5 are not told apart";
            double unit = Math.abs(paired.controlMean());
            return String.format(Locale.ROOT,
                    "%s: %s. Mean %s against %s over %d seeds, that is %s (95 %% interval %s to %s; p %s; effect"
                            + " size d_z %s; %d of %d seeds better). The paper reports %s.",
                    Labels.metric(metric), verdict, digits(paired.treatmentMean()), digits(paired.controlMean()),
                    paired.pairs(), percent(paired.relativeDifference()), percent(difference.low() / unit),
                    percent(difference.high() / unit), Numbers.P.apply(difference.p()),
                    Numbers.fixed(2).apply(paired.cohenDz()), better, paired.pairs(), paper);
        }).orElse(
                Labels.metric(metric) + ": DAO and 0.5/0.5 share fewer than two completed seeds; nothing can be"
                        + " said.");
    }

    /** Seeds in which DAO has less than the control. */
    private long losses(String metric) {
        return comparison.pairs(DAO, run -> run.metric(metric)).values().stream().filter(pair -> pair[0] < pair[1])
                .count();
    }

    private static String percent(double value) {
        return Numbers.signedPercent(2).apply(value);
    }

    private static String digits(double value) {
        return Numbers.significant(4).apply(value);
    }

    private void means() {
        List<Column> columns = new ArrayList<>(List.of(Column.text("weighting", "Weighting"),
                new Column("seeds", "Seeds", Numbers.COUNT)));
        for (String metric : metrics) {
            columns.add(new Column(metric, Labels.metric(metric), Numbers.fixed(4)));
            columns.add(new Column(metric + "_margin", "± 95 %", Numbers.fixed(4)));
        }
        Table table = new Table("means", "Mean over the seeds, and half the width of its 95 % interval.",
                columns.toArray(Column[]::new));
        Table numbers = new Table("means_by_metric", "", Column.text("metric", ""), Column.text("weighting", ""),
                new Column("mean", "", Numbers.COUNT), new Column("low", "", Numbers.COUNT),
                new Column("high", "", Numbers.COUNT));
        for (String weighting : weightings) {
            List<Object> row = new ArrayList<>(List.of(weighting, comparison.runs(weighting).size()));
            for (String metric : metrics) {
                Estimate mean = comparison.mean(weighting, run -> run.metric(metric));
                row.add(mean.value());
                row.add(mean.high() - mean.value());
                numbers.row(metric, weighting, mean.value(), mean.low(), mean.high());
            }
            table.row(row.toArray());
        }
        report.section("All weightings").table(table).figure(
                "Means over the seeds with 95 % intervals; the dashed line is the control's mean.", numbers, false,
                metrics.stream().map(this::meanChart).toList());
    }

    private String meanChart(String metric) {
        List<String> known = weightings.stream()
                .filter(w -> Double.isFinite(comparison.mean(w, run -> run.metric(metric)).value())).toList();
        List<Estimate> means = known.stream().map(w -> comparison.mean(w, run -> run.metric(metric))).toList();
        Chart chart = new Chart(title(metric), "Mean of every weighting with its interval", 330, 60 + 18 * known.size(),
                10,
                Scale.around("", means.stream().flatMapToDouble(m -> DoubleStream.of(m.value(), m.low(), m.high()))),
                Scale.names(known));
        chart.verticalRule(comparison.mean(comparison.control(), run -> run.metric(metric)).value());
        for (int i = 0; i < known.size(); i++) {
            int series = series(known.get(i));
            chart.horizontal(means.get(i).low(), means.get(i).high(), i, 0, series).dot(means.get(i).value(), i,
                    series);
        }
        return chart.svg();
    }

    private static String title(String metric) {
        return Labels.metric(metric)
                + (WeightingComparison.largerIsBetter(metric) ? " (higher is better)" : " (lower is better)");
    }

    /** The control in grey, DAO and its parts in the first colour, others in the second. */
    private int series(String weighting) {
        return weighting.equals(comparison.control()) ? Chart.MUTED : weighting.startsWith(DAO) ? 0 : 1;
    }

    private void pairedDifferences() {
        Table numbers = new Table("paired_differences", "", Column.text("metric", ""), Column.text("weighting", ""),
                Column.text("seed", ""), new Column("value", "", Numbers.COUNT),
                new Column("control", "", Numbers.COUNT),
                new Column("difference", "", Numbers.COUNT));
        List<String> charts = new ArrayList<>();
        List<Table> tables = new ArrayList<>();
        for (String metric : metrics) {
            List<Comparison> comparisons = comparison.compare(metric);
            if (comparisons.isEmpty()) {
                continue;
            }
            charts.add(pairedChart(metric, comparisons, numbers));
            Table table = new Table("comparison_" + metric,
                    title(metric) + ": each weighting less 0.5/0.5, seed by seed.",
                    Column.text("weighting", "Weighting"), new Column("pairs", "Seeds", Numbers.COUNT),
                    new Column("difference", "Difference", Numbers.significant(3)),
                    new Column("low", "95 % from", Numbers.significant(3)),
                    new Column("high", "to", Numbers.significant(3)),
                    new Column("relative", "Relative", Numbers.signedPercent(2)),
                    new Column("relative_low", "95 % from", Numbers.signedPercent(2)),
                    new Column("relative_high", "to", Numbers.signedPercent(2)),
                    new Column("t", "t", Numbers.fixed(2)),
                    new Column("p", "p", Numbers.P), new Column("holm_p", "p, Holm", Numbers.P),
                    new Column("wilcoxon_p", "p, Wilcoxon", Numbers.P), new Column("cohen_dz", "d_z", Numbers.fixed(2)),
                    new Column("hedges_gz", "g_z", Numbers.fixed(2)),
                    new Column("wins", "Seeds higher", Numbers.COUNT), Column.text("verdict", "Verdict"));
            for (Comparison c : comparisons) {
                PairedComparison paired = c.paired();
                Estimate d = paired.difference();
                table.row(c.weighting(), paired.pairs(), d.value(), d.low(), d.high(), paired.relativeDifference(),
                        d.low() / Math.abs(paired.controlMean()), d.high() / Math.abs(paired.controlMean()), d.t(),
                        d.p(), c.holm(), paired.wilcoxonP(), paired.cohenDz(), paired.hedgesGz(), paired.wins(),
                        c.better() ? "better" : c.worse() ? "worse" : "not told apart");
            }
            tables.add(table);
        }
        report.section("Compared with 0.5/0.5, seed by seed").figure(
                "Differences from the control with the same seed: mean and 95 % interval, a small dot for each seed."
                        + " The dashed line is no difference.",
                numbers, false, charts);
        tables.forEach(report::table);
    }

    private String pairedChart(String metric, List<Comparison> comparisons, Table numbers) {
        List<double[]> differences = comparisons.stream()
                .map(c -> comparison.pairs(c.weighting(), run -> run.metric(metric))
                        .values().stream().mapToDouble(pair -> pair[0] - pair[1]).toArray())
                .toList();
        Scale x = Scale.around("difference from 0.5/0.5", Stream.of(
                differences.stream().flatMapToDouble(DoubleStream::of),
                comparisons.stream().map(c -> c.paired().difference())
                        .flatMapToDouble(d -> DoubleStream.of(d.low(), d.high())),
                DoubleStream.of(0)).flatMapToDouble(values -> values));
        Chart chart = new Chart(title(metric), "Differences of every weighting from the control", 330,
                60 + 22 * comparisons.size(), 10, x,
                Scale.names(comparisons.stream().map(Comparison::weighting).toList()));
        chart.verticalRule(0);
        for (int i = 0; i < comparisons.size(); i++) {
            Comparison c = comparisons.get(i);
            int series = series(c.weighting());
            int row = i;
            comparison.pairs(c.weighting(), run -> run.metric(metric)).forEach((seed, pair) -> {
                chart.speck(pair[0] - pair[1], row, series);
                numbers.row(metric, c.weighting(), Long.toString(seed), pair[0], pair[1], pair[0] - pair[1]);
            });
            interval(chart, c.paired().difference(), i, series);
        }
        return chart.svg();
    }

    private static void interval(Chart chart, Estimate difference, int row, int series) {
        chart.horizontal(difference.low(), difference.high(), row, 6, series);
        if (difference.significant()) {
            chart.dot(difference.value(), row, series);
        } else {
            chart.ring(difference.value(), row, series);
        }
    }

    private void classes() {
        List<String> labels = comparison.metrics().stream().filter(metric -> metric.startsWith("f1."))
                .map(metric -> metric.substring("f1.".length())).sorted(Comparator.comparingDouble(this::support))
                .toList();
        List<String> variants = weightings.stream().filter(w -> w.startsWith(DAO)).toList();
        if (labels.isEmpty() || variants.isEmpty()) {
            return;
        }
        Table table = new Table("class_gains", "Each class with DAO and with 0.5/0.5, seed by seed.",
                Column.text("weighting", "Weighting"), Column.text("class", "Class"),
                new Column("rows", "Rows measured", Numbers.COUNT), Column.text("measure", "Measure"),
                new Column("mean", "Mean", Numbers.fixed(4)), new Column("control", "0.5/0.5", Numbers.fixed(4)),
                new Column("difference", "Difference", Numbers.significant(3)),
                new Column("low", "95 % from", Numbers.significant(3)),
                new Column("high", "to", Numbers.significant(3)),
                new Column("p", "p", Numbers.P));
        Scale x = Scale.around("difference of F1", Stream.concat(variants.stream().flatMap(w -> labels.stream()
                .flatMap(label -> paired(w, "f1." + label).stream()).flatMap(d -> Stream.of(d.low(), d.high()))),
                Stream.of(0.0)).mapToDouble(v -> v));
        List<String> charts = new ArrayList<>();
        for (String weighting : variants) {
            Chart chart = new Chart(weighting, "Difference of each class's F1 from the control", 330,
                    60 + 22 * labels.size(),
                    10, x, Scale.names(labels));
            chart.verticalRule(0);
            for (int i = 0; i < labels.size(); i++) {
                for (String measure : CLASS_MEASURES) {
                    String metric = measure + "." + labels.get(i);
                    Estimate mean = comparison.mean(weighting, run -> run.metric(metric));
                    Estimate control = comparison.mean(comparison.control(), run -> run.metric(metric));
                    List<Estimate> difference = paired(weighting, metric);
                    if (!difference.isEmpty()) {
                        Estimate d = difference.getFirst();
                        table.row(weighting, labels.get(i), support(labels.get(i)), measure, mean.value(),
                                control.value(),
                                d.value(), d.low(), d.high(), d.p());
                        if (measure.equals("f1")) {
                            interval(chart, d, i, 0);
                        }
                    }
                }
            }
            charts.add(chart.svg());
        }
        boolean counted = Double.isFinite(support(labels.getFirst()));
        report.section("Gains of each class").figure(
                "F1 of each class less that with 0.5/0.5, with 95 % intervals. "
                        + (counted ? "The rarest class is at the top. " : "")
                        + "Filled: significant at 5 %, each by itself.",
                table, false, charts).table(table);
    }

    /** Mean paired difference, or nothing where fewer than two seeds have both. */
    private List<Estimate> paired(String weighting, String metric) {
        return comparison.compare(metric).stream().filter(c -> c.weighting().equals(weighting))
                .map(c -> c.paired().difference()).toList();
    }

    private double support(String label) {
        return comparison.runs(comparison.control()).getFirst().metric("support." + label);
    }

    private void weightsAndNorms() {
        List<String> joint = weightings.stream()
                .filter(w -> varies(w, "classification_loss") && varies(w, "regression_loss"))
                .toList();
        report.section("Weights and gradient norms");
        pairCurves("task_weights", joint, "classification_weight", "regression_weight", "weight",
                "Task weights over the run, mean over the seeds with 95 % interval.", true);
        pairCurves("gradient_norms", joint, "classification_norm", "regression_norm", "gradient norm",
                "Norm of each task's gradient before its weight, where the weighting measures it: of the"
                        + " shared parameters, or of what both heads read, so that panels differ in scale.",
                false);
    }

    private static Table curveTable(String name) {
        return new Table(name, "", Column.text("weighting", ""), Column.text("curve", ""),
                new Column("share_of_run", "", Numbers.COUNT), new Column("mean", "", Numbers.COUNT),
                new Column("low", "", Numbers.COUNT), new Column("high", "", Numbers.COUNT));
    }

    private boolean varies(String weighting, String curve) {
        return comparison.runs(weighting).stream()
                .anyMatch(run -> run.trainingCurve().getOrDefault(curve, List.of()).stream().anyMatch(v -> v != 0));
    }

    /** A panel for each weighting with the classification's and the regression's curve. */
    private void pairCurves(String name, List<String> shown, String classification, String regression, String unit,
            String caption, boolean sameScale) {
        Table numbers = curveTable(name);
        List<String> curves = List.of(classification, regression);
        List<String> known = shown.stream().filter(w -> curves.stream().anyMatch(curve -> varies(w, curve))).toList();
        List<String> charts = new ArrayList<>();
        for (String weighting : known) {
            List<String> onAxis = sameScale ? known : List.of(weighting);
            Scale y = Scale.around(unit,
                    onAxis.stream().flatMap(w -> curves.stream().flatMap(c -> curve(w, c).stream()))
                            .flatMapToDouble(e -> DoubleStream.of(e.value(), e.low(), e.high())));
            Chart chart = new Chart(weighting, caption, 330, 190, 66, Scale.between("part of the run", 0, 1), y);
            List<List<Estimate>> lines = curves.stream().map(curve -> curve(weighting, curve)).toList();
            for (int i = 0; i < lines.size(); i++) {
                draw(chart, lines.get(i), i);
                append(numbers, weighting, curves.get(i), lines.get(i));
            }
            chart.endLabels(lines.stream().mapToDouble(line -> line.getLast().value()).toArray(),
                    List.of("classes", "scores"),
                    new int[]{0, 1});
            charts.add(chart.svg());
        }
        if (!charts.isEmpty()) {
            report.figure(caption, numbers, false, charts);
        }
    }

    private List<Estimate> curve(String weighting, String name) {
        return Curves.mean(comparison.runs(weighting), name);
    }

    private static void draw(Chart chart, List<Estimate> curve, int series) {
        chart.band(Curves.shares(), Curves.lows(curve), Curves.highs(curve), series).line(Curves.shares(),
                Curves.values(curve), series);
    }

    private static void append(Table numbers, String weighting, String name, List<Estimate> curve) {
        for (int i = 0; i < curve.size(); i++) {
            numbers.row(weighting, name, Curves.shares()[i], curve.get(i).value(), curve.get(i).low(),
                    curve.get(i).high());
        }
    }

    private void losses() {
        report.section("Training losses");
        loss("classification_loss", "Cross-entropy of the training batches before its weight");
        loss("regression_loss", "Squared error of the training batches before its weight");
    }

    /** A panel for each weighting, the control's curve in each. */
    private void loss(String name, String caption) {
        List<String> shown = weightings.stream().filter(w -> varies(w, name)).toList();
        if (shown.isEmpty()) {
            return;
        }
        Table numbers = curveTable(name);
        Scale y = Scale.around("loss",
                shown.stream().flatMap(w -> curve(w, name).stream()).mapToDouble(Estimate::value));
        List<String> charts = new ArrayList<>();
        List<Estimate> control = curve(comparison.control(), name);
        append(numbers, comparison.control(), name, control);
        for (String weighting : shown) {
            if (weighting.equals(comparison.control())) {
                continue;
            }
            List<Estimate> curve = curve(weighting, name);
            Chart chart = new Chart(weighting, caption, 330, 190, 10, Scale.between("part of the run", 0, 1), y);
            chart.line(Curves.shares(), Curves.values(control), Chart.MUTED).line(Curves.shares(), Curves.values(curve),
                    series(weighting));
            append(numbers, weighting, name, curve);
            charts.add(chart.svg());
        }
        report.figure(caption + ", mean over the seeds. Grey: 0.5/0.5.", numbers, false, charts);
    }

    private void costs() {
        Table table = new Table("cost_per_step",
                "What a training step takes: median of each run's steps by the clock, and mean processor time of the"
                        + " worker's thread; means over the seeds. The difference is paired with 0.5/0.5.",
                Column.text("weighting", "Weighting"), new Column("step_ms", "Step, ms", Numbers.fixed(1)),
                new Column("step_ms_margin", "± 95 %", Numbers.fixed(1)),
                new Column("step_cpu_ms", "Processor, ms", Numbers.fixed(1)),
                new Column("step_cpu_ms_margin", "± 95 %", Numbers.fixed(1)),
                new Column("ratio", "By the clock, to 0.5/0.5", Numbers.fixed(3)),
                new Column("cpu_ratio", "Processor, to 0.5/0.5", Numbers.fixed(3)));
        double clock = cost(comparison.control(), "step_seconds").value();
        double cpu = cost(comparison.control(), "step_cpu_seconds").value();
        for (String weighting : weightings) {
            Estimate step = cost(weighting, "step_seconds");
            Estimate processor = cost(weighting, "step_cpu_seconds");
            table.row(weighting, 1000 * step.value(), 1000 * (step.high() - step.value()), 1000 * processor.value(),
                    1000 * (processor.high() - processor.value()), step.value() / clock, processor.value() / cpu);
        }
        report.section("Cost of a step").table(table)
                .paragraph(
                        "A weighting that trains one task alone computes one head only. Times by the clock depend on"
                                + " what else the machine did.");
    }

    private Estimate cost(String weighting, String name) {
        return comparison.mean(weighting, run -> run.costs().getOrDefault(name, Double.NaN));
    }

    private void method() {
        report.section("Method").bullets(List.of(
                "Runs of one seed share the order of the rows, dropout and new heads; differences are taken within a"
                        + " seed, and their interval is Student's with one degree of freedom less than seeds.",
                "d_z is the mean difference by the standard deviation of the differences; g_z the same without its"
                        + " bias in small samples. Large values mean a difference that is steady over the seeds, not"
                        + " one that is large.",
                "Holm's correction is over the weightings compared in a metric. The signed rank test is exact; with"
                        + " 5 seeds its p cannot be below 0.0625, with 6 not below 0.031.",
                "Seeds vary initial heads, order and dropout. They do not vary the data: an interval says what"
                        + " another seed would give on the same rows, not what other texts would.",
                "DAO's data weights and the gradients its task weights compare are our reconstruction of the paper;"
                        + " see Weighting.Dao."));
    }

    private void setting(Map<String, String> identity, List<StudyRun> runs) {
        List<StudyRun> diverged = runs.stream().filter(run -> run.status() != Status.COMPLETED).sorted(StudyRun.ORDER)
                .toList();
        Table table = new Table("setting", "What all runs have in common.", Column.text("name", "Name"),
                Column.text("value", "Value"));
        identity.forEach(table::row);
        report.section("What was run")
                .paragraph((runs.size() - diverged.size()) + " completed runs of " + weightings.size()
                        + " weightings; " + diverged.size() + " diverged"
                        + (diverged.isEmpty()
                                ? "."
                                : " and are left out: "
                                        + String.join("; ", diverged.stream().map(StudyRun::key).toList()) + "."))
                .table(table);
    }
}
