// Element-wise kernels, transposes, calls, parameters by value and integer work compiled by nvcc.
#include "harness.hpp"

#include <algorithm>
#include <array>
#include <bit>

using namespace corpus;

TEST(transpose) {
    onEveryArchitecture("transpose", [](const Module& module) {
        for (const char* kernel : {"transpose_padded", "transpose_unpadded"}) {
            for (const auto& [rows, columns] : {std::pair{32, 32}, {1, 97}, {129, 5}, {33, 65}}) {
                const auto x = Random(rows).floats(rows * columns);
                const Buffer<float> deviceX(x), y(x.size());
                launch(module.function(kernel), {unsigned(ceilDiv(columns, 32)), unsigned(ceilDiv(rows, 32))}, {32, 8}, 0, deviceX, y, rows,
                       columns);
                std::vector<float> expected(x.size());
                for (int r = 0; r < rows; ++r) {
                    for (int c = 0; c < columns; ++c) expected[c * rows + r] = x[r * columns + c];
                }
                expectSame(y.read(), expected, kernel);
            }
        }
    });
}

TEST(half2_axpy) {
    onEveryArchitecture("half2_math", [](const Module& module) {
        for (const int n : {1, 2, 17, 513}) {
            Random random(n);
            const auto x = toHalf(random.floats(n, -4.0f, 4.0f));
            const auto y = toHalf(random.floats(n, -4.0f, 4.0f));
            const float alpha = 1.25f;
            const Buffer<uint16_t> deviceX(x), deviceY(y);
            launch(module.function("half2_axpy"), {unsigned(ceilDiv(n, 128))}, {64}, 0, deviceX, deviceY, alpha, n);
            std::vector<uint16_t> expected(n);
            for (int i = 0; i < n; ++i) {
                // alpha x is exact in float32 (14 bits), the sum exact in float64, so that it is rounded once as fma.rn.f16 rounds.
                const double sum = static_cast<double>(alpha * fromHalf(x[i])) + fromHalf(y[i]);
                const auto rounded = static_cast<float>(static_cast<_Float16>(sum));
                expected[i] = toHalf(std::max(rounded, 0.0f) * 0.5f);
            }
            auto actual = deviceY.read();
            for (auto& v : actual) v = v == 0x8000 ? 0 : v;  // a negative value times a mask of zero is -0
            expectSame(actual, expected, "y");
        }
    });
}

TEST(bfloat162_scale) {
    onEveryArchitecture("half2_math", [](const Module& module) {
        for (const int n : {1, 2, 17, 513}) {
            const auto floats = Random(n).floats(n, -4.0f, 4.0f);
            std::vector<uint16_t> x(n), expected(n);
            for (int i = 0; i < n; ++i) {
                x[i] = toBfloat16(floats[i]);
                expected[i] = toBfloat16(std::fma(fromBfloat16(x[i]), 0.3f, -0.7f));
            }
            const Buffer<uint16_t> deviceX(x), y(n);
            launch(module.function("bfloat162_scale"), {unsigned(ceilDiv(n, 128))}, {64}, 0, deviceX, y, 0.3f, -0.7f, n);
            expectSame(y.read(), expected, "y");
        }
    });
}

TEST(collatz) {
    onEveryArchitecture("divergent", [](const Module& module) {
        constexpr int kCount = 200;
        constexpr int kLimit = 90;
        std::vector<uint32_t> seeds(kCount);
        std::vector<int> expected(kCount);
        for (int i = 0; i < kCount; ++i) {
            seeds[i] = i % 16 == 7 ? 0 : 3 * i + 1;
            uint64_t v = seeds[i];
            while (v > 1 && expected[i] < kLimit) {
                v = v % 2 ? 3 * v + 1 : v / 2;
                ++expected[i];
            }
            if (seeds[i] == 0) expected[i] = -1;
        }
        const Buffer<uint32_t> deviceSeeds(seeds);
        const Buffer<int> steps(kCount);
        launch(module.function("collatz"), {3}, {96}, 0, deviceSeeds, steps, kCount, kLimit);
        expectSame(steps.read(), expected, "steps");
    });
}

