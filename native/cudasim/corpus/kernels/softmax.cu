// y[r,:] = softmax(x[r,:]), one block a row, three passes, dynamic shared memory for the row. Built with -use_fast_math.
__device__ float blockReduce(float v, bool isMax, float* scratch) {
    const int lane = threadIdx.x & 31;
    const int warp = threadIdx.x >> 5;
    for (int offset = 16; offset > 0; offset >>= 1) {
        const float other = __shfl_xor_sync(0xffffffffu, v, offset);
        v = isMax ? fmaxf(v, other) : v + other;
    }
    __syncthreads();
    if (lane == 0) scratch[warp] = v;
    __syncthreads();
    v = scratch[0];
    for (int w = 1; w < blockDim.x >> 5; ++w) v = isMax ? fmaxf(v, scratch[w]) : v + scratch[w];
    return v;
}

extern "C" __global__ void softmax(const float* __restrict__ x, float* __restrict__ y, int columns) {
    extern __shared__ float row[];
    __shared__ float scratch[32];
    x += static_cast<size_t>(blockIdx.x) * columns;
    y += static_cast<size_t>(blockIdx.x) * columns;
    float top = -INFINITY;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        row[i] = x[i];
        top = fmaxf(top, row[i]);
    }
    top = blockReduce(top, true, scratch);
    float sum = 0.0f;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        row[i] = expf(row[i] - top);
        sum += row[i];
    }
    sum = blockReduce(sum, false, scratch);
    for (int i = threadIdx.x; i < columns; i += blockDim.x) y[i] = row[i] / sum;
}
