package dev.nightjar.io;

import dev.nightjar.FormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Whole files as bytes, with a bound on what is taken into memory. */
final class InputFiles {
    private InputFiles() {
    }

    /** @throws FormatException if the file is longer than {@code maxBytes} */
    static byte[] read(Path file, int maxBytes) throws IOException {
        long size = Files.size(file);
        if (size > maxBytes) {
            throw new FormatException(file.toString(), "has " + size + " bytes, expected at most " + maxBytes);
        }
        return Files.readAllBytes(file);
    }
}
