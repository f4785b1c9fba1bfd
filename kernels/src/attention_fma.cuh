// Attention of one head with FMA: float32, and bfloat16 before sm_80.
#pragma once

#include "attention_dropout.cuh"

namespace nj {

// Threads of a block form rows of 16, half a warp each: thread (tx, ty) scores the tx-th row of a tile against rows of its own, and sums dims
// tx HD / 16 ... of the same rows, so that what a row needs from others is in its half-warp.
constexpr int kHalfWarp = 16;

__device__ inline float halfWarpMax(float x) {
#pragma unroll
    for (int offset = kHalfWarp / 2; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, offset));
    return x;
}

__device__ inline float halfWarpSum(float x) {
#pragma unroll
    for (int offset = kHalfWarp / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(kAllLanes, x, offset);
    return x;
}

/** Floats from one row of a head to the next: 16-byte reads of the same column of eight consecutive rows fall on all banks. */
template <int HD> constexpr int kHeadStride = HD + 4;

/** Rows [from, from + count) of one head as floats, zeros past `length` rows and `headDim` columns; `rows` are `stride` elements apart. */
template <int HD>
__device__ inline void loadHeadRows(float (*shared)[kHeadStride<HD>], const S* rows, int64_t stride, int from, int count, int length,
                                    int headDim) {
    constexpr int kStep = 4;
    for (int index = threadIdx.x; index < count * HD / kStep; index += blockDim.x) {
        const int row = index / (HD / kStep);
        const int column = index % (HD / kStep) * kStep;
        float values[kStep];
        const bool present = from + row < length;
        loadPacket(rows + (present ? from + row : 0) * stride, column, present ? headDim : 0, true, values);
        *reinterpret_cast<float4*>(&shared[row][column]) = make_float4(values[0], values[1], values[2], values[3]);
    }
}

/** scores[i] = row own(i) of `rows` times row tx of `tile`. */
template <int HD, int each, class Own>
__device__ inline void headScores(const float (*rows)[kHeadStride<HD>], const float (*tile)[kHeadStride<HD>], int tx, Own own,
                                  float (&scores)[each]) {
#pragma unroll
    for (int i = 0; i < each; ++i) scores[i] = 0;
#pragma unroll 2
    for (int column = 0; column < HD; column += 4) {
        const float4 b = *reinterpret_cast<const float4*>(&tile[tx][column]);
#pragma unroll
        for (int i = 0; i < each; ++i) {
            const float4 a = *reinterpret_cast<const float4*>(&rows[own(i)][column]);
            scores[i] += a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
        }
    }
}

/** sum[i] += row own(i) of `weights` times `count` rows of `tile`, for this thread's dims: runs of four or two, the threads of a row side by side. */
template <int HD, int count, int each, int stride, class Own>
__device__ inline void headAccumulate(const float (*weights)[stride], const float (*tile)[kHeadStride<HD>], int tx, Own own,
                                      float (&sum)[each][HD / kHalfWarp]) {
    constexpr int kDims = HD / kHalfWarp;
    constexpr int kStep = kDims < 4 ? kDims : 4;
#pragma unroll 4
    for (int row = 0; row < count; ++row) {
        float value[kDims];
#pragma unroll
        for (int d = 0; d < kDims; d += kStep) {
            float run[kStep];
            loadPacket(&tile[row][d * kHalfWarp + tx * kStep], 0, kStep, true, run);
#pragma unroll
            for (int e = 0; e < kStep; ++e) value[d + e] = run[e];
        }
#pragma unroll
        for (int i = 0; i < each; ++i) {
            const float weight = weights[own(i)][row];
#pragma unroll
            for (int d = 0; d < kDims; ++d) sum[i][d] += weight * value[d];
        }
    }
}

/** out[0 ... headDim) = this thread's dims of one row, times `factor`. */
template <int HD>
__device__ inline void storeHeadRow(S* out, int tx, int headDim, float factor, const float (&sum)[HD / kHalfWarp]) {
    constexpr int kDims = HD / kHalfWarp;
    constexpr int kStep = kDims < 4 ? kDims : 4;
#pragma unroll
    for (int d = 0; d < kDims; d += kStep) {
        float run[kStep];
#pragma unroll
        for (int e = 0; e < kStep; ++e) run[e] = sum[d + e] * factor;
        storePacket(out, d * kHalfWarp + tx * kStep, headDim, true, run);
    }
}

/**
 * 64 queries per block of 128 threads, 16 keys at a time. Keys and values take turns in one buffer, which keeps the widest head within
 * 48 KiB.
 */
template <int HD> struct FmaAttention {
    static constexpr int kThreads = 128;
    static constexpr int kColumns = kHalfWarp;
    static constexpr int kRows = kThreads / kColumns;
    static constexpr int kQueries = 64;
    static constexpr int kEach = kQueries / kRows;
    static constexpr int kKeys = kColumns;
    static constexpr int kDims = HD / kColumns;
    static constexpr int kStride = kHeadStride<HD>;

    struct Shared {
        float query[kQueries][kStride];
        float tile[kKeys][kStride];
        float weight[kQueries][kKeys];
    };

    const S* first;  // the sequence's first query of this head
    int length;
    int headDim;
    int dim;

    /** Rows [from, from + count) of queries, keys or values (`part` 0, 1, 2). */
    __device__ void load(float (*rows)[kStride], int part, int from, int count) const {
        loadHeadRows<HD>(rows, first + part * dim, 3 * dim, from, count, length, headDim);
    }

    /** @param logSumExp of the sequence's first token and this head, `heads` apart, or null */
    template <class Keep>
    __device__ void run(Shared& shared, S* out, float* logSumExp, int heads, int block, float scale, const Keep& keep) const {
        const int tx = threadIdx.x % kColumns;
        const int ty = threadIdx.x / kColumns;
        const auto own = [ty](int i) { return ty + kRows * i; };
        float sum[kEach][kDims] = {};
        float highest[kEach];
        float total[kEach];
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
            highest[i] = -1e30f;
            total[i] = 0;
        }
        load(shared.query, 0, block, kQueries);
        for (int from = 0; from < length; from += kKeys) {
            load(shared.tile, 1, from, kKeys);
            __syncthreads();
            float scores[kEach];
            headScores<HD>(shared.query, shared.tile, tx, own, scores);
#pragma unroll
            for (int i = 0; i < kEach; ++i) {
                const float scaled = from + tx < length ? scores[i] * scale : -INFINITY;
                const float top = fmaxf(highest[i], halfWarpMax(scaled));
                const float shrink = exp2f(highest[i] - top);
                const float weight = exp2f(scaled - top);
                highest[i] = top;
                total[i] = total[i] * shrink + weight;
#pragma unroll
                for (int d = 0; d < kDims; ++d) sum[i][d] *= shrink;
                shared.weight[own(i)][tx] = weight;
            }
            if (keep.active()) {
#pragma unroll 1
                for (int i = 0; i < kEach; i += 4) {
                    const int query = block + own(i);
                    float factors[4];
                    keep.template quadFactors<1>(from + tx, {query, query + kRows, query + 2 * kRows, query + 3 * kRows}, factors);
#pragma unroll
                    for (int e = 0; e < 4; ++e) shared.weight[own(i + e)][tx] *= factors[e];
                }
            }
            __syncthreads();
            load(shared.tile, 2, from, kKeys);
            __syncthreads();
            headAccumulate<HD, kKeys>(shared.weight, shared.tile, tx, own, sum);
            __syncthreads();
        }
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
            const int row = block + own(i);
            const float denominator = halfWarpSum(total[i]);
            const float inverse = 1.0f / denominator;
            if (row < length) {
                if (logSumExp != nullptr && tx == 0) {
                    logSumExp[static_cast<int64_t>(row) * heads] = (highest[i] + log2f(denominator)) * 0.69314718055994530942f;
                }
                storeHeadRow<HD>(out + static_cast<int64_t>(row) * dim, tx, headDim, inverse, sum[i]);
            }
        }
    }
};

/** @param logSumExp [T, heads] or null */
template <int HD, class Keep>
__device__ inline void attention(S* out, float* logSumExp, const S* qkv, const int* cuSeqlens, int heads, int headDim,
                                 float scale, const Keep& keep) {
    using Block = FmaAttention<HD>;
    __shared__ __align__(16) typename Block::Shared shared;
    const int first = cuSeqlens[blockIdx.z];
    const int length = cuSeqlens[blockIdx.z + 1] - first;
    const int block = blockIdx.x * Block::kQueries;
    if (block >= length) return;
    const int dim = heads * headDim;
    const Block attention{qkv + static_cast<int64_t>(first) * 3 * dim + blockIdx.y * headDim, length, headDim, dim};
    if (logSumExp != nullptr) logSumExp += static_cast<int64_t>(first) * heads + blockIdx.y;
    attention.run(shared, out + static_cast<int64_t>(first) * dim + blockIdx.y * headDim, logSumExp, heads, block,
                  scale * 1.44269504088896341f, keep);
}

}  // namespace nj
