package dev.nightjar.backend;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The known answers of the authors' library Random123 ({@code kat_vectors}, philox4x32 10). */
public class PhiloxTest {
    /**
     * One known answer.
     *
     * @param words what counter and key give
     */
    public record KnownAnswer(long key, int c0, int c1, int c2, int c3, int... words) {
    }

    public static Stream<KnownAnswer> knownAnswers() {
        return Stream.of(new KnownAnswer(0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8),
                new KnownAnswer(-1, -1, -1, -1, -1, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd),
                new KnownAnswer(0x299f31d0_a4093822L, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xd16cfe09,
                        0x94fdcceb, 0x5001e420, 0x24126ea1));
    }

    @ParameterizedTest
    @MethodSource("knownAnswers")
    void agreesWithTheAuthors(KnownAnswer known) {
        int[] words = new int[4];
        Philox.words(known.key(), known.c0(), known.c1(), known.c2(), known.c3(), words);
        assertThat(words).containsExactly(known.words());
    }
}
