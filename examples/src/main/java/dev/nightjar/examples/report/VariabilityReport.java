package dev.nightjar.examples.report;

import dev.nightjar.examples.report.Table.Column;
import dev.nightjar.study.Estimate;
import dev.nightjar.study.Observation;
import dev.nightjar.study.Observation.Hyperparameters;
import dev.nightjar.study.PaperFinding;
import dev.nightjar.study.PaperFinding.Replication;
import dev.nightjar.study.PolynomialRegression;
import dev.nightjar.study.Recommendation;
import dev.nightjar.study.ResidualDiagnostics;
import dev.nightjar.study.StandardErrors;
import dev.nightjar.study.StudyRun;
import dev.nightjar.study.StudyRun.Status;
import dev.nightjar.study.VariabilityAnalysis;
import dev.nightjar.study.VariabilityAnalysis.Analysis;
import dev.nightjar.study.VariabilityAnalysis.Fit;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** The report of a variability study: how learning rate, batch size and epochs move what is measured (arXiv 2501.00241). */
public final class VariabilityReport {
    /** Of the recommendation's bootstrap. */
    private static final long BOOTSTRAP_SEED = 1;

    private final VariabilityAnalysis analysis;
    private final Report report = new Report("Learning rate, batch size and epochs: how they move a fine-tuned"
            + " model");

    private final VariabilityCharts charts;

    private VariabilityReport(VariabilityAnalysis analysis) {
        this.analysis = analysis;
        charts = new VariabilityCharts(analysis, report);
    }

    /**
     * Writes {@code report.html}, {@code report.md} and {@code tables/*.csv} about the runs of a study. The same runs give the same bytes,
     * in whatever order they come.
     *
     * @param identity what all runs have in common, as the journal has it
     * @param baseline what the relative regressions are measured from; one of the configurations that were run
     * @throws dev.nightjar.study.DegenerateDesignException if the runs do not suffice, saying why
     */
    public static void write(Map<String, String> identity, List<StudyRun> runs, Hyperparameters baseline, Path folder)
            throws IOException {
        of(identity, runs, baseline).write(folder);
    }

    /**
     * Writes the report about runs that somebody else made.
     *
     * @param source where they come from, for readers
     * @param responses names of the responses, as the observations have them
     */
    public static void write(String source, List<Observation> observations, List<String> responses,
            Hyperparameters baseline, Path folder) throws IOException {
        of(source, observations, responses, baseline).write(folder);
    }

    static Report of(Map<String, String> identity, List<StudyRun> runs, Hyperparameters baseline) {
        List<Observation> observations = Observation.of(runs);
        List<String> responses = VariabilityAnalysis.RESPONSES.stream()
                .filter(response -> observations.stream().anyMatch(o -> Double.isFinite(o.response(response))))
                .toList();
        VariabilityReport report = new VariabilityReport(VariabilityAnalysis.of(observations, responses, baseline));
        report.results();
        List<StudyRun> completed = runs.stream().filter(run -> run.status() == Status.COMPLETED)
                .sorted(StudyRun.ORDER).toList();
        report.charts.trainingCurves(completed);
        report.method();
        report.setting(identity, runs.size() - completed.size());
        return report.report;
    }

    static Report of(String source, List<Observation> observations, List<String> responses, Hyperparameters baseline) {
        VariabilityReport report = new VariabilityReport(VariabilityAnalysis.of(observations, responses, baseline));
        report.results();
        report.method();
        report.setting(Map.of("runs", source), 0);
        return report.report;
    }

    private void results() {
        summary();
        findings();
        charts.mainEffects();
        charts.interactions();
        recommendation();
        coefficients();
        recentring();
        partialEffects();
        residuals();
    }

