package dev.nightjar.ffi;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLConnection;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.jar.JarEntry;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;

/**
 * Resources of one folder as files of one directory: where they lie if they are files already, else in the user's cache directory under
 * a name that tells their content, so that the next process finds them. Without a writable cache they go to a fresh private directory
 * that {@link #close} deletes, which a loaded library survives.
 *
 * <p>Safe against other processes doing the same: a file appears by renaming, complete and checked.
 */
final class ExtractedResources implements AutoCloseable {
    private static final FileAttribute<Set<PosixFilePermission>> PRIVATE = PosixFilePermissions
            .asFileAttribute(PosixFilePermissions.fromString("rwx------"));

    private final Path directory;
    private final boolean temporary;

    private ExtractedResources(Path directory, boolean temporary) {
        this.directory = directory;
        this.temporary = temporary;
    }

    /** One resource with the size and checksum that its jar states. */
    private record Resource(String name, URL url, long size, long crc) {
    }

    /**
     * Finds and, where necessary, extracts resources.
     *
     * @param cache where extracted files may stay
     * @throws FileNotFoundException if one is missing
     * @throws IOException if one cannot be written, or is not what its jar promises
     */
    static ExtractedResources of(ClassLoader loader, Path cache, String folder, String file, String... companions)
            throws IOException {
        URL url = find(loader, folder, file);
        if (url.getProtocol().equals("file")) {
            return new ExtractedResources(parentOf(url), false);
        }
        List<Resource> resources = new ArrayList<>();
        resources.add(describe(file, url));
        for (String companion : companions) {
            resources.add(describe(companion, find(loader, folder, companion)));
        }
        try {
            return new ExtractedResources(extract(resources, cache.resolve(contentName(resources))), false);
        } catch (IOException e) {
            return temporary(resources, e);
        }
    }

    private static ExtractedResources temporary(List<Resource> resources, IOException whyNotCached) throws IOException {
        try {
            ExtractedResources result = new ExtractedResources(Files.createTempDirectory("nightjar", PRIVATE), true);
            extract(resources, result.directory);
            return result;
        } catch (IOException e) {
            e.addSuppressed(whyNotCached);
            throw e;
        }
    }

    /** Where the files are. */
    Path directory() {
        return directory;
    }

    @Override
    public void close() throws IOException {
        if (temporary) {
            try (Stream<Path> files = Files.list(directory)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(directory);
        }
    }

    private static URL find(ClassLoader loader, String folder, String file) throws FileNotFoundException {
        URL url = loader.getResource(folder + "/" + file);
        if (url == null) {
            throw new FileNotFoundException(folder + "/" + file + " is not on the class path");
        }
        return url;
    }

    private static Path parentOf(URL url) throws IOException {
        try {
            return Path.of(new URI(url.toString())).getParent();
        } catch (URISyntaxException e) {
            throw new IOException(url + " is no path", e);
        }
    }

    private static Resource describe(String name, URL url) throws IOException {
        URLConnection connection = url.openConnection();
        if (connection instanceof JarURLConnection jar) {
            // The jar's directory states both, so that 90 MB need not be unpacked to learn that they are there already.
            JarEntry entry = jar.getJarEntry();
            return new Resource(name, url, entry.getSize(), entry.getCrc());
        }
        CRC32 crc = new CRC32();
        try (CheckedInputStream in = new CheckedInputStream(connection.getInputStream(), crc)) {
            return new Resource(name, url, in.skip(Long.MAX_VALUE), crc.getValue());
        }
    }

    /** The user's cache directory for this library. */
    static Path userCache() {
        String configured = System.getenv("XDG_CACHE_HOME");
        Path cache = configured != null && !configured.isEmpty()
                ? Path.of(configured)
                : Path.of(System.getProperty("user.home"), ".cache");
        return cache.resolve("nightjar");
    }

    private static String contentName(List<Resource> resources) {
        long content = 0;
        for (Resource resource : resources) {
            content = content * 31 + resource.crc + resource.size;
        }
        return resources.getFirst().name + "-" + Long.toHexString(content);
    }

    private static Path extract(List<Resource> resources, Path directory) throws IOException {
        Files.createDirectories(directory, PRIVATE);
        for (Resource resource : resources) {
            Path target = directory.resolve(resource.name);
            if (!Files.isRegularFile(target) || Files.size(target) != resource.size) {
                write(resource, target);
            }
        }
        return directory;
    }

    private static void write(Resource resource, Path target) throws IOException {
        Path part = Files.createTempFile(target.getParent(), resource.name, ".part", PRIVATE);
        try {
            CRC32 crc = new CRC32();
            long size;
            try (InputStream in = new CheckedInputStream(resource.url.openStream(), crc);
                    FileChannel out = FileChannel.open(part, StandardOpenOption.WRITE)) {
                size = in.transferTo(Channels.newOutputStream(out));
                out.force(true);
            }
            if (size != resource.size || crc.getValue() != resource.crc) {
                throw new IOException(resource.url + " gave " + size + " bytes that are not the " + resource.size
                        + " its jar promises");
            }
            Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(part);
        }
    }
}
