package dev.nightjar.benchmarks.latency;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;

/**
 * The safepoints of this JVM, at which all Java threads stand still, from a JFR recording that begins with this object. Their moments come
 * on the scale of {@link System#nanoTime}, so that they can be laid over latencies.
 */
final class PauseRecorder implements AutoCloseable {
    /**
     * A safepoint.
     *
     * @param begin when threads were asked to stop, {@link System#nanoTime}
     * @param nanos until they ran again
     * @param operation what the JVM did meanwhile: a kind of collection, or its own name for something else
     * @param collection whether it was a garbage collection's
     */
    record Pause(long begin, long nanos, String operation, boolean collection) {
    }

    private final Recording recording = new Recording();
    private final long nanoTime;
    private final Instant instant;

    PauseRecorder() {
        for (String event : List.of("jdk.SafepointBegin", "jdk.SafepointEnd", "jdk.ExecuteVMOperation",
                "jdk.GCPhasePause")) {
            recording.enable(event).withThreshold(Duration.ZERO).withoutStackTrace();
        }
        recording.start();
        nanoTime = System.nanoTime();
        instant = Instant.now();
    }

    /**
     * Ends the recording and reads it.
     *
     * @param file where the recording is kept
     */
    List<Pause> stop(Path file) throws IOException {
        recording.stop();
        recording.dump(file);
        return read(file);
    }

    private List<Pause> read(Path file) throws IOException {
        Map<Long, RecordedEvent> begins = new HashMap<>();
        Map<Long, RecordedEvent> ends = new HashMap<>();
        Map<Long, String> operations = new HashMap<>();
        List<RecordedEvent> collections = new ArrayList<>();
        for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
            switch (event.getEventType().getName()) {
                case "jdk.SafepointBegin" -> begins.put(event.getLong("safepointId"), event);
                case "jdk.SafepointEnd" -> ends.put(event.getLong("safepointId"), event);
                case "jdk.ExecuteVMOperation" ->
                    operations.put(event.getLong("safepointId"), event.getString("operation"));
                default -> collections.add(event);
            }
        }
        List<Pause> pauses = new ArrayList<>();
        begins.forEach((id, begin) -> {
            RecordedEvent end = ends.get(id);
            if (end != null) {
                boolean collection = collections.stream().anyMatch(c -> c.getStartTime().isBefore(end.getEndTime())
                        && c.getEndTime().isAfter(begin.getStartTime()));
                pauses.add(new Pause(nanoTime + ChronoUnit.NANOS.between(instant, begin.getStartTime()),
                        ChronoUnit.NANOS.between(begin.getStartTime(), end.getEndTime()),
                        operations.getOrDefault(id, "unknown"), collection));
            }
        });
        pauses.sort(Comparator.comparingLong(Pause::begin));
        return pauses;
    }

    /** Ends the recording if it has not ended. */
    @Override
    public void close() {
        recording.close();
    }

    /** A file for the recording that is deleted by its owner. */
    static Path temporaryFile() throws IOException {
        return Files.createTempFile("nightjar-latency", ".jfr");
    }
}
