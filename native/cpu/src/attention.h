// Multi-head self-attention over packed sequences, one (sequence, head) pair at a time.
//
// A pair's keys and values (at most 512 x 64 floats) fit the second-level cache, so the softmax needs no online rescaling: blocks of
// queries get whole rows of scores. Everything reduces to products of small matrices (multiply, below) of which the right factor is
// copied to rows padded to whole vectors; the left factor is read where it lies, element by element.
#pragma once

#include <cstdint>

#include "float_vector.h"
#include "philox.h"
#include "value.h"
#include "vector_math.h"

namespace {

// Vectors that are accumulated at once: half of the registers, the others being enough for the factors.
constexpr int32_t kAccumulators = kLanes == 16 ? 16 : 8;
constexpr int32_t kQueryBlock = 32;

constexpr int32_t padded(int32_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// A matrix read one element at a time, in either orientation.
struct Left {
    const float* data;
    int64_t row_stride;
    int64_t col_stride;
};

struct Rows {
    float* data;
    int64_t ld;

    float* operator[](int64_t r) const { return data + r * ld; }
};

template <int R, int V>
inline __attribute__((always_inline)) void multiply_tile(int32_t k, const float* a, int64_t row_stride, int64_t col_stride,
                                                         const float* b, int64_t ldb, bool accumulate, float* c, int64_t ldc) {
    Vector sum[R][V];
    for (int i = 0; i < R; i++) {
        for (int v = 0; v < V; v++) {
            sum[i][v] = accumulate ? *reinterpret_cast<const Vector*>(c + i * ldc + v * kLanes) : Vector{};
        }
    }
    for (int32_t p = 0; p < k; p++) {
        for (int i = 0; i < R; i++) {
            const float factor = a[i * row_stride + p * col_stride];
            for (int v = 0; v < V; v++) {
                sum[i][v] += factor * *reinterpret_cast<const Vector*>(b + p * ldb + v * kLanes);
            }
        }
    }
    for (int i = 0; i < R; i++) {
        for (int v = 0; v < V; v++) {
            *reinterpret_cast<Vector*>(c + i * ldc + v * kLanes) = sum[i][v];
        }
    }
}

// V vectors' width of columns.
template <int V>
void multiply_columns(int32_t m, int32_t k, Left a, const float* b, int64_t ldb, bool accumulate, float* c, int64_t ldc) {
    constexpr int32_t kRows = kAccumulators / V;
    int32_t i = 0;
    for (; i + kRows <= m; i += kRows) {
        multiply_tile<kRows, V>(k, a.data + i * a.row_stride, a.row_stride, a.col_stride, b, ldb, accumulate, c + i * ldc, ldc);
    }
    for (; i < m; i++) {
        multiply_tile<1, V>(k, a.data + i * a.row_stride, a.row_stride, a.col_stride, b, ldb, accumulate, c + i * ldc, ldc);
    }
}

// c (m, n) = a (m, k) b (k, n), or += ; n is whole vectors, of which b's and c's rows have at least as many.
void multiply(int32_t m, int32_t n, int32_t k, Left a, Rows b, bool accumulate, Rows c) {
    int32_t j = 0;
    for (; j + 4 * kLanes <= n; j += 4 * kLanes) {
        multiply_columns<4>(m, k, a, b.data + j, b.ld, accumulate, c.data + j, c.ld);
    }
    for (; j + 2 * kLanes <= n; j += 2 * kLanes) {
        multiply_columns<2>(m, k, a, b.data + j, b.ld, accumulate, c.data + j, c.ld);
    }
    if (j < n) {
        multiply_columns<1>(m, k, a, b.data + j, b.ld, accumulate, c.data + j, c.ld);
    }
}

// Rows of `width` elements, `ld` apart, times a factor, into rows padded with zeros.
void copy_rows(int32_t rows, int32_t width, const Value* from, int64_t ld, float factor, Rows to) {
    for (int32_t r = 0; r < rows; r++) {
        const Value* __restrict source = from + r * ld;
        float* __restrict target = to[r];
        for (int32_t c = 0; c < width; c++) {
            target[c] = to_float(source[c]) * factor;
        }
        for (int32_t c = width; c < to.ld; c++) {
            target[c] = 0;
        }
    }
}

// The same, transposed: to (width, rows padded).
void copy_columns(int32_t rows, int32_t width, const Value* from, int64_t ld, float factor, Rows to) {
    for (int32_t c = 0; c < width; c++) {
        float* __restrict target = to[c];
        for (int32_t r = 0; r < rows; r++) {
            target[r] = to_float(from[r * ld + c]) * factor;
        }
        for (int32_t r = rows; r < to.ld; r++) {
            target[r] = 0;
        }
    }
}

void store_rows(int32_t rows, int32_t width, Rows from, float factor, Value* to, int64_t ld) {
    for (int32_t r = 0; r < rows; r++) {
        const float* __restrict source = from[r];
        Value* __restrict target = to + r * ld;
        for (int32_t c = 0; c < width; c++) {
            store(source[c] * factor, target + c);
        }
    }
}

// Hands out the caller's scratch memory matrix by matrix.
struct Scratch {
    float* next;

    Rows rows(int32_t count, int32_t padded_width) {
        float* data = next;
        next += int64_t{count} * padded_width;
        return {data, padded_width};
    }
};

int64_t attention_scratch(int32_t max_length, int32_t head_dim) {
    const int64_t length = padded(max_length);
    const int64_t width = padded(head_dim);
    // As attention_backward takes it, and once more a block of queries, with which attention never needs more.
    return 2 * head_dim * length + 5 * max_length * width + 3 * kQueryBlock * length + 2 * kQueryBlock * width;
}

// One pair's place in the packed matrices.
struct Head {
    int32_t sequence;
    int32_t head;
    int32_t begin;
    int32_t length;
    int32_t head_dim;
    int64_t dim;
    float scale;

    Head(int32_t pair, int32_t heads, int32_t head_dim, const int32_t* cu_seqlens)
        : sequence(pair / heads),
          head(pair % heads),
          begin(cu_seqlens[sequence]),
          length(cu_seqlens[sequence + 1] - begin),
          head_dim(head_dim),
          dim(int64_t{heads} * head_dim),
          scale(1.0f / __builtin_sqrtf(static_cast<float>(head_dim))) {}

    // Offset of the head's first query in (T, 3 D); keys and values follow at D and 2 D.
    int64_t in_qkv() const { return begin * 3 * dim + int64_t{head} * head_dim; }
    int64_t in_out() const { return begin * dim + int64_t{head} * head_dim; }
    uint32_t dropout_row(int32_t query) const { return static_cast<uint32_t>(head) << 16 | static_cast<uint32_t>(query); }
};

// `queries` of them are computed, the first ones; row is where the first one's results go.
void attend(const Head& h, int32_t queries, int32_t row, const Value* qkv, uint32_t key, const Dropout& dropout, int32_t heads,
            float* log_sum_exp, Value* out, Scratch scratch) {
    const int32_t length = h.length;
    const int32_t width = padded(h.head_dim);
    const int64_t ld = 3 * h.dim;
    const Value* query = qkv + h.in_qkv();
    const Rows keys_transposed = scratch.rows(h.head_dim, padded(length));
    const Rows values = scratch.rows(length, width);
    const Rows scores = scratch.rows(kQueryBlock, padded(length));
    const Rows result = scratch.rows(kQueryBlock, width);
    const Rows block = scratch.rows(kQueryBlock, width);
    copy_columns(length, h.head_dim, query + h.dim, ld, h.scale, keys_transposed);
    copy_rows(length, h.head_dim, query + 2 * h.dim, ld, 1.0f, values);
    for (int32_t first = 0; first < queries; first += kQueryBlock) {
        const int32_t count = queries - first < kQueryBlock ? queries - first : kQueryBlock;
        copy_rows(count, h.head_dim, query + first * ld, ld, 1.0f, block);
        multiply(count, padded(length), h.head_dim, {block.data, block.ld, 1}, keys_transposed, false, scores);
        for (int32_t i = 0; i < count; i++) {
            float* __restrict score = scores[i];
            float max = -__builtin_inff();
#pragma omp simd reduction(max : max)
            for (int32_t j = 0; j < length; j++) {
                max = score[j] > max ? score[j] : max;
            }
            float sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int32_t j = 0; j < length; j++) {
                score[j] = exp_approx(score[j] - max);
                sum += score[j];
            }
            const float inverse = 1.0f / sum;
            for (int32_t j = 0; j < length; j++) {
                score[j] *= inverse;
            }
            if (log_sum_exp) {
                log_sum_exp[int64_t{row + first + i} * heads + h.head] = max + __builtin_logf(sum);
            }
        }
        if (dropout.active()) {
            dropout.apply(scores.data, scores.ld, count, length, h.dropout_row(first), key, scores.data);
        }
        multiply(count, width, length, {scores.data, scores.ld, 1}, values, false, result);
        store_rows(count, h.head_dim, result, 1.0f, out + (row + first) * h.dim + int64_t{h.head} * h.head_dim, h.dim);
    }
}

void attention(int32_t begin, int32_t end, int32_t heads, int32_t head_dim, int32_t first_only, const int32_t* cu_seqlens,
               const int32_t* keys, const Value* qkv, uint32_t threshold, float scale, uint64_t seed, uint32_t stream, float* log_sum_exp,
               Value* out, float* scratch) {
    const Dropout dropout{threshold, scale, seed, stream};
    for (int32_t pair = begin; pair < end; pair++) {
        const Head h(pair, heads, head_dim, cu_seqlens);
        attend(h, first_only ? 1 : h.length, first_only ? h.sequence : h.begin, qkv, static_cast<uint32_t>(keys[h.sequence]), dropout, heads, log_sum_exp, out, Scratch{scratch});
    }
}

// The gradients that attend_backward adds up over the blocks of queries, and what it reads again in each of them.
struct Backward {
    Rows keys_transposed;  // scaled
    Rows values_transposed;
    Rows keys;  // scaled
    Rows queries;
    Rows d_out;
    Rows d_keys;
    Rows d_values;
    Rows weights;
    Rows d_scores;
    Rows d_queries;
    Rows factors;

