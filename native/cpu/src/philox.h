// Dropout by Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include <cstdint>

namespace {

// Words of `count` counters (first + i, c1, c2, c3), four each. The loop over counters is the one that vectorises.
inline void philox_words(uint64_t seed, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, int32_t count,
                         uint32_t* __restrict words) {
#pragma omp simd
    for (int32_t i = 0; i < count; i++) {
        uint32_t x0 = first + static_cast<uint32_t>(i), x1 = c1, x2 = c2, x3 = c3;
        uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
#pragma GCC unroll 10
        for (int round = 0; round < 10; round++) {
            const uint64_t p0 = uint64_t{0xD2511F53u} * x0;
            const uint64_t p1 = uint64_t{0xCD9E8D57u} * x2;
            x0 = static_cast<uint32_t>(p1 >> 32) ^ x1 ^ k0;
            x1 = static_cast<uint32_t>(p1);
            x2 = static_cast<uint32_t>(p0 >> 32) ^ x3 ^ k1;
            x3 = static_cast<uint32_t>(p0);
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        words[4 * i] = x0;
        words[4 * i + 1] = x1;
        words[4 * i + 2] = x2;
        words[4 * i + 3] = x3;
    }
}

struct Dropout {
    uint32_t threshold;
    float scale;
    uint64_t seed;
    uint32_t stream;

    bool active() const { return threshold != 0; }

    static constexpr int32_t kBlock = 256;

    // Factors, 0 or scale, of columns [column, column + kBlock) of a row; column is a multiple of 4.
    void factors(int32_t column, uint32_t row, uint32_t key, float* __restrict out) const {
        uint32_t words[kBlock];
        philox_words(seed, static_cast<uint32_t>(column) / 4, row, key, stream, kBlock / 4, words);
        for (int32_t c = 0; c < kBlock; c++) {
            out[c] = words[c] >= threshold ? scale : 0.0f;
        }
    }

    // out = x * factor over a whole row; out may be x.
    void apply(const float* x, int32_t columns, uint32_t row, uint32_t key, float* out) const {
        float factor[kBlock];
        for (int32_t begin = 0; begin < columns; begin += kBlock) {
            const int32_t count = columns - begin < kBlock ? columns - begin : kBlock;
            factors(begin, row, key, factor);
#pragma omp simd
            for (int32_t c = 0; c < count; c++) {
                out[begin + c] = x[begin + c] * factor[c];
            }
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
