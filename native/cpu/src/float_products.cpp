// The table of the products of float32; CMake compiles this file once for each instruction set, with NJ_FLOAT_PRODUCTS naming the table.
//
// The weight lies in panels of two vectors of columns, row by row of k; the left factor in blocks of rows, column by column, so that
// one element after the other is broadcast. A block's sums fill the registers that two vectors of the weight leave. A panel stays in the
// caches while the blocks pass over it, and with few rows, when memory limits the product, it streams at the speed of memory. The order
// of a sum depends on k alone, so that a row's result does not depend on the rest of the batch.
#include <cstddef>
#include <cstdint>

#include "float_vector.h"
#include "kernels.h"
#include "row_blocks.h"
#include "vector_math.h"
#if defined(__AVX512F__)
#include "interleave.h"
#endif

namespace {

// Rows of a block.
constexpr int32_t kFloatRows = kLanes == 16 ? 14 : 6;
constexpr int32_t kFloatPanel = 2 * kLanes;
constexpr int32_t kFloatLine = 16;
// Up to so many rows the processor's own prefetcher keeps up with memory.
constexpr int32_t kStreamedRows = 4;
// How far ahead of a single block's own reading, in floats.
constexpr int64_t kReadAhead = 2048;

inline Vector load_vector(const float* from) { return *reinterpret_cast<const Vector*>(from); }

inline void store_vector(float* to, Vector x) { *reinterpret_cast<Vector*>(to) = x; }

// sums (R, panel) = left (k, R) x right (k, panel). `ahead` is prefetched and moves `step` floats for each of k.
template <int R>
void multiply_floats(int32_t k, const float* left, const float* right, const float* ahead, int64_t step, float* sums) {
    Vector sum[R][2] = {};
    for (int32_t i = 0; i < k; i++) {
        const Vector first = load_vector(right);
        const Vector second = load_vector(right + kLanes);
        if (R > kStreamedRows) {
            __builtin_prefetch(ahead, 0, 2);
            if (kFloatPanel > kFloatLine) {
                __builtin_prefetch(ahead + kFloatLine, 0, 2);
            }
        }
#pragma GCC unroll 14
        for (int r = 0; r < R; r++) {
            sum[r][0] += first * left[r];
            sum[r][1] += second * left[r];
        }
        left += R;
        right += kFloatPanel;
        ahead += step;
    }
#pragma GCC unroll 14
    for (int r = 0; r < R; r++) {
        store_vector(sums + r * kFloatPanel, sum[r][0]);
        store_vector(sums + r * kFloatPanel + kLanes, sum[r][1]);
    }
}

typedef void MultiplyFloats(int32_t, const float*, const float*, const float*, int64_t, float*);

template <int... R>
struct FloatBlocks {
    static constexpr MultiplyFloats* kEntries[] = {multiply_floats<R>...};
};

inline MultiplyFloats* float_block(int32_t rows) {
#if defined(__AVX512F__)
    return FloatBlocks<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14>::kEntries[rows - 1];
#else
    return FloatBlocks<1, 2, 3, 4, 5, 6>::kEntries[rows - 1];
#endif
}

int64_t packed_weight_size(int32_t, int32_t n, int32_t k) {
    return int64_t{n + kFloatPanel - 1} / kFloatPanel * kFloatPanel * k * static_cast<int64_t>(sizeof(float));
}

void pack_weight(int32_t, int32_t n, int32_t k, const void* matrix, void* packed) {
    float* to = static_cast<float*>(packed);
    for (int32_t panel = 0; panel < n; panel += kFloatPanel, to += int64_t{k} * kFloatPanel) {
        for (int32_t c = 0; c < kFloatPanel; c++) {
            const float* const row = static_cast<const float*>(matrix) + int64_t{panel + c} * k;
            for (int32_t i = 0; i < k; i++) {
                to[int64_t{i} * kFloatPanel + c] = panel + c < n ? row[i] : 0;
            }
        }
    }
}

int32_t row_blocks(int32_t rows) { return RowBlocks(rows, kFloatRows).count; }

int64_t packed_rows_size(int32_t, int32_t rows, int32_t k) { return int64_t{rows} * k * static_cast<int64_t>(sizeof(float)); }

void pack_rows(int32_t, int32_t begin, int32_t end, int32_t rows, int32_t k, const void* x, int8_t*, nj_row*, void* packed) {
    const RowBlocks blocks(rows, kFloatRows);
    for (int32_t block = begin; block < end; block++) {
        const int32_t count = blocks.rows(block);
        const int64_t first = int64_t{blocks.begin(block)} * k;
        const float* const from = static_cast<const float*>(x) + first;
#if defined(__AVX512F__)
        interleave(count, count, k, from, k, static_cast<int32_t*>(packed) + first, count);
#else
        float* const to = static_cast<float*>(packed) + first;
        for (int32_t r = 0; r < count; r++) {
            for (int32_t i = 0; i < k; i++) {
                to[int64_t{i} * count + r] = from[int64_t{r} * k + i];
            }
        }
#endif
    }
}

// A call's matrices; see nightjar_cpu.h.
struct FloatProduct {
    RowBlocks blocks;
    int32_t n;
    int32_t k;
    const float* left;
    const float* weight;
    const float* bias;
    float* out;
};

template <typename Function>
void multiply_tile(const FloatProduct& p, int32_t first_block, int32_t last_block, int32_t begin, int32_t end, Function function) {
    const int64_t panel_size = int64_t{p.k} * kFloatPanel;
    const int32_t passes = last_block - first_block;
    for (int32_t column = begin; column < end; column += kFloatPanel) {
        const int32_t width = p.n - column < kFloatPanel ? p.n - column : kFloatPanel;
        const size_t row_size = static_cast<size_t>(width) * sizeof(float);
        const float* const panel = p.weight + column / kFloatPanel * panel_size;
        float offsets[kFloatPanel] = {};
        __builtin_memcpy(offsets, p.bias + column, row_size);
        for (int32_t block = first_block; block < last_block; block++) {
            const int32_t first = p.blocks.begin(block);
            const int32_t count = p.blocks.rows(block);
            // Several blocks fetch the next panel together; a single one streams.
            const float* const ahead = passes == 1 ? panel + kReadAhead : panel + panel_size + panel_size / passes * (block - first_block);
            float sums[kFloatRows * kFloatPanel];
            float_block(count)(p.k, p.left + int64_t{first} * p.k, panel, ahead, kFloatPanel / passes, sums);
            for (int32_t r = 0; r < count; r++) {
                float* const row = sums + r * kFloatPanel;
#pragma omp simd
                for (int32_t c = 0; c < kFloatPanel; c++) {
                    row[c] = function(row[c] + offsets[c]);
                }
                __builtin_memcpy(p.out + int64_t{first + r} * p.n + column, row, row_size);
            }
        }
    }
}

void linear(int32_t, int32_t first_block, int32_t last_block, int32_t begin, int32_t end, int32_t rows, int32_t n, int32_t k,
            const void* left, const nj_row*, const void* weight, const float*, int32_t, const void* bias, int32_t activation, int32_t,
            void* out) {
    const FloatProduct p{RowBlocks(rows, kFloatRows), n, k, static_cast<const float*>(left), static_cast<const float*>(weight),
                         static_cast<const float*>(bias), static_cast<float*>(out)};
    switch (activation) {
        case NJ_ACTIVATION_GELU:
            return multiply_tile(p, first_block, last_block, begin, end, [](float x) { return gelu(x); });
        case NJ_ACTIVATION_RELU:
            return multiply_tile(p, first_block, last_block, begin, end, [](float x) { return x < 0 ? 0.0f : x; });
        default:
            return multiply_tile(p, first_block, last_block, begin, end, [](float x) { return x; });
    }
}

}  // namespace

namespace nj {

const nj_products NJ_FLOAT_PRODUCTS = {
    .packed_weight_size = packed_weight_size,
    .pack_weight = pack_weight,
    .row_blocks = row_blocks,
    .packed_rows_size = packed_rows_size,
    .pack_rows = pack_rows,
    .linear = linear,
};

}  // namespace nj
