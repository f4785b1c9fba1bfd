package dev.nightjar.examples.report;

import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** A table of texts and numbers, written for readers (HTML, Markdown) and for programs (CSV, RFC 4180). */
public final class Table {
    /**
     * A column.
     *
     * @param id its name in CSV
     * @param label its heading, with the unit
     * @param format of its numbers for readers; null for texts
     */
    public record Column(String id, String label, DoubleFunction<String> format) {
        public static Column text(String id, String label) {
            return new Column(id, label, null);
        }

        public boolean numeric() {
            return format != null;
        }
    }

    private final String name;
    private final String caption;
    private final List<Column> columns;
    private final List<List<Object>> rows = new ArrayList<>();

    /**
     * @param name of its CSV file, without ending
     * @param caption plain text
     */
    public Table(String name, String caption, Column... columns) {
        this.name = name;
        this.caption = caption;
        this.columns = List.of(columns);
    }

    public String name() {
        return name;
    }

    /** Adds a row: a number ({@link Number}) for each column of numbers, a {@link String} for the others. */
    public Table row(Object... cells) {
        if (cells.length != columns.size()) {
            throw new IllegalArgumentException(name + ": " + cells.length + " cells, expected " + columns.size());
        }
        for (int i = 0; i < cells.length; i++) {
            if (columns.get(i).numeric() != cells[i] instanceof Number) {
                throw new IllegalArgumentException(name + ": " + columns.get(i).id() + " is " + cells[i]);
            }
        }
        rows.add(List.of(cells));
        return this;
    }

    public String csv() {
        StringBuilder csv = new StringBuilder();
        appendLine(csv, columns.stream().map(Column::id).toList());
        for (List<Object> row : rows) {
            appendLine(csv, row.stream()
                    .map(cell -> cell instanceof Number n ? Numbers.exact(n.doubleValue()) : cell.toString())
                    .toList());
        }
        return csv.toString();
    }

    private static void appendLine(StringBuilder csv, List<String> cells) {
        csv.append(cells.stream().map(Table::quoted).collect(Collectors.joining(","))).append('\n');
    }

    private static String quoted(String cell) {
        boolean plain = cell.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r');
        return plain ? cell : '"' + cell.replace("\"", "\"\"") + '"';
    }

    public String markdown() {
        StringBuilder text = new StringBuilder(Markup.markdown(caption)).append(" (`tables/").append(name)
                .append(".csv`)\n\n");
        text.append(columns.stream().map(c -> Markup.markdown(c.label()))
                .collect(Collectors.joining(" | ", "| ", " |\n")));
        text.append(columns.stream().map(c -> c.numeric() ? "---:" : "---")
                .collect(Collectors.joining(" | ", "| ", " |\n")));
        for (List<Object> row : rows) {
            text.append(shown(row).stream().map(Markup::markdown).collect(Collectors.joining(" | ", "| ", " |\n")));
        }
        return text.append('\n').toString();
    }

    public String html() {
        StringBuilder html = new StringBuilder("<figure class=\"table\"><figcaption>").append(Markup.typeset(caption))
                .append(" <span class=\"file\">tables/").append(name)
                .append(".csv</span></figcaption>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\""
                        + " aria-label=\"")
                .append(Markup.html(caption)).append("\"><table><thead><tr>");
        for (Column column : columns) {
            html.append("<th scope=\"col\"").append(column.numeric() ? " class=\"n\">" : ">")
                    .append(Markup.typeset(column.label())).append("</th>");
        }
        html.append("</tr></thead>\n<tbody>\n");
        for (List<Object> row : rows) {
            List<String> cells = shown(row);
            html.append("<tr>");
            for (int i = 0; i < cells.size(); i++) {
                boolean numeric = columns.get(i).numeric();
                html.append(numeric ? "<td class=\"n\">" : "<td>").append(Markup.typeset(cells.get(i)))
                        .append("</td>");
            }
            html.append("</tr>\n");
        }
        return html.append("</tbody></table></div></figure>\n").toString();
    }

    private List<String> shown(List<Object> row) {
        return IntStream.range(0, row.size()).mapToObj(i -> row.get(i) instanceof Number n
                ? columns.get(i).format().apply(n.doubleValue())
                : row.get(i).toString()).toList();
    }
}
