// y[r, l] = sum over c of x[r, c] w[c, l] for 32 columns l, a warp a row: it stages 32 values in its own part of shared memory, all lanes read all of
// them, and only __syncwarp orders writing and reading.
constexpr int kWarps = 2;

extern "C" __global__ void warp_tile(const float* x, const float* w, float* y, int rows, int columns) {
    __shared__ float stage[kWarps][32];
    const int lane = threadIdx.x % 32;
    const int warp = threadIdx.x / 32;
    for (int r = blockIdx.x * kWarps + warp; r < rows; r += gridDim.x * kWarps) {
        float sum = 0.0f;
        for (int c0 = 0; c0 < columns; c0 += 32) {
            stage[warp][lane] = c0 + lane < columns ? x[r * columns + c0 + lane] : 0.0f;
            __syncwarp();
            const int count = min(32, columns - c0);
            for (int c = 0; c < count; ++c) sum += stage[warp][c] * w[(c0 + c) * 32 + lane];
            __syncwarp();
        }
        y[r * 32 + lane] = sum;
    }
}