TEST(struct_param) {
    struct View {  // as in struct_param.cu
        CUdeviceptr data;
        long long strides[4];
        int sizes[4];
        float scale;
        signed char rank;
    };
    onEveryArchitecture("struct_param", [](const Module& module) {
        // x is [7, 5, 3]; the views are its transpose [3, 7, 5], every second row backwards, and a broadcast vector.
        const auto x = Random(6).floats(7 * 5 * 3);
        const Buffer<float> deviceX(x);
        struct Case {
            int first;
            std::vector<long long> strides;
            std::vector<int> sizes;
        };
        for (const Case& c : {Case{0, {1, 15, 3}, {3, 7, 5}}, {6 * 15, {-30, 3, 1}, {4, 5, 3}}, {2, {0, 0, 3, 0}, {2, 3, 5, 2}}}) {
            View view{};
            view.data = deviceX.pointer() + c.first * sizeof(float);
            view.rank = static_cast<signed char>(c.sizes.size());
            view.scale = 0.75f;
            std::copy(c.strides.begin(), c.strides.end(), view.strides);
            std::copy(c.sizes.begin(), c.sizes.end(), view.sizes);
            int count = 1;
            for (const int size : c.sizes) count *= size;
            std::vector<float> expected(count);
            for (int i = 0; i < count; ++i) {
                long long offset = c.first;
                for (int d = view.rank - 1, rest = i; d >= 0; rest /= c.sizes[d--]) offset += c.strides[d] * (rest % c.sizes[d]);
                expected[i] = x[offset] * 0.75f;
            }
            const Buffer<float> out(count);
            launch(module.function("gather_view"), {unsigned(ceilDiv(count, 64))}, {64}, 0, view, out, count);
            expectSame(out.read(), expected, "out");
        }
    });
}

TEST(device_call) {
    onEveryArchitecture("device_call", [](const Module& module) {
        constexpr int kCount = 97;
        Random random(7);
        auto abc = random.floats(3 * kCount, -2.0f, 2.0f);
        abc[0] = 1.0f, abc[1] = -2.0f, abc[2] = 1.0f;  // a double root
        const Buffer<float> deviceAbc(abc), roots(2 * kCount);
        const Buffer<int> counts(kCount);
        launch(module.function("quadratic_roots"), {2}, {64}, 0, deviceAbc, roots, counts, kCount);
        const auto actualRoots = roots.read();
        const auto actualCounts = counts.read();
        EXPECT_EQ(actualCounts[0], 1);
        for (int i = 0; i < kCount; ++i) {
            const double a = abc[3 * i], b = abc[3 * i + 1], c = abc[3 * i + 2];
            const double d = b * b - 4 * a * c;
            if (i > 0) EXPECT_EQ(actualCounts[i], d < 0 ? 0 : 2);
            for (int r = 0; d > 0 && r < 2; ++r) {
                // The residual at a root x with relative error e is about e |x| sqrt(d): compare it with the size of the terms.
                const double x = actualRoots[2 * i + r];
                EXPECT(std::fabs((a * x + b) * x + c) <= 0x1p-18 * (std::fabs(a * x * x) + std::fabs(b * x) + std::fabs(c)));
            }
        }

        std::vector<int> x(kCount), expected(kCount);
        for (int& v : x) v = static_cast<int>(random.bits() % 1000);
        for (int i = 0; i < kCount; ++i) {
            std::array<int, 9> window{};
            for (int j = 0; j < 9; ++j) window[j] = x[std::clamp(i + j - 4, 0, kCount - 1)];
            std::sort(window.begin(), window.end());
            expected[i] = window[4];
        }
        const Buffer<int> deviceX(x), y(kCount);
        launch(module.function("median9"), {2}, {64}, 0, deviceX, y, kCount);
        expectSame(y.read(), expected, "median");

        const Buffer<uint32_t> table(3 * 4);
        launch(module.function("ackermann_table"), {1}, {4, 3}, 0, table);
        expectSame(table.read(), std::vector<int>{1, 2, 3, 4, 2, 3, 4, 5, 3, 5, 7, 9}, "ackermann");
    });
}

