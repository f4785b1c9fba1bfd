// Linear maps, embeddings and normalisation of int8 and bfloat16 models. What passes between operations is bfloat16.
#pragma once

#include <cstdint>

#include "bfloat16.h"
#include "nightjar_cpu.h"
#include "packed_product.h"
// The Multiplier; vector_multiplier.h documents what one is.
#include NJ_MULTIPLIER

namespace {

// Dwords of one packed row and of one column of a panel.
int32_t depth_of(int32_t type, int32_t k) { return type == NJ_INT8 ? Multiplier::depth<Int8>(k) : Multiplier::depth<Bfloat16>(k); }

// ---- weights

int64_t packed_weight_size(int32_t type, int32_t n, int32_t k) {
    return (n + kPanel - 1) / kPanel * int64_t{depth_of(type, k)} * kPanelStep;
}

// One dword of a column of a panel, zero beyond k.
template <typename Element>
inline int32_t dword(const Element* row, int32_t k, int32_t group) {
    constexpr int32_t kCount = sizeof(int32_t) / sizeof(Element);
    Element values[kCount] = {};
    const int32_t first = group * kCount;
    if (first + kCount <= k) {
        __builtin_memcpy(values, row + first, sizeof values);
    } else {
        for (int32_t i = first; i < k; i++) {
            values[i - first] = row[i];
        }
    }
    return __builtin_bit_cast(int32_t, values);
}

// `flip` makes signed bytes unsigned by adding 128.
template <typename Type, typename Element>
void pack_panels(int32_t n, int32_t k, const Element* matrix, uint32_t flip, int32_t* packed) {
    const int32_t depth = Multiplier::depth<Type>(k);
    for (int32_t panel = 0; panel < n; panel += kPanel, packed += int64_t{depth} * kPanel) {
        for (int32_t c = 0; c < kPanel; c++) {
            for (int32_t g = 0; g < depth; g++) {
                const int32_t value = panel + c < n ? dword(matrix + int64_t{panel + c} * k, k, g) : 0;
                packed[g * kPanel + c] = static_cast<int32_t>(static_cast<uint32_t>(value) ^ flip);
            }
        }
    }
}

void pack_weight(int32_t type, int32_t n, int32_t k, const void* matrix, void* packed) {
    if (type == NJ_INT8) {
        pack_panels<Int8>(n, k, static_cast<const int8_t*>(matrix), 0x80808080u, static_cast<int32_t*>(packed));
    } else {
        pack_panels<Bfloat16>(n, k, static_cast<const Bf16*>(matrix), 0, static_cast<int32_t*>(packed));
    }
}

// ---- left factors

int32_t row_blocks(int32_t rows) { return RowBlocks(rows, Multiplier::kRows).count; }

int64_t packed_rows_size(int32_t type, int32_t rows, int32_t k) {
    return int64_t{rows} * depth_of(type, k) * static_cast<int64_t>(sizeof(int32_t));
}

// NaN and infinity make everything that the row gives NaN.
inline void quantise_row(int32_t k, const Bf16* __restrict x, int8_t* __restrict row, nj_row* stats) {
    uint32_t max_bits = 0;
    for (int32_t c = 0; c < k; c++) {
        const uint32_t magnitude = uint32_t{x[c]} & 0x7FFFu;
        max_bits = magnitude > max_bits ? magnitude : max_bits;
    }
    const float max = __builtin_bit_cast(float, max_bits << 16);
    const bool finite = max_bits < 0x7F80u;
    const float factor = finite && max > 0 ? 127.0f / max : 0.0f;
    int32_t sum = 0;
    for (int32_t c = 0; c < k; c++) {
        // Adding 1.5 * 2^23 rounds to an integer, which then sits in the low bits.
        const uint32_t bits = __builtin_bit_cast(uint32_t, to_float(x[c]) * factor + 12582912.0f);
        const int8_t value = static_cast<int8_t>(bits);
        row[c] = value;
        sum += value;
    }
    stats->scale = finite ? max / 127.0f : __builtin_nanf("");
    stats->sum = sum;
}

void pack_rows(int32_t type, int32_t begin, int32_t end, int32_t rows, int32_t k, const void* x, int8_t* scratch, nj_row* stats,
               void* packed) {
    const RowBlocks blocks(rows, Multiplier::kRows);
    const int32_t depth = depth_of(type, k);
    for (int32_t block = begin; block < end; block++) {
        const int32_t first = blocks.begin(block);
        const int32_t count = blocks.rows(block);
        const Bf16* const from = static_cast<const Bf16*>(x) + int64_t{first} * k;
        int32_t* const to = static_cast<int32_t*>(packed) + int64_t{first} * depth;
        if (type == NJ_INT8) {
            for (int32_t r = 0; r < count; r++) {
                quantise_row(k, from + int64_t{r} * k, scratch + int64_t{r} * k, stats + first + r);
            }
            Multiplier::pack_block(count, k, depth, scratch, to);
        } else {
            Multiplier::pack_block(count, k, depth, from, to);
        }
    }
}

// ---- products

// Sixteen columns of a row on their way out.
typedef float Floats __attribute__((vector_size(64)));

// x Phi(x) with Phi(x) = 1/2 + x P(x^2) up to |x| = 4.4, where it becomes 0 or 1: P is fitted to the error of the product, which stays
// below 5e-5 (least squares, iteratively reweighted). bfloat16 rounds off more from |x| = 0.03 on, and an int8 step is larger still.
inline __attribute__((always_inline)) Floats gelu_fitted(Floats x) {
    Floats y = x > 4.4f ? 4.4f : x;
    y = y < -4.4f ? -4.4f : y;
    const Floats t = y * y;
    Floats p = t * 3.56938819e-11f - 3.75401354e-9f;
    p = p * t + 1.74083453e-7f;
    p = p * t - 4.72484362e-6f;
    p = p * t + 8.42927402e-5f;
    p = p * t - 0.00105499069f;
    p = p * t + 0.00964302104f;
    p = p * t - 0.0660764202f;
    p = p * t + 0.3987616f;
    return x * (0.5f + y * p);
}

// What becomes of sums on their way out; scales and biases are of a panel's columns.
struct Epilogue {
    const nj_row* rows;          // int8 only
    const float* column_scales;  // int8 only
    const float* bias;
};

inline __attribute__((always_inline)) Floats scaled(const int32_t* sums, const Epilogue& e, int32_t row, int32_t column) {
    const __m512i sum = _mm512_sub_epi32(_mm512_loadu_si512(sums), _mm512_set1_epi32(128 * e.rows[row].sum));
    return (Floats)_mm512_cvtepi32_ps(sum) * (e.rows[row].scale * (Floats)_mm512_loadu_ps(e.column_scales + column));
}

inline __attribute__((always_inline)) Floats scaled(const float* sums, const Epilogue&, int32_t, int32_t) {
    return (Floats)_mm512_loadu_ps(sums);
}

inline __attribute__((always_inline)) void store(Floats x, float* to, __mmask16 columns) { _mm512_mask_storeu_ps(to, columns, x); }

inline __attribute__((always_inline)) void store(Floats x, Bf16* to, __mmask16 columns) {
#if defined(__AVX512BF16__)
    _mm256_mask_storeu_epi16(to, columns, (__m256i)_mm512_cvtneps_pbh(x));
#else
    Bf16 rounded[16];
    for (int c = 0; c < 16; c++) {
        rounded[c] = to_bf16(x[c]);
    }
    _mm256_mask_storeu_epi16(to, columns, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rounded)));
