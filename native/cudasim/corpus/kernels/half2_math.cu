// y = relu(alpha * x + y) * 2^-1 in half2 arithmetic with an odd tail in half, and z = sum over pairs in bfloat16x2.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void half2_axpy(const half* x, half* y, float alpha, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const half2 zero = __float2half2_rn(0.0f);
    if (2 * i + 1 < n) {
        const half2 a = __float2half2_rn(alpha);
        half2 v = __hfma2(a, reinterpret_cast<const half2*>(x)[i], reinterpret_cast<half2*>(y)[i]);
        const half2 positive = __hgt2(v, zero);
        v = __hmul2(v, positive);
        reinterpret_cast<half2*>(y)[i] = __hmul2(v, __float2half2_rn(0.5f));
    } else if (2 * i < n) {
        half v = __hfma(__float2half(alpha), x[2 * i], y[2 * i]);
        if (!__hgt(v, __float2half(0.0f))) v = __float2half(0.0f);
        y[2 * i] = __hmul(v, __float2half(0.5f));
    }
}

extern "C" __global__ void bfloat162_scale(const __nv_bfloat16* x, __nv_bfloat16* y, float scale, float bias, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (2 * i + 1 < n) {
        const float2 v = __bfloat1622float2(reinterpret_cast<const __nv_bfloat162*>(x)[i]);
        reinterpret_cast<__nv_bfloat162*>(y)[i] =
            __floats2bfloat162_rn(fmaf(v.x, scale, bias), fmaf(v.y, scale, bias));
    } else if (2 * i < n) {
        y[2 * i] = __float2bfloat16(fmaf(__bfloat162float(x[2 * i]), scale, bias));
    }
}
