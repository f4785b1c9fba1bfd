package dev.nightjar.examples.report;

import dev.nightjar.study.Estimate;
import dev.nightjar.study.StudyRun;
import java.util.List;
import java.util.function.ToDoubleBiFunction;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/** Training curves of several runs as one, over the part of the run that is done, so that runs of unequal length can be averaged. */
final class Curves {
    /** Points of an averaged curve. */
    static final int POINTS = 20;

    private Curves() {
    }

    /** 1/20, 2/20, ... 1. */
    static double[] shares() {
        return IntStream.rangeClosed(1, POINTS).mapToDouble(i -> (double) i / POINTS).toArray();
    }

    /** Mean over the runs at every share, with Student's interval; all NaN where no run has the curve. */
    static List<Estimate> mean(List<StudyRun> runs, String name) {
        return mean(runs, (run, share) -> at(run, name, share));
    }

    /** The same of any value at a share of a run. */
    static List<Estimate> mean(List<StudyRun> runs, ToDoubleBiFunction<StudyRun, Double> value) {
        return DoubleStream.of(shares()).mapToObj(share -> {
            double[] values = runs.stream().mapToDouble(run -> value.applyAsDouble(run, share))
                    .filter(Double::isFinite).toArray();
            int n = values.length;
            double mean = DoubleStream.of(values).average().orElse(Double.NaN);
            double squares = DoubleStream.of(values).map(v -> (v - mean) * (v - mean)).sum();
            return Estimate.of(mean, n < 2 ? Double.NaN : Math.sqrt(squares / (n - 1) / n), Math.max(1, n - 1));
        }).toList();
    }

    /** Mean of a run's curve over the twentieth that ends at a share; of the last row up to there where there is none in it. */
    static double at(StudyRun run, String name, double share) {
        List<Double> steps = run.trainingCurve().getOrDefault("step", List.of());
        List<Double> values = run.trainingCurve().getOrDefault(name, List.of());
        if (steps.isEmpty() || values.isEmpty()) {
            return Double.NaN;
        }
        double last = steps.getLast();
        // Steps are whole; a thousandth of one covers what rounds in the product.
        double to = share * last + 1e-3;
        double from = (share - 1.0 / POINTS) * last + 1e-3;
        double latest = values.getFirst();
        double sum = 0;
        int count = 0;
        for (int i = 0; i < values.size() && steps.get(i) <= to; i++) {
            latest = values.get(i);
            if (steps.get(i) > from) {
                sum += latest;
                count++;
            }
        }
        return count == 0 ? latest : sum / count;
    }

    static double[] values(List<Estimate> curve) {
        return curve.stream().mapToDouble(Estimate::value).toArray();
    }

    static double[] lows(List<Estimate> curve) {
        return curve.stream().mapToDouble(Estimate::low).toArray();
    }

    static double[] highs(List<Estimate> curve) {
        return curve.stream().mapToDouble(Estimate::high).toArray();
    }
}
