// Runs every kernel against float64 references, on the simulated driver for each architecture whose PTX is there, or on a real device.
//
//   kernel_tests KERNELS [TEXT]    KERNELS holds sm_XX/NAME.ptx; TEXT: only cases whose name, type or architecture (sm_XX) contains it
//
// Which driver it is decides the loader: with LD_LIBRARY_PATH at the simulator's folder it is the simulator, otherwise the machine's own.
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "cases.hpp"

namespace nj {

std::vector<double> written(const std::string& what, Type type, const Buffer& buffer, size_t count) {
    std::vector<double> values = decode(type, buffer.read());
    for (size_t i = count; i < values.size(); ++i) {
        if (values[i] != Device::kSentinel) {
            throw std::runtime_error(what + ": element " + std::to_string(i) + " is past the end and was written");
        }
    }
    values.resize(count);
    return values;
}

namespace {

void run(const Case& test, const std::string& kernels, Type type, int architecture) {
    if (test.ordered == nullptr) {
        Device device(kernels, architecture);
        test.run(device, type);
        device.expectClean();
        return;
    }
    std::vector<uint8_t> first;
    for (const Schedule schedule : {Schedule{}, Schedule{.seed = 7}, Schedule{.seed = 8, .workers = 2}}) {
        Device device(kernels, architecture, schedule);
        const std::vector<uint8_t> bytes = test.ordered(device, type);
        device.expectClean();
        if (first.empty()) first = bytes;
        if (bytes != first) throw std::runtime_error("seed " + std::to_string(schedule.seed) + " gives other bits");
    }
}

int runAll(const std::string& kernels, const std::string& text) {
    std::vector<Case> cases;
    addRowCases(cases);
    addGemmCases(cases);
    addAttentionCases(cases);
    addHeadsCases(cases);
    addTrainingRowCases(cases);
    addTrainingHeadCases(cases);
    addGemmBackwardCases(cases);
    addEmbeddingGradientCases(cases);
    addAttentionTrainingCases(cases);
    int ran = 0;
    int failed = 0;
    for (const int architecture : {75, 80, 90}) {
        if (!std::filesystem::exists(kernels + "/sm_" + std::to_string(architecture))) continue;
        for (const Type type : {Type::f32, Type::f16, Type::bf16}) {
            const auto start = std::chrono::steady_clock::now();
            int here = 0;
            for (const Case& test : cases) {
                const std::string title = "sm_" + std::to_string(architecture) + " " + name(type) + " " + test.name;
                if (title.find(text) == std::string::npos) continue;
                ++here;
                try {
                    run(test, kernels, type, architecture);
                } catch (const std::exception& e) {
                    ++failed;
                    std::printf("FAILED %s\n    %s\n", title.c_str(), e.what());
                }
            }
            ran += here;
            const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
            if (here > 0) std::printf("sm_%d %s: %d cases, %.1f s\n", architecture, name(type), here, seconds.count());
            std::fflush(stdout);
        }
    }
    std::printf("%d cases, %d failed, on %s\n", ran, failed, Device::simulated() ? "the simulator" : "a device");
    return failed > 0 || ran == 0 ? 1 : 0;
}

}  // namespace
}  // namespace nj

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s KERNELS [TEXT]\n", argv[0]);
        return 2;
    }
    return nj::runAll(argv[1], argc > 2 ? argv[2] : "");
}
