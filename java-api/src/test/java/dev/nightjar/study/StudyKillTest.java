package dev.nightjar.study;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightjar.StepReport;
import dev.nightjar.TinyModel;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A study in a process of its own, killed again and again, ends with the same table as one that nothing happened to. */
class StudyKillTest {
    private static final int KILLS = 20;
    private static final Long[] SEEDS = {1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L};

    @TempDir
    private Path folder;

    @Test
    void killedTwentyTimesItEndsWithTheSameTable() throws Exception {
        Path model = TinyModel.save(folder.resolve("model"));
        Path undisturbed = folder.resolve("undisturbed");
        TinyStudy.study(model, TinyStudy.plan(SEEDS)).run(undisturbed);

        Random random = new Random(20);
        int study = 0;
        int kills = 0;
        boolean finished = false;
        // A child may outrun its killer and finish; then another study is begun, until there were enough kills and the last is finished.
        while (kills < KILLS || !finished) {
            assertThat(study).as("studies that were needed for %d kills", kills).isLessThan(KILLS);
            Path killed = folder.resolve("killed-" + study);
            String before = wholeLines(killed.resolve(Study.JOURNAL));
            int events = kills < KILLS ? 1 + random.nextInt(40) : Integer.MAX_VALUE;
            finished = runKilledAfter(events, model, killed);
            String after = wholeLines(killed.resolve(Study.JOURNAL));
            assertThat(after).as("no run is lost").startsWith(before);
            if (finished) {
                assertThat(killed.resolve(Study.RUNS)).hasSameBinaryContentAs(undisturbed.resolve(Study.RUNS));
                assertThat(after.lines()).as("no run is repeated").hasSize(1 + TinyStudy.plan(SEEDS).runs().size());
                study++;
            } else {
                kills++;
            }
        }
    }

    /** Kills the study after it has told of so many steps and ends of runs; true if it finished before. */
    private boolean runKilledAfter(int events, Path model, Path output) throws IOException, InterruptedException {
        String classPath = String.join(File.pathSeparator, System.getProperty("java.class.path"),
                System.getProperty("jdk.module.path", ""), Path.of("target", "classes").toAbsolutePath().toString(),
                Path.of("target", "test-classes").toAbsolutePath().toString());
        Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED", "-cp",
                classPath, Child.class.getName(), model.toString(), output.toString())
                .redirectError(folder.resolve("err.txt").toFile()).start();
        try (BufferedReader reader = process.inputReader()) {
            int seen = 0;
            while (seen < events && reader.readLine() != null) {
                seen++;
            }
            process.destroyForcibly();
        }
        int exitCode = process.waitFor();
        assertThat(exitCode).as(Files.readString(folder.resolve("err.txt"))).isIn(0, 128 + 9);
        return exitCode == 0;
    }

    private static String wholeLines(Path journal) throws IOException {
        if (!Files.exists(journal)) {
            return "";
        }
        String text = Files.readString(journal);
        return text.substring(0, text.lastIndexOf('\n') + 1);
    }

    /** What is killed: two workers, so that one may be writing while the other trains. */
    static final class Child {
        private Child() {
        }

        public static void main(String[] arguments) throws IOException {
            TinyStudy.study(Path.of(arguments[0]), TinyStudy.plan(SEEDS)).workers(2).listener(new StudyListener() {
                @Override
                public void onStep(StudyPlan.Run run, StepReport report) {
                    System.out.println("step");
                }

                @Override
                public void onRun(StudyRun run) {
                    System.out.println("run");
                }
            }).run(Path.of(arguments[1]));
        }
    }
}
