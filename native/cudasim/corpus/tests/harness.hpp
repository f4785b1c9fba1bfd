// What the corpus tests share: a test registry, a session with the simulated driver, owners of device memory and modules, launches with
// typed arguments, and comparison with float64 references. Everything that computes goes through <cuda.h>; only findings, counters and options
// come from <cudasim/cudasim.h>.
#pragma once

#include <cuda.h>
#include <cudasim/cudasim.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

namespace corpus {

// ---- Tests: TEST(name) { ... } registers; main runs all, or those named as arguments. ----

struct Registration {
    Registration(const char* name, void (*body)());
};

#define TEST(name)                                            \
    static void name##_body();                                \
    static const corpus::Registration name##_registered{#name, name##_body}; \
    static void name##_body()

[[noreturn]] void fail(const std::string& message, const char* file, int line);

// Every failure ends its test, after the values that explain it were printed.
#define EXPECT(condition)                                                    \
    do {                                                                     \
        if (!(condition)) corpus::fail("expected " #condition, __FILE__, __LINE__); \
    } while (false)

#define EXPECT_EQ(actual, expected) corpus::expectEqual(actual, expected, #actual, __FILE__, __LINE__)

void expectEqualNumbers(long long actual, long long expected, const char* what, const char* file, int line);
void expectEqualText(const std::string& actual, const std::string& expected, const char* what, const char* file, int line);

template <typename A, typename E>
void expectEqual(const A& actual, const E& expected, const char* what, const char* file, int line) {
    if constexpr (std::is_convertible_v<A, std::string>) {
        expectEqualText(actual, expected, what, file, line);
    } else {
        expectEqualNumbers(static_cast<long long>(actual), static_cast<long long>(expected), what, file, line);
    }
}

// Throws unless the status is CUDA_SUCCESS.
void check(CUresult status, const char* call);
#define CHECK(call) corpus::check(call, #call)

// ---- The driver ----

struct Dim3 {
    unsigned x = 1;
    unsigned y = 1;
    unsigned z = 1;
};

// From a simulator fresh from cudasimReset to the primary context of device 0; the destructor releases it.
class Session {
public:
    explicit Session(int computeCapability = 80, long long seed = 0, long long workers = 1);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    int computeCapability() const { return computeCapability_; }

private:
    int computeCapability_;
};

// Fails with the findings as JSON unless there are none.
void expectNoFindings();

// Fails unless there is exactly one finding, and returns it.
cudasimFinding expectOneFinding(const std::string& check);

template <typename T>
class Buffer {
public:
    explicit Buffer(size_t count) : count_(count) { CHECK(cuMemAlloc(&pointer_, count * sizeof(T))); }
    explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) { write(values); }
    Buffer(size_t count, unsigned char byte) : Buffer(count) { CHECK(cuMemsetD8(pointer_, byte, count * sizeof(T))); }
    ~Buffer() { cuMemFree(pointer_); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    CUdeviceptr pointer() const { return pointer_; }
    size_t size() const { return count_; }
    void write(const std::vector<T>& values) { CHECK(cuMemcpyHtoD(pointer_, values.data(), values.size() * sizeof(T))); }
    std::vector<T> read() const {
        std::vector<T> values(count_);
        CHECK(cuMemcpyDtoH(values.data(), pointer_, count_ * sizeof(T)));
        return values;
    }

private:
    size_t count_;
    CUdeviceptr pointer_ = 0;
};

class Module {
public:
    explicit Module(const std::string& ptx) { CHECK(cuModuleLoadData(&module_, ptx.c_str())); }
    ~Module() { cuModuleUnload(module_); }
    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;

    CUfunction function(const char* name) const;
    CUdeviceptr global(const char* name) const;

private:
    CUmodule module_ = nullptr;
};

// A file that nvcc made, the text of <kernel>.sm_<arch>.ptx among them, and a file of the source folder.
std::string builtFile(const std::string& name);
std::string compiledPtx(const std::string& kernel, int computeCapability);
std::string resource(const std::string& name);

template <typename T>
auto argument(const T& value) {
    return value;
}
template <typename T>
CUdeviceptr argument(const Buffer<T>& buffer) {
    return buffer.pointer();
}

// Launches on `stream`; a Buffer argument stands for its device pointer, every other argument is passed as it is.
template <typename... Args>
CUresult tryLaunch(CUfunction function, Dim3 grid, Dim3 block, unsigned sharedBytes, CUstream stream, const Args&... args) {
    auto values = std::make_tuple(argument(args)...);
    return std::apply(
        [&](auto&... value) {
            void* pointers[] = {const_cast<void*>(static_cast<const void*>(&value))..., nullptr};
            return cuLaunchKernel(function, grid.x, grid.y, grid.z, block.x, block.y, block.z, sharedBytes, stream, pointers, nullptr);
        },
        values);
}

template <typename... Args>
void launch(CUfunction function, Dim3 grid, Dim3 block, unsigned sharedBytes, const Args&... args) {
    CHECK(tryLaunch(function, grid, block, sharedBytes, nullptr, args...));
    CHECK(cuCtxSynchronize());
}

constexpr int ceilDiv(int a, int b) { return (a + b - 1) / b; }

// Runs `body` with the module `kernel` on every architecture from `oldest`: PTX for sm_75, 80, 90 and 120 on a device of that compute capability, and once
// more on sm_80 with two workers and a shuffled order. Afterwards nothing may be found, and nothing may have leaked.
void onEveryArchitecture(const std::string& kernel, const std::function<void(const Module&)>& body, int oldest = 75);

// ---- Numbers ----

// Reproducible values: a linear congruential generator of its own, so that results do not depend on the standard library.
class Random {
public:
    explicit Random(uint64_t seed) : state_(seed * 2862933555777941757ULL + 3037000493ULL) {}
    uint32_t bits();
    float uniform(float low, float high);
    std::vector<float> floats(size_t count, float low = -1.0f, float high = 1.0f);

private:
    uint64_t state_;
};

uint16_t toHalf(float value);
float fromHalf(uint16_t bits);
uint16_t toBfloat16(float value);
float fromBfloat16(uint16_t bits);
std::vector<uint16_t> toHalf(const std::vector<float>& values);
std::vector<float> fromHalf(const std::vector<uint16_t>& values);

// |actual - expected| <= tolerance * (1 + |expected|) for every element, both finite.
void expectNear(std::span<const float> actual, std::span<const double> expected, double tolerance, const char* what);

template <typename A, typename E>
void expectSame(const std::vector<A>& actual, const std::vector<E>& expected, const char* what) {
    if (actual.size() != expected.size()) fail(std::string(what) + ": sizes differ", __FILE__, __LINE__);
    for (size_t i = 0; i < actual.size(); ++i) {
        if (actual[i] != static_cast<A>(expected[i])) {
            fail(std::string(what) + "[" + std::to_string(i) + "] is " + std::to_string(actual[i]) + ", expected " + std::to_string(expected[i]),
                 __FILE__, __LINE__);
        }
    }
}

// C[M,N] = A[M,K] B[K,N] in float64; with transposedB, B is [N,K].
std::vector<double> matrixProduct(const std::vector<float>& a, const std::vector<float>& b, int m, int n, int k, bool transposedB = false);

}  // namespace corpus