    private void summary() {
        List<Replication> replications = analysis.replications();
        long agree = replications.stream().filter(Replication::effectAgrees).count();
        String response = analysis.responses().getFirst();
        Recommendation recommendation = analysis.recommend(response, BOOTSTRAP_SEED);
        Estimate expected = recommendation.expectation();
        String findings = replications.isEmpty()
                ? ""
                : "Of the paper's " + replications.size() + " findings that these runs can answer, " + agree
                        + " hold here as average effects. ";
        report.key(String.format(Locale.ROOT,
                "%d runs of %d configurations. %s%s is expected to be best at %s: %.4f, 95 %% interval %.4f to %.4f."
                        + " The runs do not tell from it: %s.",
                analysis.observations().size(), configurations(), findings, Labels.metric(response),
                shown(recommendation.best()), expected.value(), expected.low(), expected.high(),
                region(recommendation)));
    }

    private static String region(Recommendation recommendation) {
        List<Hyperparameters> region = recommendation.region().stream().map(setting -> setting.hyperparameters())
                .toList();
        return "learning rates " + range(region, Hyperparameters::learningRate) + ", batch sizes "
                + range(region, Hyperparameters::batchSize) + ", epochs " + range(region, Hyperparameters::epochs)
                + (region.size() == 1 ? "" : ", though not in every combination");
    }

    private static String range(List<Hyperparameters> region, ToDoubleFunction<Hyperparameters> setting) {
        DoubleSummaryStatistics values = region.stream().mapToDouble(setting).summaryStatistics();
        return values.getMin() == values.getMax()
                ? Numbers.setting(values.getMin())
                : Numbers.setting(values.getMin()) + " to " + Numbers.setting(values.getMax());
    }

    private long configurations() {
        return analysis.observations().stream().map(Observation::hyperparameters).distinct().count();
    }

    private static String shown(Hyperparameters h) {
        return "learning rate " + Numbers.setting(h.learningRate()) + ", batch size " + Numbers.setting(h.batchSize())
                + ", " + Numbers.setting(h.epochs()) + (h.epochs() == 1 ? " epoch" : " epochs");
    }

    private void findings() {
        List<Replication> replications = analysis.replications();
        if (replications.isEmpty()) {
            return;
        }
        Table table = new Table("paper_findings",
                "The p-values that arXiv 2501.00241 reports, beside those of the same terms here. The average effect"
                        + " is the slope along the predictor, averaged over the runs (HC3 errors); a product has"
                        + " none.",
                Column.text("term", "Term"), Column.text("response", "Response"), Column.text("analysis", "Analysis"),
                new Column("paper_p", "Paper's p", Numbers.P),
                new Column("coefficient", "Coefficient here", Numbers.significant(3)),
                new Column("p", "p", Numbers.P), new Column("average_effect", "Average effect", Numbers.significant(3)),
                new Column("average_effect_p", "p", Numbers.P),
                new Column("joint_p", "p of all its terms (F)", Numbers.P), Column.text("verdict", "Agreement"));
        for (Replication replication : replications) {
            PaperFinding finding = replication.finding();
            table.row(Labels.term(finding.term()), Labels.metric(finding.response()),
                    finding.analysis().map(a -> name(a)).orElse("not known: absolute"), finding.p(),
                    replication.coefficient().value(), replication.coefficient().p(),
                    replication.averageEffect().map(Estimate::value).orElse(Double.NaN),
                    replication.averageEffect().map(Estimate::p).orElse(Double.NaN),
                    replication.joint().map(test -> test.p()).orElse(Double.NaN), verdict(replication));
        }
        report.section("The paper's findings").table(table)
                .paragraph(
                        "Agreement means significant at 5 % where the paper is, and in the paper's direction where"
                                + " we know it (higher learning rate, lower loss). The paper looked at published"
                                + " models, whose settings their authors had chosen; here the settings were set. A"
                                + " linear term alone is the slope where the predictors are 0 (absolute: learning"
                                + " rate 1, batch size 0, no epochs) or at the baseline (relative). The average"
                                + " effect is the one to read.");
    }

    private static String verdict(Replication replication) {
        if (replication.averageEffect().isEmpty()) {
            return replication.coefficientAgrees() ? "agrees" : "does not agree";
        }
        return "term " + (replication.coefficientAgrees() ? "agrees" : "does not") + ", effect "
                + (replication.effectAgrees() ? "agrees" : "does not");
    }

    private static String name(Analysis of) {
        return of.name().toLowerCase(Locale.ROOT);
    }

