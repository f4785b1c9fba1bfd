#include "device.hpp"

#include <cudasim/cudasim.h>
#include <dlfcn.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace nj {
namespace {

/** A function of the driver, simulated or real, or null. Looked up at run time: no toolkit's stub library is needed to build. */
template <class Function> Function* symbol(const char* name) {
    static void* const library = dlopen("libcuda.so.1", RTLD_NOW);
    if (library == nullptr) throw std::runtime_error(dlerror());
    return reinterpret_cast<Function*>(dlsym(library, name));
}

// The argument is expanded before it is made a string: cuda.h renames versioned functions by macros.
#define NAME_OF(name) #name
#define DRIVER(name) symbol<decltype(name)>(NAME_OF(name))
#define CHECK(name, ...) check(DRIVER(name)(__VA_ARGS__), #name)

void setOption(const char* name, int value) {
    if (DRIVER(cudasimSetOption)(name, value) != 0) throw std::runtime_error(std::string("simulator option ") + name);
}

}  // namespace

void check(CUresult status, const char* call) {
    if (status == CUDA_SUCCESS) return;
    const char* text = nullptr;
    DRIVER(cuGetErrorName)(status, &text);
    throw std::runtime_error(std::string(call) + ": " + (text == nullptr ? std::to_string(status) : text));
}

Buffer::Buffer(size_t bytes) : size_(bytes) {
    CHECK(cuMemAlloc, &pointer_, std::max<size_t>(bytes, 1));  // the driver refuses to allocate nothing
}

Buffer::Buffer(std::span<const uint8_t> bytes) : Buffer(bytes.size()) {
    if (!bytes.empty()) CHECK(cuMemcpyHtoD, pointer_, bytes.data(), bytes.size());
}

Buffer::~Buffer() { DRIVER(cuMemFree)(pointer_); }

std::vector<uint8_t> Buffer::read() const {
    std::vector<uint8_t> bytes(size_);
    if (size_ > 0) CHECK(cuMemcpyDtoH, bytes.data(), pointer_, size_);
    return bytes;
}

bool Device::simulated() { return DRIVER(cudasimReset) != nullptr; }

Device::Device(std::string kernels, int architecture, Schedule schedule)
    : kernels_(std::move(kernels)), architecture_(architecture) {
    if (simulated()) {
        DRIVER(cudasimReset)();
        setOption("compute_capability", architecture);
        setOption("seed", schedule.seed);
        setOption("workers", schedule.workers);
    }
    CHECK(cuInit, 0);
    CHECK(cuDeviceGet, &device_, 0);
    CUcontext context;
    CHECK(cuDevicePrimaryCtxRetain, &context, device_);
    CHECK(cuCtxSetCurrent, context);
}

Device::~Device() {
    buffers_.clear();
    for (const auto& [name, module] : modules_) DRIVER(cuModuleUnload)(module);
    DRIVER(cuCtxSetCurrent)(nullptr);
    DRIVER(cuDevicePrimaryCtxRelease)(device_);
}

CUfunction Device::find(const std::string& module, const std::string& function) {
    auto found = modules_.find(module);
    if (found == modules_.end()) {
        const std::string path = kernels_ + "/sm_" + std::to_string(architecture_) + "/" + module + ".ptx";
        std::ifstream file(path);
        if (!file) throw std::runtime_error("cannot read " + path);
        std::stringstream text;
        text << file.rdbuf();
        CUmodule loaded;
        CHECK(cuModuleLoadData, &loaded, text.str().c_str());
        found = modules_.emplace(module, loaded).first;
    }
    CUfunction result = nullptr;
    const CUresult status = DRIVER(cuModuleGetFunction)(&result, found->second, function.c_str());
    if (status == CUDA_ERROR_NOT_FOUND) return nullptr;
    check(status, function.c_str());
    return result;
}

CUfunction Device::function(const std::string& module, const std::string& function) {
    CUfunction found = find(module, function);
    if (found == nullptr) throw std::runtime_error("module " + module + " has no " + function);
    return found;
}

Buffer& Device::upload(Type type, const std::vector<double>& values) {
    return *buffers_.emplace_back(std::make_unique<Buffer>(encode(type, values)));
}

Buffer& Device::upload(const std::vector<int>& values) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
    return *buffers_.emplace_back(std::make_unique<Buffer>(std::span(bytes, values.size() * sizeof(int))));
}

Buffer& Device::output(Type type, size_t count) { return upload(type, std::vector<double>(count, kSentinel)); }

Buffer& Device::zeros(size_t bytes) {
    return *buffers_.emplace_back(std::make_unique<Buffer>(std::vector<uint8_t>(bytes)));
}

void Device::launchWith(CUfunction function, Dim3 grid, int block, int sharedBytes, void** arguments) {
    CHECK(cuLaunchKernel, function, grid.x, grid.y, grid.z, block, 1, 1, sharedBytes, nullptr, arguments, nullptr);
    CHECK(cuCtxSynchronize);
}

long long Device::counter(const char* name) const {
    const long long value = DRIVER(cudasimGetCounter)(-1, name);
    if (value < 0) throw std::runtime_error(std::string("the simulator has no counter ") + name);
    return value;
}

void Device::expectClean() const {
    if (!simulated() || DRIVER(cudasimErrorCount)() == 0) return;
    std::string findings(DRIVER(cudasimGetErrors)(nullptr, 0), '\0');
    DRIVER(cudasimGetErrors)(findings.data(), findings.size());
    throw std::runtime_error("findings of the simulator: " + findings);
}

}  // namespace nj
