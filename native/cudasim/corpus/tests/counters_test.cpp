// Counters that can be predicted: copies, transposes and matrix products, each number with the arithmetic that gives it. A warp has 32 lanes, a sector
// 32 bytes, shared memory 32 banks of 4 bytes; a wavefront is one pass over the banks. Buffers are aligned to more than a sector.
#include "harness.hpp"

using namespace corpus;

namespace {

long long counter(const char* name) {
    const long long value = cudasimGetCounter(-1, name);
    if (value < 0) fail(std::string("there is no counter ") + name, __FILE__, __LINE__);
    return value;
}

#define EXPECT_COUNTER(name, expected) corpus::expectEqualNumbers(counter(#name), expected, #name, __FILE__, __LINE__)

constexpr int kWarp = 32;
constexpr int kSector = 32;
constexpr int kFloat = 4;

}  // namespace

TEST(unit_stride_copy) {
    const Session session;
    const Module module(compiledPtx("copies", 80));
    constexpr int kCount = 1024;
    const Buffer<float> x(kCount, 0), y(kCount);
    launch(module.function("copy_strided"), {4}, {256}, 0, x, y, kCount, 1, 0);
    EXPECT_COUNTER(global_load_requests, kCount / kWarp);
    EXPECT_COUNTER(global_load_sectors, kCount * kFloat / kSector);
    EXPECT_COUNTER(global_load_bytes, kCount * kFloat);
    EXPECT_COUNTER(global_store_requests, kCount / kWarp);
    EXPECT_COUNTER(global_store_sectors, kCount * kFloat / kSector);
    EXPECT_COUNTER(global_store_bytes, kCount * kFloat);
    EXPECT_COUNTER(dram_read_bytes, kCount * kFloat);
    EXPECT_COUNTER(dram_write_bytes, kCount * kFloat);
    EXPECT_COUNTER(divergent_branches, 0);
    EXPECT_COUNTER(mma, 0);
    expectNoFindings();
}

TEST(ragged_copy) {
    // 1000 = 31 warps and 8 lanes: the last warp diverges at `if (i < n)`, and its 8 floats are one sector.
    const Session session;
    const Module module(compiledPtx("copies", 80));
    constexpr int kCount = 1000;
    const Buffer<float> x(kCount, 0), y(kCount);
    launch(module.function("copy_strided"), {4}, {256}, 0, x, y, kCount, 1, 0);
    EXPECT_COUNTER(global_load_requests, 32);
    EXPECT_COUNTER(global_load_sectors, 31 * 4 + 1);
    EXPECT_COUNTER(global_load_bytes, kCount * kFloat);
    EXPECT_COUNTER(dram_read_bytes, 125 * kSector);
    EXPECT_COUNTER(dram_write_bytes, 125 * kSector);
    EXPECT_COUNTER(branches, 32);
    EXPECT_COUNTER(divergent_branches, 1);
    expectNoFindings();
}

TEST(strided_copy) {
    constexpr int kCount = 1024;
    struct Case {
        int stride;
        int shift;
        int sectorsPerWarp;
        int sectorsInAll;  // distinct ones: what DRAM must give
    };
    for (const Case& c : {
             Case{2, 0, 8, kCount * 2 * kFloat / kSector},  // 32 lanes, 8 bytes apart: 256 bytes
             Case{8, 0, 32, kCount},                        // every float in a sector of its own
             Case{17, 3, 32, kCount},                       // 68 bytes apart: the same
             Case{1, 1, 5, 129},                            // 128 bytes from byte 4 on touch 5 sectors; neighbours share one
             Case{0, 7, 1, 1},                              // a broadcast
         }) {
        const Session session;
        const Module module(compiledPtx("copies", 80));
        const Buffer<float> x(kCount * 17 + 8, 0), y(kCount);
        launch(module.function("copy_strided"), {4}, {256}, 0, x, y, kCount, c.stride, c.shift);
        EXPECT_COUNTER(global_load_requests, kCount / kWarp);
        EXPECT_COUNTER(global_load_sectors, kCount / kWarp * c.sectorsPerWarp);
        EXPECT_COUNTER(global_load_bytes, kCount * kFloat);
        EXPECT_COUNTER(dram_read_bytes, c.sectorsInAll * kSector);
        EXPECT_COUNTER(global_store_sectors, kCount / kWarp * 4);
        expectNoFindings();
    }
}

TEST(vector_copy) {
    const Session session;
    const Module module(compiledPtx("copies", 80));
    constexpr int kVectors = 256;  // of 16 bytes: a warp moves 512 bytes in 16 sectors with one instruction
    const Buffer<float> x(kVectors * 4, 0), y(kVectors * 4);
    launch(module.function("copy_float4"), {1}, {kVectors}, 0, x, y, kVectors);
    EXPECT_COUNTER(global_load_requests, kVectors / kWarp);
    EXPECT_COUNTER(global_load_sectors, kVectors / kWarp * 16);
    EXPECT_COUNTER(global_store_sectors, kVectors / kWarp * 16);
    EXPECT_COUNTER(dram_read_bytes, kVectors * 16);
    EXPECT_COUNTER(dram_write_bytes, kVectors * 16);
}

