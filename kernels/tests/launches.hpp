// Every entry point with the launch geometry that kernels/README.md promises.
#pragma once

#include <string>
#include <vector>

#include "device.hpp"

namespace nj {

constexpr float kNormEpsilon = 1e-12f;

/** cuSeqlens of sequences of these lengths. */
inline std::vector<int> prefixSums(const std::vector<int>& lengths) {
    std::vector<int> sums{0};
    for (const int length : lengths) sums.push_back(sums.back() + length);
    return sums;
}

inline int ceilDiv(int a, int b) { return (a + b - 1) / b; }

struct NormParameters {
    const Buffer* gamma = nullptr;
    const Buffer* beta = nullptr;
};

/** Rows the grid covers, and where the device finds the real count; null when they are the same. */
struct Rows {
    int capacity;
    const Buffer* count = nullptr;
};

inline void launchEmbedding(Device& device, Type type, const Buffer& out, const Buffer& ids, const Buffer& positions, const Buffer& words,
                            const Buffer& places, NormParameters norm, Rows rows, int dim) {
    const std::string suffix = name(type);
    device.launch(device.function("embedding_" + suffix, "nj_embedding_" + suffix), {ceilDiv(rows.capacity, 4)}, 128, 0, out, ids, positions,
                  words, places, norm.gamma, norm.beta, rows.capacity, rows.count, dim, kNormEpsilon);
}

inline void launchLayerNorm(Device& device, Type type, const Buffer& out, const Buffer& x, const Buffer* bias, const Buffer* residual,
                            NormParameters norm, Rows rows, int dim) {
    const std::string suffix = name(type);
    device.launch(device.function("layernorm_" + suffix, "nj_layernorm_" + suffix), {ceilDiv(rows.capacity, 4)}, 128, 0, out, x, bias,
                  residual, norm.gamma, norm.beta, rows.capacity, rows.count, dim, kNormEpsilon);
}

inline void launchBias(Device& device, Type type, const Buffer& x, const Buffer* bias, int activation, Rows rows, int n) {
    const std::string suffix = name(type);
    device.launch(device.function("bias_" + suffix, "nj_bias_" + suffix), {ceilDiv(rows.capacity * n, 2048)}, 256, 0, x, bias, activation,
                  rows.capacity, rows.count, n);
}

/** The three variants of the GEMM. */
struct GemmVariant {
    const char* entry;
    int tile;
    int block;
};

constexpr GemmVariant kRows16{"rows16", 16, 256};
constexpr GemmVariant kTile64{"tile64", 64, 128};
constexpr GemmVariant kTile128{"tile128", 128, 256};

struct GemmArguments {
    const Buffer* x;
    const Buffer* weight;
    const Buffer* bias = nullptr;
    const Buffer* residual = nullptr;
    const Buffer* preActivation = nullptr;
    NormParameters norm;
    int activation = 0;
    Rows rows;
    int n;
    int k;
    const Buffer* tickets = nullptr;  // taken from new zeros where needed and not given
};

inline void launchGemm(Device& device, Type type, GemmVariant variant, const Buffer& out, const GemmArguments& a) {
    const std::string suffix = name(type);
    const Dim3 grid{ceilDiv(a.n, variant.tile), ceilDiv(a.rows.capacity, variant.tile)};
    const Buffer* tickets = a.norm.gamma == nullptr || a.tickets != nullptr ? a.tickets : &device.zeros(grid.y * 4);
    device.launch(device.function("gemm_" + suffix, "nj_gemm_" + std::string(variant.entry) + "_" + suffix), grid, variant.block, 0, out, a.preActivation, a.x,
                  a.weight, a.bias, a.residual, a.norm.gamma, a.norm.beta, tickets, a.activation, a.rows.capacity, a.rows.count, a.n, a.k,
                  kNormEpsilon);
}

struct AttentionShape {
    int heads;
    int headDim;
    int sequences;
    int maxLength;

    int paddedDim() const { return headDim <= 32 ? 32 : headDim <= 64 ? 64 : 128; }
    int shortTokens() const { return ceilDiv(maxLength, 16) * 16; }
    int shortBytes() const { return 6 * shortTokens() * paddedDim(); }
};

inline std::string attentionEntry(Type type, const AttentionShape& shape, bool isShort) {
    return std::string("nj_attention_") + (isShort ? "short_d" : "d") + std::to_string(shape.paddedDim()) + "_" + name(type);
}

/** Whether the short variant exists for this type and architecture and takes this shape. */
inline bool hasShortAttention(Device& device, Type type, const AttentionShape& shape) {
    return shape.shortTokens() <= 128 && shape.shortBytes() <= 49152
        && device.find(std::string("attention_") + name(type), attentionEntry(type, shape, true)) != nullptr;
}

inline void launchAttention(Device& device, Type type, bool isShort, const Buffer& out, const Buffer& qkv, const Buffer& cuSeqlens,
                            const AttentionShape& shape, float scale) {
    const Dim3 grid{isShort ? 1 : ceilDiv(shape.maxLength, 64), shape.heads, shape.sequences};
    device.launch(device.function(std::string("attention_") + name(type), attentionEntry(type, shape, isShort)), grid,
                  isShort ? 2 * shape.shortTokens() : 128, isShort ? shape.shortBytes() : 0, out, qkv, cuSeqlens, shape.heads, shape.headDim,
                  scale);
}

/** A linear layer of the heads; absent where it has no outputs. */
struct HeadParameters {
    const Buffer* weight = nullptr;
    const Buffer* bias = nullptr;
    int outputs = 0;
};

struct HeadsOutputs {
    const Buffer* logits = nullptr;
    const Buffer* probabilities = nullptr;
    const Buffer* scores = nullptr;
    const Buffer* pooled = nullptr;
};

inline void launchHeads(Device& device, Type type, const HeadsOutputs& out, const Buffer& hidden, const Buffer& cuSeqlens,
                        const HeadParameters& pre, const HeadParameters& classifier, const HeadParameters& regressor, int sequences,
                        const Buffer* tickets = nullptr) {
    const std::string suffix = name(type);
    const Dim3 grid{ceilDiv(pre.outputs, 16), ceilDiv(sequences, 16)};
    device.launch(device.function("heads_" + suffix, "nj_heads_" + suffix), grid, 256, 0, out.logits, out.probabilities, out.scores,
                  out.pooled, hidden, cuSeqlens, pre.weight, pre.bias, classifier.weight, classifier.bias, regressor.weight, regressor.bias,
                  tickets != nullptr ? *tickets : device.zeros(grid.y * 4), sequences, pre.outputs, classifier.outputs, regressor.outputs);
}

}  // namespace nj
