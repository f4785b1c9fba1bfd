// PTX that Triton generated (triton/generate.py made the files), against float64. Triton appends two pointers to the parameters, for
// scratch memory that these kernels do not use; every kernel has four warps and states its shared memory in its first line.
#include "harness.hpp"

#include <algorithm>

using namespace corpus;

namespace {

constexpr unsigned kThreads = 128;
constexpr CUdeviceptr kNoScratch = 0;

// One run in order, one shuffled with two workers; both without findings.
void onTriton(const std::string& kernel, const std::function<void(CUfunction, unsigned sharedBytes)>& body) {
    const std::string ptx = resource("triton/" + kernel + ".ptx");
    const std::string label = "Dynamic shared memory: ";
    const unsigned sharedBytes = static_cast<unsigned>(std::stoul(ptx.substr(ptx.find(label) + label.size())));
    for (const long long seed : {0, 5}) {
        {
            const Session session(80, seed, seed == 0 ? 1 : 2);
            const Module module(ptx);
            body(module.function(kernel.c_str()), sharedBytes);
        }
        cudasimCheckLeaks();
        expectNoFindings();
    }
}

}  // namespace

TEST(triton_matmul) {
    onTriton("matmul", [](CUfunction kernel, unsigned sharedBytes) {
        struct Size {
            int m;
            int n;
            int k;
        };
        for (const Size s : {Size{32, 64, 32}, {1, 5, 17}, {33, 97, 65}}) {
            Random random(1);
            const auto a = toHalf(random.floats(s.m * s.k));
            const auto b = toHalf(random.floats(s.k * s.n));
            const Buffer<uint16_t> deviceA(a), deviceB(b), c(s.m * s.n);
            launch(kernel, {unsigned(ceilDiv(s.m, 32)), unsigned(ceilDiv(s.n, 64))}, {kThreads}, sharedBytes, deviceA, deviceB, c, s.m, s.n, s.k,
                   kNoScratch, kNoScratch);
            // One rounding to half after a float32 sum.
            expectNear(fromHalf(c.read()), matrixProduct(fromHalf(a), fromHalf(b), s.m, s.n, s.k), 0x1p-11 + s.k * 0x1p-22, "c");
        }
    });
}

TEST(triton_softmax) {
    onTriton("softmax", [](CUfunction kernel, unsigned sharedBytes) {
        for (const int columns : {1, 17, 129, 512}) {
            constexpr int kRows = 3;
            const auto x = Random(columns).floats(kRows * columns, -9.0f, 9.0f);
            const Buffer<float> deviceX(x), y(x.size());
            launch(kernel, {kRows}, {kThreads}, sharedBytes, deviceX, y, columns, kNoScratch, kNoScratch);
            std::vector<double> expected(x.size());
            for (int r = 0; r < kRows; ++r) {
                double sum = 0.0;
                for (int i = r * columns; i < (r + 1) * columns; ++i) sum += expected[i] = std::exp(static_cast<double>(x[i]));
                for (int i = r * columns; i < (r + 1) * columns; ++i) expected[i] /= sum;
            }
            expectNear(y.read(), expected, 0x1p-18, "y");
        }
    });
}

TEST(triton_layernorm) {
    onTriton("layernorm", [](CUfunction kernel, unsigned sharedBytes) {
        for (const int columns : {5, 97, 768}) {
            constexpr int kRows = 3;
            const float eps = 1e-5f;
            Random random(columns);
            std::vector<uint16_t> x(kRows * columns);
            for (auto& v : x) v = toBfloat16(random.uniform(-2.0f, 3.0f));
            const auto weight = random.floats(columns, 0.5f, 1.5f);
            const auto bias = random.floats(columns);
            const Buffer<uint16_t> deviceX(x), y(x.size());
            const Buffer<float> deviceWeight(weight), deviceBias(bias);
            launch(kernel, {kRows}, {kThreads}, sharedBytes, deviceX, deviceWeight, deviceBias, y, columns, eps, kNoScratch, kNoScratch);
            std::vector<double> expected(x.size());
            for (int r = 0; r < kRows; ++r) {
                double mean = 0.0;
                double variance = 0.0;
                const auto at = [&](int i) { return static_cast<double>(fromBfloat16(x[r * columns + i])); };
                for (int i = 0; i < columns; ++i) mean += at(i) / columns;
                for (int i = 0; i < columns; ++i) variance += (at(i) - mean) * (at(i) - mean) / columns;
                for (int i = 0; i < columns; ++i) {
                    expected[r * columns + i] = (at(i) - mean) / std::sqrt(variance + eps) * weight[i] + bias[i];
                }
            }
            const auto bits = y.read();
            std::vector<float> actual(bits.size());
            std::transform(bits.begin(), bits.end(), actual.begin(), fromBfloat16);
            expectNear(actual, expected, 0x1p-8, "y");  // half an ulp of bfloat16 is 2^-9 of the value
        }
    });
}

TEST(triton_attention) {
    onTriton("attention", [](CUfunction kernel, unsigned sharedBytes) {
        constexpr int kDim = 64;
        for (const int length : {1, 17, 33, 97}) {
            Random random(length);
            const auto q = toHalf(random.floats(length * kDim));
            const auto k = toHalf(random.floats(length * kDim));
            const auto v = toHalf(random.floats(length * kDim));
            const float scale = 0.25f;
            const Buffer<uint16_t> deviceQ(q), deviceK(k), deviceV(v), out(length * kDim);
            launch(kernel, {unsigned(ceilDiv(length, 32))}, {kThreads}, sharedBytes, deviceQ, deviceK, deviceV, out, length, scale, kNoScratch,
                   kNoScratch);
            auto p = matrixProduct(fromHalf(q), fromHalf(k), length, length, kDim, true);
            const auto values = fromHalf(v);
            std::vector<double> expected(length * kDim);
            for (int i = 0; i < length; ++i) {
                double sum = 0.0;
                for (int j = 0; j < length; ++j) sum += p[i * length + j] = std::exp(p[i * length + j] * scale);
                for (int j = 0; j < length; ++j) {
                    for (int d = 0; d < kDim; ++d) expected[i * kDim + d] += p[i * length + j] / sum * values[j * kDim + d];
                }
            }
            // Probabilities are rounded to half before the second product: 2^-11 of values below 1, and the result once more.
            expectNear(fromHalf(out.read()), expected, 0x1p-10, "out");
        }
    });
}
