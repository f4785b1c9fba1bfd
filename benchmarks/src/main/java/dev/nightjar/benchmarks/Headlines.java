package dev.nightjar.benchmarks;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The headlines bundled with the examples: made-up ones, 4 to 50 tokens long. */
public final class Headlines {
    private Headlines() {
    }

    /** All of them, in their order. */
    public static List<String> texts() {
        try (InputStream in = Headlines.class.getResourceAsStream("/dev/nightjar/examples/headlines.tsv");
                BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
            return lines.lines().skip(1).map(line -> line.substring(0, line.indexOf('\t'))).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
