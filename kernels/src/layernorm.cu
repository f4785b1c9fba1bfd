// Residual + bias + LayerNorm: out = layerNorm(x + bias + residual); bias and residual may be absent. Training has the bias in x already,
// drops out, and keeps the sum in x and the statistics: x = dropout(x) + residual, out = layerNorm(x).
//
// Shapes    x, residual, out (T, D); bias, gamma, beta (D); stats (T, 2). out may be x or, in training, the residual. D <= 1024.
// Geometry  one warp per row, four to a block: grid ceil(T / 4), block 128, no shared memory.
// Bytes     reads 2 T D s + 3 D s, writes T D s, s the size of the storage type: the minimum. Training writes T D s + 8 T more.
// Design    As in embedding.cu. GEMMs of Nightjar's own normalise in their epilogue (gemm.cu); this kernel serves the other providers, and
//           training, which needs the sum.
#include "dropout.cuh"
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
        loadPacket(x + offset, column, dim, packed, sum);
        if (bias != nullptr) addPacket(bias, column, dim, packed, sum);
        if (residual != nullptr) addPacket(residual + offset, column, dim, packed, sum);
    });
}

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_layernorm_train)(S* out, S* x, float* stats, const S* residual, const S* gamma, const S* beta,
                            const int* positions, const int* tokenSequences, const int* keys, int rows,
                            const int* rowCount, int dim, float eps, NJ_DROPOUT_PARAMETERS) {
    using namespace nj;
    const int row = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    if (row >= realRows(rows, rowCount)) return;
    const Dropout dropout = NJ_DROPOUT;
    const TokenRows tokens{positions, tokenSequences, keys};
    const bool packed = isPacked(out, dim) && isPacked(x, dim) && isPacked(residual, dim) && isPacked(gamma, dim)
        && isPacked(beta, dim);
    const int64_t offset = static_cast<int64_t>(row) * dim;
    normaliseRow({gamma, beta, dim, eps}, stats + 2 * row, packed,
                 [&](int column, float(&sum)[kPacket<S>]) {
                     loadPacket(x + offset, column, dim, packed, sum);
                     tokens.drop(dropout, row, column, sum);
                     addPacket(residual + offset, column, dim, packed, sum);
                     storePacket(x + offset, column, dim, packed, sum);
                     roundPacket(sum);
                 },
                 [&](int column, const float(&values)[kPacket<S>]) {
                     storePacket(out + offset, column, dim, packed, values);
                 });
}
