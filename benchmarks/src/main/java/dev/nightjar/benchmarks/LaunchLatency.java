package dev.nightjar.benchmarks;

import dev.nightjar.backend.cuda.LaunchBenchmark;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.util.Statistics;

/**
 * Writes what Java adds to a prediction on a GPU and to a launch as Markdown.
 *
 * <p>Usage: {@code LaunchLatency STUB REPORT}, with the library of the driver that does nothing and the file to write.
 */
public final class LaunchLatency {
    private static final Map<String, String> CALLERS = Map.of("panama", "Nightjar (Panama), arguments written anew",
            "jcuda", "JCuda, arguments made anew", "jcudaFixedArguments", "JCuda, arguments made once");

    private LaunchLatency() {
    }

    /** Runs both benchmarks; see the class comment for its arguments. */
    public static void main(String[] args) throws RunnerException, IOException {
        Collection<RunResult> runs = new Runner(
                new OptionsBuilder().include(PredictionOverheadBenchmark.class.getName())
                        .include(LaunchBenchmark.class.getName()).addProfiler(GCProfiler.class)
                        .shouldFailOnError(true)
                        .jvmArgsAppend("-Dnightjar.cuda.library=" + args[0], "-Dnightjar.cuda.gemm=nightjar").build())
                .run();
        List<String> predictions = new ArrayList<>();
        List<String> launches = new ArrayList<>();
        for (RunResult run : runs) {
            if (run.getParams().getMode() == Mode.SampleTime) {
                String tokens = run.getParams().getParam("tokens");
                if (tokens != null) {
                    predictions.add(row(tokens, run, averageOf(run, runs)));
                } else {
                    launches.add(row(CALLERS.get(run.getPrimaryResult().getLabel()), run, averageOf(run, runs)));
                }
            }
        }
        Files.writeString(Path.of(args[1]),
                """
                        # What Java adds to a prediction on a GPU

                        Written by `benchmarks/launch-latency` on %s.
                        **Against a driver that does nothing and returns at once (`benchmarks/stub/cuda.c`): the time of Java code and its native
                        calls, not of a GPU.**

                        ## One prediction

                        From a text's token ids to a probability through `InferenceSession`: ids, positions and prefix sums into pinned memory, one
                        `cuGraphLaunch` (which does both copies), `cuStreamSynchronize`, reading the result. MiniLM-L6 with three classes and a score.
                        Bytes are those of the whole JVM, the harness included; the calling thread allocates none (`InferenceSessionAllocationTest`).

                        | Tokens | Median, ns | p99, ns | Bytes allocated |
                        |---:|---:|---:|---:|
                        %s

                        ## One `cuLaunchKernel`

                        Eleven arguments, those of the embedding kernel; the same driver for all, in one run. "Anew": written or made for every launch, as
                        their values change; Nightjar writes them into memory laid out once.

                        | Caller | Median, ns | p99, ns | Bytes allocated |
                        |---|---:|---:|---:|
                        %s
                        """
                        .formatted(Machine.description(), String.join("\n", predictions), String.join("\n", launches)));
    }

    /** What the same benchmark with the same parameters gave in average mode. */
    private static RunResult averageOf(RunResult sample, Collection<RunResult> runs) {
        return runs.stream()
                .filter(run -> run.getParams().getMode() == Mode.AverageTime
                        && run.getParams().getBenchmark().equals(sample.getParams().getBenchmark())
                        && Objects.equals(run.getParams().getParam("tokens"), sample.getParams().getParam("tokens")))
                .findFirst().orElseThrow();
    }

    private static String row(String name, RunResult times, RunResult allocations) {
        Statistics nanos = times.getPrimaryResult().getStatistics();
        return String.format(Locale.ROOT, "| %s | %.0f | %.0f | %.1f |", name, nanos.getPercentile(50),
                nanos.getPercentile(99), allocations.getSecondaryResults().get("gc.alloc.rate.norm").getScore());
    }
}
