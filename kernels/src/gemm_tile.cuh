// A product of a BM x BN tile by one block: a pipeline of K slices through shared memory into tensor cores, or into FMA.
//
// A slice is 64 bytes of K of each row of x and W. Three slices are under way (cp.async from sm_80 on); a slice is read while the two after
// it arrive, with one barrier per slice. Shared memory is swizzled (mma.cuh), so neither copies nor ldmatrix nor FMA's reads conflict.
#pragma once

#include "epilogue.cuh"
#include "mma.cuh"

namespace nj {

/** Operands of a product: x [rows, k], W [n, k]. */
struct Operands {
    const S* x;
    const S* weight;
    int rows;
    int n;
    int k;
    bool packed;

    __device__ Operands(const S* x, const S* weight, int rows, int n, int k)
        : x(x), weight(weight), rows(rows), n(n), k(k), packed(isPacked(x, k) && isPacked(weight, k)) {}
};

template <int BM, int BN> struct GemmTile {
    static constexpr int kThreads = BM * BN / 64 >= 256 ? 256 : 128;
    static constexpr int kStages = 3;
    static constexpr int kRowBytes = 64;
    static constexpr int kSlice = kRowBytes / static_cast<int>(sizeof(S));
    static constexpr int kStageBytes = (BM + BN) * kRowBytes;
    static constexpr int kSharedBytes = kStages * kStageBytes;

    /** One slice of `count` rows of a matrix [limit, k], from row `first` and column `column` on; zeros outside. */
    template <int count>
    static __device__ void loadRows(char* shared, const S* matrix, int first, int limit, int column, int k,
                                    bool packed) {
        constexpr int kChunks = kRowBytes / 16;
#pragma unroll
        for (int i = 0; i < count * kChunks / kThreads; ++i) {
            const int index = i * kThreads + threadIdx.x;
            const int row = index / kChunks;
            const int chunk = index % kChunks;
            const int at = column + chunk * kPacket<S>;
            const bool inside = first + row < limit;
            const S* source = matrix + static_cast<int64_t>(inside ? first + row : 0) * k;
            char* target = shared + swizzled<kRowBytes>(row, chunk);
            if (packed) {
                copyPacket(target, source + (at < k ? at : 0), inside && at < k);
            } else {
#pragma unroll 1
                for (int e = 0; e < kPacket<S>; ++e) {
                    reinterpret_cast<S*>(target)[e] = inside && at + e < k ? source[at + e] : fromFloat<S>(0);
                }
            }
        }
    }

    static __device__ void loadSlice(char* stage, const Operands& o, int row0, int column0, int slice) {
        loadRows<BM>(stage, o.x, row0, o.rows, slice * kSlice, o.k, o.packed);
        loadRows<BN>(stage + BM * kRowBytes, o.weight, column0, o.n, slice * kSlice, o.k, o.packed);
    }

    /** Calls consume(stage) for each slice in order. */
    template <class Consume>
    static __device__ void pipeline(char* shared, const Operands& o, int row0, int column0, Consume consume) {
        const int slices = (o.k + kSlice - 1) / kSlice;
#pragma unroll
        for (int s = 0; s < kStages - 1; ++s) {
            if (s < slices) loadSlice(shared + s * kStageBytes, o, row0, column0, s);
            commitCopies();
        }
        int reading = 0;
        for (int s = 0; s < slices; ++s) {
            awaitCopies<kStages - 2>();
            __syncthreads();
            const int next = s + kStages - 1;
            const int writing = reading == 0 ? kStages - 1 : reading - 1;
            if (next < slices) loadSlice(shared + writing * kStageBytes, o, row0, column0, next);
            commitCopies();
            consume(shared + reading * kStageBytes);
            reading = reading == kStages - 1 ? 0 : reading + 1;
        }
        awaitCopies<0>();
        __syncthreads();
    }

#if NJ_TENSOR_CORES
    static constexpr int kWarpsN = BN / 32;
    static constexpr int kWarpRows = BM / (kThreads / kWarp / kWarpsN);
    static constexpr int kWarpColumns = 32;
    static constexpr int kTilesM = kWarpRows / 16;
    static constexpr int kTilesN = kWarpColumns / 8;

    static __device__ void consumeSlice(const char* stage, float (&sum)[kTilesM][kTilesN][4]) {
        const int lane = threadIdx.x % kWarp;
        const int warp = threadIdx.x / kWarp;
        const char* x = stage;
        const char* weight = stage + BM * kRowBytes;
        const int row = warp / kWarpsN * kWarpRows;
        const int column = warp % kWarpsN * kWarpColumns;
#pragma unroll
        for (int step = 0; step < kSlice / 16; ++step) {
            unsigned b[kTilesN][2];
#pragma unroll
            for (int j = 0; j < kTilesN; j += 2) {
                unsigned r[4];
                loadMatrices(r, weight + swizzled<kRowBytes>(column + j * 8 + lane / 16 * 8 + lane % 8,
                                                             step * 2 + lane / 8 % 2));
                b[j][0] = r[0];
                b[j][1] = r[1];
                b[j + 1][0] = r[2];
                b[j + 1][1] = r[3];
            }
#pragma unroll
            for (int i = 0; i < kTilesM; ++i) {
                unsigned a[4];
                loadMatrices(a, x + swizzled<kRowBytes>(row + i * 16 + lane % 16, step * 2 + lane / 16));
#pragma unroll
                for (int j = 0; j < kTilesN; ++j) multiplyAdd(sum[i][j], a, b[j][0], b[j][1]);
            }
        }
    }

    // 8 more than a multiple of 32: the eight bytes of sixteen lanes of a fragment fall on all banks.
    static constexpr int kStride = kWarpColumns + 8;

    static __device__ void storeStrip(const float* strip, const Epilogue& epilogue, int row, int column) {
        const int lane = threadIdx.x % kWarp;
#pragma unroll 1
        for (int r = lane / 4; r < 16; r += 8) {
            const float* from = strip + r * kStride + lane % 4 * 8;
            // Odd rows read their second half first: eight lanes' 16 bytes then fall on all banks.
            const int flip = r % 2 * 4;
            const float4 first = *reinterpret_cast<const float4*>(from + flip);
            const float4 second = *reinterpret_cast<const float4*>(from + (4 - flip));
            const float4 low = flip == 0 ? first : second;
            const float4 high = flip == 0 ? second : first;
            float values[kPacket<S>] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
            epilogue.storeRun(row + r, column + lane % 4 * 8, values);
        }
    }

    /** Strips of 16 rows go through shared memory, so that global memory sees rows of whole 16-byte packets. */
    static __device__ void store(char* shared, const Epilogue& epilogue, int row0, int column0,
                                 const float (&sum)[kTilesM][kTilesN][4]) {
        const int lane = threadIdx.x % kWarp;
        const int warp = threadIdx.x / kWarp;
        float* strip = reinterpret_cast<float*>(shared) + warp * 16 * kStride;
        const int row = row0 + warp / kWarpsN * kWarpRows;
        const int column = column0 + warp % kWarpsN * kWarpColumns;
#pragma unroll
        for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
            for (int j = 0; j < kTilesN; ++j) {
                float* at = strip + lane / 4 * kStride + j * 8 + lane % 4 * 2;
                storePair(at, sum[i][j][0], sum[i][j][1]);
                storePair(at + 8 * kStride, sum[i][j][2], sum[i][j][3]);
            }
            __syncwarp();
            if (epilogue.packed) {
                storeStrip(strip, epilogue, row + i * 16, column);
            } else {
                for (int e = lane; e < 16 * kWarpColumns; e += kWarp) {
                    const int r = e / kWarpColumns;
                    const int c = e % kWarpColumns;
                    epilogue.storeElement(row + i * 16 + r, column + c, strip[r * kStride + c]);
                }
            }
            __syncwarp();
        }
    }

