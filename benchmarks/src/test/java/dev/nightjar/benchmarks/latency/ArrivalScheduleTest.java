package dev.nightjar.benchmarks.latency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.FormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArrivalScheduleTest {
    private static final Duration SECOND = Duration.ofSeconds(1);

    @TempDir
    private Path folder;

    private static long[] offsets(ArrivalSchedule schedule) {
        return IntStream.range(0, schedule.size()).mapToLong(schedule::offset).toArray();
    }

    @Test
    void constantIsEvenlySpaced() {
        assertThat(offsets(ArrivalSchedule.constant(4, SECOND))).containsExactly(0, 250_000_000, 500_000_000,
                750_000_000);
        // Rounded once each, so that a third of a second does not drift.
        assertThat(ArrivalSchedule.constant(3, Duration.ofHours(1)).offset(3 * 3599)).isEqualTo(3_599_000_000_000L);
    }

    @Test
    void burstsKeepTheRate() {
        ArrivalSchedule bursts = ArrivalSchedule.bursts(6, 3, SECOND);
        assertThat(offsets(bursts)).containsExactly(0, 0, 0, 500_000_000, 500_000_000, 500_000_000);
        assertThat(bursts.perSecond()).isEqualTo(6);
    }

    /** Kolmogorov and Smirnov's distance to the exponential distribution; 1.63 / sqrt(n) is exceeded by one seed in a hundred. */
    @Test
    void poissonGapsAreExponential() {
        double rate = 250;
        ArrivalSchedule schedule = ArrivalSchedule.poisson(rate, Duration.ofSeconds(80), 7);
        int n = schedule.size();
        double[] gaps = IntStream.range(0, n)
                .mapToDouble(i -> (schedule.offset(i) - (i == 0 ? 0 : schedule.offset(i - 1))) / 1e9).sorted()
                .toArray();
        double distance = IntStream.range(0, n).mapToDouble(i -> {
            double expected = -Math.expm1(-rate * gaps[i]);
            return Math.max(Math.abs(expected - (double) i / n), Math.abs(expected - (i + 1.0) / n));
        }).max().orElseThrow();

        assertThat(n).isEqualTo(20_000);
        assertThat(distance).isLessThan(1.63 / Math.sqrt(n));
        assertThat(schedule.offset(n - 1) / 1e9).isCloseTo(80, within(80 * 3 / Math.sqrt(n)));
    }

    @Test
    void aSeedIsASchedule() {
        long[] first = offsets(ArrivalSchedule.poisson(100, SECOND, 1));
        assertThat(offsets(ArrivalSchedule.poisson(100, SECOND, 1))).isEqualTo(first).isSorted();
        assertThat(offsets(ArrivalSchedule.poisson(100, SECOND, 2))).isNotEqualTo(first);
    }

    @Test
    void replayKeepsTheDistancesOfTheRecording() throws IOException {
        Path file = Files.writeString(folder.resolve("news.tsv"), """
                2026-01-05T14:30:00.000000250Z\tProfit doubles
                2026-01-05T14:30:00.5Z,with a comma
                2026-01-05T14:30:00.5Z
                2026-01-05T14:31:00Z
                """);
        assertThat(offsets(ArrivalSchedule.replay(file, 1))).containsExactly(0, 499_999_750, 499_999_750,
                59_999_999_750L);
        assertThat(offsets(ArrivalSchedule.replay(file, 2))).containsExactly(0, 249_999_875, 249_999_875,
                29_999_999_875L);
    }

    @Test
    void recordingsThatAreNoneAreRefusedByLine() throws IOException {
        Path words = Files.writeString(folder.resolve("words.tsv"), "2026-01-05T14:30:00Z\nyesterday\tx\n");
        assertThatThrownBy(() -> ArrivalSchedule.replay(words, 1)).isInstanceOf(FormatException.class)
                .hasMessageContainingAll("words.tsv, line 2", "\"yesterday\"", "2026-01-05T14:30:00.123Z");
        Path descending = Files.writeString(folder.resolve("back.tsv"), "2026-01-05T14:30:01Z\n2026-01-05T14:30:00Z\n");
        assertThatThrownBy(() -> ArrivalSchedule.replay(descending, 1)).isInstanceOf(FormatException.class)
                .hasMessageContainingAll("back.tsv, line 2", "before");
        Path empty = Files.createFile(folder.resolve("empty.tsv"));
        assertThatThrownBy(() -> ArrivalSchedule.replay(empty, 1)).isInstanceOf(FormatException.class);
        assertThatThrownBy(() -> ArrivalSchedule.replay(words, 0)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void ratesThatGiveNoArrivalAreRefused() {
        for (double rate : new double[]{0, -1, Double.NaN, 0.5, 1e12}) {
            assertThatThrownBy(() -> ArrivalSchedule.constant(rate, SECOND))
                    .isInstanceOf(IllegalArgumentException.class);
        }
        assertThatThrownBy(() -> ArrivalSchedule.bursts(10, 0, SECOND)).isInstanceOf(IllegalArgumentException.class);
    }
}
