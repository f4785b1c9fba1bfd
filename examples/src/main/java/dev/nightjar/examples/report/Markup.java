package dev.nightjar.examples.report;

import java.util.regex.Pattern;

/** Plain text within markup. */
final class Markup {
    private static final Pattern MINUS = Pattern.compile("(?<![\\p{L}\\d])-(?=\\d)|(?<=\\de)-(?=\\d)");

    private Markup() {
    }

    /** Within elements and quoted attributes of HTML, XML and SVG. */
    static String html(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }

    /** The same with the minus signs of numbers as printers set them, and percent signs kept beside their number; hyphens of names stay. */
    static String typeset(String text) {
        return html(MINUS.matcher(text).replaceAll("−").replace(" %", "\u00a0%"));
    }

    /** Within a paragraph or a cell of Markdown. */
    static String markdown(String text) {
        return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<",
                "&lt;");
    }
}
