// Backward of attention: the gradients of packed queries, keys and values from that of attention's result.
//
// Shapes    qkv, dQkv (T, 3 D); out, dOut (T, D); logSumExp, delta (T, heads); cuSeqlens (B + 1); keys (B). d = D / heads is a multiple of 8, at most
//           128; lengths are unlimited, 0 included.
// Geometry  two launches, queries first: 64 queries (or keys) of one head and sequence per block, grid (ceil(maxLength / 64), heads, B), block 128,
//           at most 48 KiB of shared memory
// Bytes     queries reads 5 T D s + 4 T heads, writes T D s + 4 T heads; keys reads 4 T D s + 8 T heads, writes 2 T D s; s the size of the storage
//           type: each byte once from DRAM, the minimum of two launches. Per block and tile of passing rows, through L2: keys and values (queries'
//           pass), or queries and dOut with their two scalars (keys' pass), each once; with FMA the first of both twice.
// Design    FlashAttention-2's backward (Dao, arXiv 2307.08691, algorithm 2): weights P are computed again from log-sum-exp, and
//           dS = P (f dO V' - delta) with delta = dO . O and f the dropout's factor, drawn again from its counter. There dQ is added to by atomics
//           while blocks own keys; here a first pass owns queries and gives dQ (and delta), a second owns keys and gives dK and dV. That is 7 products
//           of tiles instead of 5, and the same bits on every run, with neither atomics nor a float32 copy of dQ.
#include "storage.cuh"
#if NJ_TENSOR_CORES
#include "attention_backward_mma.cuh"
#else
#include "attention_backward_fma.cuh"
#endif

#define NJ_ATTENTION_BACKWARD(HD)                                                                                       \
    extern "C" __global__ void __launch_bounds__(128, nj::kMinBlocks<HD>) NJ_NAME(nj_attention_backward_queries_d##HD)(                     \
        S* dQkv, float* delta, const S* qkv, const S* out, const S* dOut, const float* logSumExp, const int* cuSeqlens, \
        const int* keys, int heads, int headDim, float scale, NJ_DROPOUT_PARAMETERS) {                                  \
        using namespace nj;                                                                                             \
        attentionBackward<HD, Pass::kQueries>(                                                                          \
            HeadGradient(dQkv, delta, qkv, out, dOut, logSumExp, cuSeqlens, heads, headDim, scale),                     \
            WeightDropout(NJ_DROPOUT, keys));                                                                           \
    }                                                                                                                   \
    extern "C" __global__ void __launch_bounds__(128, nj::kMinBlocks<HD>) NJ_NAME(nj_attention_backward_keys_d##HD)(                        \
        S* dQkv, float* delta, const S* qkv, const S* dOut, const float* logSumExp, const int* cuSeqlens,               \
        const int* keys, int heads, int headDim, float scale, NJ_DROPOUT_PARAMETERS) {                                  \
        using namespace nj;                                                                                             \
        attentionBackward<HD, Pass::kKeys>(                                                                             \
            HeadGradient(dQkv, delta, qkv, nullptr, dOut, logSumExp, cuSeqlens, heads, headDim, scale),                 \
            WeightDropout(NJ_DROPOUT, keys));                                                                           \
    }

NJ_ATTENTION_BACKWARD(32)
NJ_ATTENTION_BACKWARD(64)
NJ_ATTENTION_BACKWARD(128)
