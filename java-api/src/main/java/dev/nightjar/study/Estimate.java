package dev.nightjar.study;

import org.hipparchus.distribution.continuous.TDistribution;

/**
 * An estimated number and the error it is known with, judged by Student's t.
 *
 * @param value the estimate, in the unit of what is estimated
 * @param standardError of the estimate, same unit
 * @param degreesOfFreedom of t
 * @param t value by standard error; NaN where both are 0
 * @param p two-sided probability of such a t, or one further from 0, if the true value is 0
 * @param low lower end of the confidence interval at {@link #CONFIDENCE}
 * @param high its upper end
 */
public record Estimate(double value, double standardError, double degreesOfFreedom, double t, double p, double low,
        double high) {
    /** Coverage of every interval of this package. */
    public static final double CONFIDENCE = 0.95;

    /**
     * An estimate from its value and standard error; NaN errors give NaN throughout.
     *
     * @throws IllegalArgumentException if the degrees of freedom are not positive
     */
    public static Estimate of(double value, double standardError, double degreesOfFreedom) {
        if (!(degreesOfFreedom > 0)) {
            throw new IllegalArgumentException(degreesOfFreedom + " degrees of freedom, expected more than 0");
        }
        // The default accuracy of quantiles, 1e-9, is less than what intervals are tested to.
        TDistribution student = new TDistribution(degreesOfFreedom, 1e-14);
        double t = value / standardError;
        // The lower tail keeps its digits where 1 - CDF would lose them.
        double p = Double.isNaN(t) ? Double.NaN : 2 * student.cumulativeProbability(-Math.abs(t));
        double margin = -student.inverseCumulativeProbability((1 - CONFIDENCE) / 2) * standardError;
        return new Estimate(value, standardError, degreesOfFreedom, t, p, value - margin, value + margin);
    }

    /** Whether the interval leaves out 0, that is p < 1 - {@link #CONFIDENCE}. */
    public boolean significant() {
        return p < 1 - CONFIDENCE;
    }
}
