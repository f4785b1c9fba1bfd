package dev.nightjar.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The script {@code nightjar} with JDKs that only print how they were called. */
@DisabledOnOs(OS.WINDOWS)
class LauncherTest {
    private record Result(int exitCode, String output) {
    }

    @TempDir
    private Path folder;
    private Path script;
    private final Map<String, String> environment = new TreeMap<>();

    @BeforeEach
    void copyScript() throws IOException {
        script = folder.resolve("tree with blanks/examples/nightjar");
        Files.createDirectories(script.resolveSibling("target"));
        Files.copy(Path.of("nightjar"), script);
        Files.writeString(script.resolveSibling("target/classpath.txt"), "a.jar:b.jar");
        environment.put("PATH", System.getenv("PATH"));
        environment.put("HOME", folder.toString());
    }

    @Test
    void runsOnJavaHomeFromTheBuiltTree() throws Exception {
        environment.put("JAVA_HOME", jdk("jdk 25", "25.0.1").toString());
        environment.put("NIGHTJAR_JAVA_OPTS", "-Xmx1g -Dx=y");
        Result result = run("classify", "two words", "--json");
        assertThat(result.exitCode).isZero();
        assertThat(result.output.lines()).containsExactly("jdk 25", "--enable-native-access=ALL-UNNAMED", "-Xmx1g",
                "-Dx=y",
                "-cp", script.resolveSibling("target").toRealPath() + "/classes:a.jar:b.jar",
                "dev.nightjar.examples.Nightjar", "classify", "two words", "--json");
    }

    @Test
    void givesTheTradingExampleWhatItsTransportNeeds() throws Exception {
        environment.put("JAVA_HOME", jdk("jdk 25", "25.0.1").toString());
        assertThat(run("trading").output.lines()).startsWith("jdk 25", "--enable-native-access=ALL-UNNAMED",
                "--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED", "-cp");
    }

    @Test
    void passesOverAnOldJavaHomeAndFollowsThePath() throws Exception {
        environment.put("JAVA_HOME", jdk("jdk-17", "17.0.9").toString());
        Path newer = jdk("jdk-26", "26");
        Path bin = Files.createDirectories(folder.resolve("bin"));
        Files.createSymbolicLink(bin.resolve("java"), newer.resolve("bin/java"));
        environment.put("PATH", bin + ":" + System.getenv("PATH"));
        assertThat(run().output.lines()).first().isEqualTo("jdk-26");
    }

    @Test
    void runsThroughASymbolicLink() throws Exception {
        environment.put("JAVA_HOME", jdk("jdk", "25").toString());
        script = Files.createSymbolicLink(folder.resolve("nj"), script);
        assertThat(run("doctor").exitCode).isZero();
    }

    @Test
    void asksTheJvmWhereThereIsNoReleaseFile() throws Exception {
        Path old = jdk("unlabelled", "25");
        Files.delete(old.resolve("release"));
        environment.put("JAVA_HOME", old.toString());
        assertThat(run().output.lines()).first().isEqualTo("unlabelled");
    }

    @Test
    void saysHowToBuild() throws Exception {
        Files.delete(script.resolveSibling("target/classpath.txt"));
        environment.put("JAVA_HOME", jdk("jdk", "25").toString());
        Result result = run();
        assertThat(result.exitCode).isEqualTo(1);
        assertThat(result.output).contains("mvn -DskipTests package");
    }

    /** A folder with a release file and a bin/java that prints the folder's name and its own arguments, one a line. */
    private Path jdk(String name, String version) throws IOException {
        Path home = folder.resolve(name);
        Path java = home.resolve("bin/java");
        Files.createDirectories(java.getParent());
        Files.writeString(home.resolve("release"), "IMPLEMENTOR=\"Test\"\nJAVA_VERSION=\"" + version + "\"\n");
        Files.writeString(java, "#!/bin/sh\nif [ \"${1:-}\" = -version ]; then echo 'openjdk version \"" + version
                + "\" 2025-09-16'; exit; fi\necho '" + name + "'\nfor a in \"$@\"; do echo \"$a\"; done\n");
        Files.setPosixFilePermissions(java, PosixFilePermissions.fromString("rwxr-xr-x"));
        return home;
    }

    private Result run(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("sh", script.toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().clear();
        builder.environment().putAll(environment);
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Result(process.waitFor(), output);
    }
}
