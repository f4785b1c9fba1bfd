// Backward of LayerNorm with the dropout next to it: of layerNorm(dropout(x) + residual), and of dropout(layerNorm(sum)), the embedding.
//
// Shapes    dOut, sum, dSum, dX (T, D); stats (T, 2): mean and 1 / sigma; gamma, dGamma, dBeta (D); partial (P, 2, D). dSum may be dOut. D <= 1024.
// Geometry  backward: one warp per row, four to a block, rows P blocks apart: grid P (about two per multiprocessor), block 128, 8 KiB of shared
//           memory; gradient: 32 columns of one of both sums per block, grid (ceil(D / 32), 2), block 256
// Bytes     reads 2 T D s + 8 T + D s, writes T D s (twice with dX) + 8 P D, s the size of the storage type: the minimum but for the partial
//           sums, which the second launch reads again.
// Design    With g = dOut gamma and y the normalised row: dSum = (g - mean(g) - y mean(g y)) / sigma. The sums of dOut y and dOut over the rows,
//           the gradients of gamma and beta, need the same numbers, so each lane keeps those of its columns in registers over all rows of its
//           warp; the warps of a block, then the blocks, are added in a fixed order: in two stages, as neither an atomic nor one block that
//           reads everything would be both reproducible and quick.
#include "dropout.cuh"
#include "normalise.cuh"

namespace nj {

constexpr int kPackets = kMaxNormWidth / (kWarp * kPacket<S>);
constexpr int kColumns = kPackets * kPacket<S>;  // of a lane

struct NormBackward {
    const S* dOut;
    const S* sum;
    const float* stats;
    const S* gamma;
    int dim;
    bool packed;

    static __device__ int column(int packet) { return (packet * kWarp + threadIdx.x % kWarp) * kPacket<S>; }

    /**
     * store(column, values) with the gradient of one row of the sum; adds the row to this lane's part of the gradients of gamma and beta.
     *
     * @param through called with a column and a packet of dOut, for what lies between it and the LayerNorm
     */
    template <class Through, class Store>
    __device__ void row(int index, float (&dGamma)[kColumns], float (&dBeta)[kColumns], Through through, Store store) const {
        const int64_t offset = static_cast<int64_t>(index) * dim;
        const float2 moments = reinterpret_cast<const float2*>(stats)[index];
        float g[kPackets][kPacket<S>];
        float y[kPackets][kPacket<S>];
        float gradient = 0;
        float product = 0;
#pragma unroll
        for (int p = 0; p < kPackets; ++p) {
            loadPacket(dOut + offset, column(p), dim, packed, g[p]);
            loadPacket(sum + offset, column(p), dim, packed, y[p]);
            through(column(p), g[p]);
            float scale[kPacket<S>];
            loadPacket(gamma, column(p), dim, packed, scale);
#pragma unroll
            for (int i = 0; i < kPacket<S>; ++i) {
                y[p][i] = (y[p][i] - moments.x) * moments.y;
                dGamma[p * kPacket<S> + i] += g[p][i] * y[p][i];
                dBeta[p * kPacket<S> + i] += g[p][i];
                g[p][i] *= scale[i];
                gradient += g[p][i];
                product += g[p][i] * y[p][i];
            }
        }
        gradient = warpSum(gradient) / dim;
        product = warpSum(product) / dim;
#pragma unroll
        for (int p = 0; p < kPackets; ++p) {
#pragma unroll
            for (int i = 0; i < kPacket<S>; ++i) g[p][i] = moments.y * (g[p][i] - gradient - y[p][i] * product);
            store(column(p), g[p]);
        }
    }
};

/** partial[blockIdx.x] = the sums of the block's warps, by all of its threads. */
__device__ inline void storePartial(float* partial, int dim, const float (&dGamma)[kColumns], const float (&dBeta)[kColumns]) {
    __shared__ float shared[2 * kMaxNormWidth];
    const int lane = threadIdx.x % kWarp;
    const int warp = threadIdx.x / kWarp;
    const int last = blockDim.x / kWarp - 1;
    float* out = partial + static_cast<int64_t>(blockIdx.x) * 2 * dim;
    const bool packed = isPacked(partial, dim);
    // Lane by lane, so that neighbours fall on different banks; the last warp has the total.
    for (int w = 0; w <= last; ++w) {
        if (w > 0) __syncthreads();
        if (warp != w) continue;
#pragma unroll
        for (int i = 0; i < kColumns; i += 4) {
            float sums[2][4];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                float* at = shared + (i + e) * kWarp + lane;
                sums[0][e] = dGamma[i + e] + (w == 0 ? 0.0f : at[0]);
                sums[1][e] = dBeta[i + e] + (w == 0 ? 0.0f : at[kMaxNormWidth]);
                if (w < last) {
                    at[0] = sums[0][e];
                    at[kMaxNormWidth] = sums[1][e];
                }
            }
            if (w == last) {
                const int column = NormBackward::column(i / kPacket<S>) + i % kPacket<S>;
                storePacket(out, column, dim, packed, sums[0]);
                storePacket(out + dim, column, dim, packed, sums[1]);
            }
        }
    }
}