    private void recommendation() {
        Table table = new Table("recommendation",
                "Where each response is expected to be best within what was tried, and the region that the runs do"
                        + " not tell from it.",
                Column.text("response", "Response"), new Column("learning_rate", "Learning rate", Numbers::setting),
                new Column("batch_size", "Batch size", Numbers::setting),
                new Column("epochs", "Epochs", Numbers::setting),
                new Column("expectation", "Expectation", Numbers.fixed(4)),
                new Column("low", "95 % from", Numbers.fixed(4)),
                new Column("high", "to", Numbers.fixed(4)), Column.text("edge", "At the edge of the range"),
                new Column("region_share", "Region, part of the grid", Numbers.fixed(3)),
                new Column("region_wins", "Bootstrap's best in region", Numbers.fixed(3)));
        List<Recommendation> recommendations = analysis.responses().stream()
                .map(response -> analysis.recommend(response, BOOTSTRAP_SEED)).toList();
        for (Recommendation recommendation : recommendations) {
            Hyperparameters best = recommendation.best();
            table.row(Labels.metric(recommendation.response()), best.learningRate(), best.batchSize(), best.epochs(),
                    recommendation.expectation().value(), recommendation.expectation().low(),
                    recommendation.expectation().high(), recommendation.atEdge() ? "yes" : "no",
                    (double) recommendation.region().size() / recommendation.settings().size(),
                    recommendation.regionWinShare());
        }
        report.section("Recommended region").table(table);
        charts.region(recommendations);
        report.paragraph(
                "The region holds every setting whose expectation does not differ significantly from the best one's"
                        + " (delta method, HC3, 95 %, each by itself). As the best was chosen by the same runs, the"
                        + " region is a little small: the last column of the table says in what part of "
                        + Recommendation.REPLICATES
                        + " replicates of a wild bootstrap (seed " + BOOTSTRAP_SEED
                        + ") the best setting lay within it. A best setting at the edge means that more, or less,"
                        + " than was tried may be better.");
    }

    private void coefficients() {
        report.section("Coefficients");
        charts.forest();
        Table fits = new Table("regressions", "All regressions of degree 2.", Column.text("analysis", "Analysis"),
                Column.text("response", "Response"), new Column("runs", "Runs", Numbers.COUNT),
                new Column("r2", "R²", Numbers.fixed(4)), new Column("adjusted_r2", "Adjusted R²", Numbers.fixed(4)),
                new Column("f", "F", Numbers.fixed(2)), new Column("f_p", "p", Numbers.P),
                new Column("residual_deviation", "Residual standard deviation", Numbers.significant(3)),
                new Column("condition_number", "Condition number", Numbers.significant(3)));
        for (Fit fit : analysis.fits()) {
            PolynomialRegression regression = fit.regression();
            fits.row(name(fit.analysis()), Labels.metric(fit.response()), regression.runs(), regression.r2(),
                    regression.adjustedR2(), regression.overall().statistic(), regression.overall().p(),
                    Math.sqrt(regression.residualVariance()), regression.conditionNumber());
        }
        report.table(fits);
        analysis.fits().forEach(fit -> report.table(coefficients(fit)));
    }

