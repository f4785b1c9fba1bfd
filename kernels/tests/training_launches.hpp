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

inline void launchAttentionTrain(Device& device, Type type, const Buffer& out, const Buffer& logSumExp, const Buffer& qkv,
                                 const DeviceBatch& batch, int maxLength, const AttentionSpec& spec) {
    const AttentionShape shape{spec.heads, spec.headDim, batch.count, maxLength};
    launchDropping(device, entry(device, type, "attention_train", "attention_train_d" + std::to_string(shape.paddedDim())),
                   {ceilDiv(maxLength, 64), spec.heads, batch.count}, 128, spec.dropout, out, logSumExp, qkv, batch.cuSeqlens, batch.keys,
                   spec.heads, spec.headDim, spec.scale());
}

}  // namespace nj
