// Multi-head self-attention inside each sequence of a packed batch: out = softmax(scale Q K') V, per head.
//
// Shapes    qkv (T, 3 D): queries, keys and values of a token side by side, heads in order inside each; cuSeqlens (B + 1); out (T, D).
//           d = D / heads is a multiple of 8, at most 128; lengths are unlimited, 0 included.
// Geometry  any length: 64 queries of one head and sequence per block, grid (ceil(maxLength / 64), heads, B), block 128, at most 48 KiB
//           short:      one head and sequence per block, grid (1, heads, B), one warp per 16 tokens, 6 L d' bytes (L tokens rounded up to 16,
//                       d' the next of 32, 64, 128)
// Bytes     reads 3 T D s, writes T D s, s the size of the storage type: the minimum, as scores stay in registers. Keys and values of a
//           sequence are read again through L2 by every 64 queries; the short variant reads them once.
// Design    A warp keeps 16 queries in registers, so the softmax of a row needs four lanes and no barrier, and the weights are in the right
//           registers for the second product. Keys and values arrive by cp.async while the tile before them is used. Short
//           sequences, the common case of one headline, have no tiles to overlap: the whole head is fetched at once and the one barrier is
//           all there is. float32 uses FMA: it is the type chosen for its digits, and a tf32 split would need three products and another path for
//           sm_75 to be as good.
#include "attention.cuh"

#define NJ_ATTENTION(name, HD)                                                                                          \
    extern "C" __global__ void __launch_bounds__(128)                                                                   \
    name(S* out, const S* qkv, const int* cuSeqlens, int heads, int headDim, float scale) {                             \
        nj::attention<HD>(out, nullptr, qkv, cuSeqlens, heads, headDim, scale, nj::KeepAll());                          \
    }

NJ_ATTENTION(NJ_NAME(nj_attention_d32), 32)
NJ_ATTENTION(NJ_NAME(nj_attention_d64), 64)
NJ_ATTENTION(NJ_NAME(nj_attention_d128), 128)

#if NJ_TENSOR_CORES
#define NJ_ATTENTION_SHORT(name, HD)                                                                                    \
    extern "C" __global__ void __launch_bounds__(256)                                                                   \
    name(S* out, const S* qkv, const int* cuSeqlens, int heads, int headDim, float scale) {                             \
        nj::attentionShort<HD>(out, qkv, cuSeqlens, heads, headDim, scale);                                             \
    }

NJ_ATTENTION_SHORT(NJ_NAME(nj_attention_short_d32), 32)
NJ_ATTENTION_SHORT(NJ_NAME(nj_attention_short_d64), 64)
NJ_ATTENTION_SHORT(NJ_NAME(nj_attention_short_d128), 128)
#endif
