package dev.nightjar.backend.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.Philox;
import dev.nightjar.backend.PhiloxTest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class NativeKernelsTest {
    private static NativeKernels load(NativeKernels.Isa isa) {
        assumeTrue(NativeKernels.isPackaged(), "built without a C++ compiler");
        try {
            return NativeKernels.load(isa);
        } catch (UnavailableException e) {
            return abort(e.getMessage());
        }
    }

    private static int[] words(NativeKernels kernels, long key, int c0, int c1, int c2, int c3, int counters) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment words = arena.allocate(ValueLayout.JAVA_INT, 4L * counters);
            kernels.philox(key, c0, c1, c2, c3, counters, words.address());
            return words.toArray(ValueLayout.JAVA_INT);
        }
    }

    @ParameterizedTest
    @EnumSource(NativeKernels.Isa.class)
    void philoxAgreesWithItsAuthors(NativeKernels.Isa isa) {
        NativeKernels kernels = load(isa);
        PhiloxTest.knownAnswers().forEach(known -> assertThat(
                words(kernels, known.key(), known.c0(), known.c1(), known.c2(), known.c3(), 1))
                .containsExactly(known.words()));
    }

    @ParameterizedTest
    @EnumSource(NativeKernels.Isa.class)
    void philoxAgreesWithJavaOverManyCounters(NativeKernels.Isa isa) {
        NativeKernels kernels = load(isa);
        Random random = new Random(3);
        int[] expected = new int[4];
        for (int counters : new int[]{1, 3, 8, 21, 64}) {
            long key = random.nextLong();
            int first = random.nextInt();
            int[] actual = words(kernels, key, first, 11, -12, 13, counters);
            for (int i = 0; i < counters; i++) {
                Philox.words(key, first + i, 11, -12, 13, expected);
                assertThat(actual[4 * i]).isEqualTo(expected[0]);
                assertThat(actual[4 * i + 1]).isEqualTo(expected[1]);
                assertThat(actual[4 * i + 2]).isEqualTo(expected[2]);
                assertThat(actual[4 * i + 3]).isEqualTo(expected[3]);
            }
        }
    }
}
