// Dropout by Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), with the counters that
// dev.nightjar.backend.Dropout lays down: masks are those of the other backends, bit for bit, and nothing needs to keep them.
#pragma once

#include "storage.cuh"

namespace nj {

struct Dropout {
    unsigned threshold;  // 0 drops nothing
    float scale;         // of what is kept
    unsigned long long seed;
    unsigned stream;

    /** @param step forward passes so far, on the device, for graphs that are captured once; or null, when `stream` has them */
    __device__ Dropout(unsigned threshold, float scale, unsigned long long seed, unsigned stream, const int* step)
        : threshold(threshold), scale(scale), seed(seed),
          stream(stream + (threshold == 0 || step == nullptr ? 0 : static_cast<unsigned>(*step) << 10)) {}

    __device__ bool active() const { return threshold != 0; }

    __device__ float factor(unsigned word) const { return word < threshold ? 0.0f : scale; }

    /** The words of columns 4 quad ... 4 quad + 3 of a row of the sequence with key `key`. */
    __device__ void words(unsigned quad, unsigned row, unsigned key, unsigned (&word)[4]) const {
        unsigned c0 = quad, c1 = row, c2 = key, c3 = stream;
        unsigned k0 = static_cast<unsigned>(seed), k1 = static_cast<unsigned>(seed >> 32);
#pragma unroll
        for (int round = 0; round < 10; ++round) {
            const uint64_t p0 = static_cast<uint64_t>(c0) * 0xD2511F53u;
            const uint64_t p1 = static_cast<uint64_t>(c2) * 0xCD9E8D57u;
            c0 = static_cast<unsigned>(p1 >> 32) ^ c1 ^ k0;
            c1 = static_cast<unsigned>(p1);
            c2 = static_cast<unsigned>(p0 >> 32) ^ c3 ^ k1;
            c3 = static_cast<unsigned>(p0);
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        word[0] = c0;
        word[1] = c1;
        word[2] = c2;
        word[3] = c3;
    }

    /** values *= the factors of row[column ... column + N); column is a multiple of 4. */
    template <int N> __device__ void apply(int column, unsigned row, unsigned key, float (&values)[N]) const {
        if (!active()) return;
#pragma unroll
        for (int i = 0; i < N; i += 4) {
            unsigned word[4];
            words((column + i) / 4, row, key, word);
#pragma unroll
            for (int e = 0; e < 4; ++e) values[i + e] *= factor(word[e]);
        }
    }

    /**
     * The factors of column 4 quad + q in `rows`, for the lane whose number's two bits from `stride` on are q. The four lanes that differ in
     * those bits agree on everything else; each draws the words of one row, and then they exchange them.
     */
    template <int stride>
    __device__ void exchange(unsigned quad, const unsigned (&rows)[4], unsigned key, float (&factors)[4]) const {
        const unsigned q = threadIdx.x / stride % 4;
        unsigned word[4];
        words(quad, q == 0 ? rows[0] : q == 1 ? rows[1] : q == 2 ? rows[2] : rows[3], key, word);
        // A 4x4 transposition: first inside the 2x2 blocks, then of the blocks.
#pragma unroll
        for (int bit = 1; bit <= 2; bit *= 2) {
            const bool upper = (q & bit) != 0;
#pragma unroll
            for (int pair = 0; pair < 2; ++pair) {
                const int low = bit == 1 ? 2 * pair : pair;
                const unsigned other = __shfl_xor_sync(kAllLanes, upper ? word[low] : word[low + bit], bit * stride);
                word[low] = upper ? other : word[low];
                word[low + bit] = upper ? word[low + bit] : other;
            }
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) factors[i] = factor(word[i]);
    }
};

/** Where the rows of a token matrix stand in their sequences; read only where something is dropped. */
struct TokenRows {
    const int* positions;  // [T]
    const int* sequences;  // [T]
    const int* keys;       // [B]

    template <int N> __device__ void drop(const Dropout& dropout, int token, int column, float (&values)[N]) const {
        if (dropout.active()) dropout.apply(column, positions[token], keys[sequences[token]], values);
    }
};

}  // namespace nj

/** The last parameters of an entry point that drops, and what they make. */
#define NJ_DROPOUT_PARAMETERS                                                                                           \
    unsigned threshold, float keepScale, unsigned long long seed, unsigned stream, const int *step
#define NJ_DROPOUT nj::Dropout(threshold, keepScale, seed, stream, step)
