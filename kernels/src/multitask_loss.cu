// The loss of both tasks, the weights of rows and tasks, and the gradients of the weighted sum (DAO, arXiv 2408.11856). One launch, and
// nothing goes to the host.
//
// Shapes    logits, dLogits (B, C); scores, dScores, targets (B, R); labels (B); classWeight (C, D), scoreWeight (R, D); weights (5), lossScale
//           (1) and report (8) as dev.nightjar.backend.LossWeights, LossScale and LossReport lay them out.
// Geometry  one block of 512 threads for everything.
// Bytes     reads 4 B (C + R) twice (outputs, and gradients to be scaled) and (C + R) D s, writes 4 B (C + R) twice: in L1 or L2 but for the
//           first time.
// Design    Every gradient needs lambda, which needs both norms, which need every row: more blocks would meet in a grid-wide barrier twice for
//           work that one multiprocessor does in the time of a few launches. The pooled gradient G W, (B, D), is never formed: its squared
//           norm is the sum over pairs of outputs of (G'G) (W W'), B + D products a pair instead of D a row. Sums are made in an order that
//           depends on the shape alone, so the bits are the same on every run.
#include "storage.cuh"

namespace nj {

constexpr int kLossThreads = 512;
constexpr int kMaxClasses = 64;
constexpr float kNormFloor = 1e-12f;

/** What the threads of the block tell each other. */
struct LossShared {
    int classRows[kMaxClasses];
    int labelled;
    int scored;
    double sums[kLossThreads / kWarp];
    float factors[2];
};

/** In all threads: the sum over the block, in the order of its warps. */
__device__ inline double blockSum(float x, LossShared& shared) {
    x = warpSum(x);
    __syncthreads();
    if (threadIdx.x % kWarp == 0) shared.sums[threadIdx.x / kWarp] = x;
    __syncthreads();
    double sum = 0;
    for (int warp = 0; warp < kLossThreads / kWarp; ++warp) sum += shared.sums[warp];
    return sum;
}

/** Squared norm of gradient (rows, outputs) times weight (outputs, dim): a pair of outputs per warp. */
__device__ inline double pooledSquares(const float* gradient, const S* weight, int rows, int outputs, int dim, LossShared& shared) {
    const int lane = threadIdx.x % kWarp;
    double sum = 0;
    int pair = 0;
    for (int i = 0; i < outputs; ++i) {
        for (int j = i; j < outputs; ++j, ++pair) {
            if (pair % (kLossThreads / kWarp) != static_cast<int>(threadIdx.x) / kWarp) continue;
            float gradients = 0;
            for (int b = lane; b < rows; b += kWarp) {
                const float* row = gradient + static_cast<int64_t>(b) * outputs;
                gradients += row[i] * row[j];
            }
            float weights = 0;
            for (int d = lane; d < dim; d += kWarp) weights += toFloat(weight[i * dim + d]) * toFloat(weight[j * dim + d]);
            sum += (i == j ? 1.0 : 2.0) * warpSum(gradients) * warpSum(weights);
        }
    }
    __syncthreads();
    if (lane == 0) shared.sums[threadIdx.x / kWarp] = sum;
    __syncthreads();
    double total = 0;
    for (int warp = 0; warp < kLossThreads / kWarp; ++warp) total += shared.sums[warp];
    return total;
}

/** Counts rows by class and by whether they have a target. */
__device__ inline void countRows(const int* labels, const float* targets, int rows, int classes, int targetCount, LossShared& shared) {
    for (int c = threadIdx.x; c < kMaxClasses; c += kLossThreads) shared.classRows[c] = 0;
    if (threadIdx.x == 0) shared.labelled = shared.scored = 0;
    __syncthreads();
    for (int b = threadIdx.x; b < rows; b += kLossThreads) {
        const int label = classes > 0 ? labels[b] : -1;
        if (label >= 0) {
            atomicAdd(&shared.labelled, 1);
            if (label < classes) atomicAdd(&shared.classRows[label], 1);
        }
        bool known = false;
        for (int k = 0; k < targetCount; ++k) known |= !isnan(targets[static_cast<int64_t>(b) * targetCount + k]);
        if (known) atomicAdd(&shared.scored, 1);
    }
    __syncthreads();
}

/** omega of each class: rows / (classes present * rows of the class); 1 without balancing or label. */
struct RowWeights {
    const int* labels;
    float perClass;  // rows / classes present, or 0 for no balancing

