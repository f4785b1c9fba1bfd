// Activations, transposition, sums and the optimizer.
#pragma once

#include <cstdint>

#include "value.h"
#include "vector_math.h"

namespace {

// One loop per function, so that each vectorises. Sums may lie where the results go.
template <typename Function>
inline __attribute__((always_inline)) void bias_rows(int32_t rows, int32_t cols, const float* sums, int32_t sums_ld,
                                                     const Value* bias, int32_t ld, Value* pre, Value* out, Function function) {
    for (int32_t r = 0; r < rows; r++) {
        const float* x = sums + int64_t{r} * sums_ld;
        Value* y = out + int64_t{r} * ld;
        if (pre) {
            Value* z = pre + int64_t{r} * ld;
#pragma omp simd
            for (int32_t c = 0; c < cols; c++) {
                const float value = x[c] + to_float(bias[c]);
                store(value, z + c);
                store(function(value), y + c);
            }
        } else {
#pragma omp simd
            for (int32_t c = 0; c < cols; c++) {
                store(function(x[c] + to_float(bias[c])), y + c);
            }
        }
    }
}

void bias_activation(int32_t rows, int32_t cols, int32_t activation, const float* sums, int32_t sums_ld, const Value* bias,
                     int32_t ld, Value* pre, Value* out) {
    switch (activation) {
        case NJ_ACTIVATION_GELU:
            return bias_rows(rows, cols, sums, sums_ld, bias, ld, pre, out, [](float x) { return gelu(x); });
        case NJ_ACTIVATION_RELU:
            return bias_rows(rows, cols, sums, sums_ld, bias, ld, pre, out, [](float x) { return x < 0 ? 0.0f : x; });
        default:
            return bias_rows(rows, cols, sums, sums_ld, bias, ld, pre, out, [](float x) { return x; });
    }
}

void store_sums(int32_t rows, int32_t cols, int32_t accumulate, const float* sums, int32_t sums_ld, int32_t ld, Value* out) {
    for (int32_t r = 0; r < rows; r++) {
        const float* __restrict x = sums + int64_t{r} * sums_ld;
        Value* __restrict y = out + int64_t{r} * ld;
        if (accumulate) {
            for (int32_t c = 0; c < cols; c++) {
                store(to_float(y[c]) + x[c], y + c);
            }
        } else {
            for (int32_t c = 0; c < cols; c++) {
                store(x[c], y + c);
            }
        }
    }
}

void activation_backward(int64_t begin, int64_t end, int32_t activation, const Value* __restrict pre,
                         Value* __restrict gradient) {
    if (activation == NJ_ACTIVATION_GELU) {
        for (int64_t i = begin; i < end; i++) {
            store(to_float(gradient[i]) * gelu_derivative(to_float(pre[i])), gradient + i);
        }
    } else if (activation == NJ_ACTIVATION_RELU) {
        for (int64_t i = begin; i < end; i++) {
            store(to_float(gradient[i]) * (to_float(pre[i]) > 0 ? 1.0f : 0.0f), gradient + i);
        }
    }
}

void column_sums(int32_t begin, int32_t end, int32_t rows, int32_t ld, const Value* x, float* out) {
    // Strips narrow enough to stay in registers over all rows.
    constexpr int32_t kStrip = 64;
    for (int32_t strip = begin; strip < end; strip += kStrip) {
        const int32_t width = end - strip < kStrip ? end - strip : kStrip;
        float sums[kStrip] = {};
        if (width == kStrip) {
            for (int32_t r = 0; r < rows; r++) {
                const Value* __restrict row = x + int64_t{r} * ld + strip;
                for (int32_t c = 0; c < kStrip; c++) {
                    sums[c] += to_float(row[c]);
                }
            }
        } else {
            for (int32_t r = 0; r < rows; r++) {
                const Value* __restrict row = x + int64_t{r} * ld + strip;
                for (int32_t c = 0; c < width; c++) {
                    sums[c] += to_float(row[c]);
                }
            }
        }
        for (int32_t c = 0; c < width; c++) {
            out[strip + c] += sums[c];
        }
    }
}

void transpose(int32_t begin, int32_t end, int32_t rows, int32_t cols, const float* __restrict x, float* __restrict out) {
    // Square blocks, so that the strided side uses every cache line it touches.
    constexpr int32_t kBlock = 16;
    for (int32_t r0 = 0; r0 < rows; r0 += kBlock) {
        const int32_t r1 = r0 + kBlock < rows ? r0 + kBlock : rows;
        for (int32_t c0 = begin; c0 < end; c0 += kBlock) {
            const int32_t c1 = c0 + kBlock < end ? c0 + kBlock : end;
            for (int32_t c = c0; c < c1; c++) {
                for (int32_t r = r0; r < r1; r++) {
                    out[int64_t{c} * rows + r] = x[int64_t{r} * cols + c];
                }
            }
        }
    }
}

double squared_norm(int64_t begin, int64_t end, const float* x) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; i++) {
        const double value = x[i];
        sum += value * value;
    }
    return sum;
}

void axpby(int64_t begin, int64_t end, float alpha, const float* __restrict x, float beta, float* __restrict y) {
    if (beta == 0) {
        for (int64_t i = begin; i < end; i++) {
            y[i] = alpha * x[i];
        }
    } else {
        for (int64_t i = begin; i < end; i++) {
            y[i] = alpha * x[i] + beta * y[i];
        }
    }
}

void adamw(int64_t begin, int64_t end, float clip, float beta1, float beta2, float rate, float keep, float root_correction,
           float epsilon, const float* __restrict gradient, float* __restrict m, float* __restrict v, float* __restrict p,
           Value* __restrict copy) {
    // Strips, which are copied while they are in the first-level cache: one loop over all five takes a fifth longer.
    constexpr int64_t kStrip = 512;
    const float rest1 = 1.0f - beta1;
    const float rest2 = 1.0f - beta2;
    for (int64_t strip = begin; strip < end; strip += kStrip) {
        const int64_t stop = end - strip < kStrip ? end : strip + kStrip;
        for (int64_t i = strip; i < stop; i++) {
            const float g = clip * gradient[i];
            m[i] = beta1 * m[i] + rest1 * g;
            v[i] = beta2 * v[i] + rest2 * g * g;
            p[i] = keep * p[i] - rate * m[i] / (__builtin_sqrtf(v[i]) * root_correction + epsilon);
        }
        if (copy) {
            for (int64_t i = strip; i < stop; i++) {
                store(p[i], copy + i);
            }
        }
    }
}

}  // namespace
