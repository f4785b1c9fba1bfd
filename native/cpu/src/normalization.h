// Embedding, dropout, residual and layer normalisation over rows of tokens.
#pragma once

#include <cstdint>

#include "philox.h"

namespace {

inline void normalise_row(const float* __restrict x, int32_t dim, const float* __restrict gamma, const float* __restrict beta,
                          float epsilon, float* stats, float* __restrict out) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int32_t c = 0; c < dim; c++) {
        sum += x[c];
    }
    const float mean = sum / static_cast<float>(dim);
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int32_t c = 0; c < dim; c++) {
        squares += (x[c] - mean) * (x[c] - mean);
    }
    const float rstd = 1.0f / __builtin_sqrtf(squares / static_cast<float>(dim) + epsilon);
    if (stats) {
        stats[0] = mean;
        stats[1] = rstd;
    }
    for (int32_t c = 0; c < dim; c++) {
        out[c] = (x[c] - mean) * rstd * gamma[c] + beta[c];
    }
}

inline void add_rows(const float* __restrict a, const float* __restrict b, int32_t dim, float* __restrict out) {
    for (int32_t c = 0; c < dim; c++) {
        out[c] = a[c] + b[c];
    }
}

void embedding(int32_t begin, int32_t end, int32_t dim, const int32_t* ids, const int32_t* positions, const int32_t* sequences,
               const int32_t* keys, const float* words, const float* places, const float* gamma, const float* beta,
               float epsilon, uint32_t threshold, float scale, uint64_t seed, uint32_t stream, float* sum, float* stats,
               float* out) {
    const Dropout dropout{threshold, scale, seed, stream};
    const TokenRows rows{positions, sequences, keys};
    for (int32_t t = begin; t < end; t++) {
        const int64_t at = int64_t{t} * dim;
        float* row = out + at;
        // Without `sum` the argument of the normalisation stands where its result will.
        float* argument = sum ? sum + at : row;
        add_rows(words + int64_t{ids[t]} * dim, places + int64_t{positions[t]} * dim, dim, argument);
        normalise_row(argument, dim, gamma, beta, epsilon, stats ? stats + 2 * int64_t{t} : nullptr, row);
        if (dropout.active()) {
            dropout.apply(row, dim, 1, dim, rows.row(t), rows.key(t), row);
        }
    }
}

void scatter_add(int32_t begin, int32_t end, int32_t dim, int32_t tokens, const int32_t* rows, int32_t skip, const float* d,
                 float* table) {
    for (int32_t t = 0; t < tokens; t++) {
        if (rows[t] != skip) {
            const float* __restrict from = d + int64_t{t} * dim;
            float* __restrict to = table + int64_t{rows[t]} * dim;
            for (int32_t c = begin; c < end; c++) {
                to[c] += from[c];
            }
        }
    }
}

void residual_layer_norm(int32_t begin, int32_t end, int32_t dim, const int32_t* positions, const int32_t* sequences,
                         const int32_t* keys, float* x, const float* residual, const float* gamma, const float* beta,
                         float epsilon, uint32_t threshold, float scale, uint64_t seed, uint32_t stream, float* stats,
                         float* out) {
    const Dropout dropout{threshold, scale, seed, stream};
    const TokenRows rows{positions, sequences, keys};
    for (int32_t t = begin; t < end; t++) {
        const int64_t at = int64_t{t} * dim;
        float* __restrict row = x + at;
        const float* __restrict shortcut = residual + at;
        if (dropout.active()) {
            dropout.apply(row, dim, 1, dim, rows.row(t), rows.key(t), row);
        }
        for (int32_t c = 0; c < dim; c++) {
            row[c] += shortcut[c];
        }
        normalise_row(row, dim, gamma, beta, epsilon, stats ? stats + 2 * int64_t{t} : nullptr, out + at);
    }
}

// With g = dOut * gamma and y the normalised row: dSum = rstd (g - mean(g) - y mean(g y)).
void layer_norm_backward(int32_t begin, int32_t end, int32_t dim, const float* d_out, const float* sum, const float* stats,
                         const float* __restrict gamma, float* d_sum, float* __restrict partial) {
    float* __restrict d_gamma = partial;
    float* __restrict d_beta = partial + dim;
    for (int32_t c = 0; c < 2 * dim; c++) {
        partial[c] = 0;
    }
    for (int32_t t = begin; t < end; t++) {
        const float* d = d_out + int64_t{t} * dim;
        const float* __restrict x = sum + int64_t{t} * dim;
        const float mean = stats[2 * int64_t{t}];
        const float rstd = stats[2 * int64_t{t} + 1];
        float gradient = 0;
        float product = 0;
#pragma omp simd reduction(+ : gradient, product)
        for (int32_t c = 0; c < dim; c++) {
            const float y = (x[c] - mean) * rstd;
            const float g = d[c] * gamma[c];
            gradient += g;
            product += g * y;
            d_gamma[c] += d[c] * y;
            d_beta[c] += d[c];
        }
        gradient /= static_cast<float>(dim);
        product /= static_cast<float>(dim);
        float* out = d_sum + int64_t{t} * dim;
#pragma omp simd
        for (int32_t c = 0; c < dim; c++) {
            const float y = (x[c] - mean) * rstd;
            out[c] = rstd * (d[c] * gamma[c] - gradient - y * product);
        }
    }
}

void dropout_rows(int32_t begin, int32_t end, int32_t dim, const int32_t* positions, const int32_t* sequences,
                  const int32_t* keys, const float* x, uint32_t threshold, float scale, uint64_t seed, uint32_t stream,
                  float* out) {
    const Dropout dropout{threshold, scale, seed, stream};
    const TokenRows rows{positions, sequences, keys};
    for (int32_t t = begin; t < end; t++) {
        const int64_t at = int64_t{t} * dim;
        dropout.apply(x + at, dim, 1, dim, rows.row(t), rows.key(t), out + at);
    }
}

}  // namespace
