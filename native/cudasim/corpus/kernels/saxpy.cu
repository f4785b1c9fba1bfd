// y = alpha x + y: what the programs that know only the driver API launch.
extern "C" __global__ void saxpy(const float* x, float* y, float alpha, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = alpha * x[i] + y[i];
}
