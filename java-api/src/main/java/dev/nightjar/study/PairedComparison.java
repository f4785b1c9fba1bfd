package dev.nightjar.study;

import dev.nightjar.study.DegenerateDesignException.Defect;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.hipparchus.special.Gamma;
import org.hipparchus.stat.StatUtils;
import org.hipparchus.stat.ranking.NaturalRanking;
import org.hipparchus.stat.ranking.TiesStrategy;

/**
 * Two treatments compared pair by pair, as runs that share a seed. Where all differences are equal, tests and effect sizes are NaN or
 * infinite.
 *
 * @param pairs how many
 * @param treatmentMean mean of the first treatment
 * @param controlMean mean of the second
 * @param difference mean of treatment - control, with Student's interval of pairs - 1 degrees of freedom
 * @param cohenDz mean difference by the differences' standard deviation
 * @param hedgesGz Cohen's d_z times the exact factor that removes its bias in small samples (Hedges 1981)
 * @param wilcoxonP two-sided exact p of the signed rank test, ties sharing the mean of their ranks, without pairs that do not differ; 1 where
 *        no pair differs
 * @param wins pairs in which treatment exceeds control
 */
public record PairedComparison(int pairs, double treatmentMean, double controlMean, Estimate difference, double cohenDz,
        double hedgesGz, double wilcoxonP, int wins) {
    /**
     * Compares.
     *
     * @param treatment [pairs], all finite
     * @param control [pairs], all finite
     * @throws DegenerateDesignException if there are fewer than two pairs
     * @throws IllegalArgumentException if lengths differ or a value is not finite
     */
    public static PairedComparison of(double[] treatment, double[] control) {
        if (treatment.length != control.length) {
            throw new IllegalArgumentException(
                    treatment.length + " values of the treatment, but " + control.length + " of the control");
        }
        int n = treatment.length;
        if (n < 2) {
            throw new DegenerateDesignException(Defect.TOO_FEW_RUNS, "a paired comparison of " + n
                    + " pairs: expected at least 2");
        }
        double[] differences = IntStream.range(0, n).mapToDouble(i -> treatment[i] - control[i]).toArray();
        if (!DoubleStream.of(differences).allMatch(Double::isFinite)) {
            throw new IllegalArgumentException("a paired comparison of values that are not all finite");
        }
        double mean = StatUtils.mean(differences);
        double deviation = Math.sqrt(StatUtils.variance(differences));
        double dz = mean / deviation;
        return new PairedComparison(n, StatUtils.mean(treatment), StatUtils.mean(control),
                Estimate.of(mean, deviation / Math.sqrt(n), n - 1), dz, dz * hedgesFactor(n - 1),
                wilcoxon(differences), (int) DoubleStream.of(differences).filter(d -> d > 0).count());
    }

    /** Mean difference as a part of the control's mean. */
    public double relativeDifference() {
        return difference.value() / Math.abs(controlMean);
    }

    /** Gamma(m/2) / (sqrt(m/2) Gamma((m-1)/2)); 0 with one degree of freedom, where no factor removes the bias. */
    private static double hedgesFactor(int m) {
        return m == 1 ? 0 : Math.exp(Gamma.logGamma(m / 2.0) - Gamma.logGamma((m - 1) / 2.0)) / Math.sqrt(m / 2.0);
    }

    /** Every assignment of signs is as probable as any other; how many give a rank sum is counted rank by rank. */
    private static double wilcoxon(double[] differences) {
        double[] nonZero = DoubleStream.of(differences).filter(d -> d != 0).toArray();
        if (nonZero.length == 0) {
            return 1;
        }
        double[] ranks = new NaturalRanking(TiesStrategy.AVERAGE)
                .rank(DoubleStream.of(nonZero).map(Math::abs).toArray());
        // Doubled, since tied ranks may end in one half.
        double[] probability = new double[nonZero.length * (nonZero.length + 1) + 1];
        probability[0] = 1;
        int observed = 0;
        for (int i = 0; i < ranks.length; i++) {
            int rank = (int) Math.round(2 * ranks[i]);
            for (int sum = probability.length - 1; sum >= 0; sum--) {
                probability[sum] = (probability[sum] + (sum >= rank ? probability[sum - rank] : 0)) / 2;
            }
            observed += nonZero[i] > 0 ? rank : 0;
        }
        int lower = Math.min(observed, probability.length - 1 - observed);
        return Math.min(1, 2 * DoubleStream.of(probability).limit(lower + 1L).sum());
    }
}
