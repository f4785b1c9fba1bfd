// Stream compaction: keeps the positive values in order within a warp with ballots and population counts, and counts each
// warp's distinct values with match.
extern "C" __global__ void compact(const int* x, int* kept, unsigned int* count, int* distinct, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int lane = threadIdx.x & 31;
    const int v = i < n ? x[i] : 0;
    const bool keep = v > 0;
    const unsigned int ballot = __ballot_sync(0xffffffffu, keep);
    unsigned int base = 0;
    if (lane == 0 && ballot != 0) base = atomicAdd(count, __popc(ballot));
    base = __shfl_sync(0xffffffffu, base, 0);
    if (keep) kept[base + __popc(ballot & ((1u << lane) - 1))] = v;
    const unsigned int same = __match_any_sync(0xffffffffu, v);
    const unsigned int leaders = __ballot_sync(0xffffffffu, __ffs(same) - 1 == lane);
    if (lane == 0 && i < n) distinct[i / 32] = __all_sync(1u, 1) ? __popc(leaders) : -1;
}
