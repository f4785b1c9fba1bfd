package dev.nightjar.examples.report;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A report under construction: what is added goes into one HTML file that needs no other (well-formed XML, so that tests can read it),
 * into a Markdown file, and as CSV into a folder {@code tables}. The same additions give the same bytes.
 */
public final class Report {
    private static final String STYLE = """
            :root { color-scheme: light dark; --paper: #fdfdfb; --ink: #1c1c1a; --muted: #5f6062; --rule: #d9d9d3;
              --s0: #0b61a4; --s1: #b8480f; --s2: #2a7a4b; --s3: #84479c; --s4: #8a6a00; --s5: #00808f; }
            @media (prefers-color-scheme: dark) { :root { --paper: #17181a; --ink: #e6e6e2; --muted: #a3a5a8;
              --rule: #3a3c40; --s0: #6cb2ee; --s1: #f0925c; --s2: #74c795; --s3: #c795dc; --s4: #d9b84a; --s5: #57c5d1; } }
            * { box-sizing: border-box; }
            html { -webkit-text-size-adjust: 100%; }
            body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 70rem; background: var(--paper); color: var(--ink);
              font: 1.0625rem/1.55 Charter, "Bitstream Charter", "Source Serif 4", Georgia, serif; }
            h1, h2, h3 { line-height: 1.2; font-weight: 600; text-wrap: balance; }
            h1 { font-size: 2rem; margin: 0 0 1rem; }
            h2 { font-size: 1.4rem; margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
            h3 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
            p, ul { max-width: 44rem; margin: 0 0 1rem; }
            p.key { font-size: 1.15rem; border-left: 3px solid var(--s0); padding-left: 1rem; }
            figure { margin: 1.75rem 0; }
            figcaption, table, svg text { font-family: system-ui, "Helvetica Neue", Arial, sans-serif; }
            figcaption { font-size: .875rem; line-height: 1.45; color: var(--muted); max-width: 48rem; margin-bottom: .6rem; }
            .file { font-size: .75rem; white-space: nowrap; opacity: .8; }
            .panels { display: grid; gap: 1.25rem 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
            .panels.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); }
            .scroll { overflow-x: auto; border-top: 1px solid var(--ink); border-bottom: 1px solid var(--ink); }
            table { border-collapse: collapse; font-size: .8125rem; font-variant-numeric: tabular-nums lining-nums; width: 100%; }
            th { text-align: left; font-weight: 600; vertical-align: bottom; border-bottom: 1px solid var(--rule); }
            th, td { padding: .3rem .6rem .3rem 0; white-space: nowrap; }
            th.n, td.n { text-align: right; padding-left: .45rem; padding-right: .15rem; }
            th.n { white-space: normal; }
            .n + td:not(.n), .n + th:not(.n) { padding-left: 1rem; }
            tbody tr + tr td { border-top: 1px solid color-mix(in srgb, var(--rule) 50%, transparent); }
            svg { display: block; width: 100%; height: auto; max-width: 34rem; overflow: visible; }
            svg text { font-size: 11px; fill: var(--ink); font-variant-numeric: tabular-nums; }
            svg .t { font-size: 12.5px; font-weight: 600; } svg .m { fill: var(--muted); }
            svg .axis { stroke: var(--muted); fill: none; } svg .grid { stroke: var(--rule); stroke-width: .7; }
            svg .zero { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 3 3; }
            svg .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } svg .bar { stroke-width: 1.4; fill: none; }
            svg .band { opacity: .18; stroke: none; } svg .dot { stroke: var(--paper); stroke-width: .8; }
            svg .small { stroke: none; opacity: .45; } svg .hollow { fill: var(--paper); stroke-width: 1.6; }
            """
            + series();

    private final String title;
    private final StringBuilder html = new StringBuilder();
    private final StringBuilder markdown = new StringBuilder();
    private final Map<String, String> tables = new TreeMap<>();

