// How long the simulator takes for a forward pass of MiniLM (six layers, D = 384, 12 heads, lin1 of 1536) on one
// sequence of 16 tokens with Nightjar's own kernels: one layer is run, launch by launch, and the sum taken times six.
//
//   KERNELS=<folder with gemm_f16.ptx and attention_f16.ptx for sm_80> <build folder>/corpus/cudasim_minilm_layer
//
// The times are the simulator's on this machine's processor, with all checks on: they say nothing about a GPU. Launches
// are those of kernels/README.md. What the kernels compute is tested with them; here only that nothing is found.
#include "../tests/harness.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

using namespace corpus;

namespace {

constexpr int kTokens = 16, kWidth = 384, kHeads = 12, kHeadDim = kWidth / kHeads, kInner = 4 * kWidth, kLayers = 6;
constexpr int kGelu = 1;

double totalSeconds = 0, totalProcessorSeconds = 0;

template <typename Launch>
void timed(const char* name, Launch launchIt) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t processorStart = std::clock();
    launchIt();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double processorSeconds = static_cast<double>(std::clock() - processorStart) / CLOCKS_PER_SEC;
    totalSeconds += seconds;
    totalProcessorSeconds += processorSeconds;
    const auto instructions = static_cast<double>(cudasimGetCounter(-1, "thread_instructions"));
    std::printf("%-28s %7.2f million thread-instructions, %6lld mma  %6.2f s, %6.2f processor seconds\n", name,
                instructions * 1e-6, cudasimGetCounter(-1, "mma"), seconds, processorSeconds);
}

std::string text(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error(path + ": cannot be read");
    return {std::istreambuf_iterator<char>(file), {}};
}

struct Linear {
    Linear(Random& random, int out, int in)
        : weight(toHalf(random.floats(static_cast<size_t>(out) * in, -0.05F, 0.05F))),
          bias(toHalf(random.floats(out, -0.1F, 0.1F))), n(out), k(in) {}

    Buffer<uint16_t> weight, bias;
    int n, k;
};

struct Norm {
    explicit Norm(Random& random)
        : gamma(toHalf(random.floats(kWidth, 0.5F, 1.5F))), beta(toHalf(random.floats(kWidth))) {}

    Buffer<uint16_t> gamma, beta;
};

void runLayer(const std::string& kernels) {
    const Session session(80);
    const std::clock_t loading = std::clock();
    const Module gemmModule(text(kernels + "/gemm_f16.ptx"));
    const Module attentionModule(text(kernels + "/attention_f16.ptx"));
    std::printf("both modules loaded, once: %.2f processor seconds\n",
                static_cast<double>(std::clock() - loading) / CLOCKS_PER_SEC);
    const CUfunction gemm = gemmModule.function("nj_gemm_rows16_f16");
    const CUfunction attention = attentionModule.function("nj_attention_short_d32_f16");
    Random random(1);
    const Linear query(random, 3 * kWidth, kWidth), project(random, kWidth, kWidth), expand(random, kInner, kWidth),
        contract(random, kWidth, kInner);
    const Norm first(random), second(random);
    const Buffer<uint16_t> hidden(toHalf(random.floats(kTokens * kWidth)));
    const Buffer<uint16_t> qkv(kTokens * 3 * kWidth), mixed(kTokens * kWidth), inner(kTokens * kInner),
        afterAttention(kTokens * kWidth), out(kTokens * kWidth);
    const Buffer<unsigned> tickets(1, 0);
    const Buffer<int> cuSeqlens(std::vector<int>{0, kTokens});

    const auto linear = [&](const Buffer<uint16_t>& to, const Buffer<uint16_t>& x, const Linear& layer, int activation,
                            const Buffer<uint16_t>* residual, const Norm* norm) {
        const auto address = [](const auto* buffer) { return buffer == nullptr ? CUdeviceptr{0} : buffer->pointer(); };
        launch(gemm, {static_cast<unsigned>(ceilDiv(layer.n, 16)), ceilDiv(kTokens, 16)}, {256}, 0, to, CUdeviceptr{0}, x,
               layer.weight, layer.bias, address(residual), address(norm == nullptr ? nullptr : &norm->gamma),
               address(norm == nullptr ? nullptr : &norm->beta), address(norm == nullptr ? nullptr : &tickets),
               activation, kTokens, CUdeviceptr{0}, layer.n, layer.k, 1e-12F);
    };
    timed("QKV", [&] { linear(qkv, hidden, query, 0, nullptr, nullptr); });
    timed("attention", [&] {
        launch(attention, {1, kHeads, 1}, {2 * kTokens}, 6 * kTokens * kHeadDim, mixed, qkv, cuSeqlens, kHeads,
               kHeadDim, 0.17677669F);
    });
    timed("output, residual, LayerNorm", [&] { linear(afterAttention, mixed, project, 0, &hidden, &first); });
    timed("lin1, GELU", [&] { linear(inner, afterAttention, expand, kGelu, nullptr, nullptr); });
    timed("lin2, residual, LayerNorm", [&] { linear(out, inner, contract, 0, &afterAttention, &second); });
    expectNoFindings();
    std::printf(
        "simulator time of one layer: %.2f s, %.2f processor seconds; of %d layers: %.1f s, %.1f processor seconds\n",
        totalSeconds, totalProcessorSeconds, kLayers, kLayers * totalSeconds, kLayers * totalProcessorSeconds);
}

}  // namespace

TEST(minilm_layer) {
    const char* kernels = std::getenv("KERNELS");
    if (kernels == nullptr)
        throw std::runtime_error("KERNELS is not set: the folder of gemm_f16.ptx and attention_f16.ptx");
    runLayer(kernels);
}