    static __device__ void run(char* shared, const Operands& o, const Epilogue& epilogue, int row0, int column0) {
        float sum[kTilesM][kTilesN][4] = {};
        pipeline(shared, o, row0, column0, [&](const char* stage) { consumeSlice(stage, sum); });
        store(shared, epilogue, row0, column0, sum);
    }
#else  // FMA
    static constexpr int kThreadColumns = 16;
    static constexpr int kThreadRows = kThreads / kThreadColumns;
    static constexpr int kRowsEach = BM / kThreadRows;
    static constexpr int kColumnsEach = BN / kThreadColumns;

    static constexpr int kStep = 4;

    static __device__ void read(const char* rows, int row, int step, float (&values)[kStep]) {
        constexpr int kStepsPerChunk = kPacket<S> / kStep;
        const S* chunk = reinterpret_cast<const S*>(rows + swizzled<kRowBytes>(row, step / kStepsPerChunk));
        loadPacket(chunk + step % kStepsPerChunk * kStep, 0, kStep, true, values);
    }

    /** Thread (tx, ty) owns rows ty + i kThreadRows and columns tx + 16 j: neighbours read neighbouring rows and write neighbours. */
    static __device__ void consumeSlice(const char* stage, float (&sum)[kRowsEach][kColumnsEach]) {
        const int tx = threadIdx.x % kThreadColumns;
        const int ty = threadIdx.x / kThreadColumns;
#pragma unroll 1
        for (int step = 0; step < kSlice / kStep; ++step) {
            float b[kColumnsEach][kStep];
#pragma unroll
            for (int j = 0; j < kColumnsEach; ++j) read(stage + BM * kRowBytes, tx + j * kThreadColumns, step, b[j]);
#pragma unroll
            for (int i = 0; i < kRowsEach; ++i) {
                float a[kStep];
                read(stage, ty + i * kThreadRows, step, a);
#pragma unroll
                for (int j = 0; j < kColumnsEach; ++j) {
#pragma unroll
                    for (int e = 0; e < kStep; ++e) sum[i][j] += a[e] * b[j][e];
                }
            }
        }
    }

    /** A strip of kThreadRows rows at a time goes through shared memory, so that the epilogue's code is there once, not per register. */
    static __device__ void store(char* shared, const Epilogue& epilogue, int row0, int column0,
                                 const float (&sum)[kRowsEach][kColumnsEach]) {
        float* strip = reinterpret_cast<float*>(shared);
        const int tx = threadIdx.x % kThreadColumns;
        const int ty = threadIdx.x / kThreadColumns;
#pragma unroll
        for (int i = 0; i < kRowsEach; ++i) {
#pragma unroll
            for (int j = 0; j < kColumnsEach; ++j) strip[ty * BN + ((ty % 2 * 16) ^ (tx + j * kThreadColumns))] = sum[i][j];
            __syncthreads();
#pragma unroll 1
            for (int e = threadIdx.x; e < kThreadRows * BN; e += kThreads) {
                const int r = e / BN;
                const int c = e % BN;
                epilogue.storeElement(row0 + i * kThreadRows + r, column0 + c, strip[r * BN + ((r % 2 * 16) ^ c)]);
            }
            __syncthreads();
        }
    }

    static __device__ void run(char* shared, const Operands& o, const Epilogue& epilogue, int row0, int column0) {
        float sum[kRowsEach][kColumnsEach] = {};
        pipeline(shared, o, row0, column0, [&](const char* stage) { consumeSlice(stage, sum); });
        store(shared, epilogue, row0, column0, sum);
    }
#endif
};

}  // namespace nj
