package dev.nightjar.benchmarks.latency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.time.Duration;
import java.util.SplittableRandom;
import org.HdrHistogram.Histogram;
import org.junit.jupiter.api.Test;

/** Schedules run against servers of which queueing theory, or arithmetic, says what must come out; on virtual time. */
class LoadGeneratorTest {
    private static final long MILLI = 1_000_000;
    private static final int UNBOUNDED = Integer.MAX_VALUE;
    /** HdrHistogram keeps three digits. */
    private static final double DIGITS = 2e-3;

    private final VirtualClock clock = new VirtualClock();
    private final LoadGenerator generator = new LoadGenerator(clock, Duration.ofSeconds(1));

    /** Time in a M/M/1 system is exponential with rate mu - lambda. */
    @Test
    void percentilesOfExponentialServiceAreThoseOfTheory() {
        double lambda = 700;
        double mu = 1000;
        SplittableRandom random = new SplittableRandom(3);
        VirtualServer server = new VirtualServer(clock, UNBOUNDED,
                _ -> Math.round(random.nextExponential() / mu * 1e9));
        RequestLog log = generator.openLoop(ArrivalSchedule.poisson(lambda, Duration.ofSeconds(1000), 5), server);

        Histogram latency = LatencySummary.fromScheduled(log).latency();
        for (double percentile : new double[]{50, 90, 99}) {
            double expected = -Math.log1p(-percentile / 100) / (mu - lambda) * 1e3;
            assertThat(LatencySummary.millis(latency, percentile)).isCloseTo(expected, within(0.04 * expected));
        }
    }

    /** Pollaczek and Khinchine: mean wait of M/D/1 is rho / (2 (1 - rho)) service times. */
    @Test
    void meanQueueingOfConstantServiceIsThatOfTheory() {
        VirtualServer server = new VirtualServer(clock, UNBOUNDED, _ -> MILLI);
        RequestLog log = generator.openLoop(ArrivalSchedule.poisson(800, Duration.ofSeconds(500), 11), server);

        LatencySummary summary = LatencySummary.fromScheduled(log);
        assertThat(summary.queueing().getMean()).isCloseTo(0.8 / (2 * 0.2) * MILLI, within(0.04 * 2 * MILLI));
        assertThat(summary.service().getMinValue()).isCloseTo(MILLI, within((long) (DIGITS * MILLI)));
        assertThat(summary.latency().getMean()).isCloseTo(summary.queueing().getMean() + MILLI,
                within(DIGITS * 4 * MILLI));
    }

    /** One stall of a second at 100 requests a second: it delays a hundred requests, of which a client that waits sends one. */
    @Test
    void theClosedLoopOmitsTheRequestsThatAStallDelays() {
        ArrivalSchedule schedule = ArrivalSchedule.constant(100, Duration.ofSeconds(10));
        Histogram open = LatencySummary.fromScheduled(generator.openLoop(schedule, stalling())).latency();
        Histogram closed = LatencySummary.fromSent(generator.closedLoop(schedule, stalling().blocking())).latency();

        // Request 500 takes 1001 ms; number 500 + k is due 10 k ms later and done k ms later, until the queue is empty.
        assertThat(open.getCountBetweenValues(2 * MILLI, 2000 * MILLI)).isEqualTo(112);
        assertThat(LatencySummary.millis(open, 99)).isCloseTo(1001 - 9 * 10, within(1.0));
        assertThat(LatencySummary.millis(open, 95)).isCloseTo(1001 - 9 * 50, within(1.0));
        assertThat(closed.getCountBetweenValues(2 * MILLI, 2000 * MILLI)).isEqualTo(1);
        assertThat(LatencySummary.millis(closed, 99.8)).isCloseTo(1, within(DIGITS));
    }

    private VirtualServer stalling() {
        return new VirtualServer(clock, UNBOUNDED, request -> (request == 500 ? 1001 : 1) * MILLI);
    }