    __device__ float operator()(int b, const LossShared& shared) const {
        if (perClass == 0 || labels == nullptr || labels[b] < 0) return 1;
        return perClass / static_cast<float>(shared.classRows[labels[b]]);
    }
};

/** Cross-entropy of this thread's rows; writes the gradient of their mean to dLogits. A label that is no class makes all NaN. */
__device__ inline float crossEntropy(float* dLogits, const float* logits, const int* labels, RowWeights omega, int rows, int classes,
                                     const LossShared& shared) {
    const float mean = 1.0f / static_cast<float>(max(shared.labelled, 1));
    float loss = 0;
    for (int b = threadIdx.x; b < rows; b += kLossThreads) {
        const float* x = logits + static_cast<int64_t>(b) * classes;
        float* dX = dLogits + static_cast<int64_t>(b) * classes;
        const int label = labels[b];
        if (label < 0) {
            for (int c = 0; c < classes; ++c) dX[c] = 0;
            continue;
        }
        float highest = -INFINITY;
        for (int c = 0; c < classes; ++c) highest = fmaxf(highest, x[c]);
        float total = 0;
        for (int c = 0; c < classes; ++c) total += expf(x[c] - highest);
        const bool valid = label < classes;
        const float weight = valid ? omega(b, shared) : NAN;
        loss += weight * (highest - x[valid ? label : 0] + logf(total));
        for (int c = 0; c < classes; ++c) {
            dX[c] = weight * mean * (expf(x[c] - highest) / total - (c == label ? 1.0f : 0.0f));
        }
    }
    return loss;
}

/** Squared error of this thread's rows, the mean over a row's known targets; writes the gradient of their mean to dScores. */
__device__ inline float squaredError(float* dScores, const float* scores, const float* targets, RowWeights omega, int rows, int targetCount,
                                     const LossShared& shared) {
    const float mean = 1.0f / static_cast<float>(max(shared.scored, 1));
    float loss = 0;
    for (int b = threadIdx.x; b < rows; b += kLossThreads) {
        const int64_t first = static_cast<int64_t>(b) * targetCount;
        int known = 0;
        float squares = 0;
        for (int k = 0; k < targetCount; ++k) {
            const float target = targets[first + k];
            if (isnan(target)) continue;
            const float difference = scores[first + k] - target;
            squares += difference * difference;
            ++known;
        }
        const float weight = known == 0 ? 0 : omega(b, shared) / static_cast<float>(known);
        if (known > 0) loss += weight * squares;
        for (int k = 0; k < targetCount; ++k) {
            const float target = targets[first + k];
            dScores[first + k] = isnan(target) ? 0 : 2 * weight * mean * (scores[first + k] - target);
        }
    }
    return loss;
}

__device__ inline void scale(float* gradient, int64_t count, float factor) {
    for (int64_t i = threadIdx.x; i < count; i += kLossThreads) gradient[i] *= factor;
}

}  // namespace nj

extern "C" __global__ void __launch_bounds__(512)
NJ_NAME(nj_multitask_loss)(float* dLogits, float* dScores, float* report, const float* logits, const float* scores, const int* labels,
                           const float* targets, const S* classWeight, const S* scoreWeight, const float* weights, const float* lossScale,
                           int rows, int dim, int classes, int targetCount) {
    using namespace nj;
    __shared__ LossShared shared;
    countRows(labels, targets, rows, classes, targetCount, shared);
    const bool balance = weights[0] != 0;
    const bool crossRatio = weights[1] != 0;
    int present = 0;
    for (int c = 0; c < classes; ++c) present += shared.classRows[c] > 0;
    const RowWeights omega{classes > 0 ? labels : nullptr,
                           balance && present > 0 ? static_cast<float>(shared.labelled) / static_cast<float>(present) : 0.0f};

    const float lossC = classes > 0 ? crossEntropy(dLogits, logits, labels, omega, rows, classes, shared) : 0.0f;
    const float lossR = targetCount > 0 ? squaredError(dScores, scores, targets, omega, rows, targetCount, shared) : 0.0f;
    const double totalC = blockSum(lossC, shared);
    const double totalR = blockSum(lossR, shared);
    const float normC = static_cast<float>(sqrt(pooledSquares(dLogits, classWeight, rows, classes, dim, shared)));
    const float normR = static_cast<float>(sqrt(pooledSquares(dScores, scoreWeight, rows, targetCount, dim, shared)));
    if (threadIdx.x == 0) {
        float lambdaC = weights[2];
        float lambdaR = weights[3];
        if (crossRatio) {
            const bool silent = normC == 0 && normR == 0;
            const float sum = normC + normR + kNormFloor;
            lambdaC = silent ? 0.5f : normR / sum;
            lambdaR = silent ? 0.5f : normC / sum;
        }
        const float common = weights[4] * (lossScale == nullptr ? 1.0f : *lossScale);
        shared.factors[0] = lambdaC * common;
        shared.factors[1] = lambdaR * common;
        report[0] = static_cast<float>(totalC / max(shared.labelled, 1));
        report[1] = static_cast<float>(totalR / max(shared.scored, 1));
        report[2] = normC;
        report[3] = normR;
        report[4] = lambdaC;
        report[5] = lambdaR;
        report[6] = static_cast<float>(shared.labelled);
        report[7] = static_cast<float>(shared.scored);
    }
    __syncthreads();
    scale(dLogits, static_cast<int64_t>(rows) * classes, shared.factors[0]);
    scale(dScores, static_cast<int64_t>(rows) * targetCount, shared.factors[1]);
}