TEST(transpose) {
    // 64 x 64 floats: 4 blocks of 8 warps, each 4 rows in and 4 rows out, a row being 128 bytes.
    constexpr int kSide = 64;
    constexpr int kRows = 4 * 8 * 4;
    for (const bool padded : {true, false}) {
        const Session session;
        const Module module(compiledPtx("transpose", 80));
        const Buffer<float> x(kSide * kSide, 0), y(kSide * kSide);
        launch(module.function(padded ? "transpose_padded" : "transpose_unpadded"), {2, 2}, {32, 8}, 0, x, y, kSide, kSide);
        EXPECT_COUNTER(global_load_requests, kRows);
        EXPECT_COUNTER(global_load_sectors, kRows * 4);
        EXPECT_COUNTER(global_store_requests, kRows);
        EXPECT_COUNTER(global_store_sectors, kRows * 4);
        EXPECT_COUNTER(dram_read_bytes, kSide * kSide * kFloat);
        EXPECT_COUNTER(dram_write_bytes, kSide * kSide * kFloat);
        // Rows go in without conflict. A column comes out: rows 33 floats apart lie in 32 banks, rows 32 floats apart in one.
        EXPECT_COUNTER(shared_store_requests, kRows);
        EXPECT_COUNTER(shared_store_wavefronts, kRows);
        EXPECT_COUNTER(shared_store_bank_conflicts, 0);
        EXPECT_COUNTER(shared_load_requests, kRows);
        EXPECT_COUNTER(shared_load_wavefronts, kRows * (padded ? 1 : 32));
        EXPECT_COUNTER(shared_load_bank_conflicts, kRows * (padded ? 0 : 31));
        expectNoFindings();
    }
}

TEST(gemm_with_and_without_swizzle) {
    // One block of 4 warps: C[64,64] = A[64,128] B[64,128]^T in 2 steps of 64.
    constexpr int kSide = 64;
    constexpr int kDepth = 128;
    constexpr int kSteps = kDepth / 64;
    for (const bool swizzled : {true, false}) {
        const Session session;
        const Module module(compiledPtx("gemm_ldmatrix", 80));
        const Buffer<uint16_t> a(kSide * kDepth, 0), b(kSide * kDepth, 0);
        const Buffer<float> c(kSide * kSide);
        launch(module.function(swizzled ? "gemm_swizzled" : "gemm_unswizzled"), {1}, {128}, 0, a, b, c, kSide, kSide, kDepth);

        // One mma is 16 x 8 x 16.
        EXPECT_COUNTER(mma, (kSide / 16) * (kSide / 8) * (kDepth / 16));

        // A warp takes 16 deep slices of its 32 rows of A and 32 rows of B: two ldmatrix.x4 each, of four 8 x 8 matrices.
        constexpr int kLdmatrix = 4 * kSteps * (64 / 16) * 4;
        EXPECT_COUNTER(ldmatrix, kLdmatrix);
        EXPECT_COUNTER(shared_load_requests, kLdmatrix);
        // 8 rows of 16 bytes fill the 32 banks once if swizzled; otherwise they lie in the same 4 banks, 8 passes.
        EXPECT_COUNTER(shared_load_wavefronts, kLdmatrix * 4 * (swizzled ? 1 : 8));
        EXPECT_COUNTER(shared_load_bank_conflicts, kLdmatrix * 4 * (swizzled ? 0 : 7));

        // Both tiles are stored in 16-byte chunks, 32 a warp instruction: 512 bytes in 4 passes at best, which both layouts reach.
        constexpr int kChunkStores = kSteps * 2 * 64 * 8 / kWarp;
        EXPECT_COUNTER(shared_store_requests, kChunkStores);
        EXPECT_COUNTER(shared_store_wavefronts, kChunkStores * 4);
        EXPECT_COUNTER(shared_store_bank_conflicts, 0);

        // 4 rows of 128 bytes a load, 16 sectors; each element of A and B comes once.
        EXPECT_COUNTER(global_load_requests, kChunkStores);
        EXPECT_COUNTER(global_load_sectors, kChunkStores * 16);
        EXPECT_COUNTER(dram_read_bytes, 2 * kSide * kDepth * 2);
        // An accumulator register is 8 rows of 4 floats, every second column: 8 sectors half used, 32 registers a warp.
        EXPECT_COUNTER(global_store_requests, 4 * 32);
        EXPECT_COUNTER(global_store_sectors, 4 * 32 * 8);
        EXPECT_COUNTER(global_store_bytes, kSide * kSide * kFloat);
        EXPECT_COUNTER(dram_write_bytes, kSide * kSide * kFloat);
        expectNoFindings();
    }
}

TEST(instruction_classes) {
    // copy_float4, two warps: the numbers are those of the listing that nvcc 13.0 makes, so only sums are fixed here.
    const Session session;
    const Module module(compiledPtx("copies", 80));
    const Buffer<float> x(64 * 4, 0), y(64 * 4);
    launch(module.function("copy_float4"), {2}, {32}, 0, x, y, 64);
    const long long warps = counter("warp_instructions");
    EXPECT_EQ(counter("thread_instructions"), warps * kWarp);
    long long classes = 0;
    for (const char* name : {"inst_integer", "inst_fp16", "inst_fp32", "inst_fp64", "inst_special", "inst_conversion", "inst_move",
                             "inst_compare", "inst_control", "inst_load_store", "inst_atomic", "inst_warp", "inst_barrier", "inst_matrix",
                             "inst_other"}) {
        classes += counter(name);
    }
    EXPECT(classes == warps || classes == warps * kWarp);
    EXPECT_COUNTER(barriers, 0);
}
