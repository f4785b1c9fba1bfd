// One-dimensional convolution with the filter in constant memory, and a module variable that counts the outputs.
constexpr int kMaxTaps = 31;

__constant__ float taps[kMaxTaps] = {1.0f};
__device__ unsigned int produced = 7;

extern "C" __global__ void convolve(const float* x, float* y, int n, int count) {
    extern __shared__ float halo[];  // blockDim.x + count - 1
    const int first = blockIdx.x * blockDim.x;
    for (int i = threadIdx.x; i < blockDim.x + count - 1; i += blockDim.x) {
        const int j = first + i - count / 2;
        halo[i] = j >= 0 && j < n ? x[j] : 0.0f;
    }
    __syncthreads();
    const int i = first + threadIdx.x;
    if (i >= n) return;
    float sum = 0.0f;
    for (int t = 0; t < count; ++t) sum += taps[t] * halo[threadIdx.x + t];
    y[i] = sum;
    atomicInc(&produced, 0xffffffffu);
}