TEST(constant_conv) {
    onEveryArchitecture("constant_conv", [](const Module& module) {
        constexpr int kBlock = 64;
        for (const int n : {1, 97, 129}) {
            Random random(n);
            const auto x = random.floats(n);
            const Buffer<float> deviceX(x), y(n);
            const auto convolve = [&](const std::vector<float>& taps) {
                const int count = static_cast<int>(taps.size());
                launch(module.function("convolve"), {unsigned(ceilDiv(n, kBlock))}, {kBlock}, (kBlock + count - 1) * sizeof(float), deviceX, y,
                       n, count);
                std::vector<double> expected(n);
                for (int i = 0; i < n; ++i) {
                    for (int t = 0; t < count; ++t) {
                        const int j = i + t - count / 2;
                        if (j >= 0 && j < n) expected[i] += static_cast<double>(taps[t]) * x[j];
                    }
                }
                expectNear(y.read(), expected, count * 0x1p-23, "y");
            };
            if (n == 1) convolve({1.0f});  // the initial value of the constant
            const auto taps = random.floats(9);
            CHECK(cuMemcpyHtoD(module.global("taps"), taps.data(), taps.size() * sizeof(float)));
            convolve(taps);
        }
        uint32_t produced = 0;
        CHECK(cuMemcpyDtoH(&produced, module.global("produced"), sizeof(produced)));
        EXPECT_EQ(produced, 7 + 1 + 1 + 97 + 129);
    });
}

TEST(philox) {
    // Known answers of Random123 (kat_vectors): philox4x32 10, counter and key zero; other counters by the same recurrence on the host.
    onEveryArchitecture("integer_ops", [](const Module& module) {
        constexpr int kCount = 70;
        const Buffer<uint32_t> out(4 * kCount);
        const auto run = [&](unsigned long long seed, unsigned long long offset) {
            launch(module.function("philox"), {2}, {64}, 0, out, seed, offset, kCount);
            const auto actual = out.read();
            std::vector<uint32_t> expected;
            for (uint32_t i = 0; i < kCount; ++i) {
                std::array<uint32_t, 4> c{i, 0, static_cast<uint32_t>(offset), static_cast<uint32_t>(offset >> 32)};
                auto k0 = static_cast<uint32_t>(seed);
                auto k1 = static_cast<uint32_t>(seed >> 32);
                for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
                    const uint64_t p0 = 0xD2511F53ULL * c[0];
                    const uint64_t p1 = 0xCD9E8D57ULL * c[2];
                    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1), static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1,
                         static_cast<uint32_t>(p0)};
                }
                expected.insert(expected.end(), c.begin(), c.end());
            }
            expectSame(actual, expected, "philox");
            return actual;
        };
        auto first = run(0, 0);
        first.resize(4);
        expectSame(first, std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, "known answer");
        run(0x123456789abcdef0ULL, 0xfedcba9876543210ULL);
    });
}

