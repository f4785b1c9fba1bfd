package dev.nightjar.study;

import dev.nightjar.FormatException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.zip.CRC32C;

/**
 * The file that a study's finished runs are appended to, and that it goes on from after it was killed. Each line is a JSON object with
 * the CRC-32C of its content:
 *
 * <pre>
 * {"crc32c":"1a2b3c4d","study":{"format":1,"identity":{...}}}     the first line: what all runs have in common
 * {"crc32c":"5e6f7a8b","run":{...}}                               one for each run, in the order they ended
 * </pre>
 *
 * <p>A run is on the disk when {@link #append} returns. A process killed within it leaves a last line that is not whole; opening drops it
 * and the run is made again. A line that is not whole anywhere else is damage, and refused. One process at a time has a journal open;
 * {@link #read} may look at any time. Safe for concurrent use.
 */
public final class StudyJournal implements AutoCloseable {
    private static final String PREFIX = "{\"crc32c\":\"";
    private static final int CHECKSUM_DIGITS = 8;
    private static final int BODY = PREFIX.length() + CHECKSUM_DIGITS + "\",".length();
    private static final String HEADER = "\"study\":";
    private static final String RUN = "\"run\":";

    private final Path file;
    private final FileChannel channel;
    private final List<StudyRun> runs;
    private final Set<String> keys = new HashSet<>();
    private long end;

    /**
     * What a journal holds.
     *
     * @param identity what all runs have in common (data, model, settings), by name
     * @param runs in {@linkplain StudyRun#ORDER their order}, whatever the order they ended in
     */
    public record Content(Map<String, String> identity, List<StudyRun> runs) {
    }

    /** The whole lines of a file, and how many bytes they are. */
    private record Lines(Map<String, String> identity, List<StudyRun> runs, long length) {
    }

    private StudyJournal(Path file, FileChannel channel, Lines lines) {
        this.file = file;
        this.channel = channel;
        this.runs = new ArrayList<>(lines.runs());
        this.runs.forEach(run -> keys.add(run.key()));
        this.end = lines.length();
    }

