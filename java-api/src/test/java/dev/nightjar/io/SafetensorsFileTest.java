package dev.nightjar.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.FormatException;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsFileTest {
    @TempDir
    Path folder;

    @Test
    void readsWhatPyTorchWrote() throws IOException {
        try (WeightSource weights = SafetensorsFile.open(Golden.file("model.safetensors"))) {
            assertThat(weights.names()).hasSize(42).startsWith("classifier.bias", "classifier.weight")
                    .contains("regressor.weight");
            assertThat(weights.info("classifier.weight"))
                    .isEqualTo(new TensorInfo("classifier.weight", DType.F32, List.of(3L, 32L)));
            assertThat(weights.read("classifier.bias")).containsExactly(-0.027993942f, 0.09727211f, 0.050790895f);
        }
        try (WeightSource batch = SafetensorsFile.open(Golden.file("forward.safetensors"))) {
            assertThat(batch.info("labels").dtype()).isEqualTo(DType.I64);
            assertThat(batch.read("labels")).containsExactly(1, 2, 0, 0, 1, 2);
            assertThat(batch.info("loss").shape()).isEmpty();
            assertThat(batch.read("loss")).containsExactly(8.405683f);
        }
    }

    @Test
    void convertsEveryType() throws IOException {
        ByteBuffer data = ByteBuffer.allocate(8 * 2 + 4 * 2 + 2 * 3 + 2 * 3 + 8 * 2 + 4 * 2 + 2)
                .order(ByteOrder.LITTLE_ENDIAN);
        data.putDouble(0.1).putDouble(-1e300).putFloat(1.5f).putFloat(Float.NaN);
        data.putShort((short) 0x3C01).putShort((short) 0x8001).putShort((short) 0xFC00); // 1 + 2^-10, -2^-24, -infinity
        data.putShort((short) 0x3F81).putShort((short) 0xC2F7).putShort((short) 0x7F80); // 1 + 2^-7, -123.5, infinity
        data.putLong(-3).putLong(1L << 40).putInt(7).putInt(-8).put((byte) -128).put((byte) 5);
        String header = """
                {"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"f":{"dtype":"F32","shape":[2],"data_offsets":[16,24]},
                "h":{"dtype":"F16","shape":[3],"data_offsets":[24,30]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[30,36]},
                "l":{"dtype":"I64","shape":[2],"data_offsets":[36,52]},"i":{"dtype":"I32","shape":[2],"data_offsets":[52,60]},
                "c":{"dtype":"I8","shape":[2],"data_offsets":[60,62]}}""";
        try (WeightSource weights = SafetensorsFile.open(write(SafetensorsBytes.file(header, data.array())))) {
            assertThat(weights.read("d")).containsExactly(0.1f, Float.NEGATIVE_INFINITY);
            assertThat(weights.read("f")).containsExactly(1.5f, Float.NaN);
            assertThat(weights.read("h")).containsExactly(1 + 0x1p-10f, -0x1p-24f, Float.NEGATIVE_INFINITY);
            assertThat(weights.read("b")).containsExactly(1 + 0x1p-7f, -123.5f, Float.POSITIVE_INFINITY);
            assertThat(weights.read("l")).containsExactly(-3, 0x1p40f);
            assertThat(weights.read("i")).containsExactly(7, -8);
            assertThat(weights.read("c")).containsExactly(-128, 5);
        }
    }

    @Test
    void namesKeepHeaderOrderWhateverTheOffsets() throws IOException {
        String header = """
                {"__metadata__":{"format":"pt"},"z":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},
                "empty":{"dtype":"F32","shape":[0,5],"data_offsets":[4,4]},
                "a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  \s""";
        try (WeightSource weights = SafetensorsFile
                .open(write(SafetensorsBytes.file(header, SafetensorsBytes.floats(1, 2))))) {
            assertThat(weights.names()).containsExactly("z", "empty", "a");
            assertThat(weights.read("z")).containsExactly(2);
            assertThat(weights.read("a")).containsExactly(1);
            assertThat(weights.read("empty")).isEmpty();
        }
    }

    @Test
    void unknownNamesAndWrongDestinationsAreRefusedByName() throws IOException {
        Path file = Golden.file("model.safetensors");
        try (WeightSource weights = SafetensorsFile.open(file); Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> weights.info("nope")).isInstanceOf(FormatException.class)
                    .hasMessageContainingAll(file.toString(), "nope");
            MemorySegment tooSmall = arena.allocate(11);
            assertThatThrownBy(() -> weights.read("classifier.bias", tooSmall))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("classifier.bias", "12 bytes", "11");
        }
    }

    @Test
    void readingAfterCloseThrowsAndClosingTwiceDoesNot() throws IOException {
        WeightSource weights = SafetensorsFile.open(Golden.file("model.safetensors"));
        weights.close();
        weights.close();
        assertThatThrownBy(() -> weights.read("classifier.bias")).isInstanceOf(IllegalStateException.class);
    }

    /** Each header describes eight bytes of data wrongly; the message says what is wrong. */
    @ParameterizedTest(name = "{1}")
    @CsvSource(quoteCharacter = '`', delimiter = '|',
            textBlock = """
                    [] | a JSON object
                    {"a":1} | an object with dtype
                    {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} | uplicate
                    {"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}} | uplicate
                    {"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}} | dtype F33 is not one of
                    {"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}} | integers in [0, 2^63)
                    {"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}} | integers in [0, 2^63)
                    {"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}} | integers in [0, 2^63)
                    {"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}} | integers in [0, 2^63)
                    {"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}} | overflows
                    {"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,8]}} | overflows
                    {"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}} | 12 bytes for F32 [3], not the 8
                    {"a":{"dtype":"F16","shape":[2],"data_offsets":[0,8]}} | 4 bytes for F16 [2], not the 8
                    {"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}} | data_offsets [begin, end]
                    {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}} | data_offsets [begin, end]
                    {"a":{"dtype":"F32","shape":[2]}} | dtype, shape and data_offsets
                    {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"extra":1}} | not extra
                    {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} | end at byte 4 of the data, the file has 8
                    {"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}} | end at byte 12 of the data, the file has 8
                    {"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}} | begin at 4, expected 0
                    {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}} | begin at 4, expected 8
                    {"__metadata__":{"n":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} | an object of strings
                    {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} {} | nothing after
                    {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8] | not valid JSON
                    """)
    void malformedHeadersAreRefused(String header, String message) throws IOException {
        Path file = write(SafetensorsBytes.file(header, new byte[8]));
        assertThatThrownBy(() -> SafetensorsFile.open(file)).isInstanceOf(FormatException.class)
                .hasMessageContainingAll(file.toString(), message);
    }

    @Test
    void aHeaderLongerThanTheFileIsRefusedUnread() throws IOException {
        for (long claim : new long[]{1L << 60, Long.MAX_VALUE, -1, 3, 1, 0}) {
            Path file = write(SafetensorsBytes.file(claim, "{}", new byte[0]));
            assertThatThrownBy(() -> SafetensorsFile.open(file)).isInstanceOf(FormatException.class)
                    .hasMessageContaining("claims a header of " + Long.toUnsignedString(claim));
        }
        for (byte[] stub : new byte[][]{{}, {1, 2, 3}, new byte[9]}) {
            Path file = write(stub);
            assertThatThrownBy(() -> SafetensorsFile.open(file)).isInstanceOf(FormatException.class);
        }
    }

    private Path write(byte[] bytes) throws IOException {
        return Files.write(folder.resolve("x.safetensors"), bytes);
    }
}
