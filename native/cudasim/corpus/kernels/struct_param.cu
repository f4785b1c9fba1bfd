// Copies a strided view of up to four dimensions into dense memory. The view is a structure passed by value, indexed with
// a run-time subscript, and large enough that the compiler reads it from the parameter space.
struct View {
    const float* data;
    long long strides[4];
    int sizes[4];
    float scale;
    signed char rank;
};

extern "C" __global__ void gather_view(const View view, float* out, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    long long offset = 0;
    int rest = i;
    for (int d = view.rank - 1; d >= 0; --d) {
        offset += view.strides[d] * (rest % view.sizes[d]);
        rest /= view.sizes[d];
    }
    out[i] = view.data[offset] * view.scale;
}
