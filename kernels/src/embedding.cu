// Embedding: out = dropout(layerNorm(words[id] + places[position])), one pass. Training keeps the sum and the statistics for the backward pass.
//
// Shapes    ids, positions (T); words (V, D); places (P, D); gamma, beta (D); out, sum (T, D); stats (T, 2). D <= 1024.
// Geometry  one warp per token, four to a block: grid ceil(T / 4), block 128, no shared memory.
// Bytes     reads 8 T + (distinct words + distinct places + 2) D s, writes T D s, s the size of the storage type: the minimum. gamma and beta
//           are read by every warp but come from L1 after the first. Training writes T D s + 8 T more.
// Design    A row fits into the registers of one warp, so the sum never goes to memory between the gather and the normalisation and no
//           block-wide barrier is needed. Four rows to a block keep enough loads in flight without wasting lanes on short batches. A sum that
//           is kept is rounded before it is normalised: the backward pass then sees what the forward pass saw.
#include "dropout.cuh"
#include "normalise.cuh"

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_embedding)(S* out, const int* ids, const int* positions, const S* words, const S* places, const S* gamma,
                      const S* beta, int rows, const int* rowCount, int dim, float eps) {
    using namespace nj;
    const int row = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    if (row >= realRows(rows, rowCount)) return;
    const bool packed = isPacked(out, dim) && isPacked(words, dim) && isPacked(places, dim) && isPacked(gamma, dim)
        && isPacked(beta, dim);
    const S* word = words + static_cast<int64_t>(ids[row]) * dim;
    const S* place = places + static_cast<int64_t>(positions[row]) * dim;
    normaliseRow(out + static_cast<int64_t>(row) * dim, {gamma, beta, dim, eps}, packed,
                 [&](int column, float(&sum)[kPacket<S>]) {
                     loadPacket(word, column, dim, packed, sum);
                     addPacket(place, column, dim, packed, sum);
                 });
}

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_embedding_train)(S* out, S* sum, float* stats, const int* ids, const int* positions, const int* tokenSequences,
                            const int* keys, const S* words, const S* places, const S* gamma, const S* beta, int rows,
                            const int* rowCount, int dim, float eps, NJ_DROPOUT_PARAMETERS) {
    using namespace nj;
    const int row = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    if (row >= realRows(rows, rowCount)) return;
    const Dropout dropout = NJ_DROPOUT;
    const TokenRows tokens{positions, tokenSequences, keys};
    const bool packed = isPacked(out, dim) && isPacked(sum, dim) && isPacked(words, dim) && isPacked(places, dim)
        && isPacked(gamma, dim) && isPacked(beta, dim);
    const S* word = words + static_cast<int64_t>(ids[row]) * dim;
    const S* place = places + static_cast<int64_t>(positions[row]) * dim;
    const int64_t offset = static_cast<int64_t>(row) * dim;
    normaliseRow({gamma, beta, dim, eps}, stats + 2 * row, packed,
                 [&](int column, float(&values)[kPacket<S>]) {
                     loadPacket(word, column, dim, packed, values);
                     addPacket(place, column, dim, packed, values);
                     storePacket(sum + offset, column, dim, packed, values);
                     roundPacket(values);
                 },
                 [&](int column, float(&values)[kPacket<S>]) {
                     tokens.drop(dropout, row, column, values);
                     storePacket(out + offset, column, dim, packed, values);
                 });
}
