package dev.nightjar.io;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightjar.DatasetColumns;
import dev.nightjar.DatasetFormat;
import dev.nightjar.FormatException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/**
 * Damaged input of every reader, the same on every run: what is not read is refused with a {@link FormatException}, and
 * with nothing else. Running out of memory fails the test like any other error.
 */
class FuzzTest {
    private static final int CASES = 100_000;

    /** What parsers stumble over: extremes, brackets, escapes, paths out of a folder. */
    private static final List<String> TOKENS = List.of("-1", "0", "1152921504606846976", "9223372036854775807",
            "18446744073709551616", "2147483647", "4294967296", "1e999", "NaN", "null", "true", "[", "]", "{", "}",
            "\"", ",", ":",
            "[[[[[[[[", "{\"a\":", "\\u0000", "\\u002e\\u002e/", "../", "/", "..\\\\", "\t", "\n", "\r\n", "\r", "\"\"",
            "\uFEFF", "é",
            " ", "F16", "F64", "I64", "__metadata__", "regression", "1".repeat(400));

    private interface Reader {
        void read(byte[] input) throws IOException;
    }

    @Test
    void safetensors() {
        String header = """
                {"__metadata__":{"format":"pt"},"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
                "a.bias":{"dtype":"F16","shape":[4],"data_offsets":[24,32]},"s":{"dtype":"I64","shape":[],"data_offsets":[32,40]}}""";
        byte[] file = SafetensorsBytes.file(header, new byte[40]);
        fuzz(file, CASES, input -> {
            for (MappedWeights.Stored stored : SafetensorsFile.parse("x", MemorySegment.ofArray(input)).values()) {
                assertThat(stored.data().byteSize()).isEqualTo(stored.info().byteCount())
                        .isLessThanOrEqualTo(input.length);
            }
        });
    }

    @Test
    void config() throws IOException {
        try (WeightSource weights = SafetensorsFile.open(Golden.file("model.safetensors"))) {
            fuzz(Golden.config().getBytes(StandardCharsets.UTF_8), CASES,
                    input -> HuggingFaceFolder.resolve("x", ConfigJson.parse("x", input), weights, Map.of()));
        }
    }

    @Test
    void shardIndexNamesNothingOutsideItsFolder() {
        byte[] index = """
                {"metadata":{"total_size":40},"weight_map":{"a.weight":"model-00001-of-00002.safetensors",
                "a.bias":"model-00001-of-00002.safetensors","s":"model-00002-of-00002.safetensors"}}"""
                .getBytes(StandardCharsets.UTF_8);
        Path folder = Path.of("/models/mine");
        fuzz(index, CASES, input -> {
            for (String shard : SafetensorsFile.parseIndex("x", input).values()) {
                assertThat(folder.resolve(shard).normalize().getParent()).isEqualTo(folder);
                assertThat(shard).endsWith(".safetensors").doesNotContain("/", "\\", "\0");
            }
        });
    }

    @Test
    void tsv() {
        fuzzTable(DatasetFormat.TSV,
                "text\tlabel\tscore\nShares rose\tgood\t0.5\n\"Loss\" widened\tbad\t-1e-1\nFlat\t\t\n");
    }

    @Test
    void csv() {
        fuzzTable(DatasetFormat.CSV,
                "text,label,score\r\n\"Shares, \"\"rose\"\"\",good,0.5\r\n\"Loss\nwidened\",bad,-1e-1\r\nFlat,,\r\n");
    }

    @Test
    void jsonl() {
        fuzzTable(DatasetFormat.JSONL,
                "{\"text\":\"Shares rose\",\"label\":\"good\",\"score\":0.5}\n{\"text\":\"Flat\",\"label\":1}\n");
    }

    private static void fuzzTable(DatasetFormat format, String text) {
        DatasetColumns columns = DatasetColumns.text("text").withLabel("label", List.of("bad", "good"))
                .withScores("score");
        fuzz(text.getBytes(StandardCharsets.UTF_8), CASES, input -> DatasetReader.parse("x", input, format, columns));
    }

    @Test
    void onnx() {
        fuzz(new SyntheticBert(1).onnx(), CASES / 5, input -> {
            try (WeightSource weights = OnnxWeights.read("x", Arena.ofShared(), MemorySegment.ofArray(input))) {
                weights.names().forEach(weights::read);
            }
        });
    }

    @Test
    void tensorFlowTable() {
        fuzz(new SyntheticBert(1).tensorFlow().get("index"), CASES / 5, input -> SortedTable.read("x", input));
    }

    @Test
    void tensorFlowEntries() {
        byte[] entry = new ProtoWriter().number(1, 1)
                .message(2,
                        new ProtoWriter().message(2, new ProtoWriter().number(1, 2)).message(2,
                                new ProtoWriter().number(1, 3)))
                .number(4, 8).number(5, 24).fixed32(6).toByteArray();
        MemorySegment data = MemorySegment.ofArray(new byte[32]);
        fuzz(entry, CASES / 5, input -> {
            byte[] index = SyntheticBert.sortedTable(new TreeMap<>(Map.of("", new byte[0], "w", input)));
            try (WeightSource weights = TensorFlowCheckpoint.read("x", Arena.ofShared(), index, suffix -> data)) {
                weights.names().forEach(weights::read);
            }
        });
    }

    private static void fuzz(byte[] valid, int cases, Reader reader) {
        Random random = new Random(20_250_901);
        int refused = 0;
        for (int i = 0; i < cases; i++) {
            byte[] input = i == 0 ? valid : mutated(valid, random);
            try {
                reader.read(input);
            } catch (FormatException e) {
                assertThat(e.source()).isNotBlank();
                assertThat(i).as("the undamaged input is read").isPositive();
                refused++;
            } catch (Exception | Error e) {
                throw new AssertionError("case " + i + ": " + HexFormat.of().formatHex(input), e);
            }
        }
        // Both ends are exercised: damage that is found, and damage that does no harm.
        assertThat(refused).isBetween(cases / 20, cases - 1);
    }

    private static byte[] mutated(byte[] valid, Random random) {
        byte[] input = valid;
        for (int rounds = 1 + random.nextInt(3); rounds > 0; rounds--) {
            input = mutatedOnce(input, random);
        }
        return input;
    }

    private static byte[] mutatedOnce(byte[] input, Random random) {
        int from = random.nextInt(input.length + 1);
        int to = Math.min(input.length, from + 1 + random.nextInt(8));
        return switch (random.nextInt(7)) {
            case 0 -> Arrays.copyOf(input, from);
            case 1 -> splice(input, from, to, new byte[0]);
            case 2 -> splice(input, from, from, Arrays.copyOfRange(input, from, to));
            case 3 ->
                splice(input, from, to, TOKENS.get(random.nextInt(TOKENS.size())).getBytes(StandardCharsets.UTF_8));
            case 4 ->
                splice(input, from, from, TOKENS.get(random.nextInt(TOKENS.size())).getBytes(StandardCharsets.UTF_8));
            case 5 -> {
                byte[] noise = new byte[to - from];
                random.nextBytes(noise);
                yield splice(input, from, to, noise);
            }
            default -> {
                byte[] flipped = input.clone();
                if (from < input.length) {
                    flipped[from] ^= (byte) (1 << random.nextInt(8));
                }
                yield flipped;
            }
        };
    }

    private static byte[] splice(byte[] input, int from, int to, byte[] replacement) {
        byte[] result = Arrays.copyOf(input, input.length - (to - from) + replacement.length);
        System.arraycopy(replacement, 0, result, from, replacement.length);
        System.arraycopy(input, to, result, from + replacement.length, input.length - to);
        return result;
    }
}
