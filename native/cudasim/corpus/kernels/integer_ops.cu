// Integer work: Philox 4x32-10, bit tricks, saturating and 64-bit arithmetic, byte permutation and dot products.
extern "C" __global__ void philox(uint4* out, unsigned long long seed, unsigned long long offset, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    uint4 c = make_uint4(i, 0, static_cast<unsigned int>(offset), static_cast<unsigned int>(offset >> 32));
    unsigned int k0 = static_cast<unsigned int>(seed);
    unsigned int k1 = static_cast<unsigned int>(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const unsigned int hi0 = __umulhi(0xD2511F53u, c.x);
        const unsigned int hi1 = __umulhi(0xCD9E8D57u, c.z);
        c = make_uint4(hi1 ^ c.y ^ k0, 0xCD9E8D57u * c.z, hi0 ^ c.w ^ k1, 0xD2511F53u * c.x);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[i] = c;
}

extern "C" __global__ void bit_tricks(const unsigned int* x, const unsigned int* y, long long* out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const unsigned int a = x[i];
    const unsigned int b = y[i];
    const int sa = static_cast<int>(a);
    const int sb = static_cast<int>(b);
    long long* o = out + 16 * static_cast<long long>(i);
    o[0] = __popc(a) + (__clz(a) << 8) + (__ffs(b) << 16);
    o[1] = __brev(a);
    o[2] = __byte_perm(a, b, 0x3715);
    o[3] = __funnelshift_l(a, b, b & 63);
    o[4] = __funnelshift_rc(a, b, b & 63);
    o[5] = __dp4a(sa, sb, 17);
    o[6] = __dp4a(a, b, 17u);
    o[7] = __mulhi(sa, sb);
    o[8] = b != 0 ? a / b : 0;
    o[9] = b != 0 ? a % b : 0;
    o[10] = sb != 0 && sb != -1 ? static_cast<long long>(sa / sb) * 1000003 + sa % sb : 0;
    o[11] = static_cast<long long>(sa) * sb;
    o[12] = __mul64hi(static_cast<long long>(sa) << 21, static_cast<long long>(sb) << 29);
    o[13] = __usad(a, b, 5) + static_cast<unsigned int>(min(sa, sb)) + max(a, b);
    o[14] = (static_cast<long long>(a) << (b & 31)) ^ (static_cast<long long>(sb) >> (a & 63));
    o[15] = __urhadd(a, b) + (static_cast<long long>(__rhadd(sa, sb)) << 32);
}
