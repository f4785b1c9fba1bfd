// Gradients of the embedding tables: dWords[id] += the rows of dSum whose token is id, dPlaces[p] += those at place p of their sequences.
//
// Shapes    ids, order (T); dSum (T, D); cuSeqlens (B + 1); dWords (V, D), dPlaces (P, D), float32.
// Geometry  token_order: one warp per token, four to a block, grid ceil(T / 4), block 128; word_gradient and position_gradient: one warp per
//           256 columns of a token or place, grid (ceil(T / 4), ceil(D / 256)) or (ceil(maxLength / 4), ceil(D / 256)), block 128
// Bytes     token_order reads 4 T, writes 4 T; the gradients read T D s (and 8 T or 4 B) and read and write 4 D for each row of a table that
//           occurs, s the size of the storage type: the minimum.
// Design    Atomics would add in any order. Instead tokens are sorted by id, those of one id in their own order, and the warp at which an
//           id begins adds its rows one after the other. The sort counts, for each token, those that come before it: T^2 comparisons of
//           integers from L1, a few microseconds' worth (by arithmetic) at T = 4096, against a host that would have to sort every batch before a captured
//           graph could run. Places need no sort: cuSeqlens says who has them.
#include "storage.cuh"

namespace nj {

constexpr int kSlice = 256;
constexpr int kRun = 4;  // neighbours that are 16 bytes of a table
constexpr int kRuns = kSlice / (kWarp * kRun);

/** This warp's columns of sums of rows. */
struct RowSum {
    int dim;
    bool packed;
    float sum[kRuns][kRun];

    __device__ RowSum(const S* rows, const float* table, int dim) : dim(dim), packed(isPacked(rows, dim) && isPacked(table, dim)) {
#pragma unroll
        for (int r = 0; r < kRuns; ++r) {
#pragma unroll
            for (int i = 0; i < kRun; ++i) sum[r][i] = 0;
        }
    }

    static __device__ int column(int run) {
        return blockIdx.y * kSlice + (run * kWarp + threadIdx.x % kWarp) * kRun;
    }

    __device__ void add(const S* row) {
#pragma unroll
        for (int r = 0; r < kRuns; ++r) addPacket(row, column(r), dim, packed, sum[r]);
    }

    __device__ void addTo(float* row) {
#pragma unroll
        for (int r = 0; r < kRuns; ++r) {
            addPacket(row, column(r), dim, packed, sum[r]);
            storePacket(row, column(r), dim, packed, sum[r]);
        }
    }

    /** Adds, in order, the rows that lanes name; -1 names none. */
    __device__ void addNamed(const S* rows, int named) {
        const int count = __popc(__ballot_sync(kAllLanes, named >= 0));
        unsigned present = __ballot_sync(kAllLanes, named >= 0);
#pragma unroll 4
        for (int i = 0; i < count; ++i) {
            const int row = __shfl_sync(kAllLanes, named, __ffs(present) - 1);
            present &= present - 1;
            add(rows + static_cast<int64_t>(row) * dim);
        }
    }
};

}  // namespace nj

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_token_order)(int* order, const int* ids, int rows, const int* rowCount) {
    using namespace nj;
    const int token = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    const int real = realRows(rows, rowCount);
    if (token >= real) return;
    const int id = ids[token];
    int before = 0;
    for (int other = threadIdx.x % kWarp; other < real; other += kWarp) {
        before += ids[other] < id || (ids[other] == id && other < token);
    }
#pragma unroll
    for (int offset = kWarp / 2; offset > 0; offset /= 2) before += __shfl_xor_sync(kAllLanes, before, offset);
    if (threadIdx.x % kWarp == 0) order[before] = token;
}

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_word_gradient)(float* dWords, const S* dSum, const int* ids, const int* order, int padTokenId, int rows,
                          const int* rowCount, int dim) {
    using namespace nj;
    const int place = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    const int real = realRows(rows, rowCount);
    if (place >= real) return;
    const int id = ids[order[place]];
    if (id == padTokenId || (place > 0 && ids[order[place - 1]] == id)) return;
    RowSum sum(dSum, dWords, dim);
    bool more = true;
    for (int first = place; more; first += kWarp) {
        const int at = first + threadIdx.x % kWarp;
        const int token = at < real ? order[at] : -1;
        const int named = token >= 0 && ids[token] == id ? token : -1;
        sum.addNamed(dSum, named);
        more = __all_sync(kAllLanes, named >= 0);
    }
    sum.addTo(dWords + static_cast<int64_t>(id) * dim);
}

extern "C" __global__ void __launch_bounds__(128)
NJ_NAME(nj_position_gradient)(float* dPlaces, const S* dSum, const int* cuSeqlens, int sequences, int maxLength, int dim) {
    using namespace nj;
    const int place = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    if (place >= maxLength) return;
    RowSum sum(dSum, dPlaces, dim);
    bool any = false;
    for (int first = 0; first < sequences; first += kWarp) {
        const int sequence = first + threadIdx.x % kWarp;
        int token = -1;
        if (sequence < sequences && cuSeqlens[sequence] + place < cuSeqlens[sequence + 1]) token = cuSeqlens[sequence] + place;
        sum.addNamed(dSum, token);
        any |= __any_sync(kAllLanes, token >= 0);
    }
    if (any) sum.addTo(dPlaces + static_cast<int64_t>(place) * dim);
}
