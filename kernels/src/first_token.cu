// The first token's row of each sequence, out of a token matrix and back into one.
//
// Shapes    x, dX (T, D); out, dOut (B, D); cuSeqlens (B + 1); positions, sequences (T).
// Geometry  one warp per row of the result, four to a block: grid ceil(B / 4) or ceil(T / 4), block 128, no shared memory.
// Bytes     gather reads and writes B D s; scatter reads B D s + 8 T, writes T D s, s the size of the storage type: the minimum.
// Design    scatter writes the zeros too, in the order of the tokens, so that no launch clears dX before. Empty sequences (the padding of a
//           captured graph) are gathered as zeros: what follows them stays finite and adds nothing to a gradient.
#include "storage.cuh"

namespace nj {

/** to[0 ... dim) = from[0 ... dim), or zeros where `from` is null; by one warp. */
__device__ inline void copyRow(S* to, const S* from, int dim, bool packed) {
    for (int column = threadIdx.x % kWarp * kPacket<S>; column < dim; column += kWarp * kPacket<S>) {
        float values[kPacket<S>];
        loadPacket(from, column, from == nullptr ? 0 : dim, packed, values);
        storePacket(to, column, dim, packed, values);
    }
}

}  // namespace nj

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_gather_first)(S* out, const S* x, const int* cuSeqlens, int sequences, int dim) {
    using namespace nj;
    const int row = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    if (row >= sequences) return;
    const bool present = cuSeqlens[row] < cuSeqlens[row + 1];
    const S* from = present ? x + static_cast<int64_t>(cuSeqlens[row]) * dim : nullptr;
    copyRow(out + static_cast<int64_t>(row) * dim, from, dim, isPacked(out, dim) && isPacked(x, dim));
}

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_scatter_first)(S* dX, const S* dOut, const int* positions, const int* tokenSequences, int rows,
                          const int* rowCount, int dim) {
    using namespace nj;
    const int row = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    if (row >= realRows(rows, rowCount)) return;
    const S* from = positions[row] == 0 ? dOut + static_cast<int64_t>(tokenSequences[row]) * dim : nullptr;
    copyRow(dX + static_cast<int64_t>(row) * dim, from, dim, isPacked(dX, dim) && isPacked(dOut, dim));
}
