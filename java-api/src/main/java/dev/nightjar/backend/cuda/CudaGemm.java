package dev.nightjar.backend.cuda;

import dev.nightjar.backend.Activation;

/** Who computes the products of a forward pass, on the stream of one {@link CudaOps}. */
interface CudaGemm extends AutoCloseable {
    /**
     * out [rows, n] = x [rows, k] weight' + bias, of the operations' type, row-major, by device addresses.
     *
     * @param rows rows there is memory for; those past {@code rowCount} may be left with anything
     * @param rowCount address of an int32, the number of rows that matter
     * @param weight [n, k]
     * @param bias [n]
     */
    record Product(int rows, long rowCount, long x, long weight, long bias, int n, int k, long out) {
    }

    /** out = activation(x weight' + bias). */
    void linear(Product product, Activation activation);

    /**
     * out = layerNorm(x weight' + bias + residual).
     *
     * @param sum [rows, n], scratch memory
     * @param residual [rows, n], may be {@code out}
     * @param gamma [n]
     * @param beta [n]
     */
    void linearResidualLayerNorm(Product product, long sum, long residual, long gamma, long beta);

    @Override
    void close();
}
