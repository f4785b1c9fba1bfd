// Activations, transposition, sums and the optimizer.
#pragma once

#include <cstdint>

#include "nightjar_cpu.h"
#include "vector_math.h"

namespace {

// One loop per function, so that each vectorises.
template <typename Function>
inline __attribute__((always_inline)) void bias_rows(int32_t begin, int32_t end, int32_t rows, int32_t ld,
                                                     const float* __restrict bias, float* pre, float* out,
                                                     Function function) {
    for (int32_t r = 0; r < rows; r++) {
        float* __restrict y = out + int64_t{r} * ld;
        if (pre) {
            float* __restrict z = pre + int64_t{r} * ld;
            for (int32_t c = begin; c < end; c++) {
                const float value = y[c] + bias[c];
                z[c] = value;
                y[c] = function(value);
            }
        } else {
            for (int32_t c = begin; c < end; c++) {
                y[c] = function(y[c] + bias[c]);
            }
        }
    }
}

void bias_activation(int32_t begin, int32_t end, int32_t rows, int32_t ld, int32_t activation, const float* bias, float* pre,
                     float* out) {
    switch (activation) {
        case NJ_ACTIVATION_GELU:
            return bias_rows(begin, end, rows, ld, bias, pre, out, [](float x) { return gelu(x); });
        case NJ_ACTIVATION_RELU:
            return bias_rows(begin, end, rows, ld, bias, pre, out, [](float x) { return x < 0 ? 0.0f : x; });
        default:
            return bias_rows(begin, end, rows, ld, bias, pre, out, [](float x) { return x; });
    }
}

void activation_backward(int64_t begin, int64_t end, int32_t activation, const float* __restrict pre,
                         float* __restrict gradient) {
    if (activation == NJ_ACTIVATION_GELU) {
        for (int64_t i = begin; i < end; i++) {
            gradient[i] *= gelu_derivative(pre[i]);
        }
    } else if (activation == NJ_ACTIVATION_RELU) {
        for (int64_t i = begin; i < end; i++) {
            gradient[i] *= pre[i] > 0 ? 1.0f : 0.0f;
        }
    }
}

void column_sums(int32_t begin, int32_t end, int32_t rows, int32_t ld, const float* x, float* out) {
    // Strips narrow enough to stay in registers over all rows.
    constexpr int32_t kStrip = 64;
    for (int32_t strip = begin; strip < end; strip += kStrip) {
        const int32_t width = end - strip < kStrip ? end - strip : kStrip;
        float sums[kStrip] = {};
        if (width == kStrip) {
            for (int32_t r = 0; r < rows; r++) {
                const float* __restrict row = x + int64_t{r} * ld + strip;
                for (int32_t c = 0; c < kStrip; c++) {
                    sums[c] += row[c];
                }
            }
        } else {
            for (int32_t r = 0; r < rows; r++) {
                const float* __restrict row = x + int64_t{r} * ld + strip;
                for (int32_t c = 0; c < width; c++) {
                    sums[c] += row[c];
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
           float epsilon, const float* __restrict gradient, float* __restrict m, float* __restrict v, float* __restrict p) {
    const float rest1 = 1.0f - beta1;
    const float rest2 = 1.0f - beta2;
    for (int64_t i = begin; i < end; i++) {
        const float g = clip * gradient[i];
        m[i] = beta1 * m[i] + rest1 * g;
        v[i] = beta2 * v[i] + rest2 * g * g;
        p[i] = keep * p[i] - rate * m[i] / (__builtin_sqrtf(v[i]) * root_correction + epsilon);
    }
}

}  // namespace
