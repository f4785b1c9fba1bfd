package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Activation;

/** What linear maps need besides products; documented in {@code nightjar_cpu.h}. Thread-safe. */
interface LinearKernels {
    /** The first columns of some rows: out = activation(sums + bias); {@code pre} keeps the argument, 0 where nobody asks. */
    void biasActivation(int rows, int cols, Activation activation, long sums, int sumsLd, long bias, int ld, long pre,
            long out);

    /** Columns [begin, end): out[c] += sum over {@code rows} rows of x. */
    void columnSums(int begin, int end, int rows, int ld, long x, long out);

    /** Rows [begin, end) of out [cols, rows], the transpose of x [rows, cols]. */
    void transpose(int begin, int end, int rows, int cols, long x, long out);
}
