// What follows a product: bias, activation, residual, and LayerNorm of finished rows.
#pragma once

#include "normalise.cuh"

namespace nj {

/** Where a product goes: preActivation = x W' + bias; out = act(preActivation) + residual, then LayerNorm where gamma is given. */
struct Epilogue {
    static constexpr int kRun = kPacket<S>;  // elements of storeRun()

    S* out;             // [rows, n]
    S* preActivation;   // [rows, n] or null
    const S* bias;      // [n] or null
    const S* residual;  // [rows, n] or null; may be out, as every element is read before it is written
    int activation;
    int rows;
    int n;
    bool packed;

    __device__ Epilogue(S* out, S* preActivation, const S* bias, const S* residual, int activation, int rows, int n)
        : out(out), preActivation(preActivation), bias(bias), residual(residual), activation(activation), rows(rows), n(n),
          packed(isPacked(out, n) && isPacked(preActivation, n) && isPacked(bias, n) && isPacked(residual, n)) {}

    __device__ void storeElement(int row, int column, float value) const {
        if (row >= rows || column >= n) return;
        const int64_t at = static_cast<int64_t>(row) * n + column;
        if (bias != nullptr) value += toFloat(bias[column]);
        if (preActivation != nullptr) preActivation[at] = fromFloat<S>(value);
        value = activate(value, activation);
        if (residual != nullptr) value += toFloat(residual[at]);
        out[at] = fromFloat<S>(value);
    }

    /** The product's packet that begins at (row, column); only where `packed`. */
    __device__ void storeRun(int row, int column, float (&values)[kRun]) const {
        if (row >= rows || column >= n) return;
        const int64_t offset = static_cast<int64_t>(row) * n;
        float other[kPacket<S>];
        if (bias != nullptr) {
            loadPacket(bias, column, n, true, other);
#pragma unroll
            for (int i = 0; i < kPacket<S>; ++i) values[i] += other[i];
        }
        if (preActivation != nullptr) storePacket(preActivation + offset, column, n, true, values);
#pragma unroll
        for (int i = 0; i < kPacket<S>; ++i) values[i] = activate(values[i], activation);
        if (residual != nullptr) {
            loadPacket(residual + offset, column, n, true, other);
#pragma unroll
            for (int i = 0; i < kPacket<S>; ++i) values[i] += other[i];
        }
        storePacket(out + offset, column, n, true, values);
    }
};

/**
 * True in all threads of the one block that calls this last among `blocks` blocks sharing `ticket`; what the others wrote before is then visible
 * through L2. Leaves the ticket zero for the next launch.
 *
 * @param flag shared memory that nobody else uses between this call's barriers
 */
__device__ inline bool isLastBlock(unsigned* ticket, unsigned blocks, int* flag) {
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        const bool last = atomicAdd(ticket, 1u) == blocks - 1;
        if (last) *ticket = 0;
        *flag = last;
    }
    __syncthreads();
    __threadfence();
    return *flag != 0;
}

/** LayerNorm in place of rows [first, first + count) of `out`, one warp per row; rows past `rows` are left alone. */
__device__ inline void normalisePanel(const Epilogue& epilogue, const S* gamma, const S* beta, float eps, int first,
                                      int count) {
    const Norm norm{gamma, beta, epilogue.n, eps};
    const bool packed = isPacked(epilogue.out, norm.dim) && isPacked(gamma, norm.dim) && isPacked(beta, norm.dim);
    const int end = min(first + count, epilogue.rows);
    for (int row = first + threadIdx.x / kWarp; row < end; row += blockDim.x / kWarp) {
        S* at = epilogue.out + static_cast<int64_t>(row) * norm.dim;
        normaliseRow(at, norm, packed, [&](int column, float(&values)[kPacket<S>]) {
            loadPacket<Via::kL2>(at, column, norm.dim, packed, values);
        });
    }
}

}  // namespace nj
