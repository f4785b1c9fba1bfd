// Backward of attention on tensor cores: a warp owns 16 rows, of queries or of keys, and the others pass by in tiles.
#pragma once

#include "attention_backward.cuh"
#include "attention_mma.cuh"

namespace nj {

/** Blocks per multiprocessor to leave registers for. */
template <int HD> constexpr int kMinBlocks = HD < 128 ? 3 : 2;

/**
 * 16 rows of one warp: queries with their dOut, or keys with their values. Both products that a weight's gradient needs have the own rows on
 * the left, so the accumulators are in the right registers to multiply the passing rows once more, for the gradients of the own rows.
 */
template <int HD, Pass pass> struct WarpGradient {
    static constexpr int kRowBytes = HD * static_cast<int>(sizeof(S));
    static constexpr int kRows = 16;
    static constexpr bool kOfKeys = pass == Pass::kKeys;
    /** Whether the own rows stay in registers; the widest head's keys have two gradients there already. */
    static constexpr bool kResident = !kOfKeys || HD < 128;

    const char* shared[2];  // own rows, where not resident: of queries or keys, and of dOut or values
    unsigned held[2][kResident ? HD / 16 : 1][4];
    float gradient[HD / 8][4];                 // of the queries or keys, without the scale
    float dValue[kOfKeys ? HD / 8 : 1][4];
    float logDenominator[2];                   // of this lane's two queries
    float delta[2];

    __device__ void begin(const char* first, const char* second) {
        shared[0] = first;
        shared[1] = second;
        if constexpr (kResident) {
#pragma unroll
            for (int i = 0; i < HD / 16; ++i) {
                loadOwn(0, i, held[0][i]);
                loadOwn(1, i, held[1][i]);
            }
        }
#pragma unroll
        for (int j = 0; j < HD / 8; ++j) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                gradient[j][e] = 0;
                if constexpr (kOfKeys) dValue[j][e] = 0;
            }
        }
    }

    __device__ void loadOwn(int which, int i, unsigned (&r)[4]) const {
        const int lane = threadIdx.x % kWarp;
        loadMatrices(r, shared[which] + swizzled<kRowBytes>(lane % 16, i * 2 + lane / 16));
    }

    /** delta = dOut . out of each own query, to memory for the keys' pass too. @param outs the warp's rows of out */
    __device__ void beginQueries(const HeadGradient& head, const char* outs, int firstQuery) {
        const int lane = threadIdx.x % kWarp;
        delta[0] = delta[1] = 0;
#pragma unroll
        for (int i = 0; i < HD / 16; ++i) {
            unsigned r[4];
            loadMatrices(r, outs + swizzled<kRowBytes>(lane % 16, i * 2 + lane / 16));
#pragma unroll
            for (int e = 0; e < 4; ++e) delta[e % 2] += dotPair(held[1][i][e], r[e]);
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            delta[half] += __shfl_xor_sync(kAllLanes, delta[half], 1);
            delta[half] += __shfl_xor_sync(kAllLanes, delta[half], 2);
            const int query = firstQuery + lane / 4 + 8 * half;
            logDenominator[half] = head.logDenominator(query);
            if (lane % 4 == 0 && query < head.length) head.delta[static_cast<int64_t>(query) * head.heads] = delta[half];
        }
    }

    static __device__ float dotPair(unsigned a, unsigned b) {
        Packet<S, 2> x;
        Packet<S, 2> y;
        x.bits = a;
        y.bits = b;
        return toFloat(x.element[0]) * toFloat(y.element[0]) + toFloat(x.element[1]) * toFloat(y.element[1]);
    }

    /** products[j] = own rows (queries and dOut, or keys and values) times 16 passing rows of a tile. */
    __device__ void multiply(int which, const char* tile, int firstRow, float (&products)[2][4]) const {
        const int lane = threadIdx.x % kWarp;
#pragma unroll
        for (int i = 0; i < HD / 16; ++i) {
            unsigned a[4];
            if constexpr (kResident) {
#pragma unroll
                for (int e = 0; e < 4; ++e) a[e] = held[which][i][e];
            } else {
                loadOwn(which, i, a);
            }
            unsigned b[4];
            loadMatrices(b, tile + swizzled<kRowBytes>(firstRow + lane / 16 * 8 + lane % 8, i * 2 + lane / 8 % 2));
            multiplyAdd(products[0], a, b[0], b[1]);
            multiplyAdd(products[1], a, b[2], b[3]);
        }
    }

    /** sum += weights [16, 16] times 16 passing rows. */
    static __device__ void accumulate(const float (&weights)[2][4], const char* tile, int firstRow, float (&sum)[HD / 8][4]) {
        const int lane = threadIdx.x % kWarp;
        const unsigned a[4] = {pack(weights[0][0], weights[0][1]), pack(weights[0][2], weights[0][3]),
                               pack(weights[1][0], weights[1][1]), pack(weights[1][2], weights[1][3])};
#pragma unroll
        for (int j = 0; j < HD / 8; j += 2) {
            unsigned b[4];
            loadMatricesTransposed(b, tile + swizzled<kRowBytes>(firstRow + lane % 16, j + lane / 16));
            multiplyAdd(sum[j], a, b[0], b[1]);
            multiplyAdd(sum[j + 1], a, b[2], b[3]);
        }
    }

    /** The dropout's factors of the 16 own rows from `own` on and the 16 passing rows from `passing` on. */
    static __device__ void dropFactors(const WeightDropout& keep, int own, int passing, float (&factors)[2][4]) {
        const int lane = threadIdx.x % kWarp;
        if constexpr (kOfKeys) {
            const int query = passing + lane % 4 * 2;
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float of[4];
                keep.quadFactors<4>(own + lane / 4 + 8 * half, {query, query + 1, query + 8, query + 9}, of);
#pragma unroll
                for (int e = 0; e < 4; ++e) factors[e / 2][half * 2 + e % 2] = of[e];
            }
        } else {
            keep.pairFactors(own + lane / 4, passing, factors[0]);
            keep.pairFactors(own + lane / 4, passing + 8, factors[1]);
        }
    }

    /**
     * Takes 16 passing rows: rows firstRow ... of the tiles, of which `limit` belong to the sequence.
     *
     * @param scalars log-sum-exp and delta of the tile's queries, `tileRows` apart; in the keys' pass
     */
    __device__ void attend(const char* first, const char* second, const float* scalars, int tileRows, int firstRow, int limit, float scale,
                           const WeightDropout& keep, int own, int passing) {
        const int lane = threadIdx.x % kWarp;
        float score[2][4] = {};
        float dKept[2][4] = {};
        multiply(0, first, firstRow, score);
        multiply(1, second, firstRow, dKept);
        float factors[2][4] = {{1, 1, 1, 1}, {1, 1, 1, 1}};
        if (keep.active()) dropFactors(keep, own, passing, factors);
#pragma unroll
        for (int j = 0; j < 2; ++j) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int column = j * 8 + lane % 4 * 2 + e % 2;
                const float log = kOfKeys ? scalars[firstRow + column] : logDenominator[e / 2];
                const float mean = kOfKeys ? scalars[tileRows + firstRow + column] : delta[e / 2];
                const WeightGradient g(score[j][e], scale, log, dKept[j][e], mean, factors[j][e], column < limit);
                score[j][e] = g.kept;
                dKept[j][e] = g.dScore;
            }
        }
        if constexpr (kOfKeys) accumulate(score, second, firstRow, dValue);
        accumulate(dKept, first, firstRow, gradient);
    }

    /** Writes a gradient of the own rows, from `first` on, through 16 rows of shared memory. */
    __device__ void store(char* rows, S* to, const HeadGradient& head, int first, float factor, const float (&sum)[HD / 8][4]) const {
        const int lane = threadIdx.x % kWarp;
        __syncwarp();
#pragma unroll
        for (int half = 0; half < 2; ++half) {
#pragma unroll
            for (int j = 0; j < HD / 8; ++j) {
                char* at = rows + swizzled<kRowBytes>(lane / 4 + 8 * half, j) + lane % 4 * 4;
                *reinterpret_cast<unsigned*>(at) = pack(sum[j][2 * half] * factor, sum[j][2 * half + 1] * factor);
            }
        }
        __syncwarp();
        storeHeadRows<HD>(to, 3 * head.dim, rows, first, head.length, head.headDim);
    }
};

