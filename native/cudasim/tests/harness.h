// The tests' whole framework: CHECK, a list of named tests, and a small device to run PTX on.
#pragma once

#include <cudasim/cudasim.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace test {

inline int failures = 0;

struct Case {
    std::string name;
    std::function<void()> run;
};
inline std::vector<Case>& cases() {
    static std::vector<Case> all;
    return all;
}
struct Register {
    Register(const char* name, std::function<void()> run) { cases().push_back({name, std::move(run)}); }
};

inline void fail(const char* file, int line, const std::string& what) {
    constexpr int kShown = 40;
    if (++failures > kShown) return;
    std::printf("%s:%d: %s\n", file, line, what.c_str());
}

inline std::string show(double v) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.17g", v);
    return buffer;
}
inline std::string show(float v) { return show(static_cast<double>(v)); }
inline std::string show(const std::string& v) { return v; }
inline std::string show(const char* v) { return v; }
template <class T>
std::string show(T v) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%lld (0x%llx)", static_cast<long long>(v), static_cast<unsigned long long>(v));
    return buffer;
}

#define TEST(name)                                            \
    static void test_##name();                                \
    static const test::Register register_##name(#name, test_##name); \
    static void test_##name()

#define CHECK(condition)                                                  \
    do {                                                                  \
        if (!(condition)) test::fail(__FILE__, __LINE__, #condition);     \
    } while (false)

// Bit equality for floats: -0 is not 0, and a NaN equals itself.
template <class A, class B>
bool same(const A& a, const B& b) {
    if constexpr (std::is_same_v<A, float> && std::is_same_v<B, float>) return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
    else if constexpr (std::is_same_v<A, double> && std::is_same_v<B, double>) return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
    else if constexpr (std::is_integral_v<A> && std::is_integral_v<B>) return static_cast<std::uint64_t>(a) == static_cast<std::uint64_t>(b);
    else return a == b;
}

#define CHECK_EQ(got, want)                                                                                               \
    do {                                                                                                                  \
        const auto got_ = (got);                                                                                          \
        const auto want_ = (want);                                                                                        \
        if (!test::same(got_, want_)) test::fail(__FILE__, __LINE__, #got ": " + test::show(got_) + " instead of " + test::show(want_)); \
    } while (false)

inline void cu(CUresult result, const char* what, const char* file, int line) {
    if (result == CUDA_SUCCESS) return;
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    fail(file, line, std::string(what) + ": " + (name != nullptr ? name : "unknown error"));
}
#define CU(call) test::cu((call), #call, __FILE__, __LINE__)

/// A fresh simulated device for one test.
class Device {
public:
    explicit Device(int computeCapability = 90) {
        cudasimReset();
        cudasimSetOption("compute_capability", computeCapability);
        CU(cuInit(0));
        CU(cuCtxCreate_v2_(&context_));
    }
    ~Device() { cudasimReset(); }

    CUfunction load(const std::string& ptx, const char* name) {
        CUmodule module = nullptr;
        CUfunction function = nullptr;
        const CUresult result = cuModuleLoadData(&module, ptx.c_str());
        if (result != CUDA_SUCCESS) {
            fail(__FILE__, __LINE__, "module is refused: " + findings());
            return nullptr;
        }
        CU(cuModuleGetFunction(&function, module, name));
        return function;
    }

    template <class T>
    CUdeviceptr upload(const std::vector<T>& values) {
        CUdeviceptr p = 0;
        CU(cuMemAlloc(&p, values.size() * sizeof(T)));
        CU(cuMemcpyHtoD(p, values.data(), values.size() * sizeof(T)));
        return p;
    }
    CUdeviceptr allocate(std::size_t bytes) {
        CUdeviceptr p = 0;
        CU(cuMemAlloc(&p, bytes));
        return p;
    }
    template <class T>
    std::vector<T> download(CUdeviceptr p, std::size_t n) {
        std::vector<T> values(n);
        CU(cuMemcpyDtoH(values.data(), p, n * sizeof(T)));
        return values;
    }

    /// Launches and waits; the result of the wait.
    template <class... A>
    CUresult launch(CUfunction f, unsigned grid, unsigned block, unsigned shared, A... arguments) {
        void* pointers[] = {static_cast<void*>(&arguments)..., nullptr};
        const CUresult result = cuLaunchKernel(f, grid, 1, 1, block, 1, 1, shared, nullptr, pointers, nullptr);
        return result != CUDA_SUCCESS ? result : cuCtxSynchronize();
    }

    static std::string findings() {
        std::string text(cudasimGetErrors(nullptr, 0), '\0');
        cudasimGetErrors(text.data(), text.size());
        return text;
    }

private:
    static CUresult cuCtxCreate_v2_(CUcontext* c) { return cuCtxCreate(c, nullptr, 0, 0); }
    CUcontext context_ = nullptr;
};

#define CHECK_CLEAN() \
    do {              \
        if (cudasimErrorCount() != 0) test::fail(__FILE__, __LINE__, "findings: " + test::Device::findings()); \
    } while (false)

inline int main(int argc, char** argv) {
    for (const Case& c : cases()) {
        if (argc > 1 && c.name.find(argv[1]) == std::string::npos) continue;
        const int before = failures;
        c.run();
        if (failures != before) std::printf("FAILED %s\n", c.name.c_str());
    }
    std::printf("%zu tests, %d failures\n", cases().size(), failures);
    return failures == 0 ? 0 : 1;
}

}  // namespace test
