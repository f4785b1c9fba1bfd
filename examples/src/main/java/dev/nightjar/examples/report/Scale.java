package dev.nightjar.examples.report;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;

/**
 * What an axis of a chart shows.
 *
 * @param label with the unit; may be empty
 * @param low value at the axis's begin
 * @param high value at its end
 * @param ticks marked values
 */
public record Scale(String label, double low, double high, List<Tick> ticks) {
    private static final int TICKS = 5;
    private static final double MARGIN = 0.04;
    private static final double SLACK = 1e-9;

    /** A marked value. */
    public record Tick(double value, String text) {
    }

    public Scale {
        ticks = List.copyOf(ticks);
    }

    /** Round ticks over all finite values and a little more. */
    public static Scale around(String label, DoubleStream values) {
        double[] finite = values.filter(Double::isFinite).toArray();
        double low = DoubleStream.of(finite).min().orElse(0);
        double high = DoubleStream.of(finite).max().orElse(1);
        double margin = high > low ? (high - low) * MARGIN : Math.max(Math.abs(low) * MARGIN, 1e-6);
        return between(label, low - margin, high + margin);
    }

    /** Round ticks between two values. */
    public static Scale between(String label, double low, double high) {
        double rough = (high - low) / TICKS;
        int exponent = (int) Math.floor(StrictMath.log10(rough));
        double power = StrictMath.pow(10, exponent);
        int factor = rough <= 1.0001 * power ? 1 : rough <= 2 * power ? 2 : rough <= 5 * power ? 5 : 10;
        BigDecimal step = BigDecimal.valueOf(factor).scaleByPowerOfTen(exponent);
        int digits = Math.max(0, step.stripTrailingZeros().scale());
        List<Tick> ticks = new ArrayList<>();
        BigDecimal value = new BigDecimal(low / step.doubleValue()).setScale(0, RoundingMode.CEILING).multiply(step);
        for (; value.doubleValue() <= high; value = value.add(step)) {
            ticks.add(new Tick(value.doubleValue(), value.setScale(digits, RoundingMode.HALF_EVEN).toPlainString()));
        }
        return new Scale(label, low, high, ticks);
    }

    /** A decimal logarithm between two values of its own, with ticks at 1, 2 and 5 times powers of ten. */
    public static Scale logarithm(String label, double low, double high) {
        List<Tick> ticks = new ArrayList<>();
        for (int exponent = (int) Math.floor(low); exponent <= high; exponent++) {
            for (int factor : new int[]{1, 2, 5}) {
                double at = exponent + StrictMath.log10(factor);
                if (at > low - SLACK && at < high + SLACK) {
                    ticks.add(new Tick(at, Numbers.setting(StrictMath.pow(10, at))));
                }
            }
        }
        double margin = (high - low) * MARGIN;
        return new Scale(label, low - margin, high + margin, ticks);
    }

    /** Ticks at the values themselves, with a little room beside the outer ones. */
    public static Scale at(String label, List<Tick> ticks) {
        double low = ticks.getFirst().value();
        double high = ticks.getLast().value();
        double margin = (high - low) * MARGIN;
        return new Scale(label, low - margin, high + margin, ticks);
    }

    /** Names at 0, 1, 2 and so on, the first at the axis's end: for the y axis, at the top. */
    public static Scale names(List<String> names) {
        List<Tick> ticks = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            ticks.add(new Tick(i, names.get(i)));
        }
        return new Scale("", names.size() - 0.5, -0.5, ticks);
    }

    /** Names at 0, 1, 2 and so on, the first at the axis's begin: at the left or the bottom. */
    public static Scale categories(String label, List<String> names) {
        Scale reversed = names(names);
        return new Scale(label, -0.5, names.size() - 0.5, reversed.ticks);
    }

    /** Where on the axis a value lies: 0 at its begin, 1 at its end. */
    public double position(double value) {
        return (value - low) / (high - low);
    }
}
