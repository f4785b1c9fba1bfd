package dev.nightjar.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsWriterTest {
    @TempDir
    Path folder;

    @Test
    void writesTheFormatByteForByte() throws IOException {
        Path file = folder.resolve("x.safetensors");
        SafetensorsWriter.write(file, List.of(tensor("b", List.of(1L, 2L), 1, 2), tensor("a", List.of(), 3)),
                DType.F32);
        String header = "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                + "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[8,12]}}";
        String padded = header + " ".repeat((8 - header.length() % 8) % 8);
        assertThat(Files.readAllBytes(file)).isEqualTo(SafetensorsBytes.file(padded, SafetensorsBytes.floats(1, 2, 3)));
    }

    @Test
    void roundsToBfloat16AndFloat16ToNearestEven() throws IOException {
        float[] values = {1 + 0x1p-8f, 1 + 0x3p-8f, 1 + 0x1.8p-8f, 0x1.feffp127f, Float.NEGATIVE_INFINITY, Float.NaN,
                -0f};
        assertThat(written(DType.BF16, values)).containsExactly(1, 1 + 0x1p-6f, 1 + 0x1p-7f, 0x1.fep127f,
                Float.NEGATIVE_INFINITY, Float.NaN, -0f);
        assertThat(written(DType.F16, 1 + 0x1p-11f, 1 + 0x3p-11f, 65519, 0x1p-25f, Float.NaN,
                Float.POSITIVE_INFINITY)).containsExactly(1, 1 + 0x1p-9f, 65504, 0, Float.NaN, Float.POSITIVE_INFINITY);
    }

    @Test
    void numbersBeyondTheRangeDoNotBecomeInfinite() {
        assertThatThrownBy(() -> written(DType.BF16, 1, Float.MAX_VALUE)).isInstanceOf(ArithmeticException.class)
                .hasMessageContainingAll("3.4028235E38", "bfloat16");
        assertThatThrownBy(() -> written(DType.F16, -65520)).isInstanceOf(ArithmeticException.class)
                .hasMessageContainingAll("-65520", "float16");
    }

    @Test
    void tensorsBeyondOneChunkSurvive() throws IOException {
        Random random = new Random(1);
        float[] values = new float[(1 << 19) + 17];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextInt(256);
        }
        for (DType storage : List.of(DType.F32, DType.F16, DType.BF16)) {
            assertThat(written(storage, values)).isEqualTo(values);
        }
    }

    @Test
    void dataStartsAlignedWhateverTheNames() throws IOException {
        for (String name : List.of("a", "ab", "abc", "é", "\"\\\n")) {
            Path file = folder.resolve("x.safetensors");
            SafetensorsWriter.write(file, List.of(tensor(name, List.of(1L), 5)), DType.F32);
            long headerBytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN).getLong();
            assertThat(headerBytes % 8).isZero();
            try (WeightSource weights = SafetensorsFile.open(file)) {
                assertThat(weights.read(name)).containsExactly(5);
            }
        }
    }

    @Test
    void refusesWhatNoReaderWouldTake() {
        Path file = folder.resolve("x.safetensors");
        NamedTensor tensor = tensor("a", List.of(1L), 1);
        assertThatThrownBy(() -> SafetensorsWriter.write(file, List.of(tensor, tensor), DType.F32))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("a is reserved or given twice");
        assertThatThrownBy(
                () -> SafetensorsWriter.write(file, List.of(tensor("__metadata__", List.of(1L), 1)), DType.F32))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> SafetensorsWriter.write(file, List.of(tensor), DType.I8))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("I8");
        assertThatThrownBy(() -> tensor("a", List.of(2L), 1)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("tensor a", "8 bytes");
        assertThat(file).doesNotExist();
    }

    private float[] written(DType storage, float... values) throws IOException {
        Path file = folder.resolve("x.safetensors");
        SafetensorsWriter.write(file, List.of(tensor("x", List.of((long) values.length), values)), storage);
        try (WeightSource weights = SafetensorsFile.open(file)) {
            assertThat(weights.info("x").dtype()).isEqualTo(storage);
            return weights.read("x");
        }
    }

    private static NamedTensor tensor(String name, List<Long> shape, float... values) {
        return new NamedTensor(name, shape, MemorySegment.ofArray(values));
    }
}