    /**
     * Opens a journal to go on, or begins it.
     *
     * @param identity what all runs have in common, by name
     * @throws FormatException if the file is no journal, is damaged, or is of another study, naming what differs
     * @throws FileSystemException if another process has it open
     */
    public static StudyJournal open(Path file, Map<String, String> identity) throws IOException {
        Files.createDirectories(file.toAbsolutePath().getParent());
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ,
                StandardOpenOption.WRITE);
        try {
            lock(file, channel);
            byte[] header = line(HEADER + StudyJson.header(identity));
            byte[] content = readAll(channel);
            boolean neverBegun = content.length < header.length
                    && Arrays.equals(content, Arrays.copyOf(header, content.length));
            if (neverBegun) {
                write(channel, header, 0);
                content = header;
            }
            Lines lines = parse(file, content);
            requireSame(file, lines.identity(), identity);
            channel.truncate(lines.length());
            return new StudyJournal(file, channel, lines);
        } catch (Throwable t) {
            channel.close();
            throw t;
        }
    }

    /**
     * Reads a journal, which another process may have open.
     *
     * @throws FormatException if the file is no journal, or is damaged
     */
    public static Content read(Path file) throws IOException {
        Lines lines = parse(file, Files.readAllBytes(file));
        return new Content(lines.identity(), lines.runs().stream().sorted(StudyRun.ORDER).toList());
    }

    /** The runs that have ended, in the order they did. */
    public synchronized List<StudyRun> runs() {
        return List.copyOf(runs);
    }

    /**
     * Adds a run and waits until it is on the disk. If that fails, the file is as it was before.
     *
     * @throws IllegalArgumentException if the journal already has that run
     */
    public synchronized void append(StudyRun run) throws IOException {
        if (keys.contains(run.key())) {
            throw new IllegalArgumentException(file + " already has the run " + run.key());
        }
        byte[] line = line(RUN + StudyJson.run(run));
        try {
            write(channel, line, end);
        } catch (IOException e) {
            try {
                channel.truncate(end);
            } catch (IOException e2) {
                e.addSuppressed(e2);
            }
            throw e;
        }
        end += line.length;
        runs.add(run);
        keys.add(run.key());
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    private static void lock(Path file, FileChannel channel) throws IOException {
        FileLock lock;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException e) {
            lock = null;
        }
        if (lock == null) {
            throw new FileSystemException(file.toString(), null, "another process is at work on this study");
        }
    }

    /** Through the channel that holds the lock: on Linux, closing another one of the same file would release it. */
    private static byte[] readAll(FileChannel channel) throws IOException {
        ByteBuffer content = ByteBuffer.allocate(Math.toIntExact(channel.size()));
        int read = 0;
        while (read >= 0 && content.hasRemaining()) {
            read = channel.read(content, content.position());
        }
        return Arrays.copyOf(content.array(), content.position());
    }

    private static void write(FileChannel channel, byte[] line, long position) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(line);
        while (bytes.hasRemaining()) {
            channel.write(bytes, position + bytes.position());
        }
        channel.force(true);
    }

    private static byte[] line(String body) {
        return (PREFIX + checksum(body.getBytes(StandardCharsets.UTF_8)) + "\"," + body + "}\n")
                .getBytes(StandardCharsets.UTF_8);
    }

    private static String checksum(byte[] body) {
        CRC32C crc = new CRC32C();
        crc.update(body);
        return String.format("%0" + CHECKSUM_DIGITS + "x", crc.getValue());
    }

    private static Lines parse(Path file, byte[] content) {
        Map<String, String> identity = null;
        List<StudyRun> runs = new ArrayList<>();
        Set<String> keys = new HashSet<>();
        int number = 1;
        int from = 0;
        while (from < content.length) {
            int newline = from;
            while (newline < content.length && content[newline] != '\n') {
                newline++;
            }
            String source = file + ":" + number;
            String body = body(Arrays.copyOfRange(content, from, newline));
            boolean last = newline >= content.length - 1;
            if (body == null || newline == content.length) {
                if (last && identity != null) {
                    break;
                }
                throw new FormatException(source, identity == null
                        ? "is not the journal of a study"
                        : "is damaged: the line is not what was written");
            }
            if (identity == null) {
                identity = StudyJson.parseHeader(source, member(source, HEADER, body));
            } else {
                StudyRun run = StudyJson.parseRun(source, member(source, RUN, body));
                if (!keys.add(run.key())) {
                    throw new FormatException(source, "the run " + run.key() + " is there twice");
                }
                runs.add(run);
            }
            from = newline + 1;
            number++;
        }
        if (identity == null) {
            throw new FormatException(file.toString(), "is empty, not the journal of a study");
        }
        return new Lines(identity, runs, from);
    }

    /** What the checksum of a line is of, or null if it is not that. */
    private static String body(byte[] line) {
        if (line.length <= BODY) {
            return null;
        }
        byte[] body = Arrays.copyOfRange(line, BODY, line.length - 1);
        String start = PREFIX + checksum(body) + "\",";
        boolean whole = Arrays.equals(start.getBytes(StandardCharsets.UTF_8), Arrays.copyOf(line, BODY))
                && line[line.length - 1] == '}';
        return whole ? new String(body, StandardCharsets.UTF_8) : null;
    }

    private static byte[] member(String source, String name, String body) {
        if (!body.startsWith(name)) {
            throw new FormatException(source, "expected " + name + ", found " + body.substring(0, name.length()));
        }
        return body.substring(name.length()).getBytes(StandardCharsets.UTF_8);
    }

    private static void requireSame(Path file, Map<String, String> then, Map<String, String> now) {
        Set<String> names = new TreeSet<>(then.keySet());
        names.addAll(now.keySet());
        List<String> differences = names.stream()
                .filter(name -> !then.getOrDefault(name, "absent").equals(now.getOrDefault(name, "absent")))
                .map(name -> name + " was " + then.getOrDefault(name, "absent") + ", is now "
                        + now.getOrDefault(name, "absent"))
                .toList();
        if (!differences.isEmpty()) {
            throw new FormatException(file.toString(),
                    "is of another study; begin this one elsewhere: " + String.join("; ", differences));
        }
    }
}
