// The table of the low-precision operations; CMake compiles this file once for each instruction set that has them, with
// NJ_LOW_PRECISION naming the table and NJ_MULTIPLIER the header with the products.
#include "low_precision.h"

#include "kernels.h"
#include "packed_attention.h"

namespace nj {

const nj_low_precision NJ_LOW_PRECISION = {
    .products = {
        .packed_weight_size = packed_weight_size,
        .pack_weight = pack_weight,
        .row_blocks = row_blocks,
        .packed_rows_size = packed_rows_size,
        .pack_rows = pack_rows,
        .linear = linear,
    },
    .embedding = embedding,
    .residual_layer_norm = residual_layer_norm,
    .attention_scratch = attention_scratch,
    .attention = attention,
};

}  // namespace nj
