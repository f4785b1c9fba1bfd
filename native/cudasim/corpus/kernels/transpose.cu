// y[c,r] = x[r,c] for a matrix of rows x columns floats, through a 32 x 32 tile with 32 x 8 threads. The unpadded tile
// meets a 32-way bank conflict when it reads a column; one column of padding removes it.
template <int Pad>
__device__ void transposeTile(const float* x, float* y, int rows, int columns) {
    __shared__ float tile[32][32 + Pad];
    int c = blockIdx.x * 32 + threadIdx.x;
    int r = blockIdx.y * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += 8) {
        if (r + j < rows && c < columns) tile[threadIdx.y + j][threadIdx.x] = x[(r + j) * columns + c];
    }
    __syncthreads();
    c = blockIdx.y * 32 + threadIdx.x;
    r = blockIdx.x * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += 8) {
        if (r + j < columns && c < rows) y[(r + j) * rows + c] = tile[threadIdx.x][threadIdx.y + j];
    }
}

extern "C" __global__ void transpose_padded(const float* x, float* y, int rows, int columns) {
    transposeTile<1>(x, y, rows, columns);
}

extern "C" __global__ void transpose_unpadded(const float* x, float* y, int rows, int columns) {
    transposeTile<0>(x, y, rows, columns);
}
