// Attention of one head on tensor cores: a warp owns 16 queries, keys and values pass by in tiles, softmax is computed online
// (Milakov and Gimelshein, arXiv 1805.02867; Dao et al., arXiv 2205.14135).
#pragma once

#include "attention_dropout.cuh"
#include "mma.cuh"

namespace nj {

/** One sequence and head of packed QKV [T, 3 D]. */
struct Head {
    const S* query;  // first token's query; keys follow after `dim` elements, values after 2 dim
    S* out;          // first token's output
    int length;      // tokens
    int headDim;
    int dim;

    __device__ Head(S* out, const S* qkv, const int* cuSeqlens, int heads, int headDim)
        : headDim(headDim), dim(heads * headDim) {
        const int first = cuSeqlens[blockIdx.z];
        length = cuSeqlens[blockIdx.z + 1] - first;
        query = qkv + static_cast<int64_t>(first) * 3 * dim + blockIdx.y * headDim;
        this->out = out + static_cast<int64_t>(first) * dim + blockIdx.y * headDim;
    }
};

/**
 * Copies rows [first, first + count) of one head, zeros past `length` rows and `headDim` columns.
 *
 * @param rows the sequence's first row, others `stride` elements apart
 */
template <int HD>
__device__ inline void copyHeadRows(char* shared, const S* rows, int64_t stride, int first, int count, int length, int headDim) {
    constexpr int kRowBytes = HD * static_cast<int>(sizeof(S));
    constexpr int kChunks = kRowBytes / 16;
    for (int index = threadIdx.x; index < count * kChunks; index += blockDim.x) {
        const int row = index / kChunks;
        const int chunk = index % kChunks;
        const bool present = first + row < length && chunk * kPacket<S> < headDim;
        const S* source = rows + (present ? (first + row) * stride + chunk * kPacket<S> : 0);
        copyPacket(shared + swizzled<kRowBytes>(row, chunk), source, present);
    }
}

/** Writes rows [first, first + 16) of a head from one warp's swizzled shared memory, in whole packets; what copyHeadRows() leaves out is left. */
template <int HD>
__device__ inline void storeHeadRows(S* rows, int64_t stride, const char* shared, int first, int length, int headDim) {
    constexpr int kRowBytes = HD * static_cast<int>(sizeof(S));
    constexpr int kChunks = kRowBytes / 16;
    for (int index = threadIdx.x % kWarp; index < 16 * kChunks; index += kWarp) {
        const int row = first + index / kChunks;
        const int column = index % kChunks * kPacket<S>;
        if (row < length && column < headDim) {
            *reinterpret_cast<uint4*>(rows + row * stride + column) =
                *reinterpret_cast<const uint4*>(shared + swizzled<kRowBytes>(index / kChunks, index % kChunks));
        }
    }
}

/** The largest score a sum has seen must be finite, or exp2(-inf - -inf) is not a number. */
constexpr float kLowest = -1e30f;

/** HD: headDim rounded up to 32, 64 or 128; the columns between are zeros in shared memory and are not written. */
template <int HD> struct WarpAttention {
    static constexpr int kRowBytes = HD * static_cast<int>(sizeof(S));
    static constexpr int kQueries = 16;

    unsigned query[HD / 16][4];
    float sum[HD / 8][4];  // unnormalised output
    float highest[2];      // of this lane's two rows, times scale, base 2
    float total[2];        // this lane's part of the softmax's denominator

    /** Copies rows [first, first + count) of queries, keys or values (`part` 0, 1, 2), zeros outside the sequence and the head. */
    static __device__ void load(char* shared, const Head& head, int part, int first, int count) {
        copyHeadRows<HD>(shared, head.query + part * head.dim, 3 * head.dim, first, count, head.length, head.headDim);
    }

    /** @param queries this warp's 16 rows */
    __device__ void begin(const char* queries) {
        const int lane = threadIdx.x % kWarp;
#pragma unroll
        for (int i = 0; i < HD / 16; ++i) {
            loadMatrices(query[i], queries + swizzled<kRowBytes>(lane % 16, i * 2 + lane / 16));
        }
#pragma unroll
        for (int j = 0; j < HD / 8; ++j) {
#pragma unroll
            for (int e = 0; e < 4; ++e) sum[j][e] = 0;
        }
        highest[0] = highest[1] = kLowest;
        total[0] = total[1] = 0;
    }

    /** Scores of this warp's queries and `keys` keys, times scale and log2 e; keys at and past `limit` get none. */
    template <int keys>
    __device__ void score(const char* tile, int firstRow, int limit, float scale, float (&scores)[keys / 8][4]) const {
        const int lane = threadIdx.x % kWarp;
#pragma unroll
        for (int j = 0; j < keys / 8; j += 2) {
#pragma unroll
            for (int e = 0; e < 4; ++e) scores[j][e] = scores[j + 1][e] = 0;
#pragma unroll
            for (int i = 0; i < HD / 16; ++i) {
                unsigned b[4];
                const int row = firstRow + j * 8 + lane / 16 * 8 + lane % 8;
                loadMatrices(b, tile + swizzled<kRowBytes>(row, i * 2 + lane / 8 % 2));
                multiplyAdd(scores[j], query[i], b[0], b[1]);
                multiplyAdd(scores[j + 1], query[i], b[2], b[3]);
            }
        }
#pragma unroll
        for (int j = 0; j < keys / 8; ++j) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const bool present = j * 8 + lane % 4 * 2 + e % 2 < limit;
                scores[j][e] = present ? scores[j][e] * scale : -INFINITY;
            }
        }
    }

    /** scores = exp2(scores - highest), after `highest`, `total` and `sum` were brought to the new maximum. */
    template <int keys> __device__ void soften(float (&scores)[keys / 8][4]) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float top = highest[half];
