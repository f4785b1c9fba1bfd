package dev.nightjar.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.FormatException;
import dev.nightjar.io.Json;
import dev.nightjar.study.StudyRun.Status;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is in a journal after it was written, cut anywhere, damaged, or taken for another one. */
class StudyJournalTest {
    private static final Map<String, String> IDENTITY = Map.of("data", "10 rows", "model", "tiny \"größe\"");

    @TempDir
    private Path folder;
    private Path file;

    @BeforeEach
    void nameFile() {
        file = folder.resolve("new").resolve("journal.jsonl");
    }

    private static StudyRun run(String weighting, long seed) {
        return new StudyRun(Map.of("weighting", weighting), seed, Status.COMPLETED, "", 3,
                Map.of("accuracy", 1 / 3.0, "pearson", Double.NaN, "f1.très\nbien", 1e-300),
                Map.of("step", List.of(1.0, 3.0), "loss", List.of(0.1, Double.NaN)), Map.of(),
                Map.of("seconds", 12.0, "resident_bytes", 9e9));
    }

    private static final StudyRun DIVERGED = new StudyRun(Map.of("weighting", "a"), -5, Status.DIVERGED, "loss NaN", 0,
            Map.of(), Map.of(), Map.of(), Map.of());

    private void write(StudyRun... runs) throws IOException {
        try (StudyJournal journal = StudyJournal.open(file, IDENTITY)) {
            for (StudyRun run : runs) {
                journal.append(run);
            }
        }
    }

    private List<StudyRun> open() throws IOException {
        try (StudyJournal journal = StudyJournal.open(file, IDENTITY)) {
            return journal.runs();
        }
    }

    @Test
    void givesBackWhatWasAppended() throws IOException {
        write(run("b", 2), run("b", 1));
        write(DIVERGED);
        assertThat(open()).containsExactly(run("b", 2), run("b", 1), DIVERGED);
        StudyJournal.Content content = StudyJournal.read(file);
        assertThat(content.identity()).isEqualTo(IDENTITY);
        assertThat(content.runs()).containsExactly(DIVERGED, run("b", 1), run("b", 2));
    }

    @Test
    void cutAnywhereItKeepsEveryWholeLineAndGoesOn() throws IOException {
        write(run("a", 1), run("b", 1), DIVERGED);
        byte[] whole = Files.readAllBytes(file);
        int lines = 0;
        int wholeLines = 0;
        int headerLength = Files.readAllLines(file).getFirst().getBytes(StandardCharsets.UTF_8).length + 1;
        for (int length = 0; length <= whole.length; length++) {
            if (length > 0 && whole[length - 1] == '\n') {
                lines++;
                wholeLines = length;
            }
            if (length - wholeLines > 2 && length % 5 != 0 && length < whole.length - 1) {
                continue;
            }
            Files.write(file, Arrays.copyOf(whole, length));
            List<StudyRun> runs = open();
            assertThat(runs).as("cut after %d bytes", length).hasSize(Math.max(0, lines - 1));
            assertThat(file).hasBinaryContent(Arrays.copyOf(whole, Math.max(wholeLines, headerLength)));
            StudyRun[] rest = List.of(run("a", 1), run("b", 1), DIVERGED).stream()
                    .filter(run -> !runs.contains(run)).toArray(StudyRun[]::new);
            write(rest);
            assertThat(file).as("cut after %d bytes, then finished", length).hasBinaryContent(whole);
        }
        assertThat(lines).isEqualTo(4);
    }

    @Test
    void aLastLineThatIsNotWhatWasWrittenIsDropped() throws IOException {
        write(run("a", 1), run("b", 1));
        byte[] bytes = Files.readAllBytes(file);
        // A disk may have the length of a line and not its content.
        Arrays.fill(bytes, bytes.length - 20, bytes.length, (byte) 0);
        Files.write(file, bytes);
        assertThat(open()).containsExactly(run("a", 1));
    }

    @Test
    void damageBeforeTheLastLineIsRefusedByLine() throws IOException {
        write(run("a", 1), run("b", 1));
        String text = Files.readString(file);
        Files.writeString(file, text.replaceFirst("\"accuracy\":0\\.3", "\"accuracy\":0.4"));
        assertThatThrownBy(this::open).isInstanceOf(FormatException.class)
                .hasMessageContaining("journal.jsonl:2: is damaged");
        assertThat(file).as("a refused file is left alone").content().contains("0.4");
    }

    @Test
    void theSameRunTwiceIsRefused() throws IOException {
        write(run("a", 1), run("b", 1));
        assertThatThrownBy(() -> write(run("a", 1))).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("weighting=a seed=1");
        String text = Files.readString(file);
        Files.writeString(file, text + text.lines().toList().get(1) + "\n");
        assertThatThrownBy(this::open).isInstanceOf(FormatException.class)
                .hasMessageContaining(":4: the run weighting=a seed=1 is there twice");
    }

    @Test
    void anotherStudyIsRefusedByWhatDiffers() throws IOException {
        write(run("a", 1));
        byte[] before = Files.readAllBytes(file);
        Map<String, String> other = Map.of("data", "11 rows", "model", "tiny \"größe\"", "loss bound", "50");
        assertThatThrownBy(() -> StudyJournal.open(file, other)).isInstanceOf(FormatException.class)
                .hasMessageContaining("data was 10 rows, is now 11 rows; loss bound was absent, is now 50")
                .hasMessageNotContaining("model was");
        assertThat(file).hasBinaryContent(before);
    }

    @Test
    void otherFilesAreRefusedAndLeftAlone() throws IOException {
        Files.createDirectories(file.getParent());
        for (String content : List.of("mine", "mine\n", "{\"crc32c\":\"00000000\",\"study\":{}}\n")) {
            Files.writeString(file, content);
            assertThatThrownBy(this::open).as(content).isInstanceOf(FormatException.class)
                    .hasMessageContaining("journal.jsonl:1: is not the journal of a study");
            assertThat(file).hasContent(content);
        }
        Files.write(file, new byte[0]);
        assertThatThrownBy(() -> StudyJournal.read(file)).isInstanceOf(FormatException.class)
                .hasMessageContaining("is empty");
    }

    @Test
    void oneAtATime() throws IOException {
        try (StudyJournal journal = StudyJournal.open(file, IDENTITY)) {
            journal.append(run("a", 1));
            assertThatThrownBy(this::open).isInstanceOf(FileSystemException.class)
                    .hasMessageContaining("another process");
        }
        assertThat(open()).containsExactly(run("a", 1));
    }

    @Test
    void everyLineIsAJsonObject() throws IOException {
        write(run("a", 1), DIVERGED);
        assertThat(Files.readAllLines(file, StandardCharsets.UTF_8))
                .allSatisfy(line -> assertThat(Json.object("line", line.getBytes(StandardCharsets.UTF_8))
                        .propertyNames()).hasSize(2).contains("crc32c"));
    }
}
