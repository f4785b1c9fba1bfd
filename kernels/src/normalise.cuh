// LayerNorm of one row by one warp: the row is read once, into registers, and normalised in two passes over them (mean, then the
// centred squares), which is as accurate as float32 allows and costs no memory traffic.
#pragma once

#include "storage.cuh"

namespace nj {

/** The widest row: 32 floats per lane. Wider ones would need another variant; no DistilBERT has them. */
constexpr int kMaxNormWidth = 1024;

struct Norm {
    const S* gamma;  // [dim]
    const S* beta;   // [dim]
    int dim;         // at most kMaxNormWidth
    float eps;
};

/**
 * Calls store(column, values) with normalised(load(column, values)) * gamma + beta for the packets of one row, by one whole warp.
 *
 * @param stats two floats that get mean and reciprocal standard deviation, or null
 * @param packed whether rows of gamma and beta may be accessed in packets
 * @param load called with a column and a packet to fill: zeros at and past `dim`; all packets are loaded before the first is stored
 */
template <class Load, class Store>
__device__ inline void normaliseRow(const Norm& norm, float* stats, bool packed, Load load, Store store) {
    constexpr int kPackets = kMaxNormWidth / (kWarp * kPacket<S>);
    const int lane = threadIdx.x % kWarp;
    float row[kPackets][kPacket<S>];
    float sum = 0;
#pragma unroll
    for (int p = 0; p < kPackets; ++p) {
        load((p * kWarp + lane) * kPacket<S>, row[p]);
#pragma unroll
        for (int i = 0; i < kPacket<S>; ++i) sum += row[p][i];
    }
    const float mean = warpSum(sum) / norm.dim;
    float squares = 0;
#pragma unroll
    for (int p = 0; p < kPackets; ++p) {
#pragma unroll
        for (int i = 0; i < kPacket<S>; ++i) {
            const float centred = row[p][i] - mean;
            if ((p * kWarp + lane) * kPacket<S> + i < norm.dim) squares += centred * centred;
        }
    }
    const float scale = rsqrtf(warpSum(squares) / norm.dim + norm.eps);
    if (stats != nullptr && lane == 0) *reinterpret_cast<float2*>(stats) = make_float2(mean, scale);
#pragma unroll
    for (int p = 0; p < kPackets; ++p) {
        const int column = (p * kWarp + lane) * kPacket<S>;
        if (column < norm.dim) {
            float gamma[kPacket<S>];
            float beta[kPacket<S>];
            loadPacket(norm.gamma, column, norm.dim, packed, gamma);
            loadPacket(norm.beta, column, norm.dim, packed, beta);
#pragma unroll
            for (int i = 0; i < kPacket<S>; ++i) row[p][i] = (row[p][i] - mean) * scale * gamma[i] + beta[i];
            store(column, row[p]);
        }
    }
}

/** The same into out[0 ... dim), which `packed` speaks of too. */
template <class Load> __device__ inline void normaliseRow(S* out, const Norm& norm, bool packed, Load load) {
    normaliseRow(norm, nullptr, packed, load, [&](int column, const float(&values)[kPacket<S>]) {
        storePacket(out, column, norm.dim, packed, values);
    });
}

}  // namespace nj
