// Dropout by Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include <cstddef>
#include <cstdint>

#include "bfloat16.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace {

// A counter's word in the low half of each lane; what the high halves hold does not matter.
#if defined(__AVX512F__)
typedef uint64_t Words __attribute__((vector_size(64)));
// All lanes of the masked form: gcc 12 warns of an uninitialised value inside the plain one (bug 105593).
inline Words widening_multiply(Words a, Words b) { return (Words)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)b); }
#elif defined(__AVX2__)
typedef uint64_t Words __attribute__((vector_size(32)));
inline Words widening_multiply(Words a, Words b) { return (Words)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
#elif defined(__SSE2__)
typedef uint64_t Words __attribute__((vector_size(16)));
inline Words widening_multiply(Words a, Words b) { return (Words)_mm_mul_epu32((__m128i)a, (__m128i)b); }
#else
typedef uint64_t Words __attribute__((vector_size(16)));
inline Words widening_multiply(Words a, Words b) { return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu); }
#endif
typedef uint32_t HalfWords __attribute__((vector_size(sizeof(Words) / 2), aligned(4), may_alias));
constexpr int32_t kWordLanes = sizeof(Words) / sizeof(uint64_t);

// Words of the counters (c0[i], c1[i], c2, c3), four each; count is rounded up to whole vectors, for which all arrays have room.
inline void philox_block(uint64_t seed, const uint32_t* __restrict c0, const uint32_t* __restrict c1, uint32_t c2, uint32_t c3,
                         int32_t count, uint32_t* __restrict words) {
    for (int32_t first = 0; first < count; first += kWordLanes) {
        Words x0 = __builtin_convertvector(*reinterpret_cast<const HalfWords*>(c0 + first), Words);
        Words x1 = __builtin_convertvector(*reinterpret_cast<const HalfWords*>(c1 + first), Words);
        Words x2 = Words{} + c2;
        Words x3 = Words{} + c3;
        uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
#pragma GCC unroll 10
        for (int round = 0; round < 10; round++) {
            const Words p0 = widening_multiply(x0, Words{} + 0xD2511F53u);
            const Words p1 = widening_multiply(x2, Words{} + 0xCD9E8D57u);
            x0 = p1 >> 32 ^ x1 ^ (Words{} + k0);
            x1 = p1;
            x2 = p0 >> 32 ^ x3 ^ (Words{} + k1);
            x3 = p0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        // Words 0 and 1, 2 and 3 of each counter side by side.
        const Words low = (x0 & 0xFFFFFFFFu) | x1 << 32;
        const Words high = (x2 & 0xFFFFFFFFu) | x3 << 32;
        for (int32_t lane = 0; lane < kWordLanes; lane++) {
            const uint64_t pairs[2] = {low[lane], high[lane]};
            __builtin_memcpy(words + 4 * (first + lane), pairs, sizeof pairs);
        }
    }
}

void philox_words(uint64_t seed, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, int32_t count, uint32_t* words) {
    for (int32_t begin = 0; begin < count; begin += kWordLanes) {
        uint32_t c0s[kWordLanes], c1s[kWordLanes], block[4 * kWordLanes];
        for (int32_t i = 0; i < kWordLanes; i++) {
            c0s[i] = first + static_cast<uint32_t>(begin + i);
            c1s[i] = c1;
        }
        philox_block(seed, c0s, c1s, c2, c3, kWordLanes, block);
        const int32_t used = count - begin < kWordLanes ? count - begin : kWordLanes;
        __builtin_memcpy(words + 4 * int64_t{begin}, block, sizeof(uint32_t) * 4 * static_cast<size_t>(used));
    }
}

struct Dropout {
    uint32_t threshold;
    float scale;
    uint64_t seed;
    uint32_t stream;

    bool active() const { return threshold != 0; }

    // Columns [0, columns) of `rows` rows, counted from `row`, times 0 or scale; out may be x, and with null x gets the factors
    // themselves. Short rows share the vectors that draw the words, which would be half empty otherwise.
    template <typename Element>
    void apply(const Element* x, int64_t ld, int32_t rows, int32_t columns, uint32_t row, uint32_t key, Element* out) const {
        constexpr int32_t kCounters = 64;
        uint32_t c0[kCounters] = {}, c1[kCounters] = {}, words[4 * kCounters];
        float factors[4 * kCounters];
        const int32_t quads = (columns + 3) / 4;
        const int64_t total = int64_t{rows} * quads;
        for (int64_t first = 0; first < total; first += kCounters) {
            const int32_t count = total - first < kCounters ? static_cast<int32_t>(total - first) : kCounters;
            runs(first, count, quads, [&](int32_t at, int32_t length, int64_t r, int32_t quad) {
                for (int32_t i = 0; i < length; i++) {
                    c0[at + i] = static_cast<uint32_t>(quad + i);
                    c1[at + i] = row + static_cast<uint32_t>(r);
                }
            });
            philox_block(seed, c0, c1, key, stream, count, words);
            for (int32_t i = 0; i < 4 * count; i++) {
                factors[i] = words[i] >= threshold ? scale : 0.0f;
            }
            runs(first, count, quads, [&](int32_t at, int32_t length, int64_t r, int32_t quad) {
                const int32_t begin = 4 * quad;
                const int32_t width = 4 * length < columns - begin ? 4 * length : columns - begin;
                const float* factor = factors + 4 * at;
                Element* to = out + r * ld + begin;
                if (x) {
                    const Element* from = x + r * ld + begin;
#pragma omp simd
                    for (int32_t c = 0; c < width; c++) {
                        store(to_float(from[c]) * factor[c], to + c);
                    }
                } else {
                    for (int32_t c = 0; c < width; c++) {
                        store(factor[c], to + c);
                    }
                }
            });
        }
    }

   private:
    // Cuts `count` counters from the first-th of a matrix with `quads` in a row into runs within one row.
    template <typename Run>
    static inline __attribute__((always_inline)) void runs(int64_t first, int32_t count, int32_t quads, Run run) {
        int64_t row = first / quads;
        int32_t quad = static_cast<int32_t>(first % quads);
        for (int32_t at = 0; at < count; row++, quad = 0) {
            const int32_t length = quads - quad < count - at ? quads - quad : count - at;
            run(at, length, row, quad);
            at += length;
        }
    }
};

// Where the rows of a token matrix stand in their sequences.
struct TokenRows {
    const int32_t* positions;
    const int32_t* sequences;
    const int32_t* keys;

    uint32_t row(int32_t t) const { return positions ? static_cast<uint32_t>(positions[t]) : 0; }
    uint32_t key(int32_t t) const { return static_cast<uint32_t>(keys[sequences ? sequences[t] : t]); }
};

}  // namespace
