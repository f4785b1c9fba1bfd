// Copies for the counters: unit stride, strided on the source, shifted by some elements, and float4.
extern "C" __global__ void copy_strided(const float* x, float* y, int n, int stride, int shift) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i * stride + shift];
}

extern "C" __global__ void copy_float4(const float4* x, float4* y, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i];
}