    Backward(const Head& h, Scratch scratch) {
        const int32_t length = padded(h.length);
        const int32_t width = padded(h.head_dim);
        keys_transposed = scratch.rows(h.head_dim, length);
        values_transposed = scratch.rows(h.head_dim, length);
        keys = scratch.rows(h.length, width);
        queries = scratch.rows(h.length, width);
        d_out = scratch.rows(h.length, width);
        d_keys = scratch.rows(h.length, width);
        d_values = scratch.rows(h.length, width);
        weights = scratch.rows(kQueryBlock, length);
        d_scores = scratch.rows(kQueryBlock, length);
        d_queries = scratch.rows(kQueryBlock, width);
        factors = scratch.rows(kQueryBlock, length);
    }
};

// Of one query: weights from the scores, kept weights (after dropout) in their place, and the gradient of the scores in that of the
// kept weights: dS = P (f dKept - delta) with delta = sum_j P f dKept = dOut . out.
inline void softmax_backward_row(int32_t length, float log_sum_exp, float delta, const float* factors, float* __restrict weights,
                                 float* __restrict d_scores) {
    if (factors) {
        for (int32_t j = 0; j < length; j++) {
            const float p = exp_approx(weights[j] - log_sum_exp);
            weights[j] = p * factors[j];
            d_scores[j] = p * (d_scores[j] * factors[j] - delta);
        }
    } else {
        for (int32_t j = 0; j < length; j++) {
            const float p = exp_approx(weights[j] - log_sum_exp);
            weights[j] = p;
            d_scores[j] = p * (d_scores[j] - delta);
        }
    }
}

void attend_backward(const Head& h, const Value* qkv, const Value* out, const float* log_sum_exp, const Value* d_out,
                     uint32_t key, const Dropout& dropout, int32_t heads, Value* d_qkv, Scratch scratch) {
    const int32_t length = h.length;
    const int32_t width = padded(h.head_dim);
    const int64_t ld = 3 * h.dim;
    const Value* queries = qkv + h.in_qkv();
    const Value* head_out = out + h.in_out();
    const Value* head_d_out = d_out + h.in_out();
    Value* d_queries = d_qkv + h.in_qkv();
    const Backward b(h, scratch);
    copy_columns(length, h.head_dim, queries + h.dim, ld, h.scale, b.keys_transposed);
    copy_columns(length, h.head_dim, queries + 2 * h.dim, ld, 1.0f, b.values_transposed);
    copy_rows(length, h.head_dim, queries + h.dim, ld, h.scale, b.keys);
    copy_rows(length, h.head_dim, queries, ld, 1.0f, b.queries);
    copy_rows(length, h.head_dim, head_d_out, h.dim, 1.0f, b.d_out);
    for (int32_t first = 0; first < length; first += kQueryBlock) {
        const int32_t count = length - first < kQueryBlock ? length - first : kQueryBlock;
        multiply(count, padded(length), h.head_dim, {b.queries[first], b.queries.ld, 1}, b.keys_transposed, false, b.weights);
        multiply(count, padded(length), h.head_dim, {b.d_out[first], b.d_out.ld, 1}, b.values_transposed, false, b.d_scores);
        if (dropout.active()) {
            dropout.apply<float>(nullptr, b.factors.ld, count, length, h.dropout_row(first), key, b.factors.data);
        }
        for (int32_t i = 0; i < count; i++) {
            const int64_t query = first + i;
            float delta = 0;
            const Value* __restrict d = head_d_out + query * h.dim;
            const Value* __restrict o = head_out + query * h.dim;
#pragma omp simd reduction(+ : delta)
            for (int32_t c = 0; c < h.head_dim; c++) {
                delta += to_float(d[c]) * to_float(o[c]);
            }
            softmax_backward_row(length, log_sum_exp[(h.begin + query) * heads + h.head], delta,
                                 dropout.active() ? b.factors[i] : nullptr, b.weights[i], b.d_scores[i]);
        }
        const bool accumulate = first > 0;
        multiply(length, width, count, {b.weights.data, 1, b.weights.ld}, {b.d_out[first], b.d_out.ld}, accumulate, b.d_values);
        multiply(length, width, count, {b.d_scores.data, 1, b.d_scores.ld}, {b.queries[first], b.queries.ld}, accumulate, b.d_keys);
        multiply(count, width, length, {b.d_scores.data, b.d_scores.ld, 1}, b.keys, false, b.d_queries);
        store_rows(count, h.head_dim, b.d_queries, 1.0f, d_queries + first * ld, ld);
    }
    store_rows(length, h.head_dim, b.d_keys, h.scale, d_queries + h.dim, ld);
    store_rows(length, h.head_dim, b.d_values, 1.0f, d_queries + 2 * h.dim, ld);
}

void attention_backward(int32_t begin, int32_t end, int32_t heads, int32_t head_dim, const int32_t* cu_seqlens,
                        const int32_t* keys, const Value* qkv, const Value* out, const float* log_sum_exp, const Value* d_out,
                        uint32_t threshold, float scale, uint64_t seed, uint32_t stream, Value* d_qkv, float* scratch) {
    const Dropout dropout{threshold, scale, seed, stream};
    for (int32_t pair = begin; pair < end; pair++) {
        const Head h(pair, heads, head_dim, cu_seqlens);
        attend_backward(h, qkv, out, log_sum_exp, d_out, static_cast<uint32_t>(keys[h.sequence]), dropout, heads, d_qkv,
                        Scratch{scratch});
    }
}

}  // namespace
