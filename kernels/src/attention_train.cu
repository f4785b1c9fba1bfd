// Attention of the forward pass of training: out = dropout(softmax(scale Q K')) V, per head, and the logarithm of each softmax's denominator,
// from which the backward pass computes the weights again.
//
// Shapes    qkv (T, 3 D); cuSeqlens (B + 1); keys (B); out (T, D); logSumExp (T, heads). d = D / heads is a multiple of 8, at most 128.
// Geometry  64 queries of one head and sequence per block, grid (ceil(maxLength / 64), heads, B), block 128, at most 48 KiB
// Bytes     reads 3 T D s + 4 B, writes T D s + 4 T heads, s the size of the storage type: the minimum. Keys and values of a sequence are
//           read again through L2 by every 64 queries.
// Design    That of attention.cu for any length. Masks are drawn where the weights are, in registers, one counter per four of them: neighbouring
//           lanes that share a counter each draw one and exchange the words.
#include "attention.cuh"

#define NJ_ATTENTION_TRAIN(name, HD)                                                                                    \
    extern "C" __global__ void __launch_bounds__(128)                                                                   \
    name(S* out, float* logSumExp, const S* qkv, const int* cuSeqlens, const int* keys, int heads, int headDim,         \
         float scale, NJ_DROPOUT_PARAMETERS) {                                                                          \
        nj::attention<HD>(out, logSumExp, qkv, cuSeqlens, heads, headDim, scale, nj::WeightDropout(NJ_DROPOUT, keys));  \
    }

NJ_ATTENTION_TRAIN(NJ_NAME(nj_attention_train_d32), 32)
NJ_ATTENTION_TRAIN(NJ_NAME(nj_attention_train_d64), 64)
NJ_ATTENTION_TRAIN(NJ_NAME(nj_attention_train_d128), 128)