    private static Table coefficients(Fit fit) {
        PolynomialRegression regression = fit.regression();
        boolean clustered = regression.standardErrors().contains(StandardErrors.CLUSTERED);
        List<Column> columns = new ArrayList<>(List.of(Column.text("term", "Term"),
                new Column("coefficient", "Coefficient", Numbers.significant(4)),
                new Column("se", "Standard error", Numbers.significant(3)), new Column("t", "t", Numbers.fixed(2)),
                new Column("p", "p", Numbers.P), new Column("low", "95 % from", Numbers.significant(3)),
                new Column("high", "to", Numbers.significant(3)),
                new Column("hc3_se", "HC3 error", Numbers.significant(3)),
                new Column("hc3_p", "p", Numbers.P), new Column("holm_p", "p, Holm", Numbers.P),
                new Column("benjamini_hochberg_p", "p, Benjamini–Hochberg", Numbers.P)));
        if (clustered) {
            columns.add(new Column("clustered_se", "Error by seed", Numbers.significant(3)));
            columns.add(new Column("clustered_p", "p", Numbers.P));
        }
        String title = name(fit.analysis());
        Table table = new Table("coefficients_" + title + "_" + fit.response(),
                Labels.metric(fit.response()) + ", " + title
                        + ": coefficients in the predictors' units (learning rate: per decade).",
                columns.toArray(Column[]::new));
        List<Estimate> classical = regression.coefficients(StandardErrors.CLASSICAL);
        for (int i = 0; i < classical.size(); i++) {
            Estimate estimate = classical.get(i);
            Estimate hc3 = regression.coefficients(StandardErrors.HC3).get(i);
            List<Object> row = new ArrayList<>(List.of(Labels.term(regression.termNames().get(i)), estimate.value(),
                    estimate.standardError(), estimate.t(), estimate.p(), estimate.low(), estimate.high(),
                    hc3.standardError(), hc3.p(), i == 0 ? Double.NaN : fit.holm().get(i - 1),
                    i == 0 ? Double.NaN : fit.benjaminiHochberg().get(i - 1)));
            if (clustered) {
                Estimate bySeed = regression.coefficients(StandardErrors.CLUSTERED).get(i);
                row.addAll(List.of(bySeed.standardError(), bySeed.p()));
            }
            table.row(row.toArray());
        }
        return table;
    }

    private void recentring() {
        Table table = new Table("recentring", "The same runs from 0 (absolute) and from the baseline (relative).",
                Column.text("response", "Response"), new Column("r2_absolute", "R², absolute", Numbers.fixed(4)),
                new Column("r2_relative", "relative", Numbers.fixed(4)),
                new Column("learning_rate_p_absolute", "Learning rate p, absolute", Numbers.P),
                new Column("learning_rate_p_relative", "relative", Numbers.P),
                new Column("batch_size_p_absolute", "Batch size p, absolute", Numbers.P),
                new Column("batch_size_p_relative", "relative", Numbers.P),
                new Column("epochs_p_absolute", "Epochs p, absolute", Numbers.P),
                new Column("epochs_p_relative", "relative", Numbers.P));
        for (String response : analysis.responses()) {
            PolynomialRegression absolute = analysis.fit(response, Analysis.ABSOLUTE).regression();
            PolynomialRegression relative = analysis.fit(response, Analysis.RELATIVE).regression();
            List<Object> row = new ArrayList<>(List.of(Labels.metric(response), absolute.r2(), relative.r2()));
            for (String predictor : VariabilityAnalysis.PREDICTORS) {
                row.add(absolute.coefficient(predictor, StandardErrors.CLASSICAL).p());
                row.add(relative.coefficient(predictor, StandardErrors.CLASSICAL).p());
            }
            table.row(row.toArray());
        }
        report.section("What recentring can and cannot change").paragraph(
                "The relative analysis measures the predictors from the baseline's settings ("
                        + shown(analysis.baseline())
                        + ") and the response from the mean of the baseline's runs. That moves the origin and"
                        + " nothing else: intercept and linear terms, with their p-values, are about another point"
                        + " of the same surface. R², adjusted R², F, the squares, the products, residuals,"
                        + " predictions and slopes at any setting are the same. A finding that one analysis has and"
                        + " the other has not is about the origin, not about the models.")
                .table(table);
    }