    @Test
    void latencyCountsFromTheScheduleNotFromALateGenerator() {
        VirtualClock late = new VirtualClock(3 * MILLI);
        VirtualServer server = new VirtualServer(late, UNBOUNDED, _ -> MILLI);
        RequestLog log = new LoadGenerator(late, Duration.ofSeconds(1))
                .openLoop(ArrivalSchedule.constant(10, Duration.ofSeconds(1)), server);

        LatencySummary summary = LatencySummary.fromScheduled(log);
        assertThat(LatencySummary.millis(summary.latency(), 50)).isCloseTo(4, within(4 * DIGITS));
        assertThat(LatencySummary.millis(summary.lag(), 50)).isCloseTo(3, within(3 * DIGITS));
        assertThat(LatencySummary.millis(LatencySummary.fromSent(log).latency(), 50)).isCloseTo(1, within(DIGITS));
    }

    /** At twice what a server can do half of it is rejected, and nobody waits longer than a full queue. */
    @Test
    void overloadIsAccountedForAndBounded() {
        VirtualServer server = new VirtualServer(clock, 10, _ -> 2 * MILLI);
        RequestLog log = generator.openLoop(ArrivalSchedule.poisson(1000, Duration.ofSeconds(20), 1), server);

        assertThat(log.answered() + log.rejected()).isEqualTo(log.offered()).isEqualTo(20_000);
        assertThat(log.answered()).isBetween(9_900, 10_020);
        assertThat(log.outOfOrder()).isZero();
        Histogram latency = LatencySummary.fromScheduled(log).latency();
        assertThat(latency.getTotalCount()).isEqualTo(log.answered());
        assertThat(latency.getMaxValue()).isLessThanOrEqualTo((long) ((11 + 1) * 2 * MILLI * (1 + DIGITS)));
    }

    @Test
    void capacityIsWhatAServerDoesWhenItNeverWaits() {
        VirtualServer server = new VirtualServer(clock, 16, _ -> 4 * MILLI);
        assertThat(generator.capacity(1000, server)).isCloseTo(250, within(0.01));
    }

    @Test
    void requestsThatNobodySettlesOrSomebodyTwiceAreFound() {
        ArrivalSchedule schedule = ArrivalSchedule.constant(10, Duration.ofSeconds(1));
        assertThatThrownBy(() -> generator.openLoop(schedule, subject((request, outcomes) -> {
            if (request != 7) {
                outcomes.dropped(request);
            }
        }))).isInstanceOf(IllegalStateException.class).hasMessageContainingAll("10 requests", "9 dropped",
                "1 are missing");
        assertThatThrownBy(() -> generator.openLoop(schedule, subject((request, outcomes) -> {
            outcomes.answered(request, 0, 0);
            if (request == 3) {
                outcomes.failed(request);
            }
        }))).isInstanceOf(IllegalStateException.class).hasMessageContainingAll("10 were answered",
                "1 were settled again");
    }

    @Test
    void everyOutcomeIsCountedAndLateAnswersAreSeen() {
        RequestLog log = generator.openLoop(ArrivalSchedule.constant(6, Duration.ofSeconds(1)),
                (Offered) (request, outcomes) -> {
                    switch (request) {
                        case 0 -> {
                            return false;
                        }
                        case 1 -> outcomes.dropped(request);
                        case 2 -> outcomes.failed(request);
                        case 5 -> {
                            outcomes.answered(5, 0, 0);
                            outcomes.answered(3, 0, 0);
                            outcomes.answered(4, 0, 0);
                        }
                        default -> {
                            // Answered with number 5.
                        }
                    }
                    return true;
                });
        assertThat(log.rejected()).isEqualTo(1);
        assertThat(log.dropped()).isEqualTo(1);
        assertThat(log.failed()).isEqualTo(1);
        assertThat(log.answered()).isEqualTo(3);
        assertThat(log.outOfOrder()).isEqualTo(2);
    }

    /** A subject without anything to close. */
    private interface Offered extends Subject {
        @Override
        default void close() {
        }
    }

    private interface Taken {
        void take(int request, Subject.Outcomes outcomes);
    }

    private static Subject subject(Taken taken) {
        return (Offered) (request, outcomes) -> {
            taken.take(request, outcomes);
            return true;
        };
    }
}
