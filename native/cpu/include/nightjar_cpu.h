/*
 * The fused operations of Nightjar's cpu backend, as a C ABI.
 *
 * The library holds the same kernels compiled for several instruction sets; nj_kernels_for() gives the table of one. It keeps no state,
 * starts no threads and allocates nothing: every kernel works on a range [begin, end) of rows, columns, elements or heads, and the
 * caller splits an operation into ranges, runs them on its threads and owns all memory, scratch included. A range's result does not
 * depend on how the rest was split, except where a kernel says that it returns a partial sum.
 *
 * T is the number of tokens of a batch and D the model's dimension. Matrices are dense and row-major unless a leading dimension is
 * given; no alignment is required. Pointers are checked by the caller, who knows the shapes: a kernel cannot fail. NaN stays NaN.
 *
 * Dropout is four arguments: `threshold` (words below it drop; 0 switches dropout off), `scale` of what is kept, `seed` and `stream`
 * of the Philox4x32-10 generator. The element in column c of row r of a sequence with key k takes word c % 4 of the counter
 * (c / 4, r, k, stream). Kernels over tokens find r and k of token t as positions[t] and keys[sequences[t]].
 */
#ifndef NIGHTJAR_CPU_H
#define NIGHTJAR_CPU_H

#include <stdint.h>

#define NJ_EXPORT __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever this file changes in a way that a caller would notice. */
#define NJ_CPU_ABI 5

/* Instruction sets, in ascending order. On aarch64 only the baseline exists (NEON, which every such processor has). */
enum {
    NJ_ISA_BASELINE = 0,
    NJ_ISA_AVX2 = 1,
    NJ_ISA_AVX512 = 2,
    NJ_ISA_AVX512_VNNI = 3,
    NJ_ISA_AVX512_BF16 = 4,
    NJ_ISA_AMX = 5
};

enum { NJ_ACTIVATION_NONE = 0, NJ_ACTIVATION_GELU = 1, NJ_ACTIVATION_RELU = 2 };

enum { NJ_FLOAT32 = 0, NJ_BFLOAT16 = 1, NJ_INT8 = 2 };

/* What passes from one operation to the next, and the parameters in between: float32 or bfloat16, as the table is for. Whoever
   defines the kernels of a table says which. */
#ifndef NJ_VALUE
#define NJ_VALUE void
#endif

/*
 * Operations of inference in float32, and of training in float32 and bfloat16. In bfloat16 parameters are rounded copies of the master
 * values, every operation computes in float32 and rounds its results once; sums of products, statistics and gradients of parameters
 * stay float32.
 */
