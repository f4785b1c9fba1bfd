package dev.nightjar.examples.report;

import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * A static chart as SVG that inherits fonts and colours from the page around it.
 *
 * <p>Written by hand rather than with XChart 4.0.3, whose SVG (by VectorGraphics2D) was tried: it draws texts as outlines of the fonts of
 * the machine it runs on, so that bytes differ between machines and screen readers find none; names clip paths by identity hash, so that
 * they differ between runs; fixes every colour, so that dark mode needs a second image; and takes 140 kB for a line of three points. Nor
 * does it have horizontal error bars, which forest plots are made of.
 */
public final class Chart {
    /** Colours there are: classes c0, c1, ... of the page's style. */
    public static final int SERIES = 6;
    /** The series that is drawn in the colour of secondary text. */
    public static final int MUTED = -1;

    private static final double LETTER = 6;
    private static final double LINE = 12;
    private static final double TOP = 24;
    private static final double[][] VIRIDIS = {{68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98},
            {253, 231, 37}};

    private final double width;
    private final double height;
    private final Scale x;
    private final Scale y;
    private final double left;
    private final double right;
    private final double bottom;
    private final StringBuilder body = new StringBuilder();
    private final String title;
    private final String description;

    /**
     * @param title shown above
     * @param description what it shows, for those who cannot see it
     * @param right room for labels at the right, in units of the view box
     */
    public Chart(String title, String description, int width, int height, int right, Scale x, Scale y) {
        this.title = title;
        this.description = description;
        this.width = width;
        this.height = height;
        this.x = x;
        this.y = y;
        this.right = right;
        int letters = y.ticks().stream().mapToInt(tick -> tick.text().length()).max().orElse(0);
        left = letters * LETTER + 12 + (y.label().isEmpty() ? 0 : 16);
        bottom = x.label().isEmpty() ? 22 : 38;
        axes();
    }

    private void axes() {
        for (Scale.Tick tick : y.ticks()) {
            double at = y(tick.value());
            body.append("<path class=\"grid\" d=\"M%s %sH%s\"/>".formatted(n(left), n(at), n(width - right)));
            text(left - 6, at + 4, "end", "", tick.text());
        }
        double floor = height - bottom;
        body.append("<path class=\"axis\" d=\"M%s %sH%s\"/>".formatted(n(left), n(floor), n(width - right)));
        for (Scale.Tick tick : x.ticks()) {
            double at = x(tick.value());
            body.append("<path class=\"axis\" d=\"M%s %sv4\"/>".formatted(n(at), n(floor)));
            text(at, floor + 16, "middle", "", tick.text());
        }
        if (!x.label().isEmpty()) {
            text((left + width - right) / 2, height - 4, "middle", "m", x.label());
        }
        if (!y.label().isEmpty()) {
            double middle = (TOP + height - bottom) / 2;
            body.append("<text class=\"m\" text-anchor=\"middle\" transform=\"translate(11 %s) rotate(-90)\">%s</text>"
                    .formatted(n(middle), Markup.html(y.label())));
        }
        body.append('\n');
    }

    /** A line through points; where a value is not finite it is interrupted. */
    public Chart line(double[] xs, double[] ys, int series) {
        StringBuilder path = new StringBuilder();
        boolean down = false;
        for (int i = 0; i < xs.length; i++) {
            boolean finite = Double.isFinite(ys[i]);
            if (finite) {
                path.append(down ? 'L' : 'M').append(n(x(xs[i]))).append(' ').append(n(y(ys[i])));
            }
            down = finite;
        }
        return element("<path class=\"line %s\" d=\"%s\"/>".formatted(stroke(series), path));
    }

    /** The area between two lines; points with an end that is not finite are left out. */
    public Chart band(double[] xs, double[] lows, double[] highs, int series) {
        StringBuilder forth = new StringBuilder();
        StringBuilder back = new StringBuilder();
        for (int i = 0; i < xs.length; i++) {
            if (Double.isFinite(lows[i]) && Double.isFinite(highs[i])) {
                forth.append(forth.isEmpty() ? 'M' : 'L').append(n(x(xs[i]))).append(' ').append(n(y(highs[i])));
                back.insert(0, "L" + n(x(xs[i])) + " " + n(y(lows[i])));
            }
        }
        return forth.isEmpty()
                ? this
                : element("<path class=\"band %s\" d=\"%sZ\"/>".formatted(fill(series), forth.append(back)));
    }

    /** A dot. */
    public Chart dot(double atX, double atY, int series) {
        return element("<circle class=\"dot %s\" cx=\"%s\" cy=\"%s\" r=\"3.6\"/>".formatted(fill(series), n(x(atX)),
                n(y(atY))));
    }

    /** A ring, for what is not significant. */
    public Chart ring(double atX, double atY, int series) {
        return element(
                "<circle class=\"hollow %s\" cx=\"%s\" cy=\"%s\" r=\"3.4\"/>".formatted(stroke(series), n(x(atX)),
                        n(y(atY))));
    }

    /** A small dot, for single runs. */
    public Chart speck(double atX, double atY, int series) {
        return element("<circle class=\"small %s\" cx=\"%s\" cy=\"%s\" r=\"2.2\"/>".formatted(fill(series), n(x(atX)),
                n(y(atY))));
    }

