package dev.nightjar.examples.report;

import dev.nightjar.examples.report.Table.Column;
import dev.nightjar.study.Estimate;
import dev.nightjar.study.Observation;
import dev.nightjar.study.Observation.Hyperparameters;
import dev.nightjar.study.PolynomialRegression;
import dev.nightjar.study.Recommendation;
import dev.nightjar.study.StandardErrors;
import dev.nightjar.study.StudyRun;
import dev.nightjar.study.VariabilityAnalysis;
import dev.nightjar.study.VariabilityAnalysis.Analysis;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/** The figures of a variability study's report; each is added to the report with the numbers it shows. */
final class VariabilityCharts {
    private final VariabilityAnalysis analysis;
    private final Report report;

    VariabilityCharts(VariabilityAnalysis analysis, Report report) {
        this.analysis = analysis;
        this.report = report;
    }

    void mainEffects() {
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
                "Mean response of the runs at every setting tried (dots), and what the regression expects on average"
                        + " over the runs, had they all that setting (line; band: 95 % interval, HC3). Panels of a"
                        + " response share their scale.",
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

    void interactions() {
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
                "What the absolute regression expects for every two settings, the third at its mean. Lighter is"
                        + " better in every panel.",
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

    /** The learning rates not told from the best, by the other settings. */
    void region(List<Recommendation> recommendations) {
        Table grid = new Table("recommendation_grid", "", Column.text("response", ""),
                new Column("learning_rate", "", Numbers.COUNT), new Column("batch_size", "", Numbers.COUNT),
                new Column("epochs", "", Numbers.COUNT), new Column("expectation", "", Numbers.COUNT),
                new Column("low", "", Numbers.COUNT), new Column("high", "", Numbers.COUNT),
                new Column("behind_best", "", Numbers.COUNT), new Column("behind_best_p", "", Numbers.COUNT),
                Column.text("in_region", ""), new Column("win_share", "", Numbers.COUNT));
        List<String> charts = new ArrayList<>();
        for (Recommendation recommendation : recommendations) {
            recommendation.settings()
                    .forEach(s -> grid.row(recommendation.response(), s.hyperparameters().learningRate(),
                            s.hyperparameters().batchSize(), s.hyperparameters().epochs(), s.expectation().value(),
                            s.expectation().low(), s.expectation().high(), s.behindBest().value(), s.behindBest().p(),
                            s.inRegion() ? "yes" : "no", s.winShare()));
            charts.add(region(recommendation));
        }
        report.figure(
                "The region: for every batch size and number of epochs, the learning rates that the runs do not tell"
                        + " from the best (bars), and the best (dot). No bar: the runs tell all of them from the"
                        + " best.",
                grid, true, charts);
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

    /** Every term in coded units. */
    void forest() {
        Table numbers = new Table("forest", "", Column.text("response", ""), Column.text("term", ""),
                Column.text("errors", ""), new Column("coefficient", "", Numbers.COUNT),
                new Column("low", "", Numbers.COUNT), new Column("high", "", Numbers.COUNT),
                new Column("p", "", Numbers.COUNT));
        List<String> charts = analysis.responses().stream().map(response -> forest(response, numbers)).toList();
        report.figure(
                "Coefficients in coded units (each predictor from −1, the least tried, to +1, the most) with 95 %"
                        + " intervals: HC3 in colour, classical in grey below. Filled: significant at 5 % by HC3.",
                numbers, true, charts);
    }

    private String forest(String response, Table numbers) {
        PolynomialRegression coded = analysis.coded(response);
        List<String> terms = coded.termNames().subList(1, coded.termNames().size());
        Scale x = Scale.around("change of the response", DoubleStream.concat(DoubleStream.of(0),
                coded.standardErrors().stream().flatMap(errors -> coded.coefficients(errors).stream().skip(1))
                        .flatMapToDouble(VariabilityCharts::interval)));
        Chart chart = new Chart(Labels.metric(response), "Coefficients of the regression in coded units with"
                + " intervals",
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

    /** Every run's residual. */
    void residuals() {
        Table numbers = new Table("residuals", "", Column.text("response", ""),
                new Column("learning_rate", "", Numbers.COUNT),
                new Column("batch_size", "", Numbers.COUNT), new Column("epochs", "", Numbers.COUNT),
                Column.text("seed", ""),
                new Column("fitted", "", Numbers.COUNT), new Column("residual", "", Numbers.COUNT),
                new Column("leverage", "", Numbers.COUNT), new Column("cooks_distance", "", Numbers.COUNT));
        report.figure("Residuals of the absolute regressions, a dot for each run.", numbers, false,
                analysis.responses().stream().map(response -> residuals(response,
                        analysis.fit(response, Analysis.ABSOLUTE).regression(), numbers)).toList());
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

    /** Training losses by batch size and learning rate; nothing where there are more of them than can be told apart. */
    void trainingCurves(List<StudyRun> runs) {
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
                "Loss of the training batches, mean over the runs of a learning rate (at the lines' ends) and batch"
                        + " size, whatever their epochs and seed.",
                numbers, true, charts);
    }
}
