// The entry points of training with the launch geometry that kernels/README.md promises.
#pragma once

#include "launches.hpp"
#include "training.hpp"

namespace nj {

/** A batch's tables on the device. */
struct DeviceBatch {
    const Buffer& cuSeqlens;
    const Buffer& positions;
    const Buffer& sequences;
    const Buffer& keys;
    Rows rows;  // tokens
    int count;  // sequences

    DeviceBatch(Device& device, const Batch& batch)
        : cuSeqlens(device.upload(batch.cuSeqlens)), positions(device.upload(batch.positions)), sequences(device.upload(batch.sequences)),
          keys(device.upload(batch.keys)),
          rows{batch.capacity(), batch.capacity() == batch.tokens() ? nullptr : &device.upload(std::vector<int>{batch.tokens()})},
          count(batch.count()) {}
};

inline CUfunction entry(Device& device, Type type, const std::string& module, const std::string& function) {
    return device.function(module + "_" + name(type), "nj_" + function + "_" + name(type));
}

/** Launches with a dropout's parameters at the end; its step comes from the device unless it is 0. */
template <class... Arguments>
void launchDropping(Device& device, CUfunction function, Dim3 grid, int block, const DropoutSpec& dropout, const Arguments&... arguments) {
    const Buffer* step = dropout.step == 0 ? nullptr : &device.upload(std::vector<int>{dropout.step});
    device.launch(function, grid, block, 0, arguments..., dropout.threshold(), dropout.scale(), dropout.seed,
                  static_cast<unsigned>(dropout.site), step);
}

struct NormBackwardOutputs {
    const Buffer& dSum;
    const Buffer* dX;
    const Buffer& dGamma;
    const Buffer& dBeta;
};

/** Both stages of the backward of residual LayerNorm or, with `embedding`, of the embedding's. */
inline void launchNormBackward(Device& device, Type type, bool embedding, int blocks, const NormBackwardOutputs& out, const Buffer& dOut,
                               const Buffer& sum, const Buffer& stats, const Buffer& gamma, const DeviceBatch& batch, int dim,
                               const DropoutSpec& dropout) {
    const Buffer& partial = device.output(Type::f32, static_cast<size_t>(blocks) * 2 * dim);
    launchDropping(device, entry(device, type, "layernorm_backward", embedding ? "embedding_backward" : "layernorm_backward"), {blocks}, 128,
                   dropout, out.dSum, out.dX, partial, dOut, sum, stats, gamma, batch.positions, batch.sequences, batch.keys,
                   batch.rows.capacity, batch.rows.count, dim);
    device.launch(entry(device, type, "layernorm_backward", "layernorm_gradient"), {ceilDiv(dim, 32), 2}, 256, 0, out.dGamma, out.dBeta,
                  partial, blocks, dim);
}

/** @param tile 64 or 128 */
inline void launchDgrad(Device& device, Type type, int tile, const Buffer& dX, const Buffer& dOut, const Buffer& weight, bool accumulate,
                        Rows rows, int n, int k) {
    device.launch(entry(device, type, "gemm_backward", "gemm_dgrad_tile" + std::to_string(tile)),
                  {ceilDiv(k, tile), ceilDiv(rows.capacity, tile)}, 2 * tile, 0, dX, dOut, weight, static_cast<int>(accumulate), rows.capacity,
                  rows.count, n, k);
}

inline void launchWgrad(Device& device, Type type, int tile, int splits, const Buffer& dWeight, const Buffer* dBias, const Buffer& dOut,
                        const Buffer& x, const Buffer& tickets, Rows rows, int n, int k) {
    const Buffer* partial = splits == 1 ? nullptr : &device.output(Type::f32, static_cast<size_t>(splits) * (static_cast<size_t>(n) * k + n));
    device.launch(entry(device, type, "gemm_backward", "gemm_wgrad_tile" + std::to_string(tile)), {ceilDiv(k, tile), ceilDiv(n, tile), splits},
                  2 * tile, 0, dWeight, dBias, dOut, x, partial, splits == 1 ? nullptr : &tickets, rows.capacity, rows.count, n, k);
}

inline void launchAttentionTrain(Device& device, Type type, const Buffer& out, const Buffer& logSumExp, const Buffer& qkv,
                                 const DeviceBatch& batch, int maxLength, const AttentionSpec& spec) {
    const AttentionShape shape{spec.heads, spec.headDim, batch.count, maxLength};
    launchDropping(device, entry(device, type, "attention_train", "attention_train_d" + std::to_string(shape.paddedDim())),
                   {ceilDiv(maxLength, 64), spec.heads, batch.count}, 128, spec.dropout, out, logSumExp, qkv, batch.cuSeqlens, batch.keys,
                   spec.heads, spec.headDim, spec.scale());
}

struct AttentionBackwardBuffers {
    const Buffer& dQkv;
    const Buffer& delta;
    const Buffer& qkv;
    const Buffer& out;
    const Buffer& dOut;
    const Buffer& logSumExp;
};

/** Both passes. */
inline void launchAttentionBackward(Device& device, Type type, const AttentionBackwardBuffers& b, const DeviceBatch& batch, int maxLength,
                                    const AttentionSpec& spec) {
    const std::string dim = std::to_string(AttentionShape{spec.heads, spec.headDim, batch.count, maxLength}.paddedDim());
    const Dim3 grid{ceilDiv(maxLength, 64), spec.heads, batch.count};
    launchDropping(device, entry(device, type, "attention_backward", "attention_backward_queries_d" + dim), grid, 128, spec.dropout, b.dQkv,
                   b.delta, b.qkv, b.out, b.dOut, b.logSumExp, batch.cuSeqlens, batch.keys, spec.heads, spec.headDim, spec.scale());
    launchDropping(device, entry(device, type, "attention_backward", "attention_backward_keys_d" + dim), grid, 128, spec.dropout, b.dQkv,
                   b.delta, b.qkv, b.dOut, b.logSumExp, batch.cuSeqlens, batch.keys, spec.heads, spec.headDim, spec.scale());
}

}  // namespace nj
