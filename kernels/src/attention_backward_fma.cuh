// Backward of attention with FMA: float32, and bfloat16 before sm_80.
#pragma once

#include "attention_backward.cuh"
#include "attention_fma.cuh"

namespace nj {

/** Blocks per multiprocessor to leave registers for. Without a number ptxas spills a few of them for more. */
template <int HD> constexpr int kMinBlocks = HD < 128 ? 4 : 2;

/**
 * 32 own rows at a time, queries with their dOut or keys with their values, and tiles of 16 passing rows. Thread (tx, ty) has the tx-th passing row
 * and own rows 4 ty ... 4 ty + 3, which are the four keys of one dropout counter in the keys' pass. Both passing matrices take turns in one buffer,
 * which keeps the widest head within 48 KiB; what is read twice comes from L1 or L2.
 */
template <int HD, Pass pass> struct FmaGradient {
    static constexpr bool kOfKeys = pass == Pass::kKeys;
    static constexpr int kOwnRows = 32;
    static constexpr int kEach = 4;
    static constexpr int kTileRows = kHalfWarp;
    static constexpr int kDims = HD / kHalfWarp;
    // Four more, so that the rows of the two halves of a warp are half the banks apart.
    static constexpr int kWeightStride = kTileRows + 4;

    struct Shared {
        float own[2][kOwnRows][kHeadStride<HD>];
        float tile[kTileRows][kHeadStride<HD>];
        float kept[kOwnRows][kWeightStride];
        float dScore[kOwnRows][kWeightStride];
    };

    const HeadGradient& head;
    Shared& shared;
    int tx;
    int ty;

    __device__ FmaGradient(const HeadGradient& head, Shared& shared)
        : head(head), shared(shared), tx(threadIdx.x % kHalfWarp), ty(threadIdx.x / kHalfWarp) {}

    __device__ void load(float (*rows)[kHeadStride<HD>], const S* from, int64_t stride, int first, int count) const {
        loadHeadRows<HD>(rows, from, stride, first, count, head.length, head.headDim);
    }

    /** dOut . out of the own queries, to memory for the keys' pass too. */
    __device__ void deltas(int block, float (&delta)[kEach]) const {
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
            const int row = ty * kEach + i;
            const bool present = block + row < head.length;
            delta[i] = 0;
            for (int column = tx * 4; column < head.headDim; column += 4 * kHalfWarp) {
                float out[4];
                loadPacket(head.out + static_cast<int64_t>(present ? block + row : 0) * head.dim, column, head.headDim, true, out);
#pragma unroll
                for (int e = 0; e < 4; ++e) delta[i] += out[e] * shared.own[1][row][column + e];
            }
            delta[i] = halfWarpSum(delta[i]);
            if (present && tx == 0) head.delta[static_cast<int64_t>(block + row) * head.heads] = delta[i];
        }
    }

    __device__ void dropFactors(const WeightDropout& keep, int own, int passing, float (&factors)[kEach]) const {
        if constexpr (kOfKeys) {
            keep.keyFactors(own, passing, factors);
        } else {
            keep.quadFactors<1>(passing, {own, own + 1, own + 2, own + 3}, factors);
        }
    }

    /** The own rows from `block` on. */
    __device__ void run(int block, const WeightDropout& keep) const {
        const auto own = [this](int i) { return ty * kEach + i; };
        const S* keys = head.qkv + head.dim;
        const S* values = keys + head.dim;
        load(shared.own[0], kOfKeys ? keys : head.qkv, 3 * head.dim, block, kOwnRows);
        load(shared.own[1], kOfKeys ? values : head.dOut, kOfKeys ? 3 * head.dim : head.dim, block, kOwnRows);
        float delta[kEach];
        float log[kEach];
        if constexpr (!kOfKeys) {
            __syncthreads();
            deltas(block, delta);
#pragma unroll
            for (int i = 0; i < kEach; ++i) log[i] = head.logDenominator(block + own(i));
        }
        float gradient[kEach][kDims] = {};
        float dValue[kEach][kDims] = {};  // of the keys' pass
        for (int first = 0; first < head.length; first += kTileRows) {
            const auto loadFirst = [&] { load(shared.tile, kOfKeys ? head.qkv : keys, 3 * head.dim, first, kTileRows); };
            loadFirst();
            __syncthreads();
            float score[kEach];
            headScores<HD>(shared.own[0], shared.tile, tx, own, score);
            __syncthreads();
            load(shared.tile, kOfKeys ? head.dOut : values, kOfKeys ? head.dim : 3 * head.dim, first, kTileRows);
            __syncthreads();
            float dKept[kEach];
            headScores<HD>(shared.own[1], shared.tile, tx, own, dKept);
            float factors[kEach] = {1, 1, 1, 1};
            if (keep.active()) dropFactors(keep, block + own(0), first + tx, factors);
            if constexpr (kOfKeys) {
                log[0] = head.logDenominator(first + tx);
                delta[0] = head.deltaOf(first + tx);
            }
#pragma unroll
            for (int i = 0; i < kEach; ++i) {
                const WeightGradient g(score[i], head.scale * kLog2e, log[kOfKeys ? 0 : i], dKept[i], delta[kOfKeys ? 0 : i], factors[i],
                                       first + tx < head.length);
                if constexpr (kOfKeys) shared.kept[own(i)][tx] = g.kept;
                shared.dScore[own(i)][tx] = g.dScore;
            }
            __syncthreads();
            if constexpr (kOfKeys) {
                headAccumulate<HD, kTileRows>(shared.kept, shared.tile, tx, own, dValue);
                __syncthreads();
            }
            loadFirst();
            __syncthreads();
            headAccumulate<HD, kTileRows>(shared.dScore, shared.tile, tx, own, gradient);
            __syncthreads();
        }
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
            const int row = block + own(i);
            if (row < head.length) {
                S* to = head.dQkv + static_cast<int64_t>(row) * 3 * head.dim + (kOfKeys ? head.dim : 0);
                storeHeadRow<HD>(to, tx, head.headDim, head.scale, gradient[i]);
                if constexpr (kOfKeys) storeHeadRow<HD>(to + head.dim, tx, head.headDim, 1.0f, dValue[i]);
            }
        }
    }
};

template <int HD, Pass pass> __device__ inline void attentionBackward(const HeadGradient& head, const WeightDropout& keep) {
    using Block = FmaGradient<HD, pass>;
    __shared__ __align__(16) typename Block::Shared shared;
    const int end = min(static_cast<int>(blockIdx.x + 1) * kBlockRows, head.length);
    for (int block = blockIdx.x * kBlockRows; block < end; block += Block::kOwnRows) Block(head, shared).run(block, keep);
}

}  // namespace nj
