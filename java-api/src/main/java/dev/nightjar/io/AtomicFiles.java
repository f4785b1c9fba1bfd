package dev.nightjar.io;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Files and folders that appear under their name complete and on the disk, or not at all.
 *
 * <p>Everything is first written to a hidden sibling ({@code .NAME.RANDOM.tmp}), synchronised, then renamed. A failed
 * write removes its sibling; only a killed process leaves one. Meant for one writer of a path at a time.
 */
public final class AtomicFiles {

    /** Writes the content of a file. */
    @FunctionalInterface
    public interface FileBody {
        void write(FileChannel channel) throws IOException;
    }

    /** Writes the content of a folder. */
    @FunctionalInterface
    public interface FolderBody {
        void write(Path folder) throws IOException;
    }

    private AtomicFiles() {
    }

    /** Writes or replaces a file; missing parent folders are made. */
    public static void writeFile(Path target, FileBody body) throws IOException {
        Path file = target.toAbsolutePath();
        Files.createDirectories(file.getParent());
        Path temporary = temporarySibling(file);
        try {
            try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.CREATE_NEW,
                    StandardOpenOption.WRITE)) {
                body.write(channel);
                channel.force(true);
            }
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
            syncFolder(file.getParent());
        } catch (Throwable t) {
            deleteAfter(t, temporary);
            throw t;
        }
    }

    /**
     * Writes or replaces a folder; missing parent folders are made. A rename cannot replace a folder that has content,
     * so an existing one steps aside as {@code .NAME.old} for the moment between two renames. Should the process die in
     * that moment, {@link #restoreFolder} brings it back; this method calls it first.
     *
     * @param replaceable which entries an existing folder may lose; if it has any other, nothing is touched
     * @throws FileAlreadyExistsException if the target exists and is no folder, or has an entry that may not be
     *        replaced
     */
    public static void writeFolder(Path target, Predicate<String> replaceable, FolderBody body) throws IOException {
        Path folder = target.toAbsolutePath();
        Files.createDirectories(folder.getParent());
        restoreFolder(folder);
        requireReplaceable(folder, replaceable);
        Path temporary = temporarySibling(folder);
        try {
            Files.createDirectory(temporary);
            body.write(temporary);
            syncTree(temporary);
            Path old = oldSibling(folder);
            boolean replaces = Files.exists(folder);
            if (replaces) {
                Files.move(folder, old, StandardCopyOption.ATOMIC_MOVE);
            }
            Files.move(temporary, folder, StandardCopyOption.ATOMIC_MOVE);
            syncFolder(folder.getParent());
            if (replaces) {
                deleteTree(old);
            }
        } catch (Throwable t) {
            deleteAfter(t, temporary);
            restoreAfter(t, folder);
            throw t;
        }
    }

    /**
     * Finishes what a process killed within {@link #writeFolder} left behind: a folder that had stepped aside comes
     * back if nothing took its place, and goes otherwise. Does nothing where nothing was left.
     */
    public static void restoreFolder(Path target) throws IOException {
        Path folder = target.toAbsolutePath();
        Path old = oldSibling(folder);
        if (!Files.exists(old)) {
            return;
        }
        if (Files.exists(folder)) {
            deleteTree(old);
        } else {
            Files.move(old, folder, StandardCopyOption.ATOMIC_MOVE);
        }
        syncFolder(folder.getParent());
    }

    /** Deletes a file, or a folder with its content, links not followed; does nothing where there is none. */
    public static void deleteTree(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Files.walkFileTree(path, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, IOException failure) throws IOException {
                if (failure != null) {
                    throw failure;
                }
                Files.delete(folder);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    private static void requireReplaceable(Path folder, Predicate<String> replaceable) throws IOException {
        if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
            throw new FileAlreadyExistsException(folder.toString(), null, "expected a folder or nothing");
        }
        try (Stream<Path> entries = Files.list(folder)) {
            List<String> foreign = entries.map(entry -> entry.getFileName().toString()).filter(replaceable.negate())
                    .sorted().toList();
            if (!foreign.isEmpty()) {
                throw new FileAlreadyExistsException(folder.toString(), null,
                        "it would be replaced, but holds " + foreign);
            }
        }
    }

    private static Path temporarySibling(Path path) {
        String random = Long.toHexString(ThreadLocalRandom.current().nextLong());
        return path.resolveSibling("." + path.getFileName() + "." + random + ".tmp");
    }

    private static Path oldSibling(Path folder) {
        return folder.resolveSibling("." + folder.getFileName() + ".old");
    }

    private static void deleteAfter(Throwable failure, Path temporary) {
        try {
            deleteTree(temporary);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    private static void restoreAfter(Throwable failure, Path folder) {
        try {
            restoreFolder(folder);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    private static void syncTree(Path root) throws IOException {
        Files.walkFileTree(root, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                    channel.force(true);
                }
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, IOException failure) throws IOException {
                syncFolder(folder);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    /** Makes renames within a folder durable; Windows does so by itself and cannot open folders. */
    private static void syncFolder(Path folder) throws IOException {
        if (folder.getFileSystem().supportedFileAttributeViews().contains("posix")) {
            try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
                channel.force(true);
            }
        }
    }
}