#endif
}

template <typename Sum, typename Function, typename Out>
void finish(int32_t rows, int32_t width, const Sum* sums, const Epilogue& e, Function function, Out* out, int64_t ld) {
    for (int32_t column = 0; column < width; column += 16) {
        const __mmask16 columns = width - column < 16 ? static_cast<__mmask16>((1u << (width - column)) - 1) : __mmask16{0xFFFF};
        const Floats bias = (Floats)_mm512_loadu_ps(e.bias + column);
        for (int32_t r = 0; r < rows; r++) {
            const Floats value = scaled(sums + r * kPanel + column, e, r, column) + bias;
            store(function(value), out + r * ld + column, columns);
        }
    }
}

// A call's matrices; see nightjar_cpu.h.
struct Product {
    RowBlocks blocks;
    int32_t n;
    int32_t k;
    const int32_t* left;
    const nj_row* rows;
    const char* weight;
    const float* scales;
};

// Up to so many blocks of rows memory limits a product, and prefetching far ahead is worth it.
constexpr int32_t kStreamedBlocks = 2;
constexpr int64_t kStreamAhead = 8192;

template <typename Type, typename Bias, typename Out, typename Function>
void multiply_tile(const Product& p, int32_t first_block, int32_t last_block, int32_t begin, int32_t end, const Bias* bias,
                   Function function, Out* out) {
    const int32_t depth = Multiplier::depth<Type>(p.k);
    const int64_t panel_size = depth * kPanelStep;
    const int32_t blocks = last_block - first_block;
    const Multiplier multiplier(p.blocks.rows(first_block));
    for (int32_t column = begin; column < end; column += kPanel) {
        const int32_t width = p.n - column < kPanel ? p.n - column : kPanel;
        const char* const panel = p.weight + column / kPanel * panel_size;
        float column_bias[kPanel] = {};
        float column_scales[kPanel] = {};
        for (int32_t c = 0; c < width; c++) {
            column_bias[c] = to_float(bias[column + c]);
            column_scales[c] = p.scales != nullptr ? p.scales[column + c] : 0;
        }
        for (int32_t block = first_block; block < last_block; block++) {
            const int32_t row = p.blocks.begin(block);
            const int32_t count = p.blocks.rows(block);
            alignas(64) typename Type::Sum memory[Multiplier::kRows * kPanel];
            // Several blocks of rows pass over this panel, and each fetches its share of the next one. A single one streams.
            const char* const next = blocks == 1 ? panel + kStreamAhead : panel + panel_size + panel_size / blocks * (block - first_block);
            const int64_t step = kPanelStep / blocks;
            const int32_t* const left = p.left + int64_t{row} * depth;
            const typename Type::Sum* const sums =
                blocks <= kStreamedBlocks ? multiplier.multiply<Type, kStream>(count, depth, left, panel, next, step, memory)
                                          : multiplier.multiply<Type, kPanelAhead>(count, depth, left, panel, next, step, memory);
            finish(count, width, sums, {p.rows + row, column_scales, column_bias}, function,
                   out + int64_t{row} * p.n + column, p.n);
        }
    }
}