    private void partialEffects() {
        Table table = new Table("partial_effects",
                "Slopes of the expected response along each predictor: averaged over the runs, and at the baseline"
                        + " (HC3). Learning rate: per decade. The F test asks whether any term with the predictor"
                        + " matters; neither depends on the origin.",
                Column.text("response", "Response"), Column.text("predictor", "Predictor"),
                new Column("average", "Average slope", Numbers.significant(3)),
                new Column("low", "95 % from", Numbers.significant(3)),
                new Column("high", "to", Numbers.significant(3)), new Column("p", "p", Numbers.P),
                new Column("baseline", "At the baseline", Numbers.significant(3)),
                new Column("baseline_low", "95 % from", Numbers.significant(3)),
                new Column("baseline_high", "to", Numbers.significant(3)), new Column("baseline_p", "p", Numbers.P),
                new Column("joint_f", "F", Numbers.fixed(2)), new Column("joint_p", "p", Numbers.P));
        Hyperparameters baseline = analysis.baseline();
        double[] point = {StrictMath.log10(baseline.learningRate()), baseline.batchSize(), baseline.epochs()};
        for (String response : analysis.responses()) {
            PolynomialRegression regression = analysis.fit(response, Analysis.ABSOLUTE).regression();
            for (String predictor : VariabilityAnalysis.PREDICTORS) {
                Estimate average = regression.partialEffect(predictor, regression.meanPoint(), StandardErrors.HC3);
                Estimate there = regression.partialEffect(predictor, point, StandardErrors.HC3);
                table.row(Labels.metric(response), Labels.predictor(predictor), average.value(), average.low(),
                        average.high(), average.p(), there.value(), there.low(), there.high(), there.p(),
                        regression.jointTest(predictor).statistic(), regression.jointTest(predictor).p());
            }
        }
        report.section("Partial effects").table(table);
    }

    private void residuals() {
        Table table = new Table("residual_diagnostics",
                "Tests of what classical errors assume. Small p: residuals not normal, variance not equal, degree 2"
                        + " not enough.",
                Column.text("response", "Response"), new Column("jarque_bera", "Jarque–Bera", Numbers.fixed(2)),
                new Column("jarque_bera_p", "p", Numbers.P), new Column("skewness", "Skewness", Numbers.fixed(2)),
                new Column("kurtosis", "Kurtosis", Numbers.fixed(2)),
                new Column("breusch_pagan", "Breusch–Pagan", Numbers.fixed(2)),
                new Column("breusch_pagan_p", "p", Numbers.P),
                new Column("lack_of_fit", "Lack of fit F", Numbers.fixed(2)),
                new Column("lack_of_fit_p", "p", Numbers.P),
                new Column("largest_leverage", "Largest leverage", Numbers.fixed(3)),
                new Column("largest_cook", "Largest Cook's distance", Numbers.fixed(3)),
                new Column("influential_runs", "Runs above 4/n", Numbers.COUNT));
        for (String response : analysis.responses()) {
            PolynomialRegression regression = analysis.fit(response, Analysis.ABSOLUTE).regression();
            ResidualDiagnostics d = regression.diagnostics();
            table.row(Labels.metric(response), d.jarqueBera().statistic(), d.jarqueBera().p(), d.skewness(),
                    d.kurtosis(),
                    d.breuschPagan().statistic(), d.breuschPagan().p(), d.lackOfFit().statistic(), d.lackOfFit().p(),
                    d.largestLeverage(), d.largestCooksDistance(), d.influentialRuns());
        }
        report.section("Residuals").table(table);
        charts.residuals();
    }

    private void method() {
        long seeds = analysis.observations().stream().map(Observation::seed).distinct().count();
        List<String> items = new ArrayList<>(List.of(
                "Ordinary least squares of degree 2 in log10 of the learning rate, batch size and epochs: intercept,"
                        + " three linear terms, three squares, three products. Degree and terms of the paper are not"
                        + " known to us; this is our reconstruction.",
                "Classical errors assume equal variance; HC3 does not. p-values are two-sided, of t with runs less"
                        + " terms degrees of freedom.",
                "Holm's and Benjamini and Hochberg's corrections are over the nine terms of all responses of an"
                        + " analysis.",
                "Lack of fit: the spread of configurations about the surface against the spread of repeated runs"
                        + " about their configuration."));
        if (seeds > 1) {
            items.add("Errors by seed are clustered (t of " + (seeds - 1) + " degrees of freedom). "
                    + (seeds < 10 ? "With " + seeds + " seeds they are rough: take them as a hint." : ""));
        }
        report.section("Method").bullets(items);
    }

    private void setting(Map<String, String> identity, int diverged) {
        Table table = new Table("setting", "What all runs have in common.", Column.text("name", "Name"),
                Column.text("value", "Value"));
        identity.forEach(table::row);
        report.section("What was run")
                .paragraph(analysis.observations().size() + " completed runs of " + configurations()
                        + " configurations; " + diverged + " diverged and are left out of the regressions.")
                .table(table);
    }
}