    public Report(String title) {
        this.title = title;
        html.append("<h1>").append(Markup.html(title)).append("</h1>\n");
        markdown.append("# ").append(Markup.markdown(title)).append("\n\n");
    }

    private static String series() {
        StringBuilder css = new StringBuilder();
        for (int i = 0; i < Chart.SERIES; i++) {
            css.append("svg .c").append(i).append(" { stroke: var(--s").append(i).append("); } svg .f").append(i)
                    .append(" { fill: var(--s").append(i).append("); }\n");
        }
        return css.append("svg .cm { stroke: var(--muted); } svg .fm { fill: var(--muted); }\n").toString();
    }

    public Report section(String heading) {
        html.append("<h2>").append(Markup.html(heading)).append("</h2>\n");
        markdown.append("## ").append(Markup.markdown(heading)).append("\n\n");
        return this;
    }

    public Report paragraph(String text) {
        return paragraph("<p>", text);
    }

    /** What a reader should take away. */
    public Report key(String text) {
        return paragraph("<p class=\"key\">", text);
    }

    private Report paragraph(String tag, String text) {
        html.append(tag).append(Markup.typeset(text)).append("</p>\n");
        markdown.append(Markup.markdown(text)).append("\n\n");
        return this;
    }

    public Report bullets(List<String> items) {
        html.append("<ul>\n");
        for (String item : items) {
            html.append("<li>").append(Markup.typeset(item)).append("</li>\n");
            markdown.append("* ").append(Markup.markdown(item)).append('\n');
        }
        html.append("</ul>\n");
        markdown.append('\n');
        return this;
    }

    public Report table(Table table) {
        html.append(table.html());
        markdown.append(table.markdown());
        return data(table);
    }

    /**
     * Adds charts that belong together; Markdown has their numbers' file only.
     *
     * @param numbers every number plotted; may be a table of the report as well
     * @param wide whether a chart needs more than a third of the page
     */
    public Report figure(String caption, Table numbers, boolean wide, List<String> charts) {
        html.append("<figure><figcaption>").append(Markup.typeset(caption)).append(" <span class=\"file\">tables/")
                .append(numbers.name()).append(".csv</span></figcaption>\n<div class=\"panels")
                .append(wide ? " wide" : "").append("\">\n");
        charts.forEach(html::append);
        html.append("</div></figure>\n");
        markdown.append("Figure: ").append(Markup.markdown(caption)).append(" Numbers: `tables/")
                .append(numbers.name()).append(".csv`\n\n");
        return data(numbers);
    }

    private Report data(Table table) {
        String csv = table.csv();
        if (!csv.equals(tables.merge(table.name() + ".csv", csv, (before, _) -> before))) {
            throw new IllegalArgumentException("two different tables named " + table.name());
        }
        return this;
    }

    /** The page. */
    public String html() {
        return "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta"
                + " charset=\"utf-8\"/>\n"
                + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>"
                + Markup.html(title) + "</title>\n<style>\n" + STYLE + "</style>\n</head>\n<body>\n<main>\n" + html
                + "</main>\n</body>\n</html>\n";
    }

    public String markdown() {
        return markdown.toString();
    }

    /** File names and contents of the tables. */
    public Map<String, String> tables() {
        return tables;
    }

    /**
     * Writes {@code report.html}, {@code report.md} and {@code tables/*.csv}, each complete or not at all; replaces those of an earlier
     * report.
     */
    public void write(Path folder) throws IOException {
        Files.createDirectories(folder.resolve("tables"));
        for (Map.Entry<String, String> table : tables.entrySet()) {
            write(folder.resolve("tables").resolve(table.getKey()), table.getValue());
        }
        write(folder.resolve("report.md"), markdown());
        write(folder.resolve("report.html"), html());
    }

    private static void write(Path file, String content) throws IOException {
        Path temporary = file.resolveSibling("." + file.getFileName() + ".tmp");
        try {
            try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.CREATE,
                    StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
                ByteBuffer bytes = StandardCharsets.UTF_8.encode(content);
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
                channel.force(true);
            }
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }
}