template <typename Type, typename Bias, typename Out>
void multiply_as(const Product& p, int32_t first_block, int32_t last_block, int32_t begin, int32_t end, const void* bias,
                 int32_t activation, void* out) {
    const Bias* const b = static_cast<const Bias*>(bias);
    Out* const o = static_cast<Out*>(out);
    switch (activation) {
        case NJ_ACTIVATION_GELU:
            return multiply_tile<Type>(p, first_block, last_block, begin, end, b, [](Floats x) { return gelu_fitted(x); }, o);
        case NJ_ACTIVATION_RELU:
            return multiply_tile<Type>(p, first_block, last_block, begin, end, b, [](Floats x) { return x < 0.0f ? 0.0f : x; }, o);
        default:
            return multiply_tile<Type>(p, first_block, last_block, begin, end, b, [](Floats x) { return x; }, o);
    }
}

template <typename Type, typename Bias>
void multiply_to(const Product& p, int32_t first_block, int32_t last_block, int32_t begin, int32_t end, const void* bias,
                 int32_t activation, int32_t out_type, void* out) {
    if (out_type == NJ_FLOAT32) {
        multiply_as<Type, Bias, float>(p, first_block, last_block, begin, end, bias, activation, out);
    } else {
        multiply_as<Type, Bias, Bf16>(p, first_block, last_block, begin, end, bias, activation, out);
    }
}

