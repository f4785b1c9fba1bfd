// How many PTX thread-instructions the simulator executes per second: scalar code on one worker and on two.
//
//   <build folder>/corpus/cudasim_rate      prints one line a kernel, number of workers, and checks on or off
//
// Both rates are printed: by the clock on the wall, and by the processor time of all workers together, which other processes of a busy machine disturb less.
// Kernels: Philox (integer instructions and one store), the tiled GEMM of the corpus (shared and global memory, barriers), and Collatz, whose warps diverge:
// what is counted is instructions of threads, and half empty warps are no faster than full ones. Each is run once to warm up and then three times; the
// best is printed, which is what a quiet machine would do.
#include "../tests/harness.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <numeric>

using namespace corpus;

namespace {

struct Measurement {
    long long instructions;
    double seconds;
    double processorSeconds;
};

Measurement measure(const std::function<void()>& launchOnce) {
    Measurement best{0, 1e30, 1e30};
    for (int run = 0; run < 4; ++run) {
        const auto start = std::chrono::steady_clock::now();
        const std::clock_t processorStart = std::clock();
        launchOnce();
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        const double processorSeconds = static_cast<double>(std::clock() - processorStart) / CLOCKS_PER_SEC;
        if (run > 0 && seconds < best.seconds) best = {cudasimGetCounter(-1, "thread_instructions"), seconds, processorSeconds};
    }
    return best;
}

void print(const char* kernel, long long workers, bool checks, const Measurement& m) {
    const double millions = static_cast<double>(m.instructions) * 1e-6;
    std::printf("%-12s workers %lld  checks %-3s  %6.1f million thread-instructions in %.3f s: %6.1f million/s, %6.1f million per processor second\n",
                kernel, workers, checks ? "on" : "off", millions, m.seconds, millions / m.seconds, millions / m.processorSeconds);
}

}  // namespace

TEST(rate) {
    for (const long long workers : {1, 2}) {
        for (const bool checks : {true, false}) {
            const Session session(80, 0, workers);
            cudasimSetOption("checks", checks);
            {
                const Module module(compiledPtx("integer_ops", 80));
                constexpr int kCount = 1 << 19;
                const Buffer<uint32_t> out(4 * kCount);
                print("philox", workers, checks, measure([&] {
                          launch(module.function("philox"), {kCount / 128}, {128}, 0, out, 1ULL, 2ULL, kCount);
                      }));
            }
            {
                const Module module(compiledPtx("gemm_tiled", 80));
                constexpr int kSide = 160;
                const Buffer<float> a(kSide * kSide, 0), b(kSide * kSide, 0), c(kSide * kSide);
                print("gemm_tiled", workers, checks, measure([&] {
                          launch(module.function("gemm_tiled"), {kSide / 16, kSide / 16}, {16, 16}, 0, a, b, c, kSide, kSide, kSide);
                      }));
            }
            {
                const Module module(compiledPtx("divergent", 80));
                constexpr int kCount = 1 << 13;
                std::vector<uint32_t> seeds(kCount);
                std::iota(seeds.begin(), seeds.end(), 1);
                const Buffer<uint32_t> deviceSeeds(seeds);
                const Buffer<int> steps(kCount);
                print("collatz", workers, checks, measure([&] {
                          launch(module.function("collatz"), {kCount / 128}, {128}, 0, deviceSeeds, steps, kCount, 1000);
                      }));
            }
        }
    }
}
