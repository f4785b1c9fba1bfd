package dev.nightjar.benchmarks.latency;

import dev.nightjar.SentimentModel;
import dev.nightjar.benchmarks.Headlines;
import dev.nightjar.benchmarks.Machine;
import java.io.IOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.concurrent.Callable;
import org.HdrHistogram.Histogram;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Hours or minutes under the same load: what memory does, as a Markdown table on standard output. */
@Command(name = "soak", mixinStandardHelpOptions = true, sortOptions = false,
        description = "Poisson arrivals at a share of capacity for a long time; prints memory and latency as it goes.")
final class Soak implements Callable<Integer> {
    private static final double MEGA = 1 << 20;

    @Mixin
    private Laboratory.Setup setup;

    @Option(names = "--minutes", defaultValue = "10", description = "Default ${DEFAULT-VALUE}.")
    private int minutes;

    @Option(names = "--load", defaultValue = "0.7", description = "Share of capacity; default ${DEFAULT-VALUE}.")
    private double load;

    @Option(names = "--interval", defaultValue = "30", description = "Seconds between lines; default ${DEFAULT-VALUE}.")
    private int interval;

    @Override
    public Integer call() throws IOException {
        LoadGenerator generator = setup.generator();
        try (SentimentModel model = setup.model();
                PipelineSubject subject = PipelineSubject.of(model, setup.pipeline(), Headlines.texts())) {
            double rate = load * setup.capacity(generator, subject);
            setup.description(model).forEach((name, value) -> System.out.println("* " + name + ": " + value));
            System.out.printf("* Load: Poisson, %.1f texts/s, %.0f %% of capacity%n%n", rate, 100 * load);
            System.out.println(
                    "| Minute | Offered | Answered | Rejected | Dropped | Failed | Out of order | p50, ms | p99, ms"
                            + " | max, ms | Resident, MiB | Heap after a collection, MiB | Collections |");
            System.out.println("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
            Duration slice = Duration.ofSeconds(interval);
            for (int i = 1; i <= minutes * 60 / interval; i++) {
                print(i * interval / 60.0,
                        generator.openLoop(ArrivalSchedule.poisson(rate, slice, setup.seed + i), subject));
            }
        }
        return 0;
    }

    private static void print(double minute, RequestLog log) {
        long collections = ManagementFactory.getGarbageCollectorMXBeans().stream()
                .mapToLong(GarbageCollectorMXBean::getCollectionCount).sum();
        System.gc();
        long heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
        Histogram latency = LatencySummary.fromScheduled(log).latency();
        System.out.printf("| %.1f | %d | %d | %d | %d | %d | %d | %.2f | %.2f | %.2f | %.1f | %.2f | %d |%n", minute,
                log.offered(), log.answered(), log.rejected(), log.dropped(), log.failed(), log.outOfOrder(),
                LatencySummary.millis(latency, 50), LatencySummary.millis(latency, 99),
                LatencySummary.millis(latency, 100), Machine.residentBytes() / MEGA, heap / MEGA, collections);
    }
}
