package dev.nightjar.benchmarks.latency;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.HdrHistogram.EncodableHistogram;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogReader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is kept of a run beside its report: the histogram log, and the safepoints. */
class RecordingsTest {
    @TempDir
    private Path folder;

    @Test
    void theHistogramLogIsReadBackBySecondAndTag() throws IOException {
        VirtualClock clock = new VirtualClock();
        LoadGenerator generator = new LoadGenerator(clock, Duration.ofSeconds(1));
        Map<String, RequestLog> runs = new LinkedHashMap<>();
        for (int percent : new int[]{50, 70}) {
            runs.put("load-" + percent, generator.openLoop(ArrivalSchedule.constant(percent, Duration.ofSeconds(3)),
                    new VirtualServer(clock, 1, _ -> percent * 1_000L)));
        }
        Path file = folder.resolve("latency.hlog");
        HistogramLog.write(file, Instant.parse("2026-01-05T14:30:00Z"), runs);

        Map<String, Histogram> sums = new HashMap<>();
        int intervals = 0;
        try (HistogramLogReader reader = new HistogramLogReader(file.toFile())) {
            for (EncodableHistogram next = reader.nextIntervalHistogram(); next != null; next = reader
                    .nextIntervalHistogram()) {
                Histogram interval = (Histogram) next;
                intervals++;
                assertThat(interval.getTotalCount()).isEqualTo(interval.getTag().equals("load-50") ? 50 : 70);
                sums.computeIfAbsent(interval.getTag(), _ -> LatencySummary.histogram()).add(interval);
            }
        }
        assertThat(intervals).isEqualTo(6);
        runs.forEach((tag, log) -> assertThat(sums.get(tag)).isEqualTo(LatencySummary.fromScheduled(log).latency()));
    }

    @Test
    void aCollectionIsAmongThePauses() throws IOException {
        long before = System.nanoTime();
        try (PauseRecorder recorder = new PauseRecorder()) {
            System.gc();
            assertThat(recorder.stop(folder.resolve("pauses.jfr"))).anySatisfy(pause -> {
                assertThat(pause.collection()).isTrue();
                assertThat(pause.nanos()).isPositive();
                assertThat(pause.begin()).isBetween(before - 1_000_000_000L, System.nanoTime());
                assertThat(pause.operation()).isNotEqualTo("unknown");
            });
        }
    }
}