/** What both entry points share: rows blockIdx.x * 4 + warp, and so on by gridDim.x * 4. */
template <class Through, class Store>
__device__ inline void normBackward(const NormBackward& norm, float* partial, int rows, Through through, Store store) {
    float dGamma[kColumns] = {};
    float dBeta[kColumns] = {};
    const int warps = blockDim.x / kWarp;
#pragma unroll 1
    for (int row = blockIdx.x * warps + threadIdx.x / kWarp; row < rows; row += gridDim.x * warps) {
        norm.row(row, dGamma, dBeta, [&](int column, float(&values)[kPacket<S>]) { through(row, column, values); },
                 [&](int column, float(&values)[kPacket<S>]) { store(row, column, values); });
    }
    storePartial(partial, norm.dim, dGamma, dBeta);
}

}  // namespace nj

#define NJ_NORM_BACKWARD_PARAMETERS                                                                                     \
    S *dSum, S *dX, float *partial, const S *dOut, const S *sum, const float *stats, const S *gamma, const int *positions, \
        const int *tokenSequences, const int *keys, int rows, const int *rowCount, int dim, NJ_DROPOUT_PARAMETERS

extern "C" __global__ void __launch_bounds__(128) NJ_NAME(nj_layernorm_backward)(NJ_NORM_BACKWARD_PARAMETERS) {
    using namespace nj;
    const Dropout dropout = NJ_DROPOUT;
    const TokenRows tokens{positions, tokenSequences, keys};
    const bool packed = isPacked(dSum, dim) && isPacked(dX, dim) && isPacked(dOut, dim) && isPacked(sum, dim) && isPacked(gamma, dim);
    normBackward({dOut, sum, stats, gamma, dim, packed}, partial, realRows(rows, rowCount),
                 [](int, int, float(&)[kPacket<S>]) {},
                 [&](int row, int column, float(&values)[kPacket<S>]) {
                     const int64_t offset = static_cast<int64_t>(row) * dim;
                     storePacket(dSum + offset, column, dim, packed, values);
                     if (dX != nullptr) {
                         tokens.drop(dropout, row, column, values);
                         storePacket(dX + offset, column, dim, packed, values);
                     }
                 });
}

extern "C" __global__ void __launch_bounds__(128) NJ_NAME(nj_embedding_backward)(NJ_NORM_BACKWARD_PARAMETERS) {
    using namespace nj;
    const Dropout dropout = NJ_DROPOUT;
    const TokenRows tokens{positions, tokenSequences, keys};
    const bool packed = isPacked(dSum, dim) && isPacked(dOut, dim) && isPacked(sum, dim) && isPacked(gamma, dim);
    normBackward({dOut, sum, stats, gamma, dim, packed}, partial, realRows(rows, rowCount),
                 [&](int row, int column, float(&values)[kPacket<S>]) { tokens.drop(dropout, row, column, values); },
                 [&](int row, int column, float(&values)[kPacket<S>]) {
                     storePacket(dSum + static_cast<int64_t>(row) * dim, column, dim, packed, values);
                 });
}

/** dGamma and dBeta += the sum of `count` partial sums, in order. */
extern "C" __global__ void __launch_bounds__(256)
NJ_NAME(nj_layernorm_gradient)(float* dGamma, float* dBeta, const float* partial, int count, int dim) {
    using namespace nj;
    constexpr int kGroups = 256 / kWarp;
    __shared__ float sums[kGroups][kWarp];
    const int group = threadIdx.x / kWarp;
    const int lane = threadIdx.x % kWarp;
    const int column = blockIdx.x * kWarp + lane;
    float sum = 0;
    if (column < dim) {
        for (int p = group; p < count; p += kGroups) sum += partial[(static_cast<int64_t>(p) * 2 + blockIdx.y) * dim + column];
    }
    sums[group][lane] = sum;
    __syncthreads();
    if (group > 0 || column >= dim) return;
    for (int g = 1; g < kGroups; ++g) sum += sums[g][lane];
    float* out = blockIdx.y == 0 ? dGamma : dBeta;
    out[column] += sum;
}
