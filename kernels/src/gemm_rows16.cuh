// A product of 16 rows by 16 columns with K split over the eight warps of a block (and, with FMA, over their lanes).
//
// With few rows a GEMM is a reading of W, and what counts is how many blocks read at once: tiles are as narrow as an mma allows, and
// warps that would otherwise idle share K. Their partial sums meet in shared memory in a fixed order, so neither a workspace nor a second
// launch is needed and results do not depend on the schedule.
#pragma once

#include "mma.cuh"

namespace nj {

constexpr int kRows16Threads = 256;
constexpr int kRows16Warps = kRows16Threads / kWarp;
constexpr int kRows16Tile = 16;

#if NJ_TENSOR_CORES

/** Partial sums of all warps: each lane's fragments of two 16x8 products. Reused for the finished tile. */
struct Rows16Shared {
    float4 partial[kRows16Warps][2][kWarp];
};

/** 16 bytes of row[column ...] as four registers of neighbours; zero where the row is null and past k. */
__device__ inline void loadRun(const S* row, int column, int k, bool packed, unsigned (&run)[4]) {
    Packet<S, kPacket<S>> packet;
    packet.bits = make_uint4(0, 0, 0, 0);
    if (row != nullptr && packed && column < k) packet.bits = *reinterpret_cast<const uint4*>(row + column);
    if (row != nullptr && !packed) {
#pragma unroll
        for (int i = 0; i < kPacket<S>; ++i) {
            if (column + i < k) packet.element[i] = row[column + i];
        }
    }
    run[0] = packet.bits.x;
    run[1] = packet.bits.y;
    run[2] = packet.bits.z;
    run[3] = packet.bits.w;
}

/**
 * emit(r, c, sum over k of x[r][k] w[c][k]) for r, c in [0, 16), each by one thread. Called by all kRows16Threads threads.
 *
 * Fragments are loaded straight from global memory, 16 bytes per lane: lane (g, t) takes elements 8t ... 8t + 7 of row g. That is not the order
 * of k that mma documents, but a sum does not care as long as both operands are permuted alike; four lanes read 64 bytes of a row, whole
 * sectors, and shared memory is not touched before the end.
 *
 * @param xRow the row of x for a tile's row, or null
 * @param wRow the row of W for a tile's column, or null
 */
template <class RowOf, class ColumnOf, class Emit>
__device__ inline void multiplyRows16(RowOf xRow, ColumnOf wRow, int k, bool packed, Rows16Shared& shared, Emit emit) {
    constexpr int kStep = 4 * kPacket<S>;
    const int warp = threadIdx.x / kWarp;
    const int lane = threadIdx.x % kWarp;
    const int g = lane / 4;
    const S* x0 = xRow(g);
    const S* x1 = xRow(g + 8);
    const S* w0 = wRow(g);
    const S* w1 = wRow(g + 8);
    float sum[2][4] = {};
#pragma unroll 2
    for (int first = warp * kStep; first < k; first += kRows16Warps * kStep) {
        const int column = first + lane % 4 * kPacket<S>;
        unsigned a0[4], a1[4], b0[4], b1[4];
        loadRun(x0, column, k, packed, a0);
        loadRun(x1, column, k, packed, a1);
        loadRun(w0, column, k, packed, b0);
        loadRun(w1, column, k, packed, b1);
#pragma unroll
        for (int i = 0; i < 4; i += 2) {
            const unsigned a[4] = {a0[i], a1[i], a0[i + 1], a1[i + 1]};
            multiplyAdd(sum[0], a, b0[i], b0[i + 1]);
            multiplyAdd(sum[1], a, b1[i], b1[i + 1]);
        }
    }
#pragma unroll
    for (int j = 0; j < 2; ++j) shared.partial[warp][j][lane] = make_float4(sum[j][0], sum[j][1], sum[j][2], sum[j][3]);
    __syncthreads();
    float4 total = make_float4(0, 0, 0, 0);
    if (warp < 2) {
        for (int w = 0; w < kRows16Warps; ++w) {
            const float4 part = shared.partial[w][warp][lane];
            total = make_float4(total.x + part.x, total.y + part.y, total.z + part.z, total.w + part.w);
        }
    }
    __syncthreads();
    // The tile again, as rows of 16 floats whose halves change places in every other pair of rows, against bank conflicts.
    float* tile = reinterpret_cast<float*>(shared.partial);
    if (warp < 2) {
        const int column = warp * 8 + lane % 4 * 2;
        storePair(tile + g * 16 + (column ^ (g >> 1 & 1) * 8), total.x, total.y);
        storePair(tile + (g + 8) * 16 + (column ^ (g >> 1 & 1) * 8), total.z, total.w);
    }
    __syncthreads();
    const int r = threadIdx.x / 16;
    const int c = threadIdx.x % 16;
    emit(r, c, tile[r * 16 + (c ^ (r >> 1 & 1) * 8)]);
}

#else  // FMA

struct Rows16Shared {
    int flag;
};

/** sum[0] = the sum over all lanes of sum[lane]: each step halves how many sums a lane keeps. */
template <int half> __device__ inline void foldLanes(float (&sum)[kWarp], int lane) {
    const bool upper = (lane & half) != 0;
#pragma unroll
    for (int i = 0; i < half; ++i) {
        const float low = sum[i];
        const float high = sum[i + half];
        sum[i] = (upper ? high : low) + __shfl_xor_sync(kAllLanes, upper ? low : high, half);
    }
    if constexpr (half > 1) foldLanes<half / 2>(sum, lane);
}

/**
 * The same with FMA: warp w owns columns 2w and 2w + 1, lanes share k in packets, and the 32 sums of a lane are added over the lanes by
 * a butterfly that leaves lane l with the sum of row l / 2 and column 2w + l % 2.
 */
template <class RowOf, class ColumnOf, class Emit>
__device__ inline void multiplyRows16(RowOf xRow, ColumnOf wRow, int k, bool packed, Rows16Shared&, Emit emit) {
    constexpr int kStep = 4;
    const int warp = threadIdx.x / kWarp;
    const int lane = threadIdx.x % kWarp;
    const S* w0 = wRow(2 * warp);
    const S* w1 = wRow(2 * warp + 1);
    float sum[kWarp] = {};
    for (int column = lane * kStep; column < k; column += kWarp * kStep) {
        float b0[kStep];
        float b1[kStep];
        loadPacket(w0, column, w0 == nullptr ? 0 : k, packed, b0);
        loadPacket(w1, column, w1 == nullptr ? 0 : k, packed, b1);
#pragma unroll
        for (int r = 0; r < kRows16Tile; ++r) {
            const S* x = xRow(r);
            float a[kStep];
            loadPacket(x, column, x == nullptr ? 0 : k, packed, a);
#pragma unroll
            for (int i = 0; i < kStep; ++i) {
                sum[2 * r] += a[i] * b0[i];
                sum[2 * r + 1] += a[i] * b1[i];
            }
        }
    }
    foldLanes<kWarp / 2>(sum, lane);
    emit(lane / 2, 2 * warp + lane % 2, sum[0]);
}

#endif

}  // namespace nj
