package dev.nightjar.io;

import dev.nightjar.FormatException;
import java.util.ArrayList;
import java.util.List;

/**
 * Records of tab- or comma-separated text. Lines end in LF or CR LF, empty ones are skipped. With quoting (RFC 4180) a
 * field in double quotes may hold separators and line ends, and a quote doubled; without, quotes are characters like
 * any other.
 */
public final class DelimitedText {
    private final String source;
    private final String text;
    private final char separator;
    private final boolean quoting;
    private int position;
    private long line = 1;
    private long recordLine;

    /** @param source what messages call the text */
    public DelimitedText(String source, String text, char separator, boolean quoting) {
        this.source = source;
        this.text = text;
        this.separator = separator;
        this.quoting = quoting;
    }

    /** The line on which the last record began, from 1. */
    public long line() {
        return recordLine;
    }

    /** The fields of the next record, or an empty list at the end. */
    public List<String> next() {
        while (position < text.length() && atLineEnd()) {
            endLine();
        }
        List<String> fields = new ArrayList<>();
        recordLine = line;
        boolean more = position < text.length();
        while (more) {
            fields.add(quoting && at('"') ? quotedField() : plainField());
            more = at(separator);
            if (more) {
                position++;
            } else {
                endLine();
            }
        }
        return fields;
    }

    private String plainField() {
        int start = position;
        while (position < text.length() && !at(separator) && !atLineEnd()) {
            if (quoting && at('"')) {
                throw malformed("a quote within a field that does not begin with one: expected the field in quotes and"
                        + " the quote doubled");
            }
            position++;
        }
        return text.substring(start, position);
    }

    private String quotedField() {
        StringBuilder field = new StringBuilder();
        position++;
        while (true) {
            int quote = text.indexOf('"', position);
            if (quote < 0) {
                throw new FormatException(source + ":" + recordLine,
                        "the quote that begins a field here is never closed");
            }
            line += text.substring(position, quote).chars().filter(c -> c == '\n').count();
            field.append(text, position, quote);
            position = quote + 1;
            if (!at('"')) {
                break;
            }
            field.append('"');
            position++;
        }
        if (position < text.length() && !at(separator) && !atLineEnd()) {
            throw malformed("expected a separator or the end of the line after a closing quote, found '"
                    + text.charAt(position) + "'");
        }
        return field.toString();
    }

    private boolean at(char c) {
        return position < text.length() && text.charAt(position) == c;
    }

    private boolean atLineEnd() {
        return at('\n') || (at('\r') && (position + 1 == text.length() || text.charAt(position + 1) == '\n'));
    }

    private void endLine() {
        if (at('\r')) {
            position++;
        }
        if (at('\n')) {
            position++;
        }
        line++;
    }

    private FormatException malformed(String problem) {
        return new FormatException(source + ":" + line, problem);
    }
}
