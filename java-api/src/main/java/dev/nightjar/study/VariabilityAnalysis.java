package dev.nightjar.study;

import dev.nightjar.study.DegenerateDesignException.Defect;
import dev.nightjar.study.Observation.Hyperparameters;
import dev.nightjar.study.PaperFinding.Replication;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * How learning rate, batch size and epochs move what is measured of a fine-tuned model, after arXiv 2501.00241: an absolute and a relative
 * regression for every response. The paper's terms are not known to us; degree 2 with all terms, on the base-10 logarithm of the learning
 * rate, is our reconstruction.
 *
 * <p>Recentring, which is all that tells the relative regression from the absolute one, changes intercept and linear terms alone: a linear
 * term is the slope at the origin, and the origin moves. R², F, squares, products, residuals and the slopes at any configuration are the
 * same. Immutable.
 */
public final class VariabilityAnalysis {
    /** The predictor log10(learning rate). */
    public static final String LEARNING_RATE = "log10_learning_rate";
    /** The predictor batch size. */
    public static final String BATCH_SIZE = "batch_size";
    /** The predictor epochs. */
    public static final String EPOCHS = "epochs";
    /** The predictors in the order of the regressions. */
    public static final List<String> PREDICTORS = List.of(LEARNING_RATE, BATCH_SIZE, EPOCHS);
    /** What the paper measures; F1 both of the positive class and as mean of the classes, as the paper's is not known to us. */
    public static final List<String> RESPONSES = List.of("accuracy", "f1", "f1_macro", "loss");

    /** What predictors and response are measured from. */
    public enum Analysis {
        /** From 0. */
        ABSOLUTE,
        /** Predictors from the baseline's, response from the mean of the baseline's runs. */
        RELATIVE
    }

    /**
     * One regression.
     *
     * @param analysis absolute or relative
     * @param response name
     * @param regression itself
     * @param holm classical p-values of the terms after the intercept, adjusted over those of all responses of this analysis (Holm)
     * @param benjaminiHochberg the same (Benjamini and Hochberg)
     */
    public record Fit(Analysis analysis, String response, PolynomialRegression regression, List<Double> holm,
            List<Double> benjaminiHochberg) {
    }

    private final List<Observation> observations;
    private final Hyperparameters baseline;
    private final List<String> responses;
    private final List<Fit> fits;

    private VariabilityAnalysis(List<Observation> observations, Hyperparameters baseline, List<String> responses) {
        this.observations = observations;
        this.baseline = baseline;
        this.responses = List.copyOf(responses);
        List<Fit> all = new ArrayList<>();
        for (Analysis analysis : Analysis.values()) {
            all.addAll(corrected(analysis, responses.stream().map(response -> fit(analysis, response)).toList(),
                    responses));
        }
        fits = List.copyOf(all);
    }

    /**
     * Fits all regressions. Their numbers do not depend on the order of the observations.
     *
     * @param responses names; an observation without one of them is left out of that response's regressions
     * @param baseline what the relative regressions are measured from
     * @throws DegenerateDesignException if the observations do not suffice, naming the response and what is wrong
     */
    public static VariabilityAnalysis of(List<Observation> observations, List<String> responses,
            Hyperparameters baseline) {
        Comparator<Observation> order = Comparator.comparing(Observation::hyperparameters)
                .thenComparing(Observation::seed);
        for (String response : responses) {
            order = order.thenComparingDouble(observation -> observation.response(response));
        }
        return new VariabilityAnalysis(observations.stream().sorted(order).toList(), baseline, responses);
    }

    private PolynomialRegression fit(Analysis analysis, String response) {
        List<Observation> known = observations(response);
        double[] origin = analysis == Analysis.RELATIVE ? baseline.point() : new double[PREDICTORS.size()];
        double zero = analysis == Analysis.RELATIVE ? baselineMean(known, response) : 0;
        double[][] x = known.stream().map(observation -> shifted(observation.hyperparameters().point(), origin))
                .toArray(double[][]::new);
        double[] y = known.stream().mapToDouble(observation -> observation.response(response) - zero).toArray();
        List<String> seeds = known.stream().map(Observation::seed).distinct().toList();
        int[] clusters = known.stream().mapToInt(observation -> seeds.indexOf(observation.seed())).toArray();
        try {
            return PolynomialRegression.fit(PREDICTORS, x, y, clusters);
        } catch (DegenerateDesignException e) {
            throw new DegenerateDesignException(e.defect(), response + ": " + e.getMessage());
        }
    }

