// Attention of one head with FMA: float32, and bfloat16 before sm_80.
#pragma once

#include "attention_dropout.cuh"

namespace nj {

/**
 * 64 queries per block of 128 threads, 16 keys at a time. Threads form 8 rows of 16: thread (tx, ty) scores key tx for queries ty + 8 i and sums
 * dims tx HD / 16 ... of the same queries, so that what a softmax needs from others is in its own half-warp. Keys and values take
 * turns in one buffer, which keeps the widest head within 48 KiB.
 */
template <int HD> struct FmaAttention {
    static constexpr int kThreads = 128;
    static constexpr int kColumns = 16;
    static constexpr int kRows = kThreads / kColumns;
    static constexpr int kQueries = 64;
    static constexpr int kEach = kQueries / kRows;
    static constexpr int kKeys = kColumns;
    static constexpr int kDims = HD / kColumns;
    // Four more than a multiple of 32: 16-byte reads of the same column of eight consecutive rows fall on all banks.
    static constexpr int kStride = HD + 4;

    struct Shared {
        float query[kQueries][kStride];
        float tile[kKeys][kStride];
        float weight[kQueries][kKeys];
    };

    const S* first;  // the sequence's first query of this head
    int length;
    int headDim;
    int dim;

    /** Rows [from, from + count) of queries, keys or values (`part` 0, 1, 2) as floats, zeros outside the sequence and the head. */
    __device__ void load(float (*rows)[kStride], int part, int from, int count) const {
        constexpr int kStep = 4;
        for (int index = threadIdx.x; index < count * HD / kStep; index += kThreads) {
            const int row = index / (HD / kStep);
            const int column = index % (HD / kStep) * kStep;
            float values[kStep];
            const bool present = from + row < length;
            const S* source = first + (static_cast<int64_t>(present ? from + row : 0) * 3 + part) * dim;
            loadPacket(source, column, present ? headDim : 0, true, values);
            *reinterpret_cast<float4*>(&rows[row][column]) = make_float4(values[0], values[1], values[2], values[3]);
        }
    }

    static __device__ float rowMax(float x) {
#pragma unroll
        for (int offset = kColumns / 2; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, offset));
        return x;
    }

    static __device__ float rowSum(float x) {
#pragma unroll
        for (int offset = kColumns / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(kAllLanes, x, offset);
        return x;
    }

    static __device__ void score(const Shared& shared, int tx, int ty, float (&scores)[kEach]) {
#pragma unroll
        for (int i = 0; i < kEach; ++i) scores[i] = 0;
#pragma unroll 2
        for (int column = 0; column < HD; column += 4) {
            const float4 key = *reinterpret_cast<const float4*>(&shared.tile[tx][column]);
#pragma unroll
            for (int i = 0; i < kEach; ++i) {
                const float4 query = *reinterpret_cast<const float4*>(&shared.query[ty + kRows * i][column]);
                scores[i] += query.x * key.x + query.y * key.y + query.z * key.z + query.w * key.w;
            }
        }
    }

    /** sum += weights * values, for this thread's queries and dims. */
    static __device__ void accumulate(const Shared& shared, int tx, int ty, float (&sum)[kEach][kDims]) {
        constexpr int kStep = kDims < 4 ? kDims : 4;
#pragma unroll 4
        for (int key = 0; key < kKeys; ++key) {
            float value[kDims];
#pragma unroll
            for (int d = 0; d < kDims; d += kStep) {
                // Runs of four (or two) dims per thread, the threads of a row side by side.
                float run[kStep];
                loadPacket(&shared.tile[key][d * kColumns + tx * kStep], 0, kStep, true, run);
#pragma unroll
                for (int e = 0; e < kStep; ++e) value[d + e] = run[e];
            }
#pragma unroll
            for (int i = 0; i < kEach; ++i) {
                const float weight = shared.weight[ty + kRows * i][key];
#pragma unroll
                for (int d = 0; d < kDims; ++d) sum[i][d] += weight * value[d];
            }
        }
    }

    /** @param logSumExp of the sequence's first token and this head, `heads` apart, or null */
    template <class Keep>
    __device__ void run(Shared& shared, S* out, float* logSumExp, int heads, int block, float scale, const Keep& keep) const {
        constexpr int kStep = kDims < 4 ? kDims : 4;
        const int tx = threadIdx.x % kColumns;
        const int ty = threadIdx.x / kColumns;
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
            score(shared, tx, ty, scores);
#pragma unroll
            for (int i = 0; i < kEach; ++i) {
                const float scaled = from + tx < length ? scores[i] * scale : -INFINITY;
                const float top = fmaxf(highest[i], rowMax(scaled));
                const float shrink = exp2f(highest[i] - top);
                const float weight = exp2f(scaled - top);
                highest[i] = top;
                total[i] = total[i] * shrink + weight;
#pragma unroll
                for (int d = 0; d < kDims; ++d) sum[i][d] *= shrink;
                shared.weight[ty + kRows * i][tx] = weight;
            }
            if (keep.active()) {
#pragma unroll 1
                for (int i = 0; i < kEach; i += 4) {
                    const int own = ty + kRows * i;
                    const int query = block + own;
                    float factors[4];
                    keep.template quadFactors<1>(from + tx, {query, query + kRows, query + 2 * kRows, query + 3 * kRows}, factors);
#pragma unroll
                    for (int e = 0; e < 4; ++e) shared.weight[own + kRows * e][tx] *= factors[e];
                }
            }
            __syncthreads();
            load(shared.tile, 2, from, kKeys);
            __syncthreads();
            accumulate(shared, tx, ty, sum);
            __syncthreads();
        }
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
            const int row = block + ty + kRows * i;
            const float denominator = rowSum(total[i]);
            const float inverse = 1.0f / denominator;
            if (row < length) {
                if (logSumExp != nullptr && tx == 0) {
                    logSumExp[static_cast<int64_t>(row) * heads] = (highest[i] + log2f(denominator)) * 0.69314718055994530942f;
                }
#pragma unroll
                for (int d = 0; d < kDims; d += kStep) {
                    float run[kStep];
#pragma unroll
                    for (int e = 0; e < kStep; ++e) run[e] = sum[i][d + e] * inverse;
                    const int column = d * kColumns + tx * kStep;
                    storePacket(out + static_cast<int64_t>(row) * dim, column, headDim, true, run);
                }
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