#pragma unroll
            for (int j = 0; j < keys / 8; ++j) top = fmaxf(top, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
            top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 1));
            top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 2));
            const float shrink = exp2f(highest[half] - top);
            highest[half] = top;
            total[half] *= shrink;
#pragma unroll
            for (int j = 0; j < HD / 8; ++j) {
                sum[j][2 * half] *= shrink;
                sum[j][2 * half + 1] *= shrink;
            }
#pragma unroll
            for (int j = 0; j < keys / 8; ++j) {
#pragma unroll
                for (int e = 2 * half; e < 2 * half + 2; ++e) {
                    scores[j][e] = exp2f(scores[j][e] - top);
                    total[half] += scores[j][e];
                }
            }
        }
    }

    /**
     * Attends to `keys` keys: rows firstRow ... of the tiles.
     *
     * @param limit how many of them belong to the sequence
     * @param scale of scores, times log2 e
     * @param keep KeepAll or WeightDropout
     * @param firstQuery, firstKey places of the warp's first query and of the first key in the sequence, for `keep`
     */
    template <int keys, class Keep>
    __device__ void attend(const char* keyTile, const char* valueTile, int firstRow, int limit, float scale, const Keep& keep,
                           int firstQuery, int firstKey) {
        const int lane = threadIdx.x % kWarp;
        float scores[keys / 8][4];
        score<keys>(keyTile, firstRow, limit, scale, scores);
        soften<keys>(scores);
        if (keep.active()) {
#pragma unroll
            for (int j = 0; j < keys / 8; ++j) {
                float factors[4];
                keep.pairFactors(firstQuery + lane / 4, firstKey + j * 8, factors);
#pragma unroll
                for (int e = 0; e < 4; ++e) scores[j][e] *= factors[e];
            }
        }
        // The accumulator of two neighbouring 16x8 products is laid out as the left operand of the next: no shuffle in between.
#pragma unroll
        for (int i = 0; i < keys / 16; ++i) {
            const unsigned weights[4] = {
                pack(scores[2 * i][0], scores[2 * i][1]), pack(scores[2 * i][2], scores[2 * i][3]),
                pack(scores[2 * i + 1][0], scores[2 * i + 1][1]), pack(scores[2 * i + 1][2], scores[2 * i + 1][3])};
#pragma unroll
            for (int j = 0; j < HD / 8; j += 2) {
                unsigned b[4];
                loadMatricesTransposed(
                    b, valueTile + swizzled<kRowBytes>(firstRow + i * 16 + lane % 16, j + lane / 16));
                multiplyAdd(sum[j], weights, b[0], b[1]);
                multiplyAdd(sum[j + 1], weights, b[2], b[3]);
            }
        }
    }

    /**
     * Writes this warp's rows, from `firstQuery` on, through its own 16 rows of shared memory, so that stores are whole packets.
     *
     * @param logSumExp of the sequence's first token and this head, `heads` apart, or null
     */
    __device__ void finish(char* queries, const Head& head, int firstQuery, float* logSumExp, int heads) {
        const int lane = threadIdx.x % kWarp;
        __syncwarp();  // other lanes read these rows in begin()
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float all = total[half];
            all += __shfl_xor_sync(kAllLanes, all, 1);
            all += __shfl_xor_sync(kAllLanes, all, 2);
            const float inverse = 1.0f / all;
            const int query = firstQuery + lane / 4 + 8 * half;
            if (logSumExp != nullptr && lane % 4 == 0 && query < head.length) {
                logSumExp[static_cast<int64_t>(query) * heads] = (highest[half] + log2f(all)) * 0.69314718055994530942f;
            }
#pragma unroll
            for (int j = 0; j < HD / 8; ++j) {
                char* at = queries + swizzled<kRowBytes>(lane / 4 + 8 * half, j) + lane % 4 * 4;
                *reinterpret_cast<unsigned*>(at) = pack(sum[j][2 * half] * inverse, sum[j][2 * half + 1] * inverse);
            }
        }
        __syncwarp();
        storeHeadRows<HD>(head.out, head.dim, queries, firstQuery, head.length, head.headDim);
    }
};

