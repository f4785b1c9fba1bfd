// Copies and fills between host and device, with the checks of kernels' accesses.
#pragma once

#include "driver/state.h"

namespace cudasim {

/// One end of a copy.
struct Place {
    std::uint64_t address;
    bool onDevice;

    static Place device(CUdeviceptr p) { return {p, true}; }
    static Place host(const void* p) { return {reinterpret_cast<std::uint64_t>(p), false}; }
    /// What unified addressing says the pointer is.
    static Place any(Driver& d, CUdeviceptr p) { return {p, d.memory->inWindow(p)}; }
};

struct Transfer {
    Place to, from;
    std::size_t bytes;
    const char* caller;
};

/// Performs or enqueues a copy. Pageable host memory behaves as in the driver: a copy from it has taken the bytes when the call returns, a copy to it is done.
CUresult copy(Driver& driver, Stream& stream, Transfer transfer, bool synchronous);

CUresult fill(Driver& driver, Stream& stream, CUdeviceptr to, std::uint32_t value, std::size_t element, std::size_t count, const char* caller);

/// Host pointer to a device (or pinned) range; null with a finding in the name of `caller` when it is not inside one live allocation.
std::byte* deviceRange(Driver& driver, std::uint64_t address, std::size_t bytes, bool reads, bool writes, const char* caller);

Work copyWork(Driver& driver, Transfer transfer);
Work fillWork(Driver& driver, CUdeviceptr to, std::uint32_t value, std::size_t element, std::size_t count, const char* caller);

}  // namespace cudasim
