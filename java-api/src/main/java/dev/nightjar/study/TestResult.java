package dev.nightjar.study;

import org.hipparchus.distribution.continuous.FDistribution;
import org.hipparchus.special.Gamma;

/**
 * A test of a hypothesis; both values are NaN where the test is not possible.
 *
 * @param statistic whose distribution the test names
 * @param p probability of such a statistic, or a larger one, if the hypothesis is true
 */
public record TestResult(double statistic, double p) {
    static final TestResult IMPOSSIBLE = new TestResult(Double.NaN, Double.NaN);

    /** P(F > f), by the reciprocal's lower tail, which keeps its digits. */
    static TestResult ofF(double f, int numerator, int denominator) {
        return new TestResult(f, f > 0 ? new FDistribution(denominator, numerator).cumulativeProbability(1 / f) : 1);
    }

    /** P(chi² > statistic). */
    static TestResult ofChiSquared(double statistic, int degreesOfFreedom) {
        return new TestResult(statistic, Gamma.regularizedGammaQ(degreesOfFreedom / 2.0, statistic / 2));
    }
}
