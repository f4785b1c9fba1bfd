// Multi-head self-attention of bfloat16 over packed sequences, one (sequence, head) pair at a time. Keys and values become panels of
// packed_product.h; a block of queries gets whole rows of scores, whose softmax is computed in float32 and divided by its sum at the
// very end.
#pragma once

#include <cstdint>

#include "bfloat16.h"
#include "interleave.h"
#include "low_precision.h"
#include "packed_product.h"

namespace {

constexpr int32_t panels(int32_t columns) { return (columns + kPanel - 1) / kPanel; }

// Caller's scratch memory, part by part; every part is a multiple of a cache line.
struct PairScratch {
    int32_t* keys;      // panels(length) of (groups(head_dim), 32)
    int32_t* values;    // panels(head_dim) of (groups(length), 32)
    int32_t* queries;   // (groups(head_dim), 14)
    int32_t* weights;   // (groups(length), 14)
    Bf16* weight_rows;  // (14, length)
    float* scores;      // (14, 32 panels(length))
    float* result;      // (14, 32 panels(head_dim))
    char* end;

    PairScratch(char* memory, int32_t length, int32_t head_dim) : end(memory) {
        keys = take<int32_t>(int64_t{panels(length)} * kPanel * groups<Bfloat16>(head_dim));
        values = take<int32_t>(int64_t{panels(head_dim)} * kPanel * groups<Bfloat16>(length));
        queries = take<int32_t>(int64_t{groups<Bfloat16>(head_dim)} * kMaxBlock);
        weights = take<int32_t>(int64_t{groups<Bfloat16>(length)} * kMaxBlock);
        weight_rows = take<Bf16>(int64_t{kMaxBlock} * length);
        scores = take<float>(int64_t{kMaxBlock} * kPanel * panels(length));
        result = take<float>(int64_t{kMaxBlock} * kPanel * panels(head_dim));
    }

    template <typename Element>
    Element* take(int64_t count) {
        char* const begin = end;
        end += (count * static_cast<int64_t>(sizeof(Element)) + 63) / 64 * 64;
        return reinterpret_cast<Element*>(begin);
    }
};

int64_t attention_scratch(int32_t max_length, int32_t head_dim) {
    char* const none = nullptr;
    return PairScratch(none, max_length, head_dim).end - none;
}

// Rows of keys, ld apart, become columns.
void pack_keys(int32_t length, int32_t head_dim, const Bf16* keys, int64_t ld, int32_t* packed) {
    const int32_t depth = groups<Bfloat16>(head_dim);
    for (int32_t panel = 0; panel < length; panel += kPanel, packed += int64_t{depth} * kPanel) {
        for (int32_t half = 0; half < kPanel; half += kSquare) {
            const int32_t rest = length - panel - half;
            const int32_t count = rest < 0 ? 0 : rest < kSquare ? rest : kSquare;
            interleave(count, kSquare, head_dim, keys + (panel + half) * ld, ld, packed + half, kPanel);
        }
    }
}

// Neighbouring rows of values share dwords.
void pack_values(int32_t length, int32_t head_dim, const Bf16* values, int64_t ld, int32_t* packed) {
    for (int32_t panel = 0; panel < head_dim; panel += kPanel) {
        const int32_t width = head_dim - panel < kPanel ? head_dim - panel : kPanel;
        for (int32_t j = 0; j < length; j += 2, packed += kPanel) {
            const Bf16* const even = values + j * ld + panel;
            const bool last = j + 1 == length;
            const Bf16* const odd = last ? even : even + ld;
            const uint32_t mask = last ? 0 : 0xFFFF0000u;
            for (int32_t c = 0; c < width; c++) {
                packed[c] = static_cast<int32_t>(even[c] | (uint32_t{odd[c]} << 16 & mask));
            }
            for (int32_t c = width; c < kPanel; c++) {
                packed[c] = 0;
            }
        }
    }
}

// 2^x to a relative error of 8e-5, a twentieth of what rounding to bfloat16 may add (least squares, iteratively reweighted).
inline __m512 power_of_two(__m512 x) {
    const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT);
    const __m512 f = _mm512_sub_ps(x, n);
    __m512 p = _mm512_set1_ps(0.05517098f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.24260972f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.69326097f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.9999282f));
    return _mm512_scalef_ps(p, n);
}

