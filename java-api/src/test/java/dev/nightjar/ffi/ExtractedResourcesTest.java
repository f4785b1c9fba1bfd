package dev.nightjar.ffi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExtractedResourcesTest {
    private static final byte[] LIBRARY = bytes(300_000, 1);
    private static final byte[] COMPANION = bytes(5_000, 2);

    @TempDir
    private Path directory;
    private Path cache;
    private URLClassLoader loader;

    @BeforeEach
    void makeJar() throws IOException {
        cache = directory.resolve("cache");
        Path jar = directory.resolve("library.jar");
        try (OutputStream out = Files.newOutputStream(jar); ZipOutputStream zip = new ZipOutputStream(out)) {
            zip.putNextEntry(new ZipEntry("a/b/libone.so"));
            zip.write(LIBRARY);
            zip.putNextEntry(new ZipEntry("a/b/libtwo.so"));
            zip.write(COMPANION);
        }
        loader = new URLClassLoader(new URL[]{jar.toUri().toURL()}, null);
    }

    @AfterEach
    void closeJar() throws IOException {
        loader.close();
    }

    private static byte[] bytes(int count, long seed) {
        byte[] bytes = new byte[count];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private ExtractedResources extract(Path where) throws IOException {
        return ExtractedResources.of(loader, where, "a/b", "libone.so", "libtwo.so");
    }

    @Test
    void putsAllFilesIntoOnePrivateDirectory() throws IOException {
        try (ExtractedResources files = extract(cache)) {
            assertThat(files.directory().resolve("libone.so")).hasBinaryContent(LIBRARY);
            assertThat(files.directory().resolve("libtwo.so")).hasBinaryContent(COMPANION);
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(files.directory())))
                    .isEqualTo("rwx------");
        }
    }

    @Test
    void leavesCompleteFilesAloneAndRepairsTruncatedOnes() throws IOException {
        Path extracted;
        try (ExtractedResources files = extract(cache)) {
            extracted = files.directory();
        }
        Object complete = Files.readAttributes(extracted.resolve("libone.so"), "unix:ino").get("ino");
        Files.write(extracted.resolve("libtwo.so"), new byte[]{1});
        try (ExtractedResources files = extract(cache)) {
            assertThat(files.directory()).isEqualTo(extracted);
            assertThat(Files.readAttributes(extracted.resolve("libone.so"), "unix:ino").get("ino")).isEqualTo(complete);
            assertThat(extracted.resolve("libtwo.so")).hasBinaryContent(COMPANION);
        }
        try (Stream<Path> left = Files.list(extracted)) {
            assertThat(left).hasSize(2);
        }
    }

    @Test
    void severalProcessesAtOnceAgree() throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Callable<Path>> tasks = IntStream.range(0, 32).<Callable<Path>>mapToObj(i -> () -> {
                try (ExtractedResources files = extract(cache)) {
                    assertThat(files.directory().resolve("libone.so")).hasBinaryContent(LIBRARY);
                    return files.directory();
                }
            }).toList();
            for (Future<Path> result : threads.invokeAll(tasks)) {
                try (Stream<Path> left = Files.list(result.get())) {
                    assertThat(left).hasSize(2);
                }
            }
        }
    }

    @Test
    void withoutCacheUsesADirectoryThatGoesAway() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "not a directory");
        Path extracted;
        try (ExtractedResources files = extract(file.resolve("cache"))) {
            extracted = files.directory();
            assertThat(extracted.resolve("libone.so")).hasBinaryContent(LIBRARY);
        }
        assertThat(extracted).doesNotExist();
    }

    @Test
    void namesWhatIsMissing() {
        assertThatThrownBy(() -> ExtractedResources.of(loader, cache, "a/b", "libone.so", "libthree.so"))
                .isInstanceOf(FileNotFoundException.class).hasMessageContaining("a/b/libthree.so");
    }
}
