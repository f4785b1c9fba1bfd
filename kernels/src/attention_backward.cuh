// What both ways to go back through attention share: the passes and where one sequence's and head's rows are.
#pragma once

#include "attention_dropout.cuh"

namespace nj {

/** Queries own the rows of a block and keys pass by, or the other way round. */
enum class Pass { kQueries, kKeys };

constexpr float kLog2e = 1.44269504088896341f;
constexpr int kBlockRows = 64;

/** One sequence and head; pointers are to its first token's row. */
struct HeadGradient {
    S* dQkv;           // rows 3 dim apart, queries, keys and values `dim` apart
    float* delta;      // elements `heads` apart
    const S* qkv;
    const S* out;      // rows dim apart; null in the keys' pass
    const S* dOut;
    const float* logSumExp;
    int length;
    int heads;
    int headDim;
    int dim;
    float scale;

    __device__ HeadGradient(S* dQkv, float* delta, const S* qkv, const S* out, const S* dOut, const float* logSumExp,
                            const int* cuSeqlens, int heads, int headDim, float scale)
        : heads(heads), headDim(headDim), dim(heads * headDim), scale(scale) {
        const int first = cuSeqlens[blockIdx.z];
        length = cuSeqlens[blockIdx.z + 1] - first;
        const int64_t packed = static_cast<int64_t>(first) * 3 * dim + blockIdx.y * headDim;
        const int64_t plain = static_cast<int64_t>(first) * dim + blockIdx.y * headDim;
        const int64_t scalar = static_cast<int64_t>(first) * heads + blockIdx.y;
        this->dQkv = dQkv + packed;
        this->delta = delta + scalar;
        this->qkv = qkv + packed;
        this->out = out == nullptr ? nullptr : out + plain;
        this->dOut = dOut + plain;
        this->logSumExp = logSumExp + scalar;
    }

    /** A query's log-sum-exp, base 2, and its delta; zeros past the sequence. */
    __device__ float logDenominator(int query) const {
        return query < length ? logSumExp[static_cast<int64_t>(query) * heads] * kLog2e : 0.0f;
    }

    __device__ float deltaOf(int query) const { return query < length ? delta[static_cast<int64_t>(query) * heads] : 0.0f; }
};

/** Weight and score gradient of one query and key; `factor` is the dropout's. */
struct WeightGradient {
    float kept;    // what multiplied the value
    float dScore;  // of the scaled score

    __device__ WeightGradient(float score, float scale, float logDenominator, float dKept, float delta, float factor, bool present) {
        const float weight = present ? exp2f(score * scale - logDenominator) : 0.0f;
        kept = weight * factor;
        dScore = weight * (dKept * factor - delta);
    }
};

}  // namespace nj