// Writes exp(scale (score - max)) in bfloat16; returns the sum of what was written. NaN in the scores makes the sum NaN.
inline float softmax_numerators(int32_t length, float scale, const float* scores, Bf16* weights) {
    const auto inside = [length](int32_t j) { return length - j < 16 ? static_cast<__mmask16>((1u << (length - j)) - 1) : __mmask16{0xFFFF}; };
    __m512 max = _mm512_set1_ps(-__builtin_inff());
    for (int32_t j = 0; j < length; j += 16) {
        // The second operand is the result where the first is NaN.
        max = _mm512_mask_max_ps(max, inside(j), _mm512_loadu_ps(scores + j), max);
    }
    const __m512 factor = _mm512_set1_ps(scale * 1.44269504f);
    const __m512 offset = _mm512_mul_ps(_mm512_set1_ps(_mm512_reduce_max_ps(max)), factor);
    __m512 sum = _mm512_setzero_ps();
    for (int32_t j = 0; j < length; j += 16) {
        const __m512 power = power_of_two(_mm512_fmsub_ps(_mm512_loadu_ps(scores + j), factor, offset));
        // Not negative and not beyond the range, so that ties may go up.
        const __m512i bits = _mm512_add_epi32(_mm512_castps_si512(power), _mm512_set1_epi32(0x8000));
        const __m512i rounded = _mm512_and_epi32(bits, _mm512_set1_epi32(static_cast<int32_t>(0xFFFF0000u)));
        sum = _mm512_mask_add_ps(sum, inside(j), sum, _mm512_castsi512_ps(rounded));
        _mm512_mask_cvtepi32_storeu_epi16(weights + j, inside(j), _mm512_srli_epi32(bits, 16));
    }
    return _mm512_reduce_add_ps(sum);
}

// One pair. `queries` of them are computed, the first ones; `out` is where the first one's result goes, out_ld apart.
void attend(int32_t length, int32_t head_dim, int32_t queries, const Bf16* qkv, int64_t dim, Bf16* out, int64_t out_ld,
            const PairScratch& s) {
    const int64_t ld = 3 * dim;
    const int32_t depth = groups<Bfloat16>(head_dim);
    const int32_t weight_depth = groups<Bfloat16>(length);
    const int64_t score_ld = int64_t{panels(length)} * kPanel;
    const int64_t result_ld = int64_t{panels(head_dim)} * kPanel;
    const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(head_dim));
    pack_keys(length, head_dim, qkv + dim, ld, s.keys);
    pack_values(length, head_dim, qkv + 2 * dim, ld, s.values);
    const RowBlocks blocks(queries, kMaxBlock);
    for (int32_t block = 0; block < blocks.count; block++) {
        const int32_t first = blocks.begin(block);
        const int32_t count = blocks.rows(block);
        const auto multiply = Blocks<Bfloat16, kPanelAhead>::of(count);
        interleave(count, count, head_dim, qkv + first * ld, ld, s.queries, count);
        for (int32_t p = 0; p < panels(length); p++) {
            const char* const panel = reinterpret_cast<const char*>(s.keys) + p * depth * kPanelStep;
            multiply(depth, s.queries, panel, panel, 0, s.scores + p * kPanel, score_ld);
        }
        float inverse[kMaxBlock];
        for (int32_t r = 0; r < count; r++) {
            inverse[r] = 1.0f / softmax_numerators(length, scale, s.scores + r * score_ld, s.weight_rows + int64_t{r} * length);
        }
        interleave(count, count, length, s.weight_rows, length, s.weights, count);
        for (int32_t p = 0; p < panels(head_dim); p++) {
            const char* const panel = reinterpret_cast<const char*>(s.values) + p * weight_depth * kPanelStep;
            multiply(weight_depth, s.weights, panel, panel, 0, s.result + p * kPanel, result_ld);
        }
        for (int32_t r = 0; r < count; r++) {
            const float* __restrict from = s.result + r * result_ld;
            Bf16* __restrict to = out + (first + r) * out_ld;
            for (int32_t c = 0; c < head_dim; c++) {
                to[c] = to_bf16(from[c] * inverse[r]);
            }
        }
    }
}

void attention(int32_t begin, int32_t end, int32_t heads, int32_t head_dim, int32_t first_only, const int32_t* cu_seqlens,
               const uint16_t* qkv, uint16_t* out, void* scratch) {
    const int64_t dim = int64_t{heads} * head_dim;
    for (int32_t pair = begin; pair < end; pair++) {
        const int32_t sequence = pair / heads;
        const int64_t column = int64_t{pair % heads} * head_dim;
        const int32_t row = cu_seqlens[sequence];
        const int32_t length = cu_seqlens[sequence + 1] - row;
        attend(length, head_dim, first_only ? 1 : length, qkv + row * 3 * dim + column, dim,
               out + (first_only ? sequence : row) * dim + column, dim, PairScratch(static_cast<char*>(scratch), length, head_dim));
    }
}

}  // namespace
