package dev.nightjar.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Backends;
import dev.nightjar.backend.Ops;
import dev.nightjar.loss.ConstantWeighting;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.Parameters;
import dev.nightjar.optim.AdamW;
import dev.nightjar.optim.ParameterGroups;
import dev.nightjar.train.BatchBuffers;
import dev.nightjar.train.TokenizedRows;
import dev.nightjar.train.TrainingStep;
import java.lang.management.ManagementFactory;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Training rate on MiniLM-L6's shape, step for step what {@code benchmarks/peers/pytorch_training.py} measures with PyTorch, and where
 * the time goes, operation by operation.
 *
 * <p>Usage: {@code TrainingRate [backend [threads [batchSize [length [steps]]]]]}, by default {@code cpu 2 32 32 20}.
 */
public final class TrainingRate {
    private static final int CLASSES = 3;
    private static final int WARMUP = 5;
    private static final long SEED = 1;

    private TrainingRate() {
    }

    /** Runs the benchmark; see the class comment for its arguments. */
    public static void main(String[] args) {
        String backendName = args.length > 0 ? args[0] : "cpu";
        int[] numbers = {2, 32, 32, 20};
        for (int i = 1; i < args.length; i++) {
            numbers[i - 1] = Integer.parseInt(args[i]);
        }
        int batchSize = numbers[1];
        int length = numbers[2];
        DistilBertConfig config = new DistilBertConfig(30_522, 512, 384, 6, 12, 1536, false, 0,
                List.of("negative", "neutral", "positive"), List.of(), 0.1f, 0.1f, 0.2f, 0.02f);
        ParameterLayout layout = new ParameterLayout(config);
        OpTimes times = new OpTimes();
        try (Backend backend = Backends.open(backendName);
                Parameters parameters = randomParameters(backend, layout, config);
                DistilBert model = new DistilBert(config, parameters, false);
                Ops ops = times.around(backend.newOps(numbers[0]));
                BatchBuffers buffers = new BatchBuffers(backend, config,
                        new BatchBuffers.Capacity(batchSize * length, batchSize, 1, true));
                AdamW optimizer = new AdamW(new AdamW.Settings(0.9f, 0.999f, 1e-8f, 0.01f, 1),
                        ParameterGroups.of(config, layout, 1, -1), parameters);
                TrainingStep step = new TrainingStep(model, layout, ops, optimizer,
                        new ConstantWeighting(1, 0, false), buffers, new TrainingStep.Settings(SEED, -1))) {
            System.out.println(backend.name() + " " + backend.details());
            measure(step, times, batchSize, length, numbers[3]);
        }
    }

    private static void measure(TrainingStep step, OpTimes times, int batchSize, int length, int steps) {
        double[] seconds = new double[steps];
        int[] all = IntStream.range(0, batchSize).toArray();
        SplitMix64 stream = new SplitMix64(SEED);
        long cpuStarted = 0;
        for (int i = -WARMUP; i < steps; i++) {
            TokenizedRows rows = rows(stream, batchSize, length);
            if (i == 0) {
                times.clear();
                cpuStarted = processCpuNanos();
            }
            long started = System.nanoTime();
            step.run(rows, List.of(all), i + WARMUP, 5e-5);
            float loss = step.read().losses().loss();
            if (i >= 0) {
                seconds[i] = (System.nanoTime() - started) * 1e-9;
            }
            if (i == -WARMUP || i == steps - 1) {
                System.out.printf(Locale.ROOT, "loss %.6f%n", loss);
            }
        }
        double total = Arrays.stream(seconds).sum();
        Arrays.sort(seconds);
        double median = seconds[steps / 2];
        double cpuSeconds = (processCpuNanos() - cpuStarted) * 1e-9 / steps;
        System.out.printf(Locale.ROOT,
                "median step %.1f ms, fastest %.1f ms, %.1f rows/s, processor time %.1f ms a step%n", median * 1e3,
                seconds[0] * 1e3, batchSize / median, cpuSeconds * 1e3);
        times.print(total, steps);
    }

    /** Of all threads: unlike a step's time it does not count what other processes took. */
    private static long processCpuNanos() {
        return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getProcessCpuTime();
    }

    private static Parameters randomParameters(Backend backend, ParameterLayout layout, DistilBertConfig config) {
        Parameters parameters = new Parameters(backend, layout);
        for (ParameterLayout.Entry entry : layout.entries()) {
            parameters.initialise(entry.name(), config.initializerRange(), SEED);
        }
        return parameters;
    }

    /** The token ids and labels of the peer's script. */
    private static TokenizedRows rows(SplitMix64 stream, int count, int length) {
        int[][] ids = new int[count][length];
        for (int[] row : ids) {
            Arrays.setAll(row, i -> 1000 + (int) Long.remainderUnsigned(stream.next(), 29_000));
            row[0] = 101;
            row[length - 1] = 102;
        }
        List<TokenizedRows.Row> rows = new ArrayList<>();
        for (int b = 0; b < count; b++) {
            rows.add(new TokenizedRows.Row(ids[b], b, (int) Long.remainderUnsigned(stream.next(), CLASSES),
                    new float[0]));
        }
        return new TokenizedRows(rows);
    }

    /** Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. */
    private static final class SplitMix64 {
        private long state;

        SplitMix64(long seed) {
            state = seed;
        }

        long next() {
            state += 0x9E3779B97F4A7C15L;
            long z = (state ^ state >>> 30) * 0xBF58476D1CE4E5B9L;
            z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
            return z ^ z >>> 31;
        }
    }

    /** Time spent in each method of an {@link Ops}. */
    private static final class OpTimes {
        private final Map<String, Long> nanos = new TreeMap<>();

        Ops around(Ops ops) {
            return (Ops) Proxy.newProxyInstance(Ops.class.getClassLoader(), new Class<?>[]{Ops.class},
                    (proxy, method, arguments) -> {
                        long started = System.nanoTime();
                        try {
                            return method.invoke(ops, arguments);
                        } catch (InvocationTargetException e) {
                            throw e.getCause();
                        } finally {
                            nanos.merge(method.getName(), System.nanoTime() - started, Long::sum);
                        }
                    });
        }

        void clear() {
            nanos.clear();
        }

        void print(double totalSeconds, int steps) {
            double inOps = 0;
            double products = 0;
            for (Map.Entry<String, Long> entry : nanos.entrySet()) {
                double seconds = entry.getValue() * 1e-9;
                inOps += seconds;
                products += entry.getKey().startsWith("linear") ? seconds : 0;
                System.out.printf(Locale.ROOT, "  %-28s %7.2f ms %5.1f %%%n", entry.getKey(), seconds / steps * 1e3,
                        100 * seconds / totalSeconds);
            }
            System.out.printf(Locale.ROOT, "  %-28s %7.2f ms %5.1f %%%n", "(outside operations)",
                    (totalSeconds - inOps) / steps * 1e3, 100 * (totalSeconds - inOps) / totalSeconds);
            System.out.printf(Locale.ROOT, "linear maps %.1f %% of the step%n", 100 * products / totalSeconds);
        }
    }
}
