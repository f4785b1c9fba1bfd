// max and sum of x[0..n) a block, with cooperative groups: a tile of 32, cg::reduce, and block synchronisation.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

namespace cg = cooperative_groups;

extern "C" __global__ void reduce_cg(const int* x, int* blockMax, float* blockSum, int n) {
    __shared__ int maxima[32];
    __shared__ float sums[32];
    const cg::thread_block block = cg::this_thread_block();
    const cg::thread_block_tile<32> tile = cg::tiled_partition<32>(block);
    const int i = static_cast<int>(cg::this_grid().thread_rank());
    const int v = i < n ? x[i] : INT_MIN;
    const int tileMax = cg::reduce(tile, v, cg::greater<int>());
    const float tileSum = cg::reduce(tile, i < n ? static_cast<float>(v) : 0.0f, cg::plus<float>());
    if (tile.thread_rank() == 0) {
        maxima[tile.meta_group_rank()] = tileMax;
        sums[tile.meta_group_rank()] = tileSum;
    }
    block.sync();
    if (tile.meta_group_rank() == 0) {
        const bool used = tile.thread_rank() < tile.meta_group_size();
        const int m = cg::reduce(tile, used ? maxima[tile.thread_rank()] : INT_MIN, cg::greater<int>());
        const float s = cg::reduce(tile, used ? sums[tile.thread_rank()] : 0.0f, cg::plus<float>());
        if (tile.thread_rank() == 0) {
            blockMax[blockIdx.x] = m;
            blockSum[blockIdx.x] = s;
        }
    }
}
