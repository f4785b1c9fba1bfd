package dev.nightjar.benchmarks.latency;

import java.util.List;
import org.HdrHistogram.Histogram;

/**
 * Times of the answered requests of a run, in nanoseconds: latency is queueing plus service.
 *
 * @param latency from the moment the request was due to its result
 * @param queueing from the moment it was due until the work on it began
 * @param service from there to its result
 * @param lag of the generator: from the moment the request was due until it was offered; part of queueing
 */
public record LatencySummary(Histogram latency, Histogram queueing, Histogram service, Histogram lag) {
    /** What reports show, in percent. */
    public static final List<Double> PERCENTILES = List.of(50.0, 90.0, 99.0, 99.9, 99.99, 100.0);

    private static final long LONGEST_NANOS = 600_000_000_000L;
    private static final int DIGITS = 3;

    /** From the moment a request was due. */
    public static LatencySummary fromScheduled(RequestLog log) {
        return of(log, true);
    }

    /** From the moment a request was sent, however late: what a closed loop reports, and what hides its pauses. */
    public static LatencySummary fromSent(RequestLog log) {
        return of(log, false);
    }

    private static LatencySummary of(RequestLog log, boolean scheduled) {
        LatencySummary summary = new LatencySummary(histogram(), histogram(), histogram(), histogram());
        for (int i = 0; i < log.offered(); i++) {
            long from = scheduled ? log.scheduled(i) : log.sent(i);
            summary.lag.recordValue(log.sent(i) - from);
            if (log.isAnswered(i)) {
                summary.latency.recordValue(log.finished(i) - from);
                summary.queueing.recordValue(log.started(i) - from);
                summary.service.recordValue(log.finished(i) - log.started(i));
            }
        }
        return summary;
    }

    static Histogram histogram() {
        return new Histogram(LONGEST_NANOS, DIGITS);
    }

    /** A percentile in milliseconds; NaN where nothing was answered. */
    public static double millis(Histogram histogram, double percentile) {
        return histogram.getTotalCount() == 0 ? Double.NaN : histogram.getValueAtPercentile(percentile) / 1e6;
    }
}
