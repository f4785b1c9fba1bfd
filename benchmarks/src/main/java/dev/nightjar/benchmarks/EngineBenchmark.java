package dev.nightjar.benchmarks;

import dev.nightjar.benchmarks.engines.Engine;
import dev.nightjar.benchmarks.engines.Engines;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The same headlines one after the other, from string to class, through Nightjar and a peer with the same weights, both checked first. For
 * DJL's PyTorch too: {@code benchmarks/compare-engines}.
 */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 2, jvmArgs = {"-Xms1g", "-Xmx1g", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@State(Scope.Thread)
public class EngineBenchmark {
    @Param({"nightjar", "onnxruntime"})
    String engine;

    private Path folder;
    private Engine opened;
    private List<String> texts;
    private int next;

    @Setup
    public void prepare() throws IOException {
        folder = Files.createTempDirectory("nightjar-engine");
        Path model = folder.resolve("model");
        Engines.save(model);
        opened = Engines.open(engine, model, 1);
        texts = Headlines.texts();
    }

    @TearDown
    public void release() throws IOException {
        opened.close();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    @Benchmark
    public float[][] classify() {
        next = (next + 1) % texts.size();
        return opened.classify(List.of(texts.get(next)));
    }
}
