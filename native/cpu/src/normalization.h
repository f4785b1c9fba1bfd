// Embedding, dropout, residual and layer normalisation over rows of tokens.
#pragma once

#include <cstdint>

#include "philox.h"
#include "value.h"

namespace {

// Layer normalisation of argument(0), argument(1), ..., which `sum` keeps; it may be null, as `stats`.
template <typename Argument>
inline __attribute__((always_inline)) void normalise_row(int32_t dim, Argument argument, const Value* gamma, const Value* beta,
                                                         float epsilon, Value* sum, float* stats, Value* out) {
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (int32_t c = 0; c < dim; c++) {
        total += argument(c);
    }
    const float mean = total / static_cast<float>(dim);
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int32_t c = 0; c < dim; c++) {
        const float difference = argument(c) - mean;
        squares += difference * difference;
    }
    const float rstd = 1.0f / __builtin_sqrtf(squares / static_cast<float>(dim) + epsilon);
    if (stats) {
        stats[0] = mean;
        stats[1] = rstd;
    }
    const auto write = [&](int32_t c, float x) { store((x - mean) * rstd * to_float(gamma[c]) + to_float(beta[c]), out + c); };
    if (sum) {
#pragma omp simd
        for (int32_t c = 0; c < dim; c++) {
            const float x = argument(c);
            store(x, sum + c);
            write(c, x);
        }
    } else {
#pragma omp simd
        for (int32_t c = 0; c < dim; c++) {
            write(c, argument(c));
        }
    }
}

void embedding(int32_t begin, int32_t end, int32_t dim, const int32_t* ids, const int32_t* positions, const int32_t* sequences,
               const int32_t* keys, const Value* words, const Value* places, const Value* gamma, const Value* beta,
               float epsilon, uint32_t threshold, float scale, uint64_t seed, uint32_t stream, Value* sum, float* stats,
               Value* out) {
    const Dropout dropout{threshold, scale, seed, stream};
    const TokenRows rows{positions, sequences, keys};
    for (int32_t t = begin; t < end; t++) {
        const int64_t at = int64_t{t} * dim;
        Value* row = out + at;
        const Value* word = words + int64_t{ids[t]} * dim;
        const Value* place = places + int64_t{positions[t]} * dim;
        normalise_row(dim, [=](int32_t c) { return to_float(word[c]) + to_float(place[c]); }, gamma, beta, epsilon,
                      sum ? sum + at : nullptr, stats ? stats + 2 * int64_t{t} : nullptr, row);
        if (dropout.active()) {
            dropout.apply(row, dim, 1, dim, rows.row(t), rows.key(t), row);
        }
    }
}

void scatter_add(int32_t begin, int32_t end, int32_t dim, int32_t tokens, const int32_t* rows, int32_t skip, const Value* d,
                 float* table) {
    for (int32_t t = 0; t < tokens; t++) {
        if (rows[t] != skip) {
            const Value* __restrict from = d + int64_t{t} * dim;
            float* __restrict to = table + int64_t{rows[t]} * dim;
            for (int32_t c = begin; c < end; c++) {
                to[c] += to_float(from[c]);
            }
        }
    }
}

void residual_layer_norm(int32_t begin, int32_t end, int32_t dim, const int32_t* positions, const int32_t* sequences,
                         const int32_t* keys, Value* x, const Value* residual, const Value* gamma, const Value* beta,
                         float epsilon, uint32_t threshold, float scale, uint64_t seed, uint32_t stream, float* stats,
                         Value* out) {
    const Dropout dropout{threshold, scale, seed, stream};
    const TokenRows rows{positions, sequences, keys};
    for (int32_t t = begin; t < end; t++) {
        const int64_t at = int64_t{t} * dim;
        Value* row = x + at;
        if (dropout.active()) {
            dropout.apply(row, dim, 1, dim, rows.row(t), rows.key(t), row);
        }
        const Value* shortcut = residual + at;
        normalise_row(dim, [=](int32_t c) { return to_float(row[c]) + to_float(shortcut[c]); }, gamma, beta, epsilon, row,
                      stats ? stats + 2 * int64_t{t} : nullptr, out + at);
    }
}

// With g = dOut * gamma and y the normalised row: dSum = rstd (g - mean(g) - y mean(g y)).
void layer_norm_backward(int32_t begin, int32_t end, int32_t dim, const Value* d_out, const Value* sum, const float* stats,
                         const Value* __restrict gamma, Value* d_sum, float* __restrict partial) {
    float* __restrict d_gamma = partial;
    float* __restrict d_beta = partial + dim;
    for (int32_t c = 0; c < 2 * dim; c++) {
        partial[c] = 0;
    }
    for (int32_t t = begin; t < end; t++) {
        const Value* d = d_out + int64_t{t} * dim;
        const Value* __restrict x = sum + int64_t{t} * dim;
        const float mean = stats[2 * int64_t{t}];
        const float rstd = stats[2 * int64_t{t} + 1];
        float gradient = 0;
        float product = 0;
#pragma omp simd reduction(+ : gradient, product)
        for (int32_t c = 0; c < dim; c++) {
            const float y = (to_float(x[c]) - mean) * rstd;
            const float slope = to_float(d[c]);
            const float g = slope * to_float(gamma[c]);
            gradient += g;
            product += g * y;
            d_gamma[c] += slope * y;
            d_beta[c] += slope;
        }
        gradient /= static_cast<float>(dim);
        product /= static_cast<float>(dim);
        Value* out = d_sum + int64_t{t} * dim;
#pragma omp simd
        for (int32_t c = 0; c < dim; c++) {
            const float y = (to_float(x[c]) - mean) * rstd;
            store(rstd * (to_float(d[c]) * to_float(gamma[c]) - gradient - y * product), out + c);
        }
    }
}

void dropout_rows(int32_t begin, int32_t end, int32_t dim, const int32_t* positions, const int32_t* sequences,
                  const int32_t* keys, const Value* x, uint32_t threshold, float scale, uint64_t seed, uint32_t stream,
                  Value* out) {
    const Dropout dropout{threshold, scale, seed, stream};
    const TokenRows rows{positions, sequences, keys};
    for (int32_t t = begin; t < end; t++) {
        const int64_t at = int64_t{t} * dim;
        dropout.apply(x + at, dim, 1, dim, rows.row(t), rows.key(t), out + at);
    }
}

}  // namespace
