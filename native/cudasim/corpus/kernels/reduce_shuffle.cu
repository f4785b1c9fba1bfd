// sum += sum(x[0..n)): float4 loads with a scalar tail, warp shuffles, one shared slot a warp, one atomic a block.
__device__ float warpSum(float v) {
    for (int offset = warpSize / 2; offset > 0; offset /= 2) v += __shfl_down_sync(0xffffffffu, v, offset);
    return v;
}

extern "C" __global__ void reduce_shuffle(const float* __restrict__ x, float* sum, int n) {
    __shared__ float partial[32];
    const int stride = gridDim.x * blockDim.x;
    const int first = blockIdx.x * blockDim.x + threadIdx.x;
    float v = 0.0f;
    for (int i = first; i < n / 4; i += stride) {
        const float4 q = reinterpret_cast<const float4*>(x)[i];
        v += (q.x + q.y) + (q.z + q.w);
    }
    for (int i = n / 4 * 4 + first; i < n; i += stride) v += x[i];
    v = warpSum(v);
    const int lane = threadIdx.x % warpSize;
    const int warp = threadIdx.x / warpSize;
    if (lane == 0) partial[warp] = v;
    __syncthreads();
    if (warp == 0) {
        v = lane < blockDim.x / warpSize ? partial[lane] : 0.0f;
        v = warpSum(v);
        if (lane == 0) atomicAdd(sum, v);
    }
}
