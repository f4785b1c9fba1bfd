// Matrix products compiled by nvcc, against float64. Sizes: one tile, less than a tile, and ragged in every dimension.
#include "harness.hpp"

using namespace corpus;

namespace {

struct Size {
    int m;
    int n;
    int k;
};

// The rounding of each of k additions of terms below 1 in magnitude is at most half an ulp of the running sum.
double tolerance(int k) { return k * 0x1p-24 * 4; }

}  // namespace

TEST(gemm_tiled) {
    onEveryArchitecture("gemm_tiled", [](const Module& module) {
        for (const Size s : {Size{16, 16, 16}, {1, 1, 1}, {17, 33, 5}, {31, 16, 47}, {1, 97, 129}}) {
            Random random(1);
            const auto a = random.floats(s.m * s.k);
            const auto b = random.floats(s.k * s.n);
            const Buffer<float> deviceA(a), deviceB(b), deviceC(s.m * s.n);
            launch(module.function("gemm_tiled"), {unsigned(ceilDiv(s.n, 16)), unsigned(ceilDiv(s.m, 16))}, {16, 16}, 0, deviceA, deviceB,
                   deviceC, s.m, s.n, s.k);
            expectNear(deviceC.read(), matrixProduct(a, b, s.m, s.n, s.k), tolerance(s.k), "C");
        }
    });
}

TEST(gemm_wmma) {
    onEveryArchitecture("gemm_wmma", [](const Module& module) {
        for (const Size s : {Size{16, 64, 16}, {5, 17, 3}, {17, 97, 33}}) {
            Random random(2);
            const auto a = toHalf(random.floats(s.m * s.k));
            const auto b = toHalf(random.floats(s.k * s.n));
            const Buffer<uint16_t> deviceA(a), deviceB(b);
            const Buffer<float> deviceC(s.m * s.n);
            launch(module.function("gemm_wmma"), {unsigned(ceilDiv(s.n, 64)), unsigned(ceilDiv(s.m, 16))}, {128}, 0, deviceA, deviceB, deviceC,
                   s.m, s.n, s.k);
            expectNear(deviceC.read(), matrixProduct(fromHalf(a), fromHalf(b), s.m, s.n, s.k), tolerance(s.k), "C");
        }
    });
}

TEST(gemm_pipeline) {
    onEveryArchitecture("gemm_pipeline", [](const Module& module) {
        for (const Size s : {Size{32, 32, 16}, {1, 4, 4}, {33, 36, 20}, {17, 68, 100}}) {
            Random random(3);
            const auto a = random.floats(s.m * s.k);
            const auto b = random.floats(s.k * s.n);
            const Buffer<float> deviceA(a), deviceB(b), deviceC(s.m * s.n);
            launch(module.function("gemm_pipeline"), {unsigned(ceilDiv(s.n, 32)), unsigned(ceilDiv(s.m, 32))}, {128}, 0, deviceA, deviceB,
                   deviceC, s.m, s.n, s.k);
            expectNear(deviceC.read(), matrixProduct(a, b, s.m, s.n, s.k), tolerance(s.k), "C");
        }
    });
}

TEST(gemm_ldmatrix) {
    onEveryArchitecture(
        "gemm_ldmatrix",
        [](const Module& module) {
            for (const char* kernel : {"gemm_swizzled", "gemm_unswizzled"}) {
                for (const Size s : {Size{64, 64, 64}, {17, 33, 64}, {65, 5, 128}}) {
                    Random random(4);
                    const auto a = toHalf(random.floats(s.m * s.k));
                    const auto b = toHalf(random.floats(s.n * s.k));
                    const Buffer<uint16_t> deviceA(a), deviceB(b);
                    const Buffer<float> deviceC(s.m * s.n);
                    launch(module.function(kernel), {unsigned(ceilDiv(s.n, 64)), unsigned(ceilDiv(s.m, 64))}, {128}, 0, deviceA, deviceB,
                           deviceC, s.m, s.n, s.k);
                    expectNear(deviceC.read(), matrixProduct(fromHalf(a), fromHalf(b), s.m, s.n, s.k, true), tolerance(s.k), "C");
                }
            }
        },
        80);
}

TEST(warp_tile) {
    onEveryArchitecture("warp_tile", [](const Module& module) {
        for (const auto& [rows, columns] : {std::pair{1, 1}, {5, 33}, {7, 97}}) {
            Random random(columns);
            const auto x = random.floats(rows * columns);
            const auto w = random.floats(columns * 32);
            const Buffer<float> deviceX(x), deviceW(w), y(rows * 32);
            launch(module.function("warp_tile"), {2}, {64}, 0, deviceX, deviceW, y, rows, columns);
            expectNear(y.read(), matrixProduct(x, w, rows, 32, columns), tolerance(columns), "y");
        }
    });
}
