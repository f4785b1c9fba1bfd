// GEMM with fused epilogue: out = act(x W' + bias) + residual, then LayerNorm of the rows where gamma is given. Training keeps the argument
// of the activation in preActivation.
//
// Shapes    x (T, K); W (N, K) as Hugging Face stores it; bias, gamma, beta (N); residual, out, preActivation (T, N). N <= 1024 with gamma.
// Geometry  rows16:  16 x 16 outputs per block of 8 warps that split K, grid (ceil(N / 16), ceil(T / 16)), block 256
//           tile64:  64 x 64, grid (ceil(N / 64), ceil(T / 64)), block 128, 24 KiB of shared memory
//           tile128: 128 x 128, grid (ceil(N / 128), ceil(T / 128)), block 256, 48 KiB of shared memory
// Bytes     reads (T K + N K + T N [residual] + N ...) s, writes T N s (twice with preActivation), s the size of the storage type: each byte
//           once from DRAM, the minimum; x is read again through L2 by every column of blocks, W by every row of blocks. With gamma, `out`
//           is read back through L2: nothing new where it is the residual stream itself, as in the encoder, and T N s more to count where it
//           is not.
// Design    16-bit types: mma.sync with float32 accumulation, fed by ldmatrix from swizzled shared memory, three slices of K under way by
//           cp.async (gemm_tile.cuh); 48 KiB keep the largest tile within what every architecture grants without being asked. With few rows
//           (gemm_rows16.cuh) warps split K instead, inside a block, so that the reduction is deterministic and needs no workspace. float32:
//           FMA, because it is the type chosen for its digits. Epilogues are chosen at run time by uniform branches after the product: one
//           kernel instead of ten to load and compile. LayerNorm needs whole rows, that is all blocks of a panel: each leaves its sum in
//           `out`, and the one that a ticket shows to be the last normalises the panel there while it is still in L2. That saves a launch
//           and a trip through memory per LayerNorm.
#include "gemm_rows16.cuh"
#include "gemm_tile.cuh"

namespace nj {

/** LayerNorm of a panel of rows, by the block that finishes it last. */
__device__ inline void finishPanel(const Epilogue& epilogue, const S* gamma, const S* beta, unsigned* tickets, float eps,
                                   int first, int count, int* flag) {
    if (gamma != nullptr && isLastBlock(tickets + blockIdx.y, gridDim.x, flag)) {
        normalisePanel(epilogue, gamma, beta, eps, first, count);
    }
}

template <int BM, int BN>
__device__ inline void gemmTile(S* out, S* preActivation, const S* x, const S* weight, const S* bias,
                                const S* residual, const S* gamma, const S* beta, unsigned* tickets, int activation,
                                int rows, const int* rowCount, int n, int k, float eps) {
    using Tile = GemmTile<BM, BN>;
    __shared__ __align__(128) char shared[Tile::kSharedBytes];
    const int real = realRows(rows, rowCount);
    const int row0 = blockIdx.y * BM;
    if (row0 >= real) return;
    const Epilogue epilogue(out, preActivation, bias, residual, activation, real, n);
    Tile::run(shared, Operand(x, real, k), Operand(weight, n, k), epilogue, row0, blockIdx.x * BN);
    finishPanel(epilogue, gamma, beta, tickets, eps, row0, BM, reinterpret_cast<int*>(shared));
}

}  // namespace nj

#define NJ_GEMM_PARAMETERS                                                                                           \
    S *out, S *preActivation, const S *x, const S *weight, const S *bias, const S *residual, const S *gamma,         \
        const S *beta, unsigned *tickets, int activation, int rows, const int *rowCount, int n, int k, float eps

extern "C" __global__ void __launch_bounds__(256, nj::kLargeTileBlocks) NJ_NAME(nj_gemm_tile128)(NJ_GEMM_PARAMETERS) {
    nj::gemmTile<128, 128>(out, preActivation, x, weight, bias, residual, gamma, beta, tickets, activation, rows,
                           rowCount, n, k, eps);
}

extern "C" __global__ void __launch_bounds__(128, 4) NJ_NAME(nj_gemm_tile64)(NJ_GEMM_PARAMETERS) {
    nj::gemmTile<64, 64>(out, preActivation, x, weight, bias, residual, gamma, beta, tickets, activation, rows,
                         rowCount, n, k, eps);
}

extern "C" __global__ void __launch_bounds__(256, 2) NJ_NAME(nj_gemm_rows16)(NJ_GEMM_PARAMETERS) {
    using namespace nj;
    __shared__ Rows16Shared shared;
    const int real = realRows(rows, rowCount);
    const int row0 = blockIdx.y * kRows16Tile;
    const int column0 = blockIdx.x * kRows16Tile;
    if (row0 >= real) return;
    const Epilogue epilogue(out, preActivation, bias, residual, activation, real, n);
    const bool packed = isPacked(x, k) && isPacked(weight, k);
    multiplyRows16(
        [&](int r) { return row0 + r < real ? x + static_cast<int64_t>(row0 + r) * k : nullptr; },
        [&](int c) { return column0 + c < n ? weight + static_cast<int64_t>(column0 + c) * k : nullptr; }, k, packed,
        shared, [&](int r, int c, float sum) { epilogue.storeElement(row0 + r, column0 + c, sum); });
    __syncthreads();
    finishPanel(epilogue, gamma, beta, tickets, eps, row0, kRows16Tile, reinterpret_cast<int*>(&shared));
}
