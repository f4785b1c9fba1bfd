package dev.nightjar;

import java.nio.file.Path;
import java.util.Locale;

/** How a file of labelled texts is written; UTF-8 always. */
public enum DatasetFormat {
    /** Separated by tabs; quotes are literal, as they are in the usual sets of texts. */
    TSV,
    /** Separated by tabs, with the quoting of CSV. */
    QUOTED_TSV,
    /** Separated by commas, quoted after RFC 4180. */
    CSV,
    /** One JSON object to a line. */
    JSONL;

    /**
     * The format that a file's name tells: .tsv (quotes literal), .csv, .jsonl or .ndjson.
     *
     * @throws FormatException if it tells none
     */
    public static DatasetFormat of(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        if (name.endsWith(".tsv")) {
            return TSV;
        } else if (name.endsWith(".csv")) {
            return CSV;
        } else if (name.endsWith(".jsonl") || name.endsWith(".ndjson")) {
            return JSONL;
        }
        throw new FormatException(file.toString(), "expected a name that ends in .tsv, .csv, .jsonl or .ndjson");
    }
}
