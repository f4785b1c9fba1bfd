package dev.nightjar.examples.trading;

import dev.nightjar.FormatException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads a recorded feed: lines of {@code milliseconds Q instrument bid ask} or
 * {@code milliseconds N instrument headline}, separated by tabs, in order of time. Lines that begin with {@code #} are
 * comments.
 */
public final class FeedFile {
    private FeedFile() {
    }

    /** The feed that comes with this example. */
    public static List<FeedEvent> bundled() throws IOException {
        try (InputStream in = FeedFile.class.getResourceAsStream("feed.tsv")) {
            return parse("feed.tsv", new String(in.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    /**
     * Reads a file.
     *
     * @throws FormatException naming file and line, and what was expected there
     */
    public static List<FeedEvent> read(Path file) throws IOException {
        return parse(file.toString(), Files.readString(file));
    }

    static List<FeedEvent> parse(String source, String text) {
        List<FeedEvent> events = new ArrayList<>();
        long last = 0;
        int number = 0;
        for (String line : text.lines().toList()) {
            number++;
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            FeedEvent event = event(events.size(), source + ":" + number, line.split("\t", -1));
            if (event.millis() < last) {
                throw new FormatException(source + ":" + number, "goes back in time, from " + last + " ms");
            }
            last = event.millis();
            events.add(event);
        }
        return events;
    }

    private static FeedEvent event(int index, String place, String[] columns) {
        try {
            long millis = Long.parseLong(columns[0]);
            String kind = columns.length > 1 ? columns[1] : "";
            if (kind.equals("N") && columns.length == 4) {
                return FeedEvent.news(index, millis, columns[2], columns[3]);
            }
            if (kind.equals("Q") && columns.length == 5) {
                double bid = Double.parseDouble(columns[3]);
                double ask = Double.parseDouble(columns[4]);
                if (bid > 0 && ask >= bid && Double.isFinite(ask)) {
                    return FeedEvent.quote(index, millis, columns[2], bid, ask);
                }
            }
        } catch (NumberFormatException e) {
            throw new FormatException(place, "expected a number: " + e.getMessage(), e);
        }
        throw new FormatException(place,
                "expected milliseconds, Q, instrument, bid, ask, or milliseconds, N, instrument, headline");
    }
}