/** Any length: 64 queries per block, tiles of keys and values two deep. @param logSumExp [T, heads] or null */
template <int HD, class Keep>
__device__ inline void attention(S* out, float* logSumExp, const S* qkv, const int* cuSeqlens, int heads, int headDim,
                                 float scale, const Keep& keep) {
    using Warp = WarpAttention<HD>;
    constexpr int kBlockQueries = 64;
    constexpr int kKeys = HD == 128 ? 32 : 64;
    constexpr int kTile = kKeys * Warp::kRowBytes;
#if __CUDA_ARCH__ >= 800
    constexpr int kDepth = 2;
#else
    constexpr int kDepth = 1;  // copies are not asynchronous, so a second tile would only take memory
#endif
    __shared__ __align__(128) char shared[kBlockQueries * Warp::kRowBytes + 2 * kDepth * kTile];
    char* tiles = shared + kBlockQueries * Warp::kRowBytes;

    const Head head(out, qkv, cuSeqlens, heads, headDim);
    const int block = blockIdx.x * kBlockQueries;
    if (block >= head.length) return;
    const int own = threadIdx.x / kWarp * Warp::kQueries;
    char* queries = shared + own * Warp::kRowBytes;
    const bool active = block + own < head.length;

    const auto loadTile = [&](int first) {
        char* tile = tiles + first / kKeys % kDepth * 2 * kTile;
        Warp::load(tile, head, 1, first, kKeys);
        Warp::load(tile + kTile, head, 2, first, kKeys);
        commitCopies();
    };
    Warp::load(shared, head, 0, block, kBlockQueries);
    loadTile(0);
    awaitCopies<0>();
    __syncthreads();
    Warp warp;
    warp.begin(queries);
    for (int first = 0; first < head.length; first += kKeys) {
        if (kDepth == 2 && first + kKeys < head.length) loadTile(first + kKeys);
        const char* tile = tiles + first / kKeys % kDepth * 2 * kTile;
        if (active) {
            warp.template attend<kKeys>(tile, tile + kTile, 0, head.length - first, scale * 1.44269504088896341f, keep,
                                        block + own, first);
        }
        if (kDepth == 1 && first + kKeys < head.length) {
            __syncthreads();
            loadTile(first + kKeys);
        }
        awaitCopies<0>();
        __syncthreads();
    }
    if (logSumExp != nullptr) logSumExp += static_cast<int64_t>(cuSeqlens[blockIdx.z]) * heads + blockIdx.y;
    if (active) warp.finish(queries, head, block + own, logSumExp, heads);
}

/** Short sequences: queries, keys and values of a whole head in shared memory, one warp per 16 tokens, one barrier. */
template <int HD>
__device__ inline void attentionShort(S* out, const S* qkv, const int* cuSeqlens, int heads, int headDim, float scale) {
    using Warp = WarpAttention<HD>;
    extern __shared__ __align__(128) char dynamicShared[];
    const Head head(out, qkv, cuSeqlens, heads, headDim);
    if (head.length == 0) return;
    const int capacity = blockDim.x / kWarp * Warp::kQueries;
    const int rows = (head.length + 15) / 16 * 16;
    const int part = capacity * Warp::kRowBytes;
    for (int i = 0; i < 3; ++i) Warp::load(dynamicShared + i * part, head, i, 0, rows);
    commitCopies();
    awaitCopies<0>();
    __syncthreads();
    const int own = threadIdx.x / kWarp * Warp::kQueries;
    if (own >= head.length) return;
    char* queries = dynamicShared + own * Warp::kRowBytes;
    Warp warp;
    warp.begin(queries);
    for (int first = 0; first < head.length; first += 16) {
        warp.template attend<16>(dynamicShared + part, dynamicShared + 2 * part, first, head.length - first,
                                 scale * 1.44269504088896341f, KeepAll(), own, first);
    }
    warp.finish(queries, head, own, nullptr, heads);
}

}  // namespace nj
