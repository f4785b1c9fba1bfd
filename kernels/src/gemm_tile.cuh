// A product of a BM x BN tile by one block: a pipeline of K slices through shared memory into tensor cores, or into FMA.
//
// A slice is 64 bytes of K of each row of x and W. Three slices are under way (cp.async from sm_80 on); a slice is read while the two after
// it arrive, with one barrier per slice. Shared memory is swizzled (mma.cuh), so neither copies nor ldmatrix nor FMA's reads conflict.
// Gradients sum over rows of memory instead of columns; their slices are stored as they lie and transposed on the way into registers.
#pragma once

#include "epilogue.cuh"
#include "mma.cuh"

namespace nj {

/** A matrix of a product as it lies in memory. */
struct Operand {
    const S* data;
    int rows;
    int columns;
    bool packed;

    __device__ Operand(const S* data, int rows, int columns)
        : data(data), rows(rows), columns(columns), packed(isPacked(data, columns)) {}
};

/** How many blocks of the largest tile a multiprocessor has shared memory for, and so should have registers for. */
#if __CUDA_ARCH__ >= 800
constexpr int kLargeTileBlocks = 2;
#else
constexpr int kLargeTileBlocks = 1;
#endif

/** What the sum of a product runs over: a matrix's columns, as in x and W of x W', or its rows. */
enum class Over { kColumns, kRows };

/** out (BM, BN) = left right': over columns left is (M, K) and right (N, K), over rows they are (K, M) and (K, N). */
template <int BM, int BN, Over left = Over::kColumns, Over right = Over::kColumns> struct GemmTile {
    static_assert(left == Over::kColumns || right == Over::kRows, "nobody needs it");
    static constexpr int kThreads = BM * BN / 64 >= 256 ? 256 : 128;
    static constexpr int kStages = 3;
    static constexpr int kRowBytes = 64;
    static constexpr int kSlice = kRowBytes / static_cast<int>(sizeof(S));
    static constexpr int kStageBytes = (BM + BN) * kRowBytes;
    static constexpr int kSharedBytes = kStages * kStageBytes;

    /** Offset of a chunk of a slice of `count` rows or columns; FMA reads whole rows of memory, which need no permutation. */
    template <Over over, int count> static __device__ int offset(int row, int chunk) {
        if constexpr (over == Over::kColumns) return swizzled<kRowBytes>(row, chunk);
#if NJ_TENSOR_CORES
        if constexpr (over == Over::kRows) return swizzled<count * static_cast<int>(sizeof(S))>(row, chunk);
#endif
        return row * count * static_cast<int>(sizeof(S)) + chunk * 16;
    }

    /** One slice, from `k` on, of `count` rows (or columns) from `first` on; zeros outside. */
    template <Over over, int count> static __device__ void loadOperand(char* shared, const Operand& o, int first, int k) {
        constexpr int kChunks = (over == Over::kColumns ? kSlice : count) / kPacket<S>;
        const int row0 = over == Over::kColumns ? first : k;
        const int column0 = over == Over::kColumns ? k : first;
#pragma unroll
        for (int i = 0; i < count * kRowBytes / 16 / kThreads; ++i) {
            const int index = i * kThreads + threadIdx.x;
            const int row = row0 + index / kChunks;
            const int at = column0 + index % kChunks * kPacket<S>;
            const bool inside = row < o.rows;
            const S* source = o.data + static_cast<int64_t>(inside ? row : 0) * o.columns;
            char* target = shared + offset<over, count>(index / kChunks, index % kChunks);
            if (o.packed) {
                copyPacket(target, source + (at < o.columns ? at : 0), inside && at < o.columns);
            } else {
#pragma unroll 1
                for (int e = 0; e < kPacket<S>; ++e) {
                    reinterpret_cast<S*>(target)[e] = inside && at + e < o.columns ? source[at + e] : fromFloat<S>(0);
                }
            }
        }
    }

    /** Calls consume(stage) for slices [begin, end) in order. */
    template <class Consume>
    static __device__ void pipeline(char* shared, const Operand& a, const Operand& b, int row0, int column0, int begin, int end,
                                    Consume consume) {
        const auto load = [&](char* stage, int slice) {
            loadOperand<left, BM>(stage, a, row0, slice * kSlice);
            loadOperand<right, BN>(stage + BM * kRowBytes, b, column0, slice * kSlice);
        };
#pragma unroll
        for (int s = 0; s < kStages - 1; ++s) {
            if (begin + s < end) load(shared + s * kStageBytes, begin + s);
            commitCopies();
        }
        int reading = 0;
        for (int s = begin; s < end; ++s) {
            awaitCopies<kStages - 2>();
            __syncthreads();
            const int next = s + kStages - 1;
            const int writing = reading == 0 ? kStages - 1 : reading - 1;
            if (next < end) load(shared + writing * kStageBytes, next);
            commitCopies();
            consume(shared + reading * kStageBytes);
            reading = reading == kStages - 1 ? 0 : reading + 1;
        }
        awaitCopies<0>();
        __syncthreads();
    }

    /** The sum of column threadIdx.x of the left operand's slice; over rows. */
    static __device__ float sumColumn(const char* stage) {
        const int chunk = threadIdx.x / kPacket<S>;
        float sum = 0;
#pragma unroll 4
        for (int row = 0; row < kSlice; ++row) {
            sum += toFloat(reinterpret_cast<const S*>(stage + offset<left, BM>(row, chunk))[threadIdx.x % kPacket<S>]);
        }
        return sum;
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
                if constexpr (right == Over::kColumns) {
                    loadMatrices(r, weight + offset<right, BN>(column + j * 8 + lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2));
                } else {
                    loadMatricesTransposed(r, weight + offset<right, BN>(step * 16 + lane % 16, column / 8 + j + lane / 16));
                }
                b[j][0] = r[0];
                b[j][1] = r[1];
                b[j + 1][0] = r[2];
                b[j + 1][1] = r[3];
            }
#pragma unroll
            for (int i = 0; i < kTilesM; ++i) {
                unsigned a[4];
                if constexpr (left == Over::kColumns) {
                    loadMatrices(a, x + offset<left, BM>(row + i * 16 + lane % 16, step * 2 + lane / 16));
                } else {
                    loadMatricesTransposed(
                        a, x + offset<left, BM>(step * 16 + lane / 16 * 8 + lane % 8, row / 8 + i * 2 + lane / 8 % 2));
                }
#pragma unroll
                for (int j = 0; j < kTilesN; ++j) multiplyAdd(sum[i][j], a, b[j][0], b[j][1]);
            }
        }
    }

    // 8 more than a multiple of 32: the eight bytes of sixteen lanes of a fragment fall on all banks.
    static constexpr int kStride = kWarpColumns + 8;

    template <class Epilogue>
    static __device__ void storeStrip(const float* strip, const Epilogue& epilogue, int row, int column) {
        constexpr int kLanes = kWarpColumns / Epilogue::kRun;  // of a row
        const int lane = threadIdx.x % kWarp;
#pragma unroll 1
        for (int r = lane / kLanes; r < 16; r += kWarp / kLanes) {
            const float* from = strip + r * kStride + lane % kLanes * Epilogue::kRun;
            float values[Epilogue::kRun];
            if constexpr (Epilogue::kRun == 8) {
                // Odd rows read their second half first: eight lanes' 16 bytes then fall on all banks.
                const int flip = r % 2 * 4;
                const float4 first = *reinterpret_cast<const float4*>(from + flip);
                const float4 second = *reinterpret_cast<const float4*>(from + (4 - flip));
                const float4 low = flip == 0 ? first : second;
                const float4 high = flip == 0 ? second : first;
                const float all[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
                for (int i = 0; i < 8; ++i) values[i] = all[i];
            } else {
                loadPacket(from, 0, Epilogue::kRun, true, values);
            }
            epilogue.storeRun(row + r, column + lane % kLanes * Epilogue::kRun, values);
        }
    }

    /** Strips of 16 rows go through shared memory, so that global memory sees rows of whole 16-byte packets. */
    template <class Epilogue>
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

    using Sums = float[kTilesM][kTilesN][4];
#else  // FMA
    static constexpr int kThreadColumns = 16;
    static constexpr int kThreadRows = kThreads / kThreadColumns;
    static constexpr int kRowsEach = BM / kThreadRows;
    static constexpr int kColumnsEach = BN / kThreadColumns;

    static constexpr int kStep = 4;

    template <int count> static __device__ void read(const char* rows, int row, int step, float (&values)[count]) {
        constexpr int kStepsPerChunk = kPacket<S> / count;
        const S* chunk = reinterpret_cast<const S*>(rows + swizzled<kRowBytes>(row, step / kStepsPerChunk));
        loadPacket(chunk + step % kStepsPerChunk * count, 0, count, true, values);
    }

    /**
     * Of `each` rows (or columns) of out, the i-th of thread t of `threads`: neighbouring threads read neighbouring rows of memory, in packets
     * along the sum, or neighbouring packets of a row.
     */
    template <Over over, int threads> static __device__ int place(int t, int i) {
        return over == Over::kColumns ? t + i * threads : (i / kStep * threads + t) * kStep + i % kStep;
    }

    /** One element of the sum: `each` values of one row of memory. */
    template <int count, int threads, int each> static __device__ void readRow(const char* rows, int k, int t, float (&values)[each]) {
        const S* row = reinterpret_cast<const S*>(rows) + k * count;
#pragma unroll
        for (int i = 0; i < each; i += kStep) {
            float run[kStep];
            loadPacket(row + place<Over::kRows, threads>(t, i), 0, kStep, true, run);
#pragma unroll
            for (int e = 0; e < kStep; ++e) values[i + e] = run[e];
        }
    }

    static __device__ void consumeSlice(const char* stage, float (&sum)[kRowsEach][kColumnsEach]) {
        const int tx = threadIdx.x % kThreadColumns;
        const int ty = threadIdx.x / kThreadColumns;
        const char* other = stage + BM * kRowBytes;
        if constexpr (left == Over::kRows) {
#pragma unroll 2
            for (int k = 0; k < kSlice; ++k) {
                float a[kRowsEach];
                float b[kColumnsEach];
                readRow<BM, kThreadRows>(stage, k, ty, a);
                readRow<BN, kThreadColumns>(other, k, tx, b);
#pragma unroll
                for (int i = 0; i < kRowsEach; ++i) {
#pragma unroll
                    for (int j = 0; j < kColumnsEach; ++j) sum[i][j] += a[i] * b[j];
                }
            }
        } else {
            // Fewer at a time where b comes in rows, which are in registers beside it.
            constexpr int kTerms = right == Over::kColumns ? kStep : kStep / 2;
#pragma unroll 1
            for (int step = 0; step < kSlice / kTerms; ++step) {
                float b[kColumnsEach][kTerms];
                if constexpr (right == Over::kColumns) {
#pragma unroll
                    for (int j = 0; j < kColumnsEach; ++j) read(other, place<right, kThreadColumns>(tx, j), step, b[j]);
                } else {
#pragma unroll
                    for (int e = 0; e < kTerms; ++e) {
                        float row[kColumnsEach];
                        readRow<BN, kThreadColumns>(other, step * kTerms + e, tx, row);
#pragma unroll
                        for (int j = 0; j < kColumnsEach; ++j) b[j][e] = row[j];
                    }
                }
#pragma unroll
                for (int i = 0; i < kRowsEach; ++i) {
                    float a[kTerms];
                    read(stage, place<left, kThreadRows>(ty, i), step, a);
#pragma unroll
                    for (int j = 0; j < kColumnsEach; ++j) {
#pragma unroll
                        for (int e = 0; e < kTerms; ++e) sum[i][j] += a[e] * b[j][e];
                    }
                }
            }
        }
    }

    /** A strip of kThreadRows rows at a time goes through shared memory, so that the epilogue's code is there once, not per register. */
    template <class Epilogue>
    static __device__ void store(char* shared, const Epilogue& epilogue, int row0, int column0,
                                 const float (&sum)[kRowsEach][kColumnsEach]) {
        float* strip = reinterpret_cast<float*>(shared);
        const int tx = threadIdx.x % kThreadColumns;
        const int ty = threadIdx.x / kThreadColumns;
#pragma unroll
        for (int i = 0; i < kRowsEach; ++i) {
#pragma unroll
            for (int j = 0; j < kColumnsEach; j += right == Over::kColumns ? 1 : kStep) {
                float* at = strip + ty * BN + ((ty % 2 * 16) ^ place<right, kThreadColumns>(tx, j));
                if constexpr (right == Over::kColumns) {
                    *at = sum[i][j];
                } else {
                    *reinterpret_cast<float4*>(at) = make_float4(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
                }
            }
            __syncthreads();
#pragma unroll 1
            for (int e = threadIdx.x; e < kThreadRows * BN; e += kThreads) {
                const int r = e / BN;
                const int c = e % BN;
                epilogue.storeElement(row0 + place<left, kThreadRows>(r, i), column0 + c, strip[r * BN + ((r % 2 * 16) ^ c)]);
            }
            __syncthreads();
        }
    }

    using Sums = float[kRowsEach][kColumnsEach];
#endif

    /**
     * The tile at (row0, column0), slices [begin, end) of the sum, to epilogue.storeRun() where that is packed, else storeElement().
     *
     * @param watch called with each slice in shared memory
     */
    template <class Epilogue, class Watch>
    static __device__ void run(char* shared, const Operand& a, const Operand& b, const Epilogue& epilogue, int row0, int column0, int begin,
                               int end, Watch watch) {
        Sums sum = {};
        pipeline(shared, a, b, row0, column0, begin, end, [&](const char* stage) {
            consumeSlice(stage, sum);
            watch(stage);
        });
        store(shared, epilogue, row0, column0, sum);
    }

    /** The whole sum. */
    template <class Epilogue>
    static __device__ void run(char* shared, const Operand& a, const Operand& b, const Epilogue& epilogue, int row0, int column0) {
        const int k = left == Over::kColumns ? a.columns : a.rows;
        run(shared, a, b, epilogue, row0, column0, 0, (k + kSlice - 1) / kSlice, [](const char*) {});
    }
};

}  // namespace nj