void linear(int32_t type, int32_t first_block, int32_t last_block, int32_t begin, int32_t end, int32_t rows, int32_t n, int32_t k,
            const void* left, const nj_row* stats, const void* weight, const float* scales, int32_t bias_type, const void* bias,
            int32_t activation, int32_t out_type, void* out) {
    const Product p{RowBlocks(rows, Multiplier::kRows), n, k, static_cast<const int32_t*>(left), stats,
                    static_cast<const char*>(weight), scales};
    if (type == NJ_INT8) {
        if (bias_type == NJ_FLOAT32) {
            multiply_to<Int8, float>(p, first_block, last_block, begin, end, bias, activation, out_type, out);
        } else {
            multiply_to<Int8, Bf16>(p, first_block, last_block, begin, end, bias, activation, out_type, out);
        }
    } else if (bias_type == NJ_FLOAT32) {
        multiply_to<Bfloat16, float>(p, first_block, last_block, begin, end, bias, activation, out_type, out);
    } else {
        multiply_to<Bfloat16, Bf16>(p, first_block, last_block, begin, end, bias, activation, out_type, out);
    }
}

// ---- rows

// The layer normalisation of argument(0), argument(1), ...
template <typename Argument, typename Parameter>
inline __attribute__((always_inline)) void normalise(int32_t dim, Argument argument, const Parameter* gamma,
                                                     const Parameter* beta, float epsilon, Bf16* out) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int32_t c = 0; c < dim; c++) {
        sum += argument(c);
    }
    const float mean = sum / static_cast<float>(dim);
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int32_t c = 0; c < dim; c++) {
        const float difference = argument(c) - mean;
        squares += difference * difference;
    }
    const float rstd = 1.0f / __builtin_sqrtf(squares / static_cast<float>(dim) + epsilon);
#pragma omp simd
    for (int32_t c = 0; c < dim; c++) {
        out[c] = to_bf16((argument(c) - mean) * rstd * to_float(gamma[c]) + to_float(beta[c]));
    }
}

template <typename Parameter>
void embedding_of(int32_t begin, int32_t end, int32_t dim, const int32_t* ids, const int32_t* positions, const Parameter* words,
                  const Parameter* places, const Parameter* gamma, const Parameter* beta, float epsilon, Bf16* out) {
    for (int32_t t = begin; t < end; t++) {
        const Parameter* const word = words + int64_t{ids[t]} * dim;
        const Parameter* const place = places + int64_t{positions[t]} * dim;
        normalise(dim, [=](int32_t c) { return to_float(word[c]) + to_float(place[c]); }, gamma, beta, epsilon,
                  out + int64_t{t} * dim);
    }
}

void embedding(int32_t parameter_type, int32_t begin, int32_t end, int32_t dim, const int32_t* ids, const int32_t* positions,
               const void* words, const void* places, const void* gamma, const void* beta, float epsilon, uint16_t* out) {
    if (parameter_type == NJ_FLOAT32) {
        embedding_of(begin, end, dim, ids, positions, static_cast<const float*>(words), static_cast<const float*>(places),
                     static_cast<const float*>(gamma), static_cast<const float*>(beta), epsilon, out);
    } else {
        embedding_of(begin, end, dim, ids, positions, static_cast<const Bf16*>(words), static_cast<const Bf16*>(places),
                     static_cast<const Bf16*>(gamma), static_cast<const Bf16*>(beta), epsilon, out);
    }
}

template <typename Parameter>
void residual_layer_norm_of(int32_t begin, int32_t end, int32_t dim, const float* x, const Bf16* residual, const Parameter* gamma,
                            const Parameter* beta, float epsilon, Bf16* out) {
    for (int32_t t = begin; t < end; t++) {
        const float* const row = x + int64_t{t} * dim;
        const Bf16* const shortcut = residual + int64_t{t} * dim;
        normalise(dim, [=](int32_t c) { return row[c] + to_float(shortcut[c]); }, gamma, beta, epsilon, out + int64_t{t} * dim);
    }
}

void residual_layer_norm(int32_t parameter_type, int32_t begin, int32_t end, int32_t dim, const float* x, const uint16_t* residual,
                         const void* gamma, const void* beta, float epsilon, uint16_t* out) {
    if (parameter_type == NJ_FLOAT32) {
        residual_layer_norm_of(begin, end, dim, x, residual, static_cast<const float*>(gamma), static_cast<const float*>(beta),
                               epsilon, out);
    } else {
        residual_layer_norm_of(begin, end, dim, x, residual, static_cast<const Bf16*>(gamma), static_cast<const Bf16*>(beta),
                               epsilon, out);
    }
}

}  // namespace
