// What attention does to the weights of a softmax before it uses them: nothing in inference, dropout in training.
#pragma once

#include "dropout.cuh"

namespace nj {

struct KeepAll {
    __device__ bool active() const { return false; }
    __device__ void pairFactors(int, int, float (&)[4]) const {}
    template <int stride> __device__ void quadFactors(int, const int (&)[4], float (&)[4]) const {}
};

/** Dropout of one sequence and head: columns are keys, rows head << 16 | query. */
struct WeightDropout {
    Dropout dropout;
    unsigned key;
    unsigned head;

    __device__ WeightDropout(const Dropout& dropout, const int* keys)
        : dropout(dropout), key(dropout.active() ? keys[blockIdx.z] : 0), head(blockIdx.y << 16) {}

    __device__ bool active() const { return dropout.active(); }

    /**
     * Factors of the accumulator of a 16x8 product (mma.cuh) of 16 queries and 8 keys.
     *
     * @param query of the tile's row lane / 4
     * @param firstKey of the tile, a multiple of 4
     */
    __device__ void pairFactors(int query, int firstKey, float (&factors)[4]) const {
        // Two lanes have the halves of four keys in both rows: one draws the words of the upper row, one those of the lower.
        const bool odd = threadIdx.x % 2 != 0;
        unsigned word[4];
        dropout.words(firstKey / 4 + threadIdx.x % 4 / 2, head | (query + (odd ? 8 : 0)), key, word);
        const unsigned first = __shfl_xor_sync(kAllLanes, odd ? word[0] : word[2], 1);
        const unsigned second = __shfl_xor_sync(kAllLanes, odd ? word[1] : word[3], 1);
        factors[0] = dropout.factor(odd ? first : word[0]);
        factors[1] = dropout.factor(odd ? second : word[1]);
        factors[2] = dropout.factor(odd ? word[2] : first);
        factors[3] = dropout.factor(odd ? word[3] : second);
    }

    /** Factors of four keys, the first a multiple of 4, in one query. */
    __device__ void keyFactors(int firstKey, int query, float (&factors)[4]) const {
        unsigned word[4];
        dropout.words(firstKey / 4, head | query, key, word);
#pragma unroll
        for (int i = 0; i < 4; ++i) factors[i] = dropout.factor(word[i]);
    }

    /** Factors of one key in four queries, for the lane whose number's two bits from `stride` on are the key's: see Dropout::exchange(). */
    template <int stride> __device__ void quadFactors(int key, const int (&queries)[4], float (&factors)[4]) const {
        const unsigned rows[4] = {head | queries[0], head | queries[1], head | queries[2], head | queries[3]};
        dropout.exchange<stride>(key / 4, rows, this->key, factors);
    }
};

}  // namespace nj
