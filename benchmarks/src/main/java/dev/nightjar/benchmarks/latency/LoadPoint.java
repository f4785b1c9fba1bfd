package dev.nightjar.benchmarks.latency;

import dev.nightjar.benchmarks.Machine;

/**
 * One load and what came of it.
 *
 * @param arrivals kind of schedule
 * @param fraction offered rate as a share of capacity
 * @param perSecond offered rate
 * @param log of every request
 * @param summary from the scheduled sends
 * @param residentBytes of main memory that the process occupied at the end
 * @param heapBytes of the Java heap in use at the end, garbage included
 */
record LoadPoint(String arrivals, double fraction, double perSecond, RequestLog log, LatencySummary summary,
        long residentBytes, long heapBytes) {

    static LoadPoint of(ArrivalSchedule schedule, double capacity, RequestLog log) {
        Runtime runtime = Runtime.getRuntime();
        return new LoadPoint(schedule.description(), schedule.perSecond() / capacity, schedule.perSecond(), log,
                LatencySummary.fromScheduled(log), Machine.residentBytes(),
                runtime.totalMemory() - runtime.freeMemory());
    }

    /** For histogram logs. */
    String tag() {
        return arrivals.replaceAll("[^A-Za-z0-9]+", "-") + "-" + Math.round(100 * fraction);
    }

    /** Answers a second of the schedule's time. */
    double answeredPerSecond() {
        return log.answered() * perSecond / log.offered();
    }
}
