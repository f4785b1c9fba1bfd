package dev.nightjar.study;

import java.util.Comparator;
import java.util.stream.IntStream;

/** p-values adjusted for the number of tests they were picked from; an adjusted value is compared with the same level as a single one. */
public final class MultipleTesting {
    private MultipleTesting() {
    }

    /**
     * Holm (1979): controls the probability of even one false rejection.
     *
     * @param p any number of p-values, in any order
     * @return the adjusted ones, in the same order
     */
    public static double[] holm(double... p) {
        int[] ascending = ascending(p);
        double[] adjusted = new double[p.length];
        double running = 0;
        for (int rank = 0; rank < p.length; rank++) {
            running = Math.max(running, Math.min(1, (p.length - rank) * p[ascending[rank]]));
            adjusted[ascending[rank]] = running;
        }
        return adjusted;
    }

    /**
     * Benjamini and Hochberg (1995): controls the expected share of false rejections among the rejections.
     *
     * @param p any number of p-values, in any order
     * @return the adjusted ones, in the same order
     */
    public static double[] benjaminiHochberg(double... p) {
        int[] ascending = ascending(p);
        double[] adjusted = new double[p.length];
        double running = 1;
        for (int rank = p.length - 1; rank >= 0; rank--) {
            running = Math.min(running, p[ascending[rank]] * p.length / (rank + 1));
            adjusted[ascending[rank]] = running;
        }
        return adjusted;
    }

    private static int[] ascending(double[] p) {
        for (double value : p) {
            if (!(value >= 0 && value <= 1)) {
                throw new IllegalArgumentException("p-value " + value + " is not in [0, 1]");
            }
        }
        return IntStream.range(0, p.length).boxed().sorted(Comparator.comparingDouble(i -> p[i]))
                .mapToInt(Integer::intValue).toArray();
    }
}
