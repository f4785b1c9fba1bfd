package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Activation;

/** What linear maps need besides products; documented in {@code nightjar_cpu.h}. Thread-safe. */
interface LinearKernels {
    /** Columns [begin, end) of {@code rows} rows: out = activation(out + bias); {@code pre} keeps the argument, 0 where nobody asks. */
    void biasActivation(int begin, int end, int rows, int ld, Activation activation, long bias, long pre, long out);

    /** Columns [begin, end): out[c] += sum over {@code rows} rows of x. */
    void columnSums(int begin, int end, int rows, int ld, long x, long out);

    /** Rows [begin, end) of out [cols, rows], the transpose of x [rows, cols]. */
    void transpose(int begin, int end, int rows, int cols, long x, long out);
}
