package dev.nightjar.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFilesTest {
    @TempDir
    Path root;

    @Test
    void aFileAppearsCompleteAndReplacesTheOldOne() throws IOException {
        Path file = root.resolve("deep/er/file");
        AtomicFiles.writeFile(file, channel -> channel.write(ByteBuffer.wrap(new byte[]{1})));
        AtomicFiles.writeFile(file, channel -> {
            channel.write(ByteBuffer.wrap(new byte[]{2, 3}));
            assertThat(file).hasBinaryContent(new byte[]{1});
        });
        assertThat(file).hasBinaryContent(new byte[]{2, 3});
        assertThat(entries(file.getParent())).containsExactly("file");
    }

    @Test
    void aFailedFileLeavesTheOldOneAndNothingElse() throws IOException {
        Path file = Files.writeString(root.resolve("file"), "old");
        assertThatThrownBy(() -> AtomicFiles.writeFile(file, channel -> {
            channel.write(ByteBuffer.wrap(new byte[]{1}));
            throw new IOException("disk full");
        })).hasMessage("disk full");
        assertThat(file).hasContent("old");
        assertThat(entries(root)).containsExactly("file");
    }

    @Test
    void aFolderAppearsCompleteAndReplacesTheOldOne() throws IOException {
        Path folder = root.resolve("model");
        write(folder, "a", "1");
        AtomicFiles.writeFolder(folder, Set.of("a")::contains, temporary -> {
            Files.createDirectory(temporary.resolve("sub"));
            Files.writeString(temporary.resolve("sub/b"), "2");
            assertThat(folder.resolve("a")).hasContent("1");
        });
        assertThat(entries(folder)).containsExactly("sub");
        assertThat(folder.resolve("sub/b")).hasContent("2");
        assertThat(entries(root)).containsExactly("model");
    }

    @Test
    void aFailedFolderLeavesTheOldOneAndNothingElse() throws IOException {
        Path folder = root.resolve("model");
        write(folder, "a", "1");
        assertThatThrownBy(() -> AtomicFiles.writeFolder(folder, name -> true, temporary -> {
            Files.writeString(temporary.resolve("half"), "2");
            throw new IllegalStateException("no");
        })).hasMessage("no");
        assertThat(entries(folder)).containsExactly("a");
        assertThat(entries(root)).containsExactly("model");
    }

    @Test
    void aFolderThatHoldsAnythingForeignIsNotReplaced() throws IOException {
        Path folder = root.resolve("home");
        write(folder, "thesis.tex", "years");
        assertThatThrownBy(() -> write(folder, "a", "1")).isInstanceOf(FileAlreadyExistsException.class)
                .hasMessageContainingAll(folder.toString(), "thesis.tex");
        assertThat(folder.resolve("thesis.tex")).hasContent("years");
        Path file = Files.writeString(root.resolve("file"), "x");
        assertThatThrownBy(() -> write(file, "a", "1")).isInstanceOf(FileAlreadyExistsException.class);
        assertThat(entries(root)).containsExactly("file", "home");
    }

    @Test
    void aFolderThatHadSteppedAsideComesBack() throws IOException {
        Path folder = root.resolve("model");
        write(folder, "a", "1");
        Files.move(folder, root.resolve(".model.old"));
        AtomicFiles.restoreFolder(folder);
        assertThat(folder.resolve("a")).hasContent("1");
        assertThat(entries(root)).containsExactly("model");
    }

    @Test
    void whatSteppedAsideGoesWhereTheNewFolderArrived() throws IOException {
        Path folder = root.resolve("model");
        write(folder, "a", "new");
        write(root.resolve(".model.old"), "a", "old");
        AtomicFiles.restoreFolder(folder);
        assertThat(folder.resolve("a")).hasContent("new");
        assertThat(entries(root)).containsExactly("model");
    }

    @Test
    void deletingATreeDoesNotFollowLinks() throws IOException {
        Path kept = Files.writeString(Files.createDirectory(root.resolve("kept")).resolve("file"), "x");
        Path tree = Files.createDirectories(root.resolve("tree/sub")).getParent();
        Files.createSymbolicLink(tree.resolve("sub/link"), kept.getParent());
        AtomicFiles.deleteTree(tree);
        AtomicFiles.deleteTree(tree);
        assertThat(tree).doesNotExist();
        assertThat(kept).exists();
    }

    private static void write(Path folder, String name, String content) throws IOException {
        AtomicFiles.writeFolder(folder, Set.of("a")::contains,
                temporary -> Files.writeString(temporary.resolve(name), content));
    }

    private static List<String> entries(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.map(entry -> entry.getFileName().toString()).sorted().toList();
        }
    }
}
