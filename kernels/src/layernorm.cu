// Residual + bias + LayerNorm: out = layerNorm(x + bias + residual); bias and residual may be absent.
//
// Shapes    x, residual, out (T, D); bias, gamma, beta (D). out may be x or residual. D <= 1024.
// Geometry  one warp per row, four to a block: grid ceil(T / 4), block 128, no shared memory.
// Bytes     reads 2 T D s + 3 D s, writes T D s, s the size of the storage type: the minimum.
// Design    As in embedding.cu. GEMMs of Nightjar's own normalise in their epilogue (gemm.cu); this kernel serves the other providers.
#include "normalise.cuh"

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_layernorm)(S* out, const S* x, const S* bias, const S* residual, const S* gamma, const S* beta, int rows,
                      const int* rowCount, int dim, float eps) {
    using namespace nj;
    const int row = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    if (row >= realRows(rows, rowCount)) return;
    const bool packed = isPacked(out, dim) && isPacked(x, dim) && isPacked(bias, dim) && isPacked(residual, dim)
        && isPacked(gamma, dim) && isPacked(beta, dim);
    const int64_t offset = static_cast<int64_t>(row) * dim;
    normaliseRow(out + offset, {gamma, beta, dim, eps}, packed, [&](int column, float(&sum)[kPacket<S>]) {
        float other[kPacket<S>];
        loadPacket(x + offset, column, dim, packed, sum);
        if (bias != nullptr) {
            loadPacket(bias, column, dim, packed, other);
#pragma unroll
            for (int i = 0; i < kPacket<S>; ++i) sum[i] += other[i];
        }
        if (residual != nullptr) {
            loadPacket(residual + offset, column, dim, packed, other);
#pragma unroll
            for (int i = 0; i < kPacket<S>; ++i) sum[i] += other[i];
        }
    });
}
