// Calls that the compiler may not inline: a structure returned by value, an array in local memory passed by pointer, and a
// recursive function.
struct Roots {
    float low;
    float high;
    int count;
};

__device__ __noinline__ Roots quadratic(float a, float b, float c) {
    const float d = b * b - 4.0f * a * c;
    if (d < 0.0f) return {0.0f, 0.0f, 0};
    const float q = -0.5f * (b + copysignf(sqrtf(d), b));
    const float r1 = q / a;
    const float r2 = q != 0.0f ? c / q : r1;
    return {fminf(r1, r2), fmaxf(r1, r2), d > 0.0f ? 2 : 1};
}

__device__ __noinline__ void insertionSort(int* v, int n) {
    for (int i = 1; i < n; ++i) {
        const int key = v[i];
        int j = i - 1;
        for (; j >= 0 && v[j] > key; --j) v[j + 1] = v[j];
        v[j + 1] = key;
    }
}

__device__ __noinline__ unsigned int ackermann(unsigned int m, unsigned int n) {
    if (m == 0) return n + 1;
    if (n == 0) return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

extern "C" __global__ void quadratic_roots(const float* abc, float* roots, int* counts, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const Roots r = quadratic(abc[3 * i], abc[3 * i + 1], abc[3 * i + 2]);
    roots[2 * i] = r.low;
    roots[2 * i + 1] = r.high;
    counts[i] = r.count;
}

extern "C" __global__ void median9(const int* x, int* y, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int window[9];
    for (int j = 0; j < 9; ++j) window[j] = x[min(max(i + j - 4, 0), n - 1)];
    insertionSort(window, 9);
    y[i] = window[4];
}

extern "C" __global__ void ackermann_table(unsigned int* y) {
    y[threadIdx.y * blockDim.x + threadIdx.x] = ackermann(threadIdx.y, threadIdx.x);
}
