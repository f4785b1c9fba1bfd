package dev.nightjar.benchmarks;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.util.Statistics;

/**
 * The benchmarks of the CPU, as one Markdown table on standard output; run by {@code benchmarks/suite}, and shortened by {@code mvn -Pbench}.
 *
 * <p>Usage: {@code Suite [--short]}. Nothing is timed that was not compared with the {@code reference} backend, or with the peer, in the same
 * process.
 */
public final class Suite {
    private static final List<Class<?>> BENCHMARKS = List.of(OperationBenchmark.class, TokenizerBenchmark.class,
            SessionBenchmark.class, PipelineBenchmark.class, EngineBenchmark.class, TrainingBenchmark.class);

    private Suite() {
    }

    /** See the class comment. */
    public static void main(String[] args) throws RunnerException {
        ChainedOptionsBuilder options = new OptionsBuilder().addProfiler(GCProfiler.class).shouldFailOnError(true);
        BENCHMARKS.forEach(benchmark -> options.include(benchmark.getName()));
        boolean brief = List.of(args).contains("--short");
        if (brief) {
            TimeValue second = TimeValue.seconds(1);
            options.forks(1).warmupIterations(1).warmupTime(second).measurementIterations(2).measurementTime(second);
        }
        String rows = new Runner(options.build()).run().stream().map(Suite::row).collect(Collectors.joining("\n"));
        System.out.println("\n" + Machine.description() + (brief ? "; short form\n" : "\n"));
        System.out.println(
                "Bytes are those of the whole JVM: an operation that allocates nothing shows the harness's, some 100 kB an"
                        + " iteration, by the number of its runs.\n");
        System.out.println("| Benchmark | Parameters | Mean, µs | p50, µs | p99, µs | Bytes allocated |");
        System.out.println("|---|---|---:|---:|---:|---:|\n" + rows);
    }

    private static String row(RunResult run) {
        String[] name = run.getParams().getBenchmark().split("\\.", -1);
        Result<?> result = run.getPrimaryResult();
        Statistics times = result.getStatistics();
        double micros = result.getScoreUnit().startsWith("ms") ? 1e3 : 1;
        String parameters = run.getParams().getParamsKeys().stream().map(key -> run.getParams().getParam(key))
                .collect(Collectors.joining(", "));
        // What sampling itself allocates would be counted too.
        boolean sampled = run.getParams().getMode() == Mode.SampleTime;
        return String.format(Locale.ROOT, "| %s.%s | %s | %.2f | %s | %s | %s |", name[name.length - 2],
                name[name.length - 1], parameters, result.getScore() * micros,
                sampled ? String.format(Locale.ROOT, "%.2f", times.getPercentile(50) * micros) : "",
                sampled ? String.format(Locale.ROOT, "%.2f", times.getPercentile(99) * micros) : "",
                sampled
                        ? ""
                        : String.format(Locale.ROOT, "%.1f",
                                run.getSecondaryResults().get("gc.alloc.rate.norm").getScore()));
    }
}
