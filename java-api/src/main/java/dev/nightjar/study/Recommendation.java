package dev.nightjar.study;

import dev.nightjar.study.Observation.Hyperparameters;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.hipparchus.linear.MatrixUtils;
import org.hipparchus.linear.RealMatrix;
import org.hipparchus.linear.RealVector;

/**
 * Where the regression expects the best response, within the range of what was tried, and how sure that is.
 *
 * @param response name; the smallest is best if it is {@code loss}, else the largest
 * @param best the settings with the best expectation
 * @param expectation mean response there
 * @param atEdge whether {@code best} has the smallest or largest learning rate, batch size or epochs tried: more may be better
 * @param settings the grid that was searched, by hyperparameters
 */
public record Recommendation(String response, Hyperparameters best, Estimate expectation, boolean atEdge,
        List<Setting> settings) {
    /** Learning rates on the grid, evenly spaced in the logarithm. */
    public static final int LEARNING_RATES = 21;
    /** Most batch sizes and most epochs on the grid: those tried, or where there are more, so many evenly spaced ones. */
    public static final int LEVELS = 9;
    /** Replicates of the bootstrap. */
    public static final int REPLICATES = 2000;

    /**
     * A point of the grid.
     *
     * @param hyperparameters of it
     * @param expectation mean response, errors by HC3
     * @param behindBest expectation less that at the best point
     * @param winShare part of the wild bootstrap's replicates in which this point is the best
     */
    public record Setting(Hyperparameters hyperparameters, Estimate expectation, Estimate behindBest,
            double winShare) {
        /**
         * Whether the runs do not tell it from the best at {@link Estimate#CONFIDENCE}, pointwise. As the best was chosen by the same runs
         * the region of such points is a little small; {@link Recommendation#regionWinShare()} says how much.
         */
        public boolean inRegion() {
            return !behindBest.significant();
        }
    }

    public Recommendation {
        settings = List.copyOf(settings);
    }

    /** The settings that the runs do not tell from the best. */
    public List<Setting> region() {
        return settings.stream().filter(Setting::inRegion).toList();
    }

    /** Part of the bootstrap's replicates whose best point lies in the region. */
    public double regionWinShare() {
        return region().stream().mapToDouble(Setting::winShare).sum();
    }

    /** Whether larger values of a response are better. */
    public static boolean largerIsBetter(String response) {
        return !response.equals("loss");
    }

    static Recommendation of(PolynomialRegression regression, String response, List<Observation> observations,
            long seed) {
        List<Hyperparameters> grid = grid(observations.stream().map(Observation::hyperparameters).toList());
        double sign = largerIsBetter(response) ? 1 : -1;
        List<Estimate> expectations = grid.stream()
                .map(point -> regression.predict(point.point(), StandardErrors.HC3)).toList();
        int best = IntStream.range(0, grid.size()).boxed()
                .max(Comparator.comparingDouble(i -> sign * expectations.get(i).value())).orElseThrow();
        int[] wins = wins(regression, grid, sign, seed);
        List<Setting> settings = IntStream.range(0, grid.size())
                .mapToObj(i -> new Setting(grid.get(i), expectations.get(i), regression
                        .difference(grid.get(i).point(), grid.get(best).point(), StandardErrors.HC3),
                        (double) wins[i] / REPLICATES))
                .toList();
        return new Recommendation(response, grid.get(best), expectations.get(best), atEdge(grid.get(best), grid),
                settings);
    }

    private static int[] wins(PolynomialRegression regression, List<Hyperparameters> grid, double sign, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        RealMatrix points = regression.expand(grid.stream().map(Hyperparameters::point).toArray(double[][]::new));
        int[] wins = new int[grid.size()];
        for (int replicate = 0; replicate < REPLICATES; replicate++) {
            int[] signs = random.ints(regression.runs(), 0, 2).map(bit -> 2 * bit - 1).toArray();
            RealVector values = points.operate(MatrixUtils.createRealVector(regression.wildBootstrap(signs)));
            int winner = sign > 0 ? values.getMaxIndex() : values.getMinIndex();
            wins[winner]++;
        }
        return wins;
    }

    private static List<Hyperparameters> grid(List<Hyperparameters> tried) {
        double[] logarithms = tried.stream().mapToDouble(h -> StrictMath.log10(h.learningRate())).toArray();
        List<Hyperparameters> grid = new ArrayList<>();
        for (double logarithm : evenly(logarithms, LEARNING_RATES)) {
            for (double batchSize : levels(tried, Hyperparameters::batchSize)) {
                for (double epochs : levels(tried, Hyperparameters::epochs)) {
                    grid.add(new Hyperparameters(StrictMath.pow(10, logarithm), batchSize, epochs));
                }
            }
        }
        return grid;
    }

    private static double[] levels(List<Hyperparameters> tried, ToDoubleFunction<Hyperparameters> setting) {
        double[] distinct = tried.stream().mapToDouble(setting).distinct().sorted().toArray();
        return distinct.length <= LEVELS ? distinct : evenly(distinct, LEVELS);
    }

    private static double[] evenly(double[] values, int count) {
        double low = IntStream.range(0, values.length).mapToDouble(i -> values[i]).min().orElseThrow();
        double high = IntStream.range(0, values.length).mapToDouble(i -> values[i]).max().orElseThrow();
        return IntStream.range(0, count).mapToDouble(i -> low + (high - low) * i / (count - 1)).toArray();
    }

    private static boolean atEdge(Hyperparameters best, List<Hyperparameters> grid) {
        return List.<ToDoubleFunction<Hyperparameters>>of(Hyperparameters::learningRate, Hyperparameters::batchSize,
                Hyperparameters::epochs).stream().anyMatch(setting -> {
                    double value = setting.applyAsDouble(best);
                    return grid.stream().allMatch(point -> setting.applyAsDouble(point) >= value)
                            || grid.stream().allMatch(point -> setting.applyAsDouble(point) <= value);
                });
    }
}