    /** A vertical interval; nothing where an end is not finite. */
    public Chart vertical(double atX, double low, double high, int series) {
        return Double.isFinite(low) && Double.isFinite(high)
                ? element("<path class=\"bar %s\" d=\"M%s %sV%s\"/>".formatted(stroke(series), n(x(atX)), n(y(low)),
                        n(y(high))))
                : this;
    }

    /** A horizontal interval, moved down by some units of the view box; nothing where an end is not finite. */
    public Chart horizontal(double low, double high, double atY, double down, int series) {
        return Double.isFinite(low) && Double.isFinite(high)
                ? element("<path class=\"bar %s\" d=\"M%s %sH%s\"/>".formatted(stroke(series), n(x(low)),
                        n(y(atY) + down),
                        n(x(high))))
                : this;
    }

    /** A dashed line at a value of x. */
    public Chart verticalRule(double atX) {
        return element("<path class=\"zero\" d=\"M%s %sV%s\"/>".formatted(n(x(atX)), n(TOP - 4), n(height - bottom)));
    }

    /** A dashed line at a value of y. */
    public Chart horizontalRule(double atY) {
        return element("<path class=\"zero\" d=\"M%s %sH%s\"/>".formatted(n(left), n(y(atY)), n(width - right)));
    }

    /** Names of lines at the chart's right border, at the height of their last values but not over each other. */
    public Chart endLabels(double[] lasts, List<String> texts, int[] series) {
        int[] order = IntStream.range(0, lasts.length).filter(i -> Double.isFinite(lasts[i])).boxed()
                .sorted(Comparator.comparingDouble(i -> y(lasts[i]))).mapToInt(Integer::intValue).toArray();
        double[] heights = IntStream.of(order).mapToDouble(i -> y(lasts[i]) + 4).toArray();
        for (int i = 1; i < heights.length; i++) {
            heights[i] = Math.max(heights[i], heights[i - 1] + LINE);
        }
        double lowest = height - bottom + 4;
        for (int i = heights.length - 1; i >= 0; i--) {
            heights[i] = Math.min(heights[i], lowest - (heights.length - 1 - i) * LINE);
            text(width - right + 5, heights[i], "start", fill(series[order[i]]), texts.get(order[i]));
        }
        return this;
    }

    /**
     * A coloured cell of a heat map, one unit wide and high, with a text in it.
     *
     * @param share 0 for the darkest colour, 1 for the lightest
     */
    public Chart cell(double atX, double atY, double share, String text) {
        double fromX = Math.min(x(atX - 0.5), x(atX + 0.5));
        double fromY = Math.min(y(atY - 0.5), y(atY + 0.5));
        double cellWidth = Math.abs(x(atX + 0.5) - x(atX - 0.5));
        double cellHeight = Math.abs(y(atY + 0.5) - y(atY - 0.5));
        element("<rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" fill=\"%s\"/>".formatted(n(fromX), n(fromY),
                n(cellWidth - 1), n(cellHeight - 1), color(share)));
        return element("<text text-anchor=\"middle\" x=\"%s\" y=\"%s\" style=\"fill:%s\">%s</text>".formatted(
                n(fromX + cellWidth / 2), n(fromY + cellHeight / 2 + 4), share > 0.55 ? "#111" : "#fff",
                Markup.typeset(text)));
    }

    /** The chart, as an element of a page. */
    public String svg() {
        return ("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %s %s\" role=\"img\" aria-label=\"%s\">"
                + "<text class=\"t\" x=\"0\" y=\"13\">%s</text>\n%s</svg>\n")
                .formatted(n(width), n(height), Markup.html(title + ". " + description), Markup.html(title), body);
    }

    private Chart element(String element) {
        body.append(element).append('\n');
        return this;
    }

    private void text(double atX, double atY, String anchor, String styles, String text) {
        body.append("<text%s text-anchor=\"%s\" x=\"%s\" y=\"%s\">%s</text>".formatted(
                styles.isEmpty() ? "" : " class=\"" + styles + "\"", anchor, n(atX), n(atY), Markup.typeset(text)));
    }

    private double x(double value) {
        return left + x.position(value) * (width - right - left);
    }

    private double y(double value) {
        return height - bottom - y.position(value) * (height - bottom - TOP);
    }

    private static String stroke(int series) {
        return series == MUTED ? "cm" : "c" + series % SERIES;
    }

    private static String fill(int series) {
        return series == MUTED ? "fm" : "f" + series % SERIES;
    }

    private static String color(double share) {
        double position = Math.clamp(share, 0, 1) * (VIRIDIS.length - 1);
        int index = Math.min((int) position, VIRIDIS.length - 2);
        StringBuilder color = new StringBuilder("#");
        for (int channel = 0; channel < 3; channel++) {
            double from = VIRIDIS[index][channel];
            double to = VIRIDIS[index + 1][channel];
            color.append(String.format(Locale.ROOT, "%02x", Math.round(from + (position - index) * (to - from))));
        }
        return color.toString();
    }

    /** A coordinate: one decimal is a tenth of a pixel or less. */
    private static String n(double value) {
        String text = String.format(Locale.ROOT, "%.1f", value);
        return text.endsWith(".0") ? text.substring(0, text.length() - 2) : text;
    }
}
