package dev.nightjar.examples;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import picocli.CommandLine.IVersionProvider;

/** Versions of Nightjar and its libraries, as the build wrote them down. */
final class Versions implements IVersionProvider {

    /** Version by name, sorted by name. */
    static Map<String, String> all() {
        Properties properties = new Properties();
        try (InputStream in = Versions.class.getResourceAsStream("versions.properties")) {
            properties.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Map<String, String> versions = new TreeMap<>();
        properties.forEach((name, version) -> versions.put((String) name, (String) version));
        return versions;
    }

    @Override
    public String[] getVersion() {
        return new String[]{"nightjar " + all().get("nightjar") + " on Java " + Runtime.version()};
    }
}
