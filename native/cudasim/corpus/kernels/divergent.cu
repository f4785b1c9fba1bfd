// Steps of the Collatz sequence of each seed: threads of a warp leave the nested loops at different times, one early.
extern "C" __global__ void collatz(const unsigned int* seeds, int* steps, int n, int limit) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned long long v = seeds[i];
    if (v == 0) {
        steps[i] = -1;
        return;
    }
    int count = 0;
    while (v != 1 && count < limit) {
        while ((v & 1) == 0) {
            v >>= 1;
            if (++count == limit) break;
        }
        if (v == 1 || count == limit) continue;
        switch (v % 4) {
            case 1: v = 3 * v + 1; break;
            case 3: v = v + v + v + 1; break;
            default: steps[i] = -2; return;
        }
        ++count;
    }
    steps[i] = count;
}
