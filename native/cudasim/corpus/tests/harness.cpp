#include "harness.hpp"

#include <bit>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

namespace corpus {

namespace {

struct Test {
    const char* name;
    void (*body)();
};

std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

std::string readFile(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::string findingsAsJson() {
    std::string text(cudasimGetErrors(nullptr, 0), '\0');
    cudasimGetErrors(text.data(), text.size());
    text.pop_back();
    return text;
}

}  // namespace

Registration::Registration(const char* name, void (*body)()) { tests().push_back({name, body}); }

void fail(const std::string& message, const char* file, int line) {
    throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + message);
}

void expectEqualNumbers(long long actual, long long expected, const char* what, const char* file, int line) {
    if (actual != expected) fail(std::string(what) + " is " + std::to_string(actual) + ", expected " + std::to_string(expected), file, line);
}

void expectEqualText(const std::string& actual, const std::string& expected, const char* what, const char* file, int line) {
    if (actual != expected) fail(std::string(what) + " is '" + actual + "', expected '" + expected + "'", file, line);
}

void check(CUresult status, const char* call) {
    if (status == CUDA_SUCCESS) return;
    const char* name = nullptr;
    cuGetErrorName(status, &name);
    throw std::runtime_error(std::string(call) + ": " + (name ? name : std::to_string(status)) + "; findings " + findingsAsJson());
}

Session::Session(int computeCapability, long long seed, long long workers) : computeCapability_(computeCapability) {
    cudasimReset();
    EXPECT(cudasimSetOption("compute_capability", computeCapability) == 0);
    EXPECT(cudasimSetOption("seed", seed) == 0);
    EXPECT(cudasimSetOption("workers", workers) == 0);
    CHECK(cuInit(0));
    CUcontext context = nullptr;
    CHECK(cuDevicePrimaryCtxRetain(&context, 0));
    CHECK(cuCtxSetCurrent(context));
}

Session::~Session() {
    cuCtxSetCurrent(nullptr);
    cuDevicePrimaryCtxRelease(0);
}

void expectNoFindings() {
    if (cudasimErrorCount() != 0) throw std::runtime_error("findings on a clean run: " + findingsAsJson());
}

cudasimFinding expectOneFinding(const std::string& check) {
    cudasimFinding finding{};
    if (cudasimErrorCount() != 1 || cudasimGetError(0, &finding) != 0 || finding.check != check) {
        throw std::runtime_error("expected exactly one finding '" + check + "', found " + findingsAsJson());
    }
    return finding;
}

CUfunction Module::function(const char* name) const {
    CUfunction function = nullptr;
    CHECK(cuModuleGetFunction(&function, module_, name));
    return function;
}

CUdeviceptr Module::global(const char* name) const {
    CUdeviceptr pointer = 0;
    size_t bytes = 0;
    CHECK(cuModuleGetGlobal(&pointer, &bytes, module_, name));
    return pointer;
}

std::string builtFile(const std::string& name) { return readFile(std::string(CORPUS_PTX_DIR) + "/" + name); }

std::string compiledPtx(const std::string& kernel, int computeCapability) {
    return builtFile(kernel + ".sm_" + std::to_string(computeCapability) + ".ptx");
}

std::string resource(const std::string& name) { return readFile(std::string(CORPUS_RESOURCE_DIR) + "/" + name); }

void onEveryArchitecture(const std::string& kernel, const std::function<void(const Module&)>& body, int oldest) {
    struct Variant {
        int computeCapability;
        long long seed;
        long long workers;
    };
    for (const Variant v : {Variant{75, 0, 1}, {80, 0, 1}, {90, 0, 1}, {120, 0, 1}, {80, 20251122, 2}}) {
        if (v.computeCapability < oldest) continue;
        try {
            {
                const Session session(v.computeCapability, v.seed, v.workers);
                const Module module(compiledPtx(kernel, v.computeCapability));
                body(module);
            }
            cudasimCheckLeaks();
            expectNoFindings();
        } catch (const std::exception& e) {
            throw std::runtime_error("sm_" + std::to_string(v.computeCapability) + ", seed " + std::to_string(v.seed) + ": " + e.what());
        }
    }
}

uint32_t Random::bits() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<uint32_t>(state_ >> 32);
}

float Random::uniform(float low, float high) { return low + (high - low) * (static_cast<float>(bits() >> 8) * 0x1p-24f); }

std::vector<float> Random::floats(size_t count, float low, float high) {
    std::vector<float> values(count);
    for (float& v : values) v = uniform(low, high);
    return values;
}

uint16_t toHalf(float value) { return std::bit_cast<uint16_t>(static_cast<_Float16>(value)); }

float fromHalf(uint16_t bits) { return static_cast<float>(std::bit_cast<_Float16>(bits)); }

uint16_t toBfloat16(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

float fromBfloat16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

std::vector<uint16_t> toHalf(const std::vector<float>& values) {
    std::vector<uint16_t> bits(values.size());
    for (size_t i = 0; i < values.size(); ++i) bits[i] = toHalf(values[i]);
    return bits;
}

std::vector<float> fromHalf(const std::vector<uint16_t>& values) {
    std::vector<float> floats(values.size());
    for (size_t i = 0; i < values.size(); ++i) floats[i] = fromHalf(values[i]);
    return floats;
}

void expectNear(std::span<const float> actual, std::span<const double> expected, double tolerance, const char* what) {
    EXPECT(actual.size() == expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
        const double error = std::fabs(actual[i] - expected[i]);
        if (!(error <= tolerance * (1.0 + std::fabs(expected[i])))) {  // also refuses NaN
            fail(std::string(what) + "[" + std::to_string(i) + "] is " + std::to_string(actual[i]) + ", expected " + std::to_string(expected[i]),
                 __FILE__, __LINE__);
        }
    }
}

std::vector<double> matrixProduct(const std::vector<float>& a, const std::vector<float>& b, int m, int n, int k, bool transposedB) {
    std::vector<double> c(static_cast<size_t>(m) * n);
    for (int i = 0; i < m; ++i) {
        for (int j = 0; j < n; ++j) {
            double sum = 0.0;
            for (int l = 0; l < k; ++l) sum += static_cast<double>(a[i * k + l]) * (transposedB ? b[j * k + l] : b[l * n + j]);
            c[i * n + j] = sum;
        }
    }
    return c;
}

}  // namespace corpus

int main(int argc, char** argv) {
    int failures = 0;
    int run = 0;
    for (const auto& test : corpus::tests()) {
        bool wanted = argc == 1;
        for (int i = 1; i < argc; ++i) wanted |= std::strcmp(argv[i], test.name) == 0;
        if (!wanted) continue;
        ++run;
        try {
            test.body();
            std::cout << "ok    " << test.name << "\n";
        } catch (const std::exception& e) {
            ++failures;
            std::cout << "FAIL  " << test.name << ": " << e.what() << "\n";
        }
    }
    std::cout << run << " tests, " << failures << " failures\n";
    return failures == 0 && run > 0 ? 0 : 1;
}