    private double baselineMean(List<Observation> known, String response) {
        return known.stream().filter(observation -> observation.hyperparameters().equals(baseline))
                .mapToDouble(observation -> observation.response(response)).average()
                .orElseThrow(() -> new DegenerateDesignException(Defect.NO_BASELINE, response
                        + ": no run has the baseline's learning rate " + baseline.learningRate() + ", batch size "
                        + baseline.batchSize() + " and epochs " + baseline.epochs()
                        + "; name one of the configurations that were run"));
    }

    private static double[] shifted(double[] point, double[] origin) {
        return IntStream.range(0, point.length).mapToDouble(j -> point[j] - origin[j]).toArray();
    }

    private static List<Fit> corrected(Analysis analysis, List<PolynomialRegression> regressions, List<String> names) {
        double[] p = regressions.stream().flatMap(r -> r.coefficients(StandardErrors.CLASSICAL).stream().skip(1))
                .mapToDouble(Estimate::p).toArray();
        double[] holm = MultipleTesting.holm(p);
        double[] benjaminiHochberg = MultipleTesting.benjaminiHochberg(p);
        int terms = p.length / regressions.size();
        return IntStream.range(0, regressions.size())
                .mapToObj(r -> new Fit(analysis, names.get(r), regressions.get(r), slice(holm, r * terms, terms),
                        slice(benjaminiHochberg, r * terms, terms)))
                .toList();
    }

    private static List<Double> slice(double[] values, int from, int count) {
        return Arrays.stream(values, from, from + count).boxed().toList();
    }

    /** The observations in the order of the regressions' runs; those that know a response. */
    public List<Observation> observations(String response) {
        return observations.stream().filter(observation -> Double.isFinite(observation.response(response))).toList();
    }

    /** All observations, by hyperparameters and seed. */
    public List<Observation> observations() {
        return observations;
    }

    /** Names of the responses. */
    public List<String> responses() {
        return responses;
    }

    /** What the relative regressions are measured from. */
    public Hyperparameters baseline() {
        return baseline;
    }

    /** Absolute regressions, then relative ones, each in the order of the responses. */
    public List<Fit> fits() {
        return fits;
    }

    /** One regression. */
    public Fit fit(String response, Analysis analysis) {
        return fits.stream().filter(fit -> fit.response().equals(response) && fit.analysis() == analysis).findFirst()
                .orElseThrow(() -> new IllegalArgumentException(
                        "no response \"" + response + "\" among " + responses));
    }

    /**
     * The absolute regression in coded units, as is usual with response surfaces: every predictor runs from -1, the least tried, to 1, the
     * most. Coefficients are then comparable, and linear terms are slopes in the middle of what was tried.
     */
    public PolynomialRegression coded(String response) {
        List<Observation> known = observations(response);
        double[][] x = known.stream().map(observation -> observation.hyperparameters().point())
                .toArray(double[][]::new);
        for (int j = 0; j < PREDICTORS.size(); j++) {
            int column = j;
            double low = Arrays.stream(x).mapToDouble(row -> row[column]).min().orElseThrow();
            double high = Arrays.stream(x).mapToDouble(row -> row[column]).max().orElseThrow();
            for (double[] row : x) {
                row[j] = (2 * row[j] - low - high) / (high - low);
            }
        }
        return PolynomialRegression.fit(PREDICTORS, x,
                known.stream().mapToDouble(observation -> observation.response(response)).toArray());
    }

    /** The paper's findings beside ours; only those whose response was measured. */
    public List<Replication> replications() {
        return PaperFinding.ALL.stream().filter(finding -> responses.contains(finding.response()))
                .map(this::replication).toList();
    }

    private Replication replication(PaperFinding finding) {
        PolynomialRegression regression = fit(finding.response(), finding.analysis().orElse(Analysis.ABSOLUTE))
                .regression();
        Estimate coefficient = regression.coefficient(finding.term(), StandardErrors.CLASSICAL);
        if (!PREDICTORS.contains(finding.term())) {
            return new Replication(finding, coefficient, Optional.empty(), Optional.empty());
        }
        return new Replication(finding, coefficient,
                Optional.of(
                        regression.partialEffect(finding.term(), regression.meanPoint(), StandardErrors.HC3)),
                Optional.of(regression.jointTest(finding.term())));
    }

    /**
     * Where a response is best within what was tried.
     *
     * @param seed of the bootstrap
     */
    public Recommendation recommend(String response, long seed) {
        return Recommendation.of(fit(response, Analysis.ABSOLUTE).regression(), response, observations(response),
                seed);
    }
}
