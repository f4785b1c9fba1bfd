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
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/** The report of a variability study: how learning rate, batch size and epochs move what is measured (arXiv 2501.00241). */
public final class VariabilityReport {
    /** Of the recommendation's bootstrap. */
    private static final long BOOTSTRAP_SEED = 1;

    private final VariabilityAnalysis analysis;
    private final Report report = new Report("Learning rate, batch size and epochs: how they move a fine-tuned model");

    private VariabilityReport(VariabilityAnalysis analysis) {
        this.analysis = analysis;
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
        report.trainingCurves(completed);
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
        mainEffects();
        interactions();
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
                "%d runs of %d configurations. %s%s is expected to be best at %s: %.4f, 95 %% interval %.4f to %.4f.",
                analysis.observations().size(), configurations(), findings, Labels.metric(response),
                shown(recommendation.best()), expected.value(), expected.low(), expected.high()));
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
                "The p-values that arXiv 2501.00241 reports, beside those of the same terms here. The average effect is the slope along the"
                        + " predictor, averaged over the runs (HC3 errors); a product has none.",
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
                        "Agreement means significant at 5 % where the paper is, and in the paper's direction where we know it (higher"
                                + " learning rate, lower loss). The paper looked at published models, whose settings their authors had chosen; here the"
                                + " settings were set. A linear term alone is the slope where the predictors are 0 (absolute: learning rate 1, batch"
                                + " size 0, no epochs) or at the baseline (relative). The average effect is the one to read.");
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

    private void mainEffects() {
        Table numbers = new Table("main_effects", "", Column.text("response", ""), Column.text("predictor", ""),
                Column.text("kind", ""), new Column("value", "", Numbers.COUNT), new Column("mean", "", Numbers.COUNT),
                new Column("low", "", Numbers.COUNT), new Column("high", "", Numbers.COUNT));
        List<String> charts = new ArrayList<>();
        for (String response : analysis.responses()) {
            List<Chart> row = new ArrayList<>();
            PolynomialRegression regression = analysis.fit(response, Analysis.ABSOLUTE).regression();
            Scale y = Scale.around("", IntStream.range(0, 3).boxed().flatMapToDouble(j -> DoubleStream.concat(
                    levels(response, j).flatMap(level -> DoubleStream.of(observedMean(response, j, level))),
                    dense(response, j).flatMap(v -> interval(mainEffect(regression, j, v))))));
            for (int j = 0; j < 3; j++) {
                row.add(mainEffect(response, regression, j, y, numbers));
            }
            row.forEach(chart -> charts.add(chart.svg()));
        }
        report.section("Main effects").figure(
                "Mean response of the runs at every setting tried (dots), and what the regression expects on average over the runs, had they all"
                        + " that setting (line; band: 95 % interval, HC3). Panels of a response share their scale.",
                numbers, false, charts);
    }

    private Chart mainEffect(String response, PolynomialRegression regression, int j, Scale y, Table numbers) {
        String predictor = VariabilityAnalysis.PREDICTORS.get(j);
        double[] dense = dense(response, j).toArray();
        List<Estimate> effects = DoubleStream.of(dense).mapToObj(v -> mainEffect(regression, j, v)).toList();
        Chart chart = new Chart(Labels.metric(response), "Main effect of " + Labels.predictor(predictor)
                + " with the means of the runs", 330, 210, 10, axis(response, j), y);
        chart.band(dense, Curves.lows(effects), Curves.highs(effects), j).line(dense, Curves.values(effects), j);
        for (int i = 0; i < dense.length; i++) {
            Estimate effect = effects.get(i);
            numbers.row(response, predictor, "regression", setting(j, dense[i]), effect.value(), effect.low(),
                    effect.high());
        }
        levels(response, j).forEach(level -> {
            double mean = observedMean(response, j, level);
            chart.dot(level, mean, j);
            numbers.row(response, predictor, "runs", setting(j, level), mean, Double.NaN, Double.NaN);
        });
        return chart;
    }

    private static Estimate mainEffect(PolynomialRegression regression, int j, double value) {
        return regression.mainEffect(VariabilityAnalysis.PREDICTORS.get(j), value, StandardErrors.HC3);
    }

    private static DoubleStream interval(Estimate estimate) {
        return DoubleStream.of(estimate.low(), estimate.high());
    }

    /** A coordinate of the regressions as a setting: the learning rate itself, not its logarithm. */
    private static double setting(int j, double coordinate) {
        return j == 0 ? StrictMath.pow(10, coordinate) : coordinate;
    }

    private static double coordinate(Observation observation, int j) {
        Hyperparameters h = observation.hyperparameters();
        return j == 0 ? StrictMath.log10(h.learningRate()) : j == 1 ? h.batchSize() : h.epochs();
    }

    /** What was tried, in coordinates of the regressions; where that is more than can be shown, so many evenly spaced ones. */
    private DoubleStream levels(String response, int j) {
        double[] tried = analysis.observations(response).stream().mapToDouble(o -> coordinate(o, j)).distinct().sorted()
                .toArray();
        return tried.length <= Recommendation.LEVELS
                ? DoubleStream.of(tried)
                : evenly(tried[0], tried[tried.length - 1], Recommendation.LEVELS);
    }

    private DoubleStream dense(String response, int j) {
        double[] levels = levels(response, j).toArray();
        return evenly(levels[0], levels[levels.length - 1], 25);
    }

    private static DoubleStream evenly(double low, double high, int count) {
        return IntStream.range(0, count).mapToDouble(i -> low + (high - low) * i / (count - 1));
    }

    /** Mean of the runs at a level; NaN where there is none, as with levels that were not tried. */
    private double observedMean(String response, int j, double level) {
        return analysis.observations(response).stream().filter(o -> coordinate(o, j) == level)
                .mapToDouble(o -> o.response(response)).average().orElse(Double.NaN);
    }

    private Scale axis(String response, int j) {
        String label = Labels.predictor(VariabilityAnalysis.PREDICTORS.get(j));
        return Scale.at(j == 0 ? label + " (log scale)" : label, levels(response, j)
                .mapToObj(level -> new Scale.Tick(level, Numbers.setting(setting(j, level)))).toList());
    }

    private void interactions() {
        Table numbers = new Table("interaction_surfaces", "", Column.text("response", ""), Column.text("x", ""),
                new Column("x_value", "", Numbers.COUNT), Column.text("y", ""),
                new Column("y_value", "", Numbers.COUNT),
                new Column("expectation", "", Numbers.COUNT), new Column("low", "", Numbers.COUNT),
                new Column("high", "", Numbers.COUNT));
        List<String> charts = new ArrayList<>();
        for (String response : analysis.responses()) {
            charts.add(surface(response, 0, 1, numbers));
            charts.add(surface(response, 0, 2, numbers));
            charts.add(surface(response, 1, 2, numbers));
        }
        report.section("Interactions").figure(
                "What the absolute regression expects for every two settings, the third at its mean. Lighter is better in every panel.",
                numbers, false, charts);
    }

    private String surface(String response, int xIndex, int yIndex, Table numbers) {
        PolynomialRegression regression = analysis.fit(response, Analysis.ABSOLUTE).regression();
        double[] xs = levels(response, xIndex).toArray();
        double[] ys = levels(response, yIndex).toArray();
        Estimate[][] grid = new Estimate[xs.length][ys.length];
        for (int i = 0; i < xs.length; i++) {
            for (int k = 0; k < ys.length; k++) {
                double[] point = regression.meanPoint();
                point[xIndex] = xs[i];
                point[yIndex] = ys[k];
                grid[i][k] = regression.predict(point, StandardErrors.HC3);
                numbers.row(response, VariabilityAnalysis.PREDICTORS.get(xIndex), setting(xIndex, xs[i]),
                        VariabilityAnalysis.PREDICTORS.get(yIndex), setting(yIndex, ys[k]), grid[i][k].value(),
                        grid[i][k].low(), grid[i][k].high());
            }
        }
        String x = Labels.predictor(VariabilityAnalysis.PREDICTORS.get(xIndex));
        String y = Labels.predictor(VariabilityAnalysis.PREDICTORS.get(yIndex));
        Chart chart = new Chart(Labels.metric(response), "Expectation by " + x + " and " + y, 330, 210, 8,
                Scale.categories(x, names(xIndex, xs)), Scale.categories(y, names(yIndex, ys)));
        heat(chart, response, grid);
        return chart.svg();
    }

    private static List<String> names(int j, double[] levels) {
        return DoubleStream.of(levels).mapToObj(level -> Numbers.setting(setting(j, level))).toList();
    }

    private static void heat(Chart chart, String response, Estimate[][] grid) {
        double low = Arrays.stream(grid).flatMap(Arrays::stream).mapToDouble(Estimate::value).min().orElseThrow();
        double high = Arrays.stream(grid).flatMap(Arrays::stream).mapToDouble(Estimate::value).max().orElseThrow();
        for (int i = 0; i < grid.length; i++) {
            for (int k = 0; k < grid[i].length; k++) {
                double share = high == low ? 0.5 : (grid[i][k].value() - low) / (high - low);
                chart.cell(i, k, Recommendation.largerIsBetter(response) ? share : 1 - share,
                        Numbers.fixed(3).apply(grid[i][k].value()));
            }
        }
    }

    private void recommendation() {
        Table table = new Table("recommendation",
                "Where each response is expected to be best within what was tried, and the region that the runs do not tell from it.",
                Column.text("response", "Response"), new Column("learning_rate", "Learning rate", Numbers::setting),
                new Column("batch_size", "Batch size", Numbers::setting),
                new Column("epochs", "Epochs", Numbers::setting),
                new Column("expectation", "Expectation", Numbers.fixed(4)),
                new Column("low", "95 % from", Numbers.fixed(4)),
                new Column("high", "to", Numbers.fixed(4)), Column.text("edge", "At the edge of the range"),
                new Column("region_share", "Region, part of the grid", Numbers.fixed(3)),
                new Column("region_wins", "Bootstrap's best in region", Numbers.fixed(3)));
        Table grid = new Table("recommendation_grid", "", Column.text("response", ""),
                new Column("learning_rate", "", Numbers.COUNT), new Column("batch_size", "", Numbers.COUNT),
                new Column("epochs", "", Numbers.COUNT), new Column("expectation", "", Numbers.COUNT),
                new Column("low", "", Numbers.COUNT), new Column("high", "", Numbers.COUNT),
                new Column("behind_best", "", Numbers.COUNT), new Column("behind_best_p", "", Numbers.COUNT),
                Column.text("in_region", ""), new Column("win_share", "", Numbers.COUNT));
        List<String> charts = new ArrayList<>();
        for (String response : analysis.responses()) {
            Recommendation recommendation = analysis.recommend(response, BOOTSTRAP_SEED);
            Hyperparameters best = recommendation.best();
            table.row(Labels.metric(response), best.learningRate(), best.batchSize(), best.epochs(),
                    recommendation.expectation().value(), recommendation.expectation().low(),
                    recommendation.expectation().high(), recommendation.atEdge() ? "yes" : "no",
                    (double) recommendation.region().size() / recommendation.settings().size(),
                    recommendation.regionWinShare());
            recommendation.settings().forEach(s -> grid.row(response, s.hyperparameters().learningRate(),
                    s.hyperparameters().batchSize(), s.hyperparameters().epochs(), s.expectation().value(),
                    s.expectation().low(), s.expectation().high(), s.behindBest().value(), s.behindBest().p(),
                    s.inRegion() ? "yes" : "no", s.winShare()));
            charts.add(region(recommendation));
        }
        report.section("Recommended region").table(table).figure(
                "The region: for every batch size and number of epochs, the learning rates that the runs do not tell from the best (bars), and the"
                        + " best (dot). No bar: the runs tell all of them from the best.",
                grid, true, charts)
                .paragraph(
                        "The region holds every setting whose expectation does not differ significantly from the best one's (delta method, HC3,"
                                + " 95 %, each by itself). As the best was chosen by the same runs, the region is a little small: the last column of the"
                                + " table says in what part of " + Recommendation.REPLICATES
                                + " replicates of a wild bootstrap (seed " + BOOTSTRAP_SEED
                                + ") the best setting lay within it. A best setting at the edge means that more, or less, than was tried may be better.");
    }

    private static String region(Recommendation recommendation) {
        List<double[]> rows = recommendation.settings().stream()
                .map(s -> new double[]{s.hyperparameters().batchSize(), s.hyperparameters().epochs()})
                .collect(ArrayList::new, (list, row) -> {
                    if (list.stream().noneMatch(other -> Arrays.equals(other, row))) {
                        list.add(row);
                    }
                }, List::addAll);
        Scale y = Scale.names(rows.stream().map(row -> "batch " + Numbers.setting(row[0]) + ", epochs "
                + Numbers.setting(row[1])).toList());
        List<Hyperparameters> grid = recommendation.settings().stream().map(s -> s.hyperparameters()).toList();
        Scale x = Scale.logarithm("learning rate (log scale)", StrictMath.log10(grid.getFirst().learningRate()),
                StrictMath.log10(grid.getLast().learningRate()));
        Chart chart = new Chart(Labels.metric(recommendation.response()),
                "Learning rates not told from the best, by batch size and epochs", 430, 60 + 14 * rows.size(), 10, x,
                y);
        for (int i = 0; i < rows.size(); i++) {
            double[] row = rows.get(i);
            double[] rates = recommendation.region().stream()
                    .filter(s -> s.hyperparameters().batchSize() == row[0] && s.hyperparameters().epochs() == row[1])
                    .mapToDouble(s -> StrictMath.log10(s.hyperparameters().learningRate())).toArray();
            if (rates.length > 0) {
                chart.horizontal(rates[0], rates[rates.length - 1], i, 0, 0);
                chart.speck(rates[0], i, 0).speck(rates[rates.length - 1], i, 0);
            }
            Hyperparameters best = recommendation.best();
            if (best.batchSize() == row[0] && best.epochs() == row[1]) {
                chart.dot(StrictMath.log10(best.learningRate()), i, 1);
            }
        }
        return chart.svg();
    }

    private void coefficients() {
        Table numbers = new Table("forest", "", Column.text("response", ""), Column.text("term", ""),
                Column.text("errors", ""), new Column("coefficient", "", Numbers.COUNT),
                new Column("low", "", Numbers.COUNT), new Column("high", "", Numbers.COUNT),
                new Column("p", "", Numbers.COUNT));
        List<String> charts = analysis.responses().stream().map(response -> forest(response, numbers)).toList();
        report.section("Coefficients").figure(
                "Coefficients in coded units (each predictor from −1, the least tried, to +1, the most) with 95 % intervals: HC3 in colour,"
                        + " classical in grey below. Filled: significant at 5 % by HC3.",
                numbers, true, charts);
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

    private String forest(String response, Table numbers) {
        PolynomialRegression coded = analysis.coded(response);
        List<String> terms = coded.termNames().subList(1, coded.termNames().size());
        Scale x = Scale.around("change of the response", DoubleStream.concat(DoubleStream.of(0),
                coded.standardErrors().stream().flatMap(errors -> coded.coefficients(errors).stream().skip(1))
                        .flatMapToDouble(VariabilityReport::interval)));
        Chart chart = new Chart(Labels.metric(response), "Coefficients of the regression in coded units with intervals",
                430, 60 + 24 * terms.size(), 10, x, Scale.names(terms.stream().map(Labels::term).toList()));
        chart.verticalRule(0);
        for (int i = 0; i < terms.size(); i++) {
            Estimate classical = coded.coefficient(terms.get(i), StandardErrors.CLASSICAL);
            Estimate hc3 = coded.coefficient(terms.get(i), StandardErrors.HC3);
            chart.horizontal(classical.low(), classical.high(), i, 7, Chart.MUTED);
            chart.horizontal(hc3.low(), hc3.high(), i, 0, 0);
            if (hc3.significant()) {
                chart.dot(hc3.value(), i, 0);
            } else {
                chart.ring(hc3.value(), i, 0);
            }
            numbers.row(response, terms.get(i), "classical", classical.value(), classical.low(), classical.high(),
                    classical.p());
            numbers.row(response, terms.get(i), "hc3", hc3.value(), hc3.low(), hc3.high(), hc3.p());
        }
        return chart.svg();
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
                        + ") and the response from the mean of the baseline's runs. That moves the origin and nothing else: intercept and linear"
                        + " terms, with their p-values, are about another point of the same surface. R², adjusted R², F, the squares, the"
                        + " products, residuals, predictions and slopes at any setting are the same. A finding that one analysis has and"
                        + " the other has not is about the origin, not about the models.")
                .table(table);
    }

    private void partialEffects() {
        Table table = new Table("partial_effects",
                "Slopes of the expected response along each predictor: averaged over the runs, and at the baseline (HC3). Learning rate: per decade."
                        + " The F test asks whether any term with the predictor matters; neither depends on the origin.",
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
                "Tests of what classical errors assume. Small p: residuals not normal, variance not equal, degree 2 not enough.",
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
        Table numbers = new Table("residuals", "", Column.text("response", ""),
                new Column("learning_rate", "", Numbers.COUNT),
                new Column("batch_size", "", Numbers.COUNT), new Column("epochs", "", Numbers.COUNT),
                Column.text("seed", ""),
                new Column("fitted", "", Numbers.COUNT), new Column("residual", "", Numbers.COUNT),
                new Column("leverage", "", Numbers.COUNT), new Column("cooks_distance", "", Numbers.COUNT));
        List<String> charts = new ArrayList<>();
        for (String response : analysis.responses()) {
            PolynomialRegression regression = analysis.fit(response, Analysis.ABSOLUTE).regression();
            ResidualDiagnostics d = regression.diagnostics();
            table.row(Labels.metric(response), d.jarqueBera().statistic(), d.jarqueBera().p(), d.skewness(),
                    d.kurtosis(),
                    d.breuschPagan().statistic(), d.breuschPagan().p(), d.lackOfFit().statistic(), d.lackOfFit().p(),
                    d.largestLeverage(), d.largestCooksDistance(), d.influentialRuns());
            charts.add(residuals(response, regression, numbers));
        }
        report.section("Residuals").table(table).figure("Residuals of the absolute regressions, a dot for each run.",
                numbers,
                false, charts);
    }

    private String residuals(String response, PolynomialRegression regression, Table numbers) {
        double[] fitted = regression.fitted();
        double[] residuals = regression.residuals();
        Chart chart = new Chart(Labels.metric(response), "Residual of each run by its fitted value", 330, 210, 10,
                Scale.around("fitted", DoubleStream.of(fitted)), Scale.around("residual", DoubleStream.of(residuals)));
        chart.horizontalRule(0);
        List<Observation> runs = analysis.observations(response);
        for (int i = 0; i < fitted.length; i++) {
            chart.speck(fitted[i], residuals[i], 0);
            Hyperparameters h = runs.get(i).hyperparameters();
            numbers.row(response, h.learningRate(), h.batchSize(), h.epochs(), runs.get(i).seed(), fitted[i],
                    residuals[i],
                    regression.leverages()[i], regression.cooksDistances()[i]);
        }
        return chart.svg();
    }

    private void trainingCurves(List<StudyRun> runs) {
        Table numbers = new Table("training_curves", "", new Column("batch_size", "", Numbers.COUNT),
                new Column("learning_rate", "", Numbers.COUNT), new Column("share_of_run", "", Numbers.COUNT),
                new Column("loss", "", Numbers.COUNT), new Column("low", "", Numbers.COUNT),
                new Column("high", "", Numbers.COUNT));
        double[] rates = runs.stream().mapToDouble(run -> run.setting("learning_rate")).distinct().sorted().toArray();
        double[] batches = runs.stream().mapToDouble(run -> run.setting("batch_size")).distinct().sorted().toArray();
        if (rates.length > Chart.SERIES || batches.length > Recommendation.LEVELS) {
            return;
        }
        List<List<Estimate>> curves = new ArrayList<>();
        for (double batch : batches) {
            for (double rate : rates) {
                curves.add(Curves.mean(runs.stream().filter(run -> run.setting("batch_size") == batch
                        && run.setting("learning_rate") == rate).toList(), "loss"));
            }
        }
        Scale y = Scale.around("training loss", curves.stream().flatMap(List::stream).mapToDouble(Estimate::value));
        List<String> charts = new ArrayList<>();
        for (int b = 0; b < batches.length; b++) {
            List<List<Estimate>> lines = curves.subList(b * rates.length, (b + 1) * rates.length);
            Chart chart = new Chart("Batch size " + Numbers.setting(batches[b]),
                    "Training loss over the run, a line for each learning rate", 430, 240, 46,
                    Scale.between("part of the run", 0, 1), y);
            for (int r = 0; r < rates.length; r++) {
                chart.line(Curves.shares(), Curves.values(lines.get(r)), r);
                for (int i = 0; i < Curves.POINTS; i++) {
                    Estimate e = lines.get(r).get(i);
                    numbers.row(batches[b], rates[r], Curves.shares()[i], e.value(), e.low(), e.high());
                }
            }
            chart.endLabels(lines.stream().mapToDouble(line -> line.getLast().value()).toArray(),
                    DoubleStream.of(rates).mapToObj(Numbers::setting).toList(),
                    IntStream.range(0, rates.length).toArray());
            charts.add(chart.svg());
        }
        report.section("Training loss").figure(
                "Loss of the training batches, mean over the runs of a learning rate (at the lines' ends) and batch size, whatever their epochs"
                        + " and seed.",
                numbers, true, charts);
    }

    private void method() {
        long seeds = analysis.observations().stream().map(Observation::seed).distinct().count();
        List<String> items = new ArrayList<>(List.of(
                "Ordinary least squares of degree 2 in log10 of the learning rate, batch size and epochs: intercept, three linear terms, three"
                        + " squares, three products. Degree and terms of the paper are not known to us; this is our reconstruction.",
                "Classical errors assume equal variance; HC3 does not. p-values are two-sided, of t with runs less terms degrees of freedom.",
                "Holm's and Benjamini and Hochberg's corrections are over the nine terms of all responses of an analysis.",
                "Lack of fit: the spread of configurations about the surface against the spread of repeated runs about their configuration."));
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