typedef struct nj_kernels {
    /* Rows [begin, end): out = dropout(layerNorm(words[ids[t]] + places[positions[t]])). `sum` (T, D) keeps the argument of the
       normalisation and `stats` (T, 2) its mean and reciprocal standard deviation; both may be null. */
    void (*embedding)(int32_t begin, int32_t end, int32_t dim, const int32_t* ids, const int32_t* positions,
                      const int32_t* sequences, const int32_t* keys, const NJ_VALUE* words, const NJ_VALUE* places,
                      const NJ_VALUE* gamma, const NJ_VALUE* beta, float epsilon, uint32_t threshold, float scale, uint64_t seed,
                      uint32_t stream, NJ_VALUE* sum, float* stats, NJ_VALUE* out);

    /* Columns [begin, end): table[rows[t]] += d[t] for every token t of T in order, except where rows[t] == skip. */
    void (*scatter_add)(int32_t begin, int32_t end, int32_t dim, int32_t tokens, const int32_t* rows, int32_t skip,
                        const NJ_VALUE* d, float* table);

    /* Rows [begin, end): x = dropout(x) + residual; out = layerNorm(x). `stats` may be null, `out` may be `residual`. */
    void (*residual_layer_norm)(int32_t begin, int32_t end, int32_t dim, const int32_t* positions, const int32_t* sequences,
                                const int32_t* keys, NJ_VALUE* x, const NJ_VALUE* residual, const NJ_VALUE* gamma,
                                const NJ_VALUE* beta, float epsilon, uint32_t threshold, float scale, uint64_t seed, uint32_t stream, float* stats,
                                NJ_VALUE* out);

    /* Rows [begin, end): dSum = gradient of layerNorm at `sum`; dSum may be dOut. Overwrites partial (2, D) with these rows' sums for
       gamma and beta. */
    void (*layer_norm_backward)(int32_t begin, int32_t end, int32_t dim, const NJ_VALUE* d_out, const NJ_VALUE* sum,
                                const float* stats, const NJ_VALUE* gamma, NJ_VALUE* d_sum, float* partial);

    /* Rows [begin, end): out = dropout(x); out may be x. With null positions and sequences, row b is row 0 of the sequence keys[b]. */
    void (*dropout)(int32_t begin, int32_t end, int32_t dim, const int32_t* positions, const int32_t* sequences,
                    const int32_t* keys, const NJ_VALUE* x, uint32_t threshold, float scale, uint64_t seed, uint32_t stream,
                    NJ_VALUE* out);

    /* The first `cols` columns of `rows` rows: out = activation(sums + bias), ld the leading dimension of out and pre. `pre` keeps the
       argument of the activation and may be null; sums may be out where values are float32. */
    void (*bias_activation)(int32_t rows, int32_t cols, int32_t activation, const float* sums, int32_t sums_ld,
                            const NJ_VALUE* bias, int32_t ld, NJ_VALUE* pre, NJ_VALUE* out);

    /* Elements [begin, end): gradient *= activation'(pre). */
    void (*activation_backward)(int64_t begin, int64_t end, int32_t activation, const NJ_VALUE* pre, NJ_VALUE* gradient);

    /* Columns [begin, end): out[c] += sum over rows of x[r * ld + c], rows in order. */
    void (*column_sums)(int32_t begin, int32_t end, int32_t rows, int32_t ld, const NJ_VALUE* x, float* out);

    /* Rows [begin, end) of out (cols, rows) = transpose of x (rows, cols). */
    void (*transpose)(int32_t begin, int32_t end, int32_t rows, int32_t cols, const float* x, float* out);

    /* Floats of scratch that one call of attention and attention_backward needs. */
    int64_t (*attention_scratch)(int32_t max_length, int32_t head_dim);

    /* Self-attention of the pairs [begin, end), pair = sequence * heads + head. qkv (T, 3 D), out (T, D), log_sum_exp (T, heads) or
       null; the row of an attention weight's dropout is head << 16 | query. With first_only, out (sequences, D) and log_sum_exp
       (sequences, heads) have a row for each sequence, that of its first token. */
    void (*attention)(int32_t begin, int32_t end, int32_t heads, int32_t head_dim, int32_t first_only, const int32_t* cu_seqlens,
                      const int32_t* keys, const NJ_VALUE* qkv, uint32_t threshold, float scale, uint64_t seed, uint32_t stream,
                      float* log_sum_exp, NJ_VALUE* out, float* scratch);

    /* Backward of attention for the pairs [begin, end): overwrites their part of d_qkv (T, 3 D). */
    void (*attention_backward)(int32_t begin, int32_t end, int32_t heads, int32_t head_dim, const int32_t* cu_seqlens,
                               const int32_t* keys, const NJ_VALUE* qkv, const NJ_VALUE* out, const float* log_sum_exp,
                               const NJ_VALUE* d_out, uint32_t threshold, float scale, uint64_t seed, uint32_t stream,
                               NJ_VALUE* d_qkv, float* scratch);

    /* Sum of squares of elements [begin, end): a partial sum. */
    double (*squared_norm)(int64_t begin, int64_t end, const float* x);

    /* Elements [begin, end): y = alpha x + beta y; beta 0 does not read y. */
    void (*axpby)(int64_t begin, int64_t end, float alpha, const float* x, float beta, float* y);

    /* Elements [begin, end): m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2 with g = clip * gradient;
       p = keep p - rate m / (sqrt(v) * root_correction + epsilon). The caller folds 1 / (1 - beta1^t) into rate and
       1 / sqrt(1 - beta2^t) is root_correction. copy = p, rounded; null where the model computes in p itself. */
    void (*adamw)(int64_t begin, int64_t end, float clip, float beta1, float beta2, float rate, float keep,
                  float root_correction, float epsilon, const float* gradient, float* m, float* v, float* p, NJ_VALUE* copy);

    /* Words of `count` counters (first + i, c1, c2, c3) under `seed`, four each: what every dropout above draws from. */
    void (*philox)(uint64_t seed, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, int32_t count, uint32_t* words);

    /* The first `cols` columns of `rows` rows: out = sums, or out += sums, whose leading dimension is ld. */
    void (*store_sums)(int32_t rows, int32_t cols, int32_t accumulate, const float* sums, int32_t sums_ld, int32_t ld, NJ_VALUE* out);
} nj_kernels;

/* Rows of a left factor's largest block, of any instruction set. */
#define NJ_BLOCK_ROWS 32

/* A row of int8s: what they are multiples of, and their sum. */
typedef struct nj_row {
    float scale;
    int32_t sum;
} nj_row;

