package dev.nightjar.examples.report;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.function.DoubleFunction;

/** Numbers as text, the same in every locale. */
public final class Numbers {
    /** A probability: three decimals, and what is smaller as such. */
    public static final DoubleFunction<String> P = finite(p -> p < 0.001 ? "<0.001" : decimals(p, 3));
    /** A count. */
    public static final DoubleFunction<String> COUNT = finite(n -> decimals(n, 0));

    private Numbers() {
    }

    /** So many digits after the point. */
    public static DoubleFunction<String> fixed(int digits) {
        return finite(value -> decimals(value, digits));
    }

    /** As a percentage with a sign. */
    public static DoubleFunction<String> signedPercent(int digits) {
        return finite(value -> (value > 0 ? "+" : "") + decimals(100 * value, digits) + " %");
    }

    /** So many significant digits; small and large numbers with an exponent. */
    public static DoubleFunction<String> significant(int digits) {
        return finite(value -> {
            BigDecimal rounded = new BigDecimal(value).round(new MathContext(digits, RoundingMode.HALF_EVEN));
            int exponent = rounded.precision() - rounded.scale() - 1;
            if (value == 0) {
                return "0";
            }
            if (exponent >= -4 && exponent < 6) {
                return rounded.setScale(Math.max(0, digits - 1 - exponent), RoundingMode.HALF_EVEN).toPlainString();
            }
            return rounded.movePointLeft(exponent).setScale(digits - 1, RoundingMode.HALF_EVEN).toPlainString() + "e"
                    + exponent;
        });
    }

    /** As short as a setting is written: 0.00002 is 2e-5, 16.0 is 16. */
    public static String setting(double value) {
        BigDecimal shortest = new BigDecimal(value).round(new MathContext(3)).stripTrailingZeros();
        int exponent = shortest.precision() - shortest.scale() - 1;
        return exponent < -2
                ? shortest.movePointLeft(exponent).stripTrailingZeros().toPlainString() + "e" + exponent
                : shortest.toPlainString();
    }

    /** For other programs: ten significant digits, nothing where there is no number. */
    public static String exact(double value) {
        return Double.isFinite(value)
                ? new BigDecimal(value).round(new MathContext(10)).stripTrailingZeros().toString()
                : "";
    }

    private static String decimals(double value, int digits) {
        String text = String.format(Locale.ROOT, "%." + digits + "f", value);
        return text.startsWith("-") && text.chars().noneMatch(c -> c >= '1' && c <= '9') ? text.substring(1) : text;
    }

    private static DoubleFunction<String> finite(DoubleFunction<String> format) {
        return value -> Double.isFinite(value) ? format.apply(value) : "–";
    }
}
