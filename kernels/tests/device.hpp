// The CUDA driver as the tests use it: one context, modules by name, device memory that frees itself, launches with typed arguments. On
// the simulated driver also its findings and counters; on a real one those are absent and the rest is the same.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "numbers.hpp"

namespace nj {

/** Throws with the driver's name of an error. */
void check(CUresult status, const char* call);

struct Dim3 {
    int x = 1;
    int y = 1;
    int z = 1;
};

class Buffer {
public:
    explicit Buffer(size_t bytes);
    explicit Buffer(std::span<const uint8_t> bytes);
    ~Buffer();
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    CUdeviceptr pointer() const { return pointer_; }
    std::vector<uint8_t> read() const;

private:
    size_t size_;
    CUdeviceptr pointer_ = 0;
};

/** How the simulator is to behave; ignored by a real device. */
struct Schedule {
    int seed = 0;
    int workers = 1;
};

class Device {
public:
    /**
     * Device 0: a simulated one of this compute capability, or the real one.
     *
     * @param kernels folder that holds sm_XX/NAME.ptx
     */
    Device(std::string kernels, int architecture, Schedule schedule = {});
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    static bool simulated();

    int architecture() const { return architecture_; }

    /** Null where the module has no such entry point. */
    CUfunction find(const std::string& module, const std::string& function);
    CUfunction function(const std::string& module, const std::string& function);

    /** Values rounded to `type`. */
    Buffer& upload(Type type, const std::vector<double>& values);
    Buffer& upload(const std::vector<int>& values);
    /** `count` elements that hold kSentinel. */
    Buffer& output(Type type, size_t count);
    Buffer& zeros(size_t bytes);

    /** Each argument is passed as it is; a Buffer stands for its address, a null pointer for address 0. */
    template <class... Arguments>
    void launch(CUfunction function, Dim3 grid, int block, int sharedBytes, const Arguments&... arguments) {
        std::tuple values(argument(arguments)...);
        std::apply(
            [&](auto&... value) {
                void* pointers[] = {&value...};
                launchWith(function, grid, block, sharedBytes, pointers);
            },
            values);
    }

    /** A counter of the last launch. */
    long long counter(const char* name) const;

    /** Throws with the findings unless there are none. */
    void expectClean() const;

    /** What an output is filled with, to see which elements were written; exact in every type. */
    static constexpr double kSentinel = -1536;

private:
    static CUdeviceptr argument(const Buffer& buffer) { return buffer.pointer(); }
    static CUdeviceptr argument(std::nullptr_t) { return 0; }
    static CUdeviceptr argument(const Buffer* buffer) { return buffer == nullptr ? 0 : buffer->pointer(); }
    static int argument(int value) { return value; }
    static unsigned argument(unsigned value) { return value; }
    static unsigned long long argument(unsigned long long value) { return value; }
    static float argument(float value) { return value; }
    static long long argument(long long value) { return value; }

    void launchWith(CUfunction function, Dim3 grid, int block, int sharedBytes, void** arguments);

    std::string kernels_;
    int architecture_;
    CUdevice device_ = 0;
    std::map<std::string, CUmodule> modules_;
    std::vector<std::unique_ptr<Buffer>> buffers_;
};

}  // namespace nj