/** Blocks own 64 rows; tiles of passing rows are two deep where copies are asynchronous and memory allows it. */
template <int HD, Pass pass> __device__ inline void attentionBackward(const HeadGradient& head, const WeightDropout& keep) {
    using Warp = WarpGradient<HD, pass>;
    constexpr bool kOfKeys = pass == Pass::kKeys;
    constexpr int kTileRows = Warp::kResident ? (HD == 128 ? 32 : 64) : 16;
#if __CUDA_ARCH__ >= 800
    constexpr int kDepth = Warp::kResident ? 2 : 1;
#else
    constexpr int kDepth = 1;
#endif
    constexpr int kTile = kTileRows * Warp::kRowBytes;
    constexpr int kOwn = kBlockRows * Warp::kRowBytes;
    // Own rows that are in registers leave their place to the tiles.
    constexpr int kOwnBytes = (kOfKeys ? 2 : 3) * kOwn;
    constexpr int kTilesAt = Warp::kResident ? 0 : kOwnBytes;
    constexpr int kBytes = kTilesAt + 2 * kDepth * kTile > kOwnBytes ? kTilesAt + 2 * kDepth * kTile : kOwnBytes;
    __shared__ __align__(128) char shared[kBytes];
    __shared__ float scalars[kOfKeys ? kDepth * 2 * kTileRows : 1];

    const int block = blockIdx.x * kBlockRows;
    if (block >= head.length) return;
    const int ownRow = threadIdx.x / kWarp * Warp::kRows;
    const int own = block + ownRow;
    const bool active = own < head.length;
    const S* keys = head.qkv + head.dim;
    const S* values = keys + head.dim;

    const auto copy = [&](char* to, const S* rows, int64_t stride, int first, int count) {
        copyHeadRows<HD>(to, rows, stride, first, count, head.length, head.headDim);
    };
    const auto loadTile = [&](int first) {
        const int turn = first / kTileRows % kDepth;
        char* tile = shared + kTilesAt + turn * 2 * kTile;
        copy(tile, kOfKeys ? head.qkv : keys, 3 * head.dim, first, kTileRows);
        copy(tile + kTile, kOfKeys ? head.dOut : values, kOfKeys ? head.dim : 3 * head.dim, first, kTileRows);
        commitCopies();
        if constexpr (kOfKeys) {
            if (threadIdx.x < kTileRows) {
                scalars[turn * 2 * kTileRows + threadIdx.x] = head.logDenominator(first + threadIdx.x);
                scalars[(turn * 2 + 1) * kTileRows + threadIdx.x] = head.deltaOf(first + threadIdx.x);
            }
        }
    };

    copy(shared, kOfKeys ? keys : head.qkv, 3 * head.dim, block, kBlockRows);
    copy(shared + kOwn, kOfKeys ? values : head.dOut, kOfKeys ? 3 * head.dim : head.dim, block, kBlockRows);
    if constexpr (!kOfKeys) copy(shared + 2 * kOwn, head.out, head.dim, block, kBlockRows);
    commitCopies();
    awaitCopies<0>();
    __syncthreads();
    Warp warp;
    const int offset = ownRow * Warp::kRowBytes;
    warp.begin(shared + offset, shared + kOwn + offset);
    if constexpr (!kOfKeys) warp.beginQueries(head, shared + 2 * kOwn + offset, own);
    if constexpr (Warp::kResident) __syncthreads();

    loadTile(0);
    awaitCopies<0>();
    __syncthreads();
    for (int first = 0; first < head.length; first += kTileRows) {
        if (kDepth == 2 && first + kTileRows < head.length) loadTile(first + kTileRows);
        const int turn = first / kTileRows % kDepth;
        const char* tile = shared + kTilesAt + turn * 2 * kTile;
        if (active) {
#pragma unroll 1
            for (int row = 0; row < min(kTileRows, head.length - first); row += 16) {
                warp.attend(tile, tile + kTile, scalars + turn * 2 * kTileRows, kTileRows, row, head.length - first - row,
                            head.scale * kLog2e, keep, own, first + row);
            }
        }
        if (kDepth == 1 && first + kTileRows < head.length) {
            __syncthreads();
            loadTile(first + kTileRows);
        }
        awaitCopies<0>();
        __syncthreads();
    }
    if (!active) return;
    S* to = head.dQkv + (kOfKeys ? head.dim : 0);
    warp.store(shared + offset, to, head, own, head.scale, warp.gradient);
    if constexpr (kOfKeys) warp.store(shared + offset, to + head.dim, head, own, 1.0f, warp.dValue);
}

}  // namespace nj
