// Inclusive prefix sum of 32-bit integers in two launches: blocks scan their part and publish its total, then the totals
// of all earlier blocks are added.
extern "C" __global__ void scan_blocks(const int* x, int* y, int* totals, int n) {
    __shared__ int warpTotals[32];
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int lane = threadIdx.x % 32;
    const int warp = threadIdx.x / 32;
    int v = i < n ? x[i] : 0;
#pragma unroll
    for (int d = 1; d < 32; d *= 2) {
        const int below = __shfl_up_sync(0xffffffffu, v, d);
        if (lane >= d) v += below;
    }
    if (lane == 31) warpTotals[warp] = v;
    __syncthreads();
    if (warp == 0) {
        int t = lane < blockDim.x / 32 ? warpTotals[lane] : 0;
        for (int d = 1; d < 32; d *= 2) {
            const int below = __shfl_up_sync(0xffffffffu, t, d);
            if (lane >= d) t += below;
        }
        warpTotals[lane] = t;
    }
    __syncthreads();
    if (warp > 0) v += warpTotals[warp - 1];
    if (i < n) y[i] = v;
    if (threadIdx.x == blockDim.x - 1) totals[blockIdx.x] = v;
}

extern "C" __global__ void scan_add(int* y, const int* totals, int n) {
    __shared__ int before;
    if (threadIdx.x == 0) {
        int sum = 0;
        for (int b = 0; b < blockIdx.x; ++b) sum += totals[b];
        before = sum;
    }
    __syncthreads();
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] += before;
}
