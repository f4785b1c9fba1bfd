package dev.nightjar.backend.cuda;

import dev.nightjar.backend.Activation;

/** Who computes the products of a training pass, on the stream of one {@link CudaTrainingOps}. Rows past a count matter to none. */
interface CudaTrainingGemm extends AutoCloseable {
    /**
     * A linear layer [n, k] with what comes back through it, by device addresses; all but the gradients of weight and bias, which are
     * float32, are of the operations' type.
     *
     * @param rows rows there is memory for
     * @param rowCount address of an int32, the number of rows that matter
     * @param x [rows, k]
     * @param dOut [rows, n]
     */
    record Gradient(int rows, long rowCount, long x, long dOut, int n, int k) {
    }

    /**
     * out = activation(x weight' + bias).
     *
     * @param preActivation [rows, n], gets the argument of the activation; 0 where there is none
     */
    void linear(CudaGemm.Product product, Activation activation, long preActivation);

    /** dX = dOut weight, or dX += dOut weight; {@code x} is not read. */
    void backwardInput(Gradient gradient, long weight, boolean accumulate, long dX);

    /** dWeight += dOut' x, dBias += column sums of dOut. */
    void backwardWeight(Gradient gradient, long dWeight, long dBias);

    @Override
    void close();
}
