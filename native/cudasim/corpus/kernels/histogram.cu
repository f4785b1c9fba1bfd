// Histogram of bytes: bins counted with shared-memory atomics a block, then added to the global ones; 64-bit total too.
extern "C" __global__ void histogram(const unsigned char* x, unsigned int* bins, unsigned long long* total, int n) {
    __shared__ unsigned int local[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) local[i] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        atomicAdd(&local[x[i]], 1u);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < 256; i += blockDim.x) {
        if (local[i] != 0) {
            atomicAdd(&bins[i], local[i]);
            atomicAdd(total, static_cast<unsigned long long>(local[i]) * i);
        }
    }
}