/*
 * Products with a weight that was packed once, for inference. The rows of the left factor come in blocks, whose number row_blocks() tells; a
 * row's result depends neither on the blocks nor on other rows. Left factors are float32 for NJ_FLOAT32 and bfloat16 for the other
 * types. int8 rows are q scale with q in [-127, 127] and the row's largest magnitude at 127; NaN or infinity in a row make its products
 * NaN. Weights and rows that one table packed are for the same one's products.
 */
typedef struct nj_products {
    /* Bytes of a packed weight (n, k). */
    int64_t (*packed_weight_size)(int32_t type, int32_t n, int32_t k);

    /* Packs a weight (n, k) of the type. */
    void (*pack_weight)(int32_t type, int32_t n, int32_t k, const void* matrix, void* packed);

    /* Blocks of so many rows. */
    int32_t (*row_blocks)(int32_t rows);

    /* Bytes of packed rows (rows, k). */
    int64_t (*packed_rows_size)(int32_t type, int32_t rows, int32_t k);

    /* Blocks [begin, end) of x (rows, k): for NJ_INT8 quantised row by row with `stats` (rows) and NJ_BLOCK_ROWS k bytes of
       scratch, for other types as they are. `packed` has packed_rows_size() bytes. */
    void (*pack_rows)(int32_t type, int32_t begin, int32_t end, int32_t rows, int32_t k, const void* x, int8_t* scratch,
                      nj_row* stats, void* packed);

    /* Blocks [first_block, last_block) and columns [begin, end) of out (rows, n) = activation(left weight' + bias), begin a multiple of
       32. left and stats are of pack_rows, scales (n) are the weight's; stats and scales are read for NJ_INT8 only. bias and out are
       NJ_FLOAT32 or, where the type is another, NJ_BFLOAT16. */
    void (*linear)(int32_t type, int32_t first_block, int32_t last_block, int32_t begin, int32_t end, int32_t rows, int32_t n,
                   int32_t k, const void* left, const nj_row* stats, const void* weight, const float* scales,
                   int32_t bias_type, const void* bias, int32_t activation, int32_t out_type, void* out);
} nj_products;

/*
 * Inference with weights in bfloat16 or int8. What passes from one operation to the next is bfloat16, sums, softmax and normalisation
 * are float32. Parameters (embeddings, gains and offsets) are float32 or bfloat16, as parameter_type says.
 */
typedef struct nj_low_precision {
    nj_products products;

    /* Rows [begin, end): out = layerNorm(words[ids[t]] + places[positions[t]]). */
    void (*embedding)(int32_t parameter_type, int32_t begin, int32_t end, int32_t dim, const int32_t* ids,
                      const int32_t* positions, const void* words, const void* places, const void* gamma, const void* beta,
                      float epsilon, uint16_t* out);

    /* Rows [begin, end): out = layerNorm(x + residual); out may be residual. */
    void (*residual_layer_norm)(int32_t parameter_type, int32_t begin, int32_t end, int32_t dim, const float* x,
                                const uint16_t* residual, const void* gamma, const void* beta, float epsilon, uint16_t* out);

    /* Bytes of scratch that one call of attention needs. */
    int64_t (*attention_scratch)(int32_t max_length, int32_t head_dim);

    /* Self-attention of the pairs [begin, end), pair = sequence * heads + head. qkv (T, 3 D), out (T, D); with first_only out has a row
       for each sequence, that of its first token. */
    void (*attention)(int32_t begin, int32_t end, int32_t heads, int32_t head_dim, int32_t first_only, const int32_t* cu_seqlens,
                      const uint16_t* qkv, uint16_t* out, void* scratch);
} nj_low_precision;

/* NJ_CPU_ABI of the library. */
NJ_EXPORT int32_t nj_cpu_abi(void);

/* The kernels of an instruction set for float32, or null where it is unknown or this processor or operating system lacks it. Valid for the
   life of the process, for which asking for NJ_ISA_AMX also asks Linux for the tile registers. */
NJ_EXPORT const nj_kernels* nj_kernels_for(int32_t isa);

/* The kernels for bfloat16, or null where this processor lacks the instruction set or it is less than NJ_ISA_AVX512_BF16. */
NJ_EXPORT const nj_kernels* nj_bfloat16_kernels_for(int32_t isa);

/* The products of NJ_FLOAT32 of an instruction set, or null where this processor lacks it. */
NJ_EXPORT const nj_products* nj_float_products_for(int32_t isa);

/* The low-precision operations of an instruction set, or null where it has none or this processor lacks it. NJ_ISA_AVX512_VNNI has
   int8, and bfloat16 at less than float32's speed; from NJ_ISA_AVX512_BF16 on there are both at full speed. */
NJ_EXPORT const nj_low_precision* nj_low_precision_for(int32_t isa);

#ifdef __cplusplus
}
#endif

#endif
