package dev.nightjar.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.model.NetworkOutputs;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * The bound of errors of low-precision inference: the distance to the same computation in float64 may be twice that of a
 * {@linkplain PlainOps plain run}, which rounds after every operation.
 */
public final class RoundingErrors {
    private static final double ALLOWED = 2;
    private static final double BIAS = 1e-3;

    /** Batches of the awkward lengths. */
    public static final List<List<int[]>> BATCHES = List.of(sequences(1, 5, 17, 97), sequences(17),
            sequences(129, 1, 512),
            sequences(IntStream.range(0, 60).map(i -> 1 + i % 3 * 4).toArray()));

    private RoundingErrors() {
    }

    /** Largest and mean square distance. */
    private record Distance(double largest, double meanSquare) {
        static Distance of(float[] actual, float[] exact) {
            double largest = 0;
            double squares = 0;
            for (int i = 0; i < exact.length; i++) {
                double distance = Math.abs((double) actual[i] - exact[i]);
                assertThat(distance).isFinite();
                largest = Math.max(largest, distance);
                squares += distance * distance;
            }
            return new Distance(largest, squares / exact.length);
        }
    }

    /** Largest distance of two vectors. */
    public static double largest(float[] actual, float[] exact) {
        return Distance.of(actual, exact).largest;
    }

    /** Compares the errors of {@code actual} with those of {@code plain}. */
    public static void assertClose(String what, float[] actual, float[] plain, float[] exact) {
        Distance error = Distance.of(actual, exact);
        Distance allowed = Distance.of(plain, exact);
        assertThat(error.largest).as("largest error of " + what).isLessThanOrEqualTo(ALLOWED * allowed.largest);
        assertThat(Math.sqrt(error.meanSquare)).as("root mean square error of " + what)
                .isLessThanOrEqualTo(ALLOWED * Math.sqrt(allowed.meanSquare));
    }

    /**
     * Refuses errors that lean to one side, as a wrong scale's do, which are small beside those of rounding: the slope of the line through
     * 0 that fits {@code actual} best over {@code exact} is 1.
     */
    public static void assertUnbiased(String what, float[] actual, float[] exact) {
        double products = 0;
        double squares = 0;
        for (int i = 0; i < exact.length; i++) {
            products += (double) actual[i] * exact[i];
            squares += (double) exact[i] * exact[i];
        }
        assertThat(products / squares).as("slope of " + what).isCloseTo(1, within(BIAS));
    }

    /** Token embeddings batch by batch; the few numbers of the heads together, as their largest error is a matter of luck. */
    public static void assertClose(String what, List<NetworkOutputs> actual, List<NetworkOutputs> plain,
            List<NetworkOutputs> exact) {
        for (int i = 0; i < exact.size(); i++) {
            assertClose("token embeddings, " + what + ", batch " + i, actual.get(i).embeddings(),
                    plain.get(i).embeddings(), exact.get(i).embeddings());
        }
        assertClose("logits, " + what, concatenated(actual, NetworkOutputs::logits),
                concatenated(plain, NetworkOutputs::logits), concatenated(exact, NetworkOutputs::logits));
        assertClose("scores, " + what, concatenated(actual, NetworkOutputs::scores),
                concatenated(plain, NetworkOutputs::scores), concatenated(exact, NetworkOutputs::scores));
    }

    private static float[] concatenated(List<NetworkOutputs> outputs, Function<NetworkOutputs, float[]> part) {
        float[] all = new float[outputs.stream().mapToInt(output -> part.apply(output).length).sum()];
        int end = 0;
        for (NetworkOutputs output : outputs) {
            System.arraycopy(part.apply(output), 0, all, end, part.apply(output).length);
            end += part.apply(output).length;
        }
        return all;
    }

    /** Random sequences of a vocabulary of 50. */
    public static List<int[]> sequences(int... lengths) {
        Random random = new Random(lengths.length);
        return Arrays.stream(lengths).mapToObj(length -> random.ints(length, 0, 50).toArray()).toList();
    }
}
