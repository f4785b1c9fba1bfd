// Gradients of a linear map x W' + bias: dgrad, dX = dOut W or +=; wgrad, dW += dOut' x with dBias += the column sums of dOut.
//
// Shapes    dOut (T, N); x, dX (T, K); W (N, K) as Hugging Face stores it; dW (N, K), dBias (N), partial (splits, N K + N), float32.
// Geometry  dgrad: tile64:  64 x 64 of dX, grid (ceil(K / 64), ceil(T / 64)), block 128, 24 KiB of shared memory
//                  tile128: 128 x 128, grid (ceil(K / 128), ceil(T / 128)), block 256, 48 KiB
//           wgrad: the same tiles of dW, grid (ceil(K / tile), ceil(N / tile), splits): a share of the rows per block
// Bytes     dgrad reads (T N + N K) s (and T K s to add to), writes T K s; wgrad reads (T N + T K) s and reads and writes 4 (N K + N), s the size of the
//           storage type: each byte once from DRAM, the minimum; operands are read again through L2 by every row or column of blocks. With
//           splits the partial sums are written and read once more: 8 splits (N K + N), in L2 where they fit.
// Design    The pipeline of gemm.cu with operands that sum over rows of memory: nothing is transposed in memory. wgrad has few tiles and a long
//           sum, so the rows are split until the device is full. Atomics would add shares in any order; instead each block leaves its share in
//           `partial`, and the one that a ticket shows to be a tile's last adds them in order. The sums for dBias are taken from the slices of
//           dOut while they are in shared memory.
#include "gemm_tile.cuh"

namespace nj {

/** Where a gradient of a weight goes: out [rows, n], overwritten or added to. */
struct GradientEpilogue {
    static constexpr int kRun = 4;

    float* out;
    int rows;
    int n;
    bool add;
    bool packed;

    __device__ GradientEpilogue(float* out, int rows, int n, bool add) : out(out), rows(rows), n(n), add(add), packed(isPacked(out, n)) {}

    __device__ void storeElement(int row, int column, float value) const {
        if (row >= rows || column >= n) return;
        float* at = out + static_cast<int64_t>(row) * n + column;
        *at = add ? *at + value : value;
    }

