// What the kernels of training compute, as plain loops in float64, and what all their tests need: token batches and dropout.
#pragma once

#include "device.hpp"
#include "reference.hpp"

namespace nj {

/** Random words as dev.nightjar.backend.Philox draws them. */
struct Philox {
    uint32_t word[4];

    Philox(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3);
};

/** dev.nightjar.backend.Dropout: where and how strongly to drop. */
struct DropoutSpec {
    float probability = 0;
    unsigned long long seed = 0;
    int step = 0;
    int site = 0;

    unsigned threshold() const;
    float scale() const { return 1 / (1 - probability); }
    unsigned stream() const { return static_cast<unsigned>(step) << 10 | static_cast<unsigned>(site); }

    /** 0 or the scale of one element; 1 without dropout. */
    double factor(int column, unsigned row, int key) const;
};

constexpr DropoutSpec kNoDropout{};
/** A seed of more than 32 bits, so that both halves of the key matter. */
constexpr DropoutSpec kSomeDropout{0.3f, 0x123456789abcdef1ULL, 5, 3};

/** The device's view of a packed batch. */
struct Batch {
    std::vector<int> lengths;
    std::vector<int> cuSeqlens;
    std::vector<int> positions;
    std::vector<int> sequences;
    std::vector<int> keys;

    /** @param padding tokens at the end that the batch does not have, for which positions and sequences are invalid */
    explicit Batch(const std::vector<int>& lengths, int padding = 0);

    int tokens() const { return cuSeqlens.back(); }
    int capacity() const { return static_cast<int>(positions.size()); }
    int count() const { return static_cast<int>(lengths.size()); }

    /** Factor of an element of a token matrix. */
    double factor(const DropoutSpec& dropout, int token, int column) const {
        return dropout.factor(column, static_cast<unsigned>(positions[token]), keys[sequences[token]]);
    }

    /** x [tokens, dim] through the dropout. */
    Values drop(const DropoutSpec& dropout, const Values& x, int dim, Rounding round) const;
};

/** Mean and reciprocal standard deviation of each row of x [rows, dim], as float32. */
Values rowStats(const Values& x, int dim);

struct NormGradients {
    Values dSum;
    Values dGamma;
    Values dBeta;
};

NormGradients layerNormBackward(const Values& dOut, const Values& sum, const Values& stats, const Values& gamma, int dim, Rounding round);

/** x [rows, n] times the slope of the activation at preActivation. */
Values activationBackward(const Values& gradient, const Values& preActivation, int activation, Rounding round);

/** a [rows, m]' b [rows, n], added to `initial` [m, n]. */
Values transposedProduct(const Values& a, const Values& b, const Values& initial, int m, int n, Rounding round);

/** a [rows, k] b [k, n], added to `initial` unless that is empty. */
Values product(const Values& a, const Values& b, const Values& initial, int k, int n, Rounding round);

/** Sums of the columns of a [rows, n], added to `initial` [n]. */
Values columnSums(const Values& a, const Values& initial, int n, Rounding round);

/** Heads and their dropout, of the batch's attention. */
struct AttentionSpec {
    int heads;
    int headDim;
    DropoutSpec dropout;

    int dim() const { return heads * headDim; }
    float scale() const;
};

struct AttentionResult {
    Values out;        // [T, D]
    Values logSumExp;  // [T, heads]
};

AttentionResult attentionForward(const Values& qkv, const Batch& batch, const AttentionSpec& spec, Rounding round);

struct AttentionGradients {
    Values dQueries;  // [T, D] each
    Values dKeys;
    Values dValues;
};

/** From what the forward pass gave. */
AttentionGradients attentionBackward(const Values& qkv, const AttentionResult& forward, const Values& dOut, const Batch& batch,
                                     const AttentionSpec& spec, Rounding round);

}  // namespace nj
