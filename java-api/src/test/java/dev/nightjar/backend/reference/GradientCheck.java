package dev.nightjar.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import java.util.Random;
import java.util.function.DoubleSupplier;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/** Gradients by central differences: fourth order, so that the step can be large against float32 rounding of what is differenced. */
public final class GradientCheck {
    private static final double STEP = 0.02;
    private static final double TOLERANCE = 2e-3;

    private GradientCheck() {
    }

    /**
     * Asserts that every element of {@code gradient} is the derivative of a function by that element of {@code variable}.
     *
     * @param function computed anew from all variables
     */
    static void assertGradient(String name, DoubleSupplier function, Tensor variable, Tensor gradient) {
        assertGradient(name, function, variable, gradient, IntStream.range(0, (int) variable.elements()).toArray());
    }

    /** The same for some of the elements; distances count against the largest element of the gradient. */
    public static void assertGradient(String name, DoubleSupplier function, Tensor variable, Tensor gradient,
            int[] elements) {
        double largest = LongStream.range(0, gradient.elements()).mapToDouble(i -> Math.abs(gradient.get(i))).max()
                .orElseThrow();
        for (int i : elements) {
            assertThat((double) gradient.get(i)).as("%s, element %d", name, i)
                    .isCloseTo(derivative(function, variable, i), within(TOLERANCE * Math.max(largest, 0.05)));
        }
    }

    private static double derivative(DoubleSupplier function, Tensor variable, int i) {
        float x = variable.get(i);
        double[] f = new double[5];
        for (int k = -2; k <= 2; k++) {
            variable.set(i, (float) (x + k * STEP));
            f[k + 2] = k == 0 ? 0 : function.getAsDouble();
        }
        variable.set(i, x);
        return (8 * (f[3] - f[1]) - (f[4] - f[0])) / (12 * STEP);
    }

    /** A matrix of normal numbers. */
    static Tensor random(Random random, int rows, int cols) {
        Tensor tensor = zeros(rows, cols);
        for (long i = 0; i < tensor.elements(); i++) {
            tensor.set(i, (float) random.nextGaussian());
        }
        return tensor;
    }

    static Tensor zeros(int rows, int cols) {
        return Tensor.matrix(new HostBuffer(4L * rows * cols), 0, DType.F32, rows, cols);
    }

    /** The same elements as a vector. */
    static Tensor vector(Tensor matrix) {
        return Tensor.vector(matrix.buffer(), matrix.byteOffset(), DType.F32, (int) matrix.elements());
    }

    /** Sum of products of the elements. */
    static double dot(Tensor x, Tensor y) {
        double sum = 0;
        for (long i = 0; i < x.elements(); i++) {
            sum += (double) x.get(i) * y.get(i);
        }
        return sum;
    }

    static Tensor copy(Tensor x) {
        Tensor copy = zeros(x.rows(), x.cols());
        copy.segment().copyFrom(x.segment());
        return copy;
    }
}