namespace {

// The sixteen results of bit_tricks, from the descriptions of the intrinsics in the CUDA Math API.
std::array<long long, 16> bitTricks(uint32_t a, uint32_t b) {
    const auto sa = static_cast<int32_t>(a);
    const auto sb = static_cast<int32_t>(b);
    const auto byteOf = [&](int selector) { return ((static_cast<uint64_t>(b) << 32 | a) >> 8 * selector) & 0xff; };
    std::array<long long, 16> o{};
    o[0] = std::popcount(a) + (std::countl_zero(a) << 8) + ((b ? std::countr_zero(b) + 1 : 0) << 16);
    for (int i = 0; i < 32; ++i) o[1] |= static_cast<long long>(a >> i & 1) << (31 - i);
    o[2] = static_cast<long long>(byteOf(3) << 24 | byteOf(7) << 16 | byteOf(1) << 8 | byteOf(5));
    const uint64_t ba = static_cast<uint64_t>(b) << 32 | a;
    o[3] = static_cast<uint32_t>(ba << (b & 31) >> 32);
    o[4] = static_cast<uint32_t>(ba >> std::min(b & 63, 32u));
    uint32_t dotUnsigned = 17;
    int32_t dotSigned = 17;
    for (int i = 0; i < 4; ++i) {
        const auto ua = static_cast<uint8_t>(a >> 8 * i);
        const auto ub = static_cast<uint8_t>(b >> 8 * i);
        dotUnsigned += static_cast<uint32_t>(ua) * ub;
        dotSigned += static_cast<int8_t>(ua) * static_cast<int8_t>(ub);
    }
    o[5] = dotSigned;
    o[6] = dotUnsigned;
    o[7] = static_cast<int32_t>(static_cast<int64_t>(sa) * sb >> 32);
    o[8] = b ? a / b : 0;
    o[9] = b ? a % b : 0;
    o[10] = sb != 0 && sb != -1 ? static_cast<long long>(sa / sb) * 1000003 + sa % sb : 0;
    o[11] = static_cast<long long>(sa) * sb;
    o[12] = static_cast<long long>((static_cast<__int128>(sa) << 21) * (static_cast<__int128>(sb) << 29) >> 64);
    o[13] = (a > b ? a - b : b - a) + 5 + static_cast<uint32_t>(std::min(sa, sb)) + std::max(a, b);
    o[14] = static_cast<long long>(static_cast<uint64_t>(a) << (b & 31)) ^ (static_cast<long long>(sb) >> (a & 63));
    o[15] = static_cast<long long>((static_cast<uint64_t>(a) + b + 1) >> 1) + (((static_cast<long long>(sa) + sb + 1) >> 1) * (1LL << 32));
    return o;
}

}  // namespace

TEST(bit_tricks) {
    onEveryArchitecture("integer_ops", [](const Module& module) {
        std::vector<uint32_t> a, b;
        const std::array<uint32_t, 7> corners{0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x80ff7f01, 33};
        for (const uint32_t u : corners) {
            for (const uint32_t v : corners) {
                a.push_back(u);
                b.push_back(v);
            }
        }
        Random random(8);
        for (int i = 0; i < 48; ++i) {
            a.push_back(random.bits());
            b.push_back(random.bits() >> random.bits() % 32);
        }
        const int n = static_cast<int>(a.size());
        std::vector<long long> expected;
        for (int i = 0; i < n; ++i) {
            const auto o = bitTricks(a[i], b[i]);
            expected.insert(expected.end(), o.begin(), o.end());
        }
        const Buffer<uint32_t> deviceA(a), deviceB(b);
        const Buffer<long long> out(16 * n);
        launch(module.function("bit_tricks"), {unsigned(ceilDiv(n, 64))}, {64}, 0, deviceA, deviceB, out, n);
        expectSame(out.read(), expected, "out");
    });
}

// Four architectures in one file, as libraries ship them: the newest that the device can take is chosen.
TEST(fatbin) {
    for (const int computeCapability : {75, 80, 86, 90, 120}) {
        {
            const Session session(computeCapability);
            const Module module(builtFile("saxpy.fatbin"));
            const Buffer<float> x(std::vector<float>{1, 2, 3}), y(std::vector<float>{10, 20, 30});
            launch(module.function("saxpy"), {1}, {32}, 0, x, y, 2.0f, 3);
            expectSame(y.read(), std::vector<float>{12, 24, 36}, "y");
        }
        cudasimCheckLeaks();
        expectNoFindings();
    }
}
