// Dropout in place of one row per sequence, and its own backward: x = dropout(x).
//
// Shapes    x (B, N); keys (B).
// Geometry  one warp per row, four to a block: grid ceil(B / 4), block 128, no shared memory.
// Bytes     reads and writes B N s, s the size of the storage type, and reads 4 B: the minimum.
// Design    Elsewhere dropout is part of what stands next to it; only the heads' input, a few rows, has a launch of its own.
#include "dropout.cuh"

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_dropout)(S* x, const int* keys, int rows, const int* rowCount, int n, NJ_DROPOUT_PARAMETERS) {
    using namespace nj;
    const int row = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    const Dropout dropout = NJ_DROPOUT;
    if (row >= realRows(rows, rowCount) || !dropout.active()) return;
    const bool packed = isPacked(x, n);
    S* at = x + static_cast<int64_t>(row) * n;
    for (int column = threadIdx.x % kWarp * kPacket<S>; column < n; column += kWarp * kPacket<S>) {
        float values[kPacket<S>];
        loadPacket(at, column, n, packed, values);
        dropout.apply(column, 0, keys[row], values);
        storePacket(at, column, n, packed, values);
    }
}
