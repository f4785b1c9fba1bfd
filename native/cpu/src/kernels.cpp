// One table of kernels; CMake compiles this file once for each instruction set and type, with NJ_KERNELS naming the table.
#ifndef NJ_VALUE
#define NJ_VALUE float
#endif
#include "kernels.h"

#include "attention.h"
#include "elementwise.h"
#include "normalization.h"
#include "philox.h"

namespace nj {

const nj_kernels NJ_KERNELS = {
    .embedding = embedding,
    .scatter_add = scatter_add,
    .residual_layer_norm = residual_layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .dropout = dropout_rows,
    .bias_activation = bias_activation,
    .activation_backward = activation_backward,
    .column_sums = column_sums,
    .transpose = transpose,
    .attention_scratch = attention_scratch,
    .attention = attention,
    .attention_backward = attention_backward,
    .squared_norm = squared_norm,
    .axpby = axpby,
    .adamw = adamw,
    .philox = philox_words,
    .store_sums = store_sums,
};

}  // namespace nj
