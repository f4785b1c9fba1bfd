// Bitonic sort of 2 * blockDim.x unsigned keys with their payload in shared memory, one block a segment.
extern "C" __global__ void bitonic_sort(unsigned int* keys, unsigned short* payload) {
    extern __shared__ unsigned char memory[];
    const int n = 2 * blockDim.x;
    unsigned int* k = reinterpret_cast<unsigned int*>(memory);
    unsigned short* p = reinterpret_cast<unsigned short*>(k + n);
    keys += blockIdx.x * n;
    payload += blockIdx.x * n;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        k[i] = keys[i];
        p[i] = payload[i];
    }
    for (int size = 2; size <= n; size *= 2) {
        for (int stride = size / 2; stride > 0; stride /= 2) {
            __syncthreads();
            const int low = 2 * threadIdx.x - (threadIdx.x & (stride - 1));
            const int high = low + stride;
            const bool ascending = (low & size) == 0;
            if ((k[low] > k[high]) == ascending) {
                const unsigned int key = k[low];
                k[low] = k[high];
                k[high] = key;
                const unsigned short value = p[low];
                p[low] = p[high];
                p[high] = value;
            }
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        keys[i] = k[i];
        payload[i] = p[i];
    }
}
