// Reductions, scans, histograms and softmax compiled by nvcc, on awkward lengths.
#include "harness.hpp"

#include <algorithm>
#include <climits>
#include <numeric>
#include <set>

using namespace corpus;

TEST(reduce_shuffle) {
    onEveryArchitecture("reduce_shuffle", [](const Module& module) {
        for (const int n : {1, 5, 129, 512, 5003}) {
            const auto x = Random(n).floats(n);
            const Buffer<float> deviceX(x), sum(std::vector<float>{0.5f});
            launch(module.function("reduce_shuffle"), {3}, {160}, 0, deviceX, sum, n);
            const double expected = std::accumulate(x.begin(), x.end(), 0.5);
            expectNear(sum.read(), std::vector{expected}, n * 0x1p-24, "sum");
        }
    });
}

TEST(reduce_cg) {
    onEveryArchitecture("reduce_cg", [](const Module& module) {
        constexpr int kBlock = 96;
        for (const int n : {1, 97, 1000}) {
            Random random(n);
            std::vector<int> x(n);
            for (int& v : x) v = static_cast<int>(random.bits() >> 12) - (1 << 19);
            const int blocks = ceilDiv(n, kBlock);
            const Buffer<int> deviceX(x), maxima(blocks);
            const Buffer<float> sums(blocks);
            launch(module.function("reduce_cg"), {unsigned(blocks)}, {kBlock}, 0, deviceX, maxima, sums, n);
            std::vector<int> expectedMax;
            std::vector<double> expectedSum;
            for (int b = 0; b < blocks; ++b) {
                const auto first = x.begin() + b * kBlock;
                const auto last = x.begin() + std::min(n, (b + 1) * kBlock);
                expectedMax.push_back(*std::max_element(first, last));
                expectedSum.push_back(std::accumulate(first, last, 0.0));
            }
            expectSame(maxima.read(), expectedMax, "max");
            // The sums are added in float32: half an ulp of at most 96 * 2^19 for each of 96 additions.
            const auto actual = sums.read();
            for (int b = 0; b < blocks; ++b) EXPECT(std::fabs(actual[b] - expectedSum[b]) <= 96 * 0x1p26 * 0x1p-24);
        }
    });
}

TEST(histogram) {
    onEveryArchitecture("histogram", [](const Module& module) {
        for (const int n : {1, 17, 4099}) {
            Random random(n);
            std::vector<uint8_t> x(n);
            for (auto& v : x) v = static_cast<uint8_t>(std::min(random.bits() >> 24, random.bits() >> 24));
            const Buffer<uint8_t> deviceX(x);
            const Buffer<uint32_t> bins(256, 0);
            const Buffer<uint64_t> total(1, 0);
            launch(module.function("histogram"), {3}, {128}, 0, deviceX, bins, total, n);
            std::vector<int> expected(256);
            uint64_t sum = 0;
            for (const uint8_t v : x) {
                ++expected[v];
                sum += v;
            }
            expectSame(bins.read(), expected, "bins");
            EXPECT_EQ(total.read()[0], sum);
        }
    });
}

TEST(softmax) {
    onEveryArchitecture("softmax", [](const Module& module) {
        for (const int columns : {1, 5, 129, 512}) {
            constexpr int kRows = 3;
            auto x = Random(columns).floats(kRows * columns, -8.0f, 8.0f);
            if (columns > 1) x[1] = -INFINITY;  // a masked position
            const Buffer<float> deviceX(x), y(x.size());
            launch(module.function("softmax"), {kRows}, {64}, columns * sizeof(float), deviceX, y, columns);
            std::vector<double> expected(x.size());
            for (int r = 0; r < kRows; ++r) {
                const auto row = x.begin() + r * columns;
                const double top = *std::max_element(row, row + columns);
                double sum = 0.0;
                for (int c = 0; c < columns; ++c) sum += expected[r * columns + c] = std::exp(row[c] - top);
                for (int c = 0; c < columns; ++c) expected[r * columns + c] /= sum;
            }
            // ex2.approx: 2 ulp plus the rounding of an argument up to 16 log2(e), about 2^-20 relative.
            expectNear(y.read(), expected, 0x1p-18, "y");
        }
    });
}

TEST(scan) {
    onEveryArchitecture("scan", [](const Module& module) {
        constexpr int kBlock = 128;
        for (const int n : {1, 129, 1000}) {
            Random random(n);
            std::vector<int> x(n);
            for (int& v : x) v = static_cast<int>(random.bits());  // sums wrap
            const int blocks = ceilDiv(n, kBlock);
            const Buffer<int> deviceX(x), y(n), totals(blocks);
            launch(module.function("scan_blocks"), {unsigned(blocks)}, {kBlock}, 0, deviceX, y, totals, n);
            launch(module.function("scan_add"), {unsigned(blocks)}, {kBlock}, 0, y, totals, n);
            std::vector<uint32_t> expected(x.begin(), x.end());
            std::partial_sum(expected.begin(), expected.end(), expected.begin());
            expectSame(y.read(), std::vector<int>(expected.begin(), expected.end()), "y");
        }
    });
}

TEST(compact) {
    onEveryArchitecture("compact", [](const Module& module) {
        for (const int n : {1, 33, 517}) {
            Random random(n);
            std::vector<int> x(n);
            for (int& v : x) v = static_cast<int>(random.bits() % 21) - 10;
            const int warps = ceilDiv(n, 32);
            const Buffer<int> deviceX(x), kept(n, 0), distinct(warps);
            const Buffer<uint32_t> count(1, 0);
            launch(module.function("compact"), {unsigned(ceilDiv(n, 64))}, {64}, 0, deviceX, kept, count, distinct, n);

            std::vector<int> expected;
            for (const int v : x) {
                if (v > 0) expected.push_back(v);
            }
            EXPECT_EQ(count.read()[0], expected.size());
            auto actual = kept.read();  // warps come in any order
            actual.resize(expected.size());
            std::sort(actual.begin(), actual.end());
            std::sort(expected.begin(), expected.end());
            expectSame(actual, expected, "kept");

            std::vector<size_t> distinctExpected;
            for (int w = 0; w < warps; ++w) {
                std::set<int> values;
                for (int i = 32 * w; i < 32 * (w + 1); ++i) values.insert(i < n ? x[i] : 0);
                distinctExpected.push_back(values.size());
            }
            expectSame(distinct.read(), distinctExpected, "distinct");
        }
    });
}

TEST(bitonic_sort) {
    onEveryArchitecture("bitonic_sort", [](const Module& module) {
        constexpr int kSegment = 128;
        constexpr int kSegments = 2;
        Random random(5);
        std::vector<uint32_t> keys(kSegment * kSegments);
        std::vector<uint16_t> payload(keys.size());
        for (size_t i = 0; i < keys.size(); ++i) {
            keys[i] = random.bits();
            payload[i] = static_cast<uint16_t>(keys[i] % 65521);
        }
        const Buffer<uint32_t> deviceKeys(keys);
        const Buffer<uint16_t> devicePayload(payload);
        launch(module.function("bitonic_sort"), {kSegments}, {kSegment / 2}, kSegment * 6, deviceKeys, devicePayload);
        for (int s = 0; s < kSegments; ++s) std::sort(keys.begin() + s * kSegment, keys.begin() + (s + 1) * kSegment);
        for (size_t i = 0; i < keys.size(); ++i) payload[i] = static_cast<uint16_t>(keys[i] % 65521);
        expectSame(deviceKeys.read(), keys, "keys");
        expectSame(devicePayload.read(), payload, "payload");
    });
}
