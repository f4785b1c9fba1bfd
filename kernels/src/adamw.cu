// AdamW over all parameters of a model in one launch: clipping, decay, moments, master weights and their copy in the type of the model.
//
// Shapes    master, gradients, firstMoment, secondMoment (N), float32; copy (N) or null; step (9), lossScale (4) as dev.nightjar.backend.AdamWStep
//           and LossScale lay them out; table (groups, 4): offset, length, factor on the learning rate (float32) and 1 for decay. Groups are
//           disjoint and in order; what is in none stays as it is.
// Geometry  2048 neighbouring elements per block: grid ceil(N / 2048), block 256.
// Bytes     reads 16 N, writes (12 + s) N, s the size of the copy's elements or 0: the minimum. The table stays in L1.
// Design    All that changes from step to step comes from memory, so a captured graph serves every step. A block finds its first group by
//           bisection; most blocks lie inside one. With a loss scale a step with infinite or NaN gradients changes nothing.
#include "storage.cuh"

namespace nj {

constexpr int kAdamThreads = 256;
constexpr int kPerBlock = 2048;
constexpr int kQuad = 4;

/** dev.nightjar.backend.AdamWStep in memory. */
struct AdamStep {
    int step;
    float learningRate;
    float beta1;
    float beta2;
    float epsilon;
    float weightDecay;
    float maxNorm;
    float correction1;
    float correction2;
};

struct Group {
    int offset;
    int length;
    float rateFactor;
    int decays;
};

struct AdamVectors {
    float* master;
    S* copy;
    const float* gradients;
    float* firstMoment;
    float* secondMoment;
};

/** What the elements of a group have in common. */
struct AdamScalars {
    float gradientFactor;
    float keep;
    float rate;       // learning rate / correction1
    float rootScale;  // 1 / sqrt(correction2)
};

/** Reads, updates and writes up to four elements from `first` on. */
__device__ inline void update(const AdamVectors& v, const AdamStep& step, const AdamScalars& s, int64_t first, int count, bool packed) {
    float p[kQuad];
    float g[kQuad];
    float m[kQuad];
    float u[kQuad];
    loadPacket(v.master + first, 0, count, packed, p);
    loadPacket(v.gradients + first, 0, count, packed, g);
    loadPacket(v.firstMoment + first, 0, count, packed, m);
    loadPacket(v.secondMoment + first, 0, count, packed, u);
#pragma unroll
    for (int i = 0; i < kQuad; ++i) {
        const float gradient = g[i] * s.gradientFactor;
        m[i] = step.beta1 * m[i] + (1 - step.beta1) * gradient;
        u[i] = step.beta2 * u[i] + (1 - step.beta2) * gradient * gradient;
        p[i] = p[i] * s.keep - s.rate * m[i] / (sqrtf(u[i]) * s.rootScale + step.epsilon);
    }
    storePacket(v.master + first, 0, count, packed, p);
    storePacket(v.firstMoment + first, 0, count, packed, m);
    storePacket(v.secondMoment + first, 0, count, packed, u);
    if (v.copy != nullptr) storePacket(v.copy + first, 0, count, packed, p);
}

/** The number of groups that end at or before `element`: which one it is in, or before. */
__device__ inline int groupsBefore(const Group* table, int groups, int64_t element) {
    int low = 0;
    int high = groups;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (static_cast<int64_t>(table[middle].offset) + table[middle].length <= element) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/** min(1, maxNorm / norm) over the loss scale; NaN stays NaN. */
__device__ inline float gradientFactor(const AdamStep& step, float norm, float scale) {
    const float clip = step.maxNorm / (norm + 1e-6f);
    return (clip >= 1 ? 1.0f : clip) / scale;
}

}  // namespace nj

extern "C" __global__ void __launch_bounds__(256)
NJ_NAME(nj_adamw)(float* master, S* copy, const float* gradients, float* firstMoment, float* secondMoment, const float* squaredNorm,
                  const nj::AdamStep* stepPointer, const float* lossScale, const nj::Group* table, int groups) {
    using namespace nj;
    const float scale = lossScale == nullptr ? 1.0f : *lossScale;
    const float norm = sqrtf(*squaredNorm) / scale;
    if (lossScale != nullptr && !isfinite(norm)) return;
    const AdamStep step = *stepPointer;
    const AdamVectors vectors{master, copy, gradients, firstMoment, secondMoment};
    const float factor = gradientFactor(step, norm, scale);
    const bool aligned = isPacked(master, 0) && isPacked(gradients, 0) && isPacked(firstMoment, 0) && isPacked(secondMoment, 0)
        && reinterpret_cast<uintptr_t>(copy) % (kQuad * sizeof(S)) == 0;
    const int64_t begin = static_cast<int64_t>(blockIdx.x) * kPerBlock;
    for (int i = groupsBefore(table, groups, begin); i < groups && table[i].offset < begin + kPerBlock; ++i) {
        const Group group = table[i];
        const float rate = step.learningRate * group.rateFactor;
        const AdamScalars scalars{factor, 1 - (group.decays != 0 ? rate * step.weightDecay : 0.0f), rate / step.correction1,
                                  1 / sqrtf(step.correction2)};
        // Whole quads of the vectors, cut to the group.
        const int64_t low = max(begin, static_cast<int64_t>(group.offset));
        const int64_t high = min(begin + kPerBlock, static_cast<int64_t>(group.offset) + group.length);
        for (int64_t quad = low / kQuad * kQuad + threadIdx.x * kQuad; quad < high; quad += kAdamThreads * kQuad) {
            const int64_t first = max(quad, low);
            const int count = static_cast<int>(min(quad + kQuad, high) - first);
            update(vectors, step, scalars, first, count, aligned && count == kQuad);
        }
    }
}
