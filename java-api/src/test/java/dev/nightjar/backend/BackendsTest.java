package dev.nightjar.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.UnavailableException;
import dev.nightjar.tensor.DType;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class BackendsTest {
    @Test
    void autoIsTheFastestThatIsAvailable() {
        String fastest = Backends.explain().stream().filter(Backends.Explanation::available).findFirst().orElseThrow()
                .name();
        try (Backend backend = Backends.open("auto")) {
            assertThat(backend.name()).isEqualTo(fastest);
        }
        try (Backend backend = Backends.open("cpu")) {
            assertThat(backend.details()).containsKeys("kernels", "matrix products");
        }
    }

    @Test
    void aNameIsThatBackendOrRefused() {
        try (Backend backend = Backends.open("reference")) {
            assertThat(backend.name()).isEqualTo("reference");
        }
        assertThatThrownBy(() -> Backends.open("tpu")).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("tpu").hasMessageContaining("cpu");
    }

    @Test
    void aTypeThatIsNotOfferedIsRefused() {
        assertThatThrownBy(() -> Backends.open("cpu", DType.F16)).isInstanceOf(UnavailableException.class)
                .hasMessageContainingAll("cpu backend", "float16", "only in float32");
        // Nobody computes in it.
        assertThatThrownBy(() -> Backends.open("auto", DType.I32)).isInstanceOf(UnavailableException.class)
                .hasMessageContainingAll("no backend", "cpu backend", "int32", "only in float32");
    }

    @Test
    void explainsEveryBackend() {
        assertThat(Backends.explain()).extracting(Backends.Explanation::name).containsExactly("cuda", "cpu",
                "reference");
        for (Backends.Explanation backend : Backends.explain()) {
            if (backend.available()) {
                assertThat(backend.details()).as(backend.name()).isNotEmpty();
                assertThat(backend.types()).as(backend.name()).contains(DType.F32);
            } else {
                assertThat(backend.name()).as("the others need nothing that could be missing").isEqualTo("cuda");
                assertThat(backend.cause()).hasMessageContaining("cuda");
            }
        }
    }

    /** Without the jars that bring libraries the cpu backend is still there, slower, and says why. */
    @Test
    void withoutLibrariesTheCpuBackendIsPureJavaAndSaysWhy() throws IOException, InterruptedException {
        String classPath = Stream.of("java.class.path", "jdk.module.path").map(name -> System.getProperty(name, ""))
                .flatMap(path -> Arrays.stream(path.split(File.pathSeparator)))
                .filter(entry -> !entry.isEmpty()
                        && !entry.matches(".*/(dnnl|nightjar-native)-[^/]*\\.jar|.*/native/target/classes/?"))
                .collect(Collectors.joining(File.pathSeparator))
                + File.pathSeparator + Path.of("target", "classes").toAbsolutePath()
                + File.pathSeparator + Path.of("target", "test-classes").toAbsolutePath();
        Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m", "-cp", classPath, WithoutLibraries.class.getName()).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        assertThat(output).contains("kernels=pure Java (dev/nightjar/native/")
                .contains("libnightjar_cpu.so is not on the class path")
                .contains("matrix products=pure Java (org/bytedeco/dnnl/")
                .contains("libdnnl.so.3 is not on the class path");
    }

    /** What the child process runs. */
    static final class WithoutLibraries {
        private WithoutLibraries() {
        }

        public static void main(String[] args) {
            try (Backend backend = Backends.open("cpu")) {
                System.out.println(backend.details());
            }
        }
    }
}
