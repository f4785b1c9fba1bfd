package dev.nightjar.benchmarks.latency;

import dev.nightjar.FormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * When requests are due, whatever becomes of those before: the open-loop side of a load test. Offsets in nanoseconds from the begin, ascending.
 * The same arguments give the same schedule. Immutable.
 */
public final class ArrivalSchedule {
    private static final double NANOS = 1e9;
    private static final int MOST = 1 << 27;

    private final String description;
    private final double perSecond;
    private final long[] offsets;

    private ArrivalSchedule(String description, double perSecond, long[] offsets) {
        this.description = description;
        this.perSecond = perSecond;
        this.offsets = offsets;
    }

    /** All at the begin. */
    static ArrivalSchedule atOnce(int count) {
        return new ArrivalSchedule("all at once", Double.POSITIVE_INFINITY, new long[count]);
    }

    /** Evenly spaced, the first at once. */
    public static ArrivalSchedule constant(double perSecond, Duration duration) {
        return bursts(perSecond, 1, duration);
    }

    /**
     * {@code size} arrivals at the same moment, as often as gives the rate.
     *
     * @param perSecond arrivals, not bursts
     */
    public static ArrivalSchedule bursts(double perSecond, int size, Duration duration) {
        if (size < 1) {
            throw new IllegalArgumentException("bursts of " + size + " arrivals");
        }
        long[] offsets = new long[count(perSecond, duration)];
        double between = size / perSecond * NANOS;
        Arrays.setAll(offsets, i -> {
            int burst = i / size;
            return Math.round(burst * between);
        });
        return new ArrivalSchedule(size == 1 ? "constant" : "bursts of " + size, perSecond, offsets);
    }

    /** Independent arrivals: exponentially distributed gaps. As many as the rate and the duration give on average. */
    public static ArrivalSchedule poisson(double perSecond, Duration duration, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        long[] offsets = new long[count(perSecond, duration)];
        double at = 0;
        for (int i = 0; i < offsets.length; i++) {
            at += random.nextExponential() / perSecond;
            offsets[i] = Math.round(at * NANOS);
        }
        return new ArrivalSchedule("Poisson, seed " + seed, perSecond, offsets);
    }

    /**
     * Recorded moments, with their distances divided by {@code speed}.
     *
     * @param file an ISO-8601 instant at the begin of each line, up to a tab, comma or the line's end; ascending
     * @throws FormatException naming the line that is not
     */
    public static ArrivalSchedule replay(Path file, double speed) throws IOException {
        if (!(speed > 0)) {
            throw new IllegalArgumentException("speed " + speed + " is not positive");
        }
        List<String> lines = Files.readAllLines(file);
        if (lines.isEmpty()) {
            throw new FormatException(file.toString(), "no timestamps");
        }
        long[] offsets = new long[lines.size()];
        Instant first = null;
        for (int i = 0; i < offsets.length; i++) {
            Instant moment = moment(file, i + 1, lines.get(i));
            first = first == null ? moment : first;
            offsets[i] = Math.round(Duration.between(first, moment).toNanos() / speed);
            if (i > 0 && offsets[i] < offsets[i - 1]) {
                throw new FormatException(file + ", line " + (i + 1), moment + " is before the line above");
            }
        }
        return new ArrivalSchedule("replay of " + file.getFileName() + " at speed " + speed,
                (offsets.length - 1) / (offsets[offsets.length - 1] / NANOS), offsets);
    }

    private static Instant moment(Path file, int line, String text) {
        String timestamp = text.split("[,\t]", 2)[0].strip();
        try {
            return Instant.parse(timestamp);
        } catch (DateTimeParseException e) {
            throw new FormatException(file + ", line " + line,
                    "found \"" + timestamp + "\", expected an instant as 2026-01-05T14:30:00.123Z", e);
        }
    }

    private static int count(double perSecond, Duration duration) {
        double count = perSecond * duration.toNanos() / NANOS;
        if (!(perSecond > 0) || count < 1 || count > MOST) {
            throw new IllegalArgumentException(perSecond + " arrivals a second for " + duration);
        }
        return (int) Math.round(count);
    }

    /** Number of arrivals. */
    public int size() {
        return offsets.length;
    }

    /** Nanoseconds from the begin to an arrival. */
    public long offset(int arrival) {
        return offsets[arrival];
    }

    /** Arrivals a second, on average. */
    public double perSecond() {
        return perSecond;
    }

    /** The kind of schedule, for reports. */
    public String description() {
        return description;
    }
}
