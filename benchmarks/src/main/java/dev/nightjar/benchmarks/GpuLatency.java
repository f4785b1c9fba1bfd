package dev.nightjar.benchmarks;

import dev.nightjar.Device;
import dev.nightjar.Precision;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.util.Statistics;

/**
 * Prints latency and throughput on the GPU of this machine as Markdown, for every precision and provider of products that can be used.
 *
 * <p>Usage: {@code GpuLatency [--brief]}; brief is one small batch, once, by Nightjar's own products, to try the program itself. The driver is the
 * machine's, or what the system property {@code nightjar.cuda.library} names. A driver that is no GPU's is never passed off as one: every
 * heading then says so.
 */
public final class GpuLatency {
    private static final String LIBRARY = "nightjar.cuda.library";
    private static final String GEMM = "nightjar.cuda.gemm";
    private static final List<String> PROVIDERS = List.of("nightjar", "cublaslt", "jcublas");

    private GpuLatency() {
    }

    /** Runs the benchmark; see the class comment for its arguments. */
    public static void main(String[] args) throws RunnerException {
        boolean brief = List.of(args).contains("--brief");
        System.setProperty(GEMM, "nightjar");
        Device.Status cuda = Device.statuses().stream().filter(status -> status.backend().equals("cuda")).findFirst()
                .orElseThrow();
        if (!cuda.available()) {
            System.err.println("gpu: " + cuda.reason());
            System.exit(1);
        }
        String device = cuda.details().get("device");
        Collection<RunResult> runs = new Runner(options(cuda, brief).build()).run();

        String warning = isReal(device) ? "" : "SIMULATED, not a GPU: ";
        System.out.println("\n# " + warning + "Nightjar on " + device + "\n");
        System.out.println(Machine.description() + "; driver " + cuda.details().get("driver")
                + ". MiniLM-L6, three classes and a score; from token ids to a result that was read.\n");
        for (String provider : PROVIDERS) {
            if (cuda.details().getOrDefault(provider, "").startsWith("not available")) {
                System.out.println(provider + " is " + cuda.details().get(provider) + "\n");
            }
        }
        List<String> batches = runs.stream().map(run -> run.getParams().getParam("batch")).distinct().toList();
        for (String batch : batches) {
            System.out.println("## " + warning + batch.replace("x", " x ") + " tokens\n\n"
                    + "| Precision | Products | Launches | p50, µs | p99, µs | Texts/s at p50 |\n"
                    + "|---|---|---|---:|---:|---:|");
            runs.stream().filter(run -> run.getParams().getParam("batch").equals(batch)).map(GpuLatency::row)
                    .forEach(System.out::println);
            System.out.println();
        }
    }

    /** Whether a device of this description is a GPU, not one of the drivers that the tests and benchmarks have for want of one. */
    static boolean isReal(String device) {
        return !device.startsWith("cudasim") && !device.startsWith("stub");
    }

    private static ChainedOptionsBuilder options(Device.Status cuda, boolean brief) {
        List<String> providers = new ArrayList<>(brief ? List.of("nightjar") : PROVIDERS);
        providers.removeIf(name -> cuda.details().getOrDefault(name, "").startsWith("not available"));
        ChainedOptionsBuilder options = new OptionsBuilder().include(PredictionBenchmark.class.getName())
                .param("precision", cuda.precisions().stream().map(Precision::name).toArray(String[]::new))
                .param("gemm", providers.toArray(String[]::new));
        String library = System.getProperty(LIBRARY);
        if (library != null) {
            options.jvmArgsAppend("-D" + LIBRARY + "=" + library);
        }
        return brief
                ? options.param("batch", "1x16").warmupIterations(0).measurementIterations(1)
                        .measurementTime(TimeValue.milliseconds(1))
                : options;
    }

    private static String row(RunResult run) {
        Statistics nanos = run.getPrimaryResult().getStatistics();
        Map<String, String> launches = Map.of("true", "graph", "false", "one by one");
        int texts = Integer.parseInt(run.getParams().getParam("batch").split("x", -1)[0]);
        return String.format(Locale.ROOT, "| %s | %s | %s | %.1f | %.1f | %.0f |",
                Precision.valueOf(run.getParams().getParam("precision")), run.getParams().getParam("gemm"),
                launches.get(run.getParams().getParam("graphs")), nanos.getPercentile(50) / 1e3,
                nanos.getPercentile(99) / 1e3, texts * 1e9 / nanos.getPercentile(50));
    }
}
