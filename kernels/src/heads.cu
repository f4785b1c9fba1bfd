// Heads: pooled = relu(pre_classifier(first token)); logits, their softmax and scores from it. One launch.
//
// Shapes    hidden (T, D); cuSeqlens (B + 1); preWeight (D, D); classWeight (C, D), scoreWeight (R, D); pooled (B, D) scratch;
//           logits, probabilities (B, C) and scores (B, R), float32.
// Geometry  16 sequences and 16 columns of pooled per block of 8 warps that split K: grid (ceil(D / 16), ceil(B / 16)), block 256.
// Bytes     reads (B D + D D + (C + R + 1) D) s, writes B D s + 4 B (2 C + R), s the size of the storage type: the minimum but for pooled, which
//           stays in L2 (B D s of D D s, so 16 / D of the whole for a full panel).
// Design    What takes time is reading preWeight, so all multiprocessors read it (gemm_rows16.cuh), gathering the first tokens on the way. The
//           heads themselves are a few dot products: the block that a ticket shows to be the last of a panel computes them, a warp per
//           sequence, without a second launch. Empty sequences (padding of a captured graph) write nothing.
#include "epilogue.cuh"
#include "gemm_rows16.cuh"

namespace nj {

/** A linear layer [outputs, dim] on top of pooled. */
struct Head {
    const S* weight;
    const S* bias;
    int outputs;
};

/** In all lanes: row `output` of a head times `pooled`, by one warp. */
__device__ inline float project(const Head& head, int output, const S* pooled, int dim, bool packed) {
    const S* weight = head.weight + static_cast<int64_t>(output) * dim;
    float sum = 0;
    for (int column = threadIdx.x % kWarp * kPacket<S>; column < dim; column += kWarp * kPacket<S>) {
        float x[kPacket<S>];
        float w[kPacket<S>];
        loadPacket<Via::kL2>(pooled, column, dim, packed, x);
        loadPacket(weight, column, dim, packed, w);
#pragma unroll
        for (int i = 0; i < kPacket<S>; ++i) sum += x[i] * w[i];
    }
    return warpSum(sum) + toFloat(head.bias[output]);
}

/** Logits and probabilities of one sequence, by one warp; either may be null. */
__device__ inline void classify(const Head& head, const S* pooled, int dim, bool packed, float* logits,
                                float* probabilities) {
    const int lane = threadIdx.x % kWarp;
    float highest = -INFINITY;
    float total = 0;
    for (int c = 0; c < head.outputs; ++c) {
        const float logit = project(head, c, pooled, dim, packed);
        const float top = fmaxf(highest, logit);
        total = total * expf(highest - top) + expf(logit - top);
        highest = top;
        if (lane == c % kWarp) {
            if (logits != nullptr) logits[c] = logit;
            if (probabilities != nullptr) probabilities[c] = logit;
        }
    }
    if (probabilities != nullptr) {
        for (int c = lane; c < head.outputs; c += kWarp) probabilities[c] = expf(probabilities[c] - highest) / total;
    }
}

}  // namespace nj

extern "C" __global__ void __launch_bounds__(256, 2)
NJ_NAME(nj_heads)(float* logits, float* probabilities, float* scores, S* pooled, const S* hidden, const int* cuSeqlens,
                  const S* preWeight, const S* preBias, const S* classWeight, const S* classBias, const S* scoreWeight,
                  const S* scoreBias, unsigned* tickets, int sequences, int dim, int classes, int targets) {
    using namespace nj;
    __shared__ Rows16Shared shared;
    const int first = blockIdx.y * kRows16Tile;
    const int column0 = blockIdx.x * kRows16Tile;
    const auto present = [&](int b) { return b < sequences && cuSeqlens[b] < cuSeqlens[b + 1]; };
    const bool packed = isPacked(hidden, dim) && isPacked(preWeight, dim);
    multiplyRows16(
        [&](int r) { return present(first + r) ? hidden + static_cast<int64_t>(cuSeqlens[first + r]) * dim : nullptr; },
        [&](int c) { return column0 + c < dim ? preWeight + static_cast<int64_t>(column0 + c) * dim : nullptr; }, dim,
        packed, shared, [&](int r, int c, float sum) {
            if (present(first + r) && column0 + c < dim) {
                pooled[static_cast<int64_t>(first + r) * dim + column0 + c] =
                    fromFloat<S>(activate(sum + toFloat(preBias[column0 + c]), kRelu));
            }
        });
    __syncthreads();
    if (!isLastBlock(tickets + blockIdx.y, gridDim.x, reinterpret_cast<int*>(&shared))) return;

    const Head classifier{classWeight, classBias, classes};
    const Head regressor{scoreWeight, scoreBias, targets};
    const bool packedHeads = isPacked(pooled, dim) && isPacked(classWeight, dim) && isPacked(scoreWeight, dim);
    for (int b = first + threadIdx.x / kWarp; b < min(first + kRows16Tile, sequences); b += blockDim.x / kWarp) {
        if (!present(b)) continue;
        const S* row = pooled + static_cast<int64_t>(b) * dim;
        const int64_t at = static_cast<int64_t>(b) * classes;
        classify(classifier, row, dim, packedHeads, logits == nullptr ? nullptr : logits + at,
                 probabilities == nullptr ? nullptr : probabilities + at);
        for (int k = 0; k < targets; ++k) {
            const float score = project(regressor, k, row, dim, packedHeads);
            if (scores != nullptr && threadIdx.x % kWarp == 0) scores[static_cast<int64_t>(b) * targets + k] = score;
        }
    }
}
