package dev.nightjar.benchmarks.latency;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogWriter;

/** Writes latencies by the second of their schedule as an HdrHistogram log, which the tools of HdrHistogram read. */
final class HistogramLog {
    private static final double NANOS_PER_MILLI = 1e6;
    private static final long INTERVAL_NANOS = 1_000_000_000L;

    private HistogramLog() {
    }

    /**
     * @param runs one after the other, by their tag, which has no comma, blank or line end
     * @param start when the first began
     */
    static void write(Path file, Instant start, Map<String, RequestLog> runs) throws IOException {
        try (PrintStream out = new PrintStream(Files.newOutputStream(file), false, StandardCharsets.UTF_8)) {
            HistogramLogWriter writer = new HistogramLogWriter(out);
            writer.outputLogFormatVersion();
            writer.outputComment("[Latency from the scheduled send, in ns; intervals by the scheduled send]");
            writer.outputStartTime(start.toEpochMilli());
            writer.setBaseTime(start.toEpochMilli());
            writer.outputLegend();
            long first = runs.values().stream().mapToLong(RequestLog::begin).min().orElse(0);
            for (Map.Entry<String, RequestLog> run : runs.entrySet()) {
                write(writer, run.getKey(), run.getValue(), start.toEpochMilli(), run.getValue().begin() - first);
            }
            if (out.checkError()) {
                throw new IOException("cannot write " + file);
            }
        }
    }

    private static void write(HistogramLogWriter writer, String tag, RequestLog log, long startMillis, long offset) {
        int request = 0;
        for (long from = 0; request < log.offered(); from += INTERVAL_NANOS) {
            Histogram interval = LatencySummary.histogram();
            interval.setTag(tag);
            interval.setStartTimeStamp(startMillis + Math.round((offset + from) / NANOS_PER_MILLI));
            interval.setEndTimeStamp(startMillis + Math.round((offset + from + INTERVAL_NANOS) / NANOS_PER_MILLI));
            for (; request < log.offered() && log.scheduled(request) - log.begin() < from + INTERVAL_NANOS; request++) {
                if (log.isAnswered(request)) {
                    interval.recordValue(log.finished(request) - log.scheduled(request));
                }
            }
            if (interval.getTotalCount() > 0) {
                writer.outputIntervalHistogram(interval);
            }
        }
    }
}