    __device__ void storeRun(int row, int column, float (&values)[kRun]) const {
        if (row >= rows) return;
        float* at = out + static_cast<int64_t>(row) * n;
        if (add) addPacket(at, column, n, true, values);
        storePacket(at, column, n, true, values);
    }
};

template <int BM, int BN>
__device__ inline void gemmDgrad(S* dX, const S* dOut, const S* weight, int accumulate, int rows, const int* rowCount, int n, int k) {
    using Tile = GemmTile<BM, BN, Over::kColumns, Over::kRows>;
    __shared__ __align__(128) char shared[Tile::kSharedBytes];
    const int real = realRows(rows, rowCount);
    const int row0 = blockIdx.y * BM;
    if (row0 >= real) return;
    const Epilogue epilogue(dX, nullptr, nullptr, accumulate ? dX : nullptr, kNone, real, k);
    Tile::run(shared, Operand(dOut, real, n), Operand(weight, n, k), epilogue, row0, blockIdx.x * BN);
}

/** Rows [row0, row0 + BM) and columns [column0, column0 + BN) of dW += the shares in `partial`, in order; dBias with the first columns. */
template <int BM, int BN>
__device__ inline void addShares(float* dWeight, float* dBias, const float* partial, int shares, int row0, int column0, int n, int k) {
    const int64_t stride = static_cast<int64_t>(n) * k + n;
    const bool packed = isPacked(dWeight, k) && isPacked(partial, k) && stride % 4 == 0;
    for (int i = threadIdx.x; i < BM * BN / 4; i += blockDim.x) {
        const int row = row0 + i / (BN / 4);
        const int column = column0 + i % (BN / 4) * 4;
        if (row >= n) break;
        float* out = dWeight + static_cast<int64_t>(row) * k;
        float sum[4] = {};
        for (int share = 0; share < shares; ++share) {
            float part[4];
            loadPacket<Via::kL2>(partial + share * stride + static_cast<int64_t>(row) * k, column, k, packed, part);
#pragma unroll
            for (int e = 0; e < 4; ++e) sum[e] += part[e];
        }
        addPacket(out, column, k, packed, sum);
        storePacket(out, column, k, packed, sum);
    }
    const int row = row0 + threadIdx.x;
    if (dBias != nullptr && column0 == 0 && threadIdx.x < BM && row < n) {
        float sum = 0;
        for (int share = 0; share < shares; ++share) sum += __ldcg(partial + (share + 1) * stride - n + row);
        dBias[row] += sum;
    }
}

template <int BM, int BN>
__device__ inline void gemmWgrad(float* dWeight, float* dBias, const S* dOut, const S* x, float* partial, unsigned* tickets,
                                 int rows, const int* rowCount, int n, int k) {
    using Tile = GemmTile<BM, BN, Over::kRows, Over::kRows>;
    __shared__ __align__(128) char shared[Tile::kSharedBytes];
    const int real = realRows(rows, rowCount);
    const int slices = (real + Tile::kSlice - 1) / Tile::kSlice;
    const int shares = min(static_cast<int>(gridDim.z), slices);
    const int share = blockIdx.z;
    if (share >= shares) return;
    const int row0 = blockIdx.y * BM;
    const int column0 = blockIdx.x * BN;
    const bool alone = shares == 1;
    float* out = alone ? dWeight : partial + share * (static_cast<int64_t>(n) * k + n);
    const bool biased = dBias != nullptr && column0 == 0 && threadIdx.x < BM;
    float bias = 0;
    Tile::run(shared, Operand(dOut, real, n), Operand(x, real, k), GradientEpilogue(out, n, k, alone), row0, column0,
              static_cast<int>(static_cast<int64_t>(slices) * share / shares),
              static_cast<int>(static_cast<int64_t>(slices) * (share + 1) / shares), [&](const char* stage) {
                  if (biased) bias += Tile::sumColumn(stage);
              });
    if (biased && row0 + threadIdx.x < n) {
        if (alone) {
            dBias[row0 + threadIdx.x] += bias;
        } else {
            out[static_cast<int64_t>(n) * k + row0 + threadIdx.x] = bias;
        }
    }
    if (!alone && isLastBlock(tickets + blockIdx.y * gridDim.x + blockIdx.x, shares, reinterpret_cast<int*>(shared))) {
        addShares<BM, BN>(dWeight, dBias, partial, shares, row0, column0, n, k);
    }
}

}  // namespace nj

#define NJ_DGRAD(name, tile, threads, blocks)                                                                           \
    extern "C" __global__ void __launch_bounds__(threads, blocks)                                                       \
    name(S* dX, const S* dOut, const S* weight, int accumulate, int rows, const int* rowCount, int n, int k) {          \
        nj::gemmDgrad<tile, tile>(dX, dOut, weight, accumulate, rows, rowCount, n, k);                                  \
    }

NJ_DGRAD(NJ_NAME(nj_gemm_dgrad_tile64), 64, 128, 4)
NJ_DGRAD(NJ_NAME(nj_gemm_dgrad_tile128), 128, 256, nj::kLargeTileBlocks)

#define NJ_WGRAD(name, tile, threads, blocks)                                                                           \
    extern "C" __global__ void __launch_bounds__(threads, blocks)                                                       \
    name(float* dWeight, float* dBias, const S* dOut, const S* x, float* partial, unsigned* tickets, int rows,          \
         const int* rowCount, int n, int k) {                                                                           \
        nj::gemmWgrad<tile, tile>(dWeight, dBias, dOut, x, partial, tickets, rows, rowCount, n, k);                     \
    }

NJ_WGRAD(NJ_NAME(nj_gemm_wgrad_tile64), 64, 128, 4)
NJ_WGRAD(NJ_NAME(nj_gemm_wgrad_tile128), 128, 256, nj::kLargeTileBlocks)
