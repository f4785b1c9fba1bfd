package dev.nightjar.benchmarks;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.nightjar.text.EncodingBuffer;
import dev.nightjar.text.TextEncoder;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Token ids of a text of 20 words: Nightjar's WordPiece from UTF-8, and DJL's Hugging Face tokenizer from a string. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 2, jvmArgs = {"-Xms1g", "-Xmx1g", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@State(Scope.Thread)
public class TokenizerBenchmark {
    private static final String RESOURCE = "/all-minilm-l6-v2-tokenizer.json";
    private static final int MAX_LENGTH = 512;
    private static final String TEXT = "Shares of the lender fell sharply on Tuesday after its quarterly profit missed"
            + " estimates and management cut the full-year outlook";

    private MemorySegment utf8;
    private TextEncoder encoder;
    private EncodingBuffer buffer;
    private HuggingFaceTokenizer peer;

    /** Nothing wrong is timed: both must give the same ids. */
    @Setup
    public void prepare() throws IOException {
        byte[] json;
        try (InputStream in = TokenizerBenchmark.class.getResourceAsStream(RESOURCE)) {
            json = in.readAllBytes();
        }
        byte[] bytes = TEXT.getBytes(StandardCharsets.UTF_8);
        utf8 = Arena.ofAuto().allocate(bytes.length).copyFrom(MemorySegment.ofArray(bytes));
        encoder = TextEncoder.fromFiles("MiniLM", Map.of("tokenizer.json", json));
        buffer = encoder.newBuffer(MAX_LENGTH);
        peer = HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), Map.of("padding", "false"));
        int count = nightjar();
        long[] ids = Arrays.stream(buffer.ids(), 0, count).asLongStream().toArray();
        if (!Arrays.equals(ids, djl())) {
            throw new IllegalStateException(Arrays.toString(ids) + ", DJL " + Arrays.toString(djl()));
        }
    }

    @TearDown
    public void release() {
        encoder.close();
        peer.close();
    }

    @Benchmark
    public int nightjar() {
        return buffer.encode(utf8, (int) utf8.byteSize());
    }

    @Benchmark
    public long[] djl() {
        return peer.encode(TEXT).getIds();
    }
}
