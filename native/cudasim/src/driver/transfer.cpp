#include "driver/transfer.h"

#include <cstring>

namespace cudasim {

std::byte* deviceRange(Driver& d, std::uint64_t address, std::size_t bytes, bool reads, bool writes, const char* caller) {
    DeviceMemory& memory = *d.memory;
    if (!memory.inWindow(address)) {
        if (memory.hostRangeOf(address, bytes)) return reinterpret_cast<std::byte*>(address);
        d.findings.report("out-of-bounds", caller, std::to_string(bytes) + " bytes at " + memory.describe(address));
        return nullptr;
    }
    if (!memory.hasBits(address, bytes, kAddressable)) {
        std::uint64_t first = address;
        while (memory.hasBits(first, 1, kAddressable)) ++first;
        const DeviceMemory::Allocation* a = memory.find(first);
        d.findings.report(a != nullptr && !a->live ? "use-after-free" : "out-of-bounds", caller,
                          std::to_string(bytes) + " bytes at " + memory.describe(address) + "; the first that is not allocated: " + memory.describe(first));
        return nullptr;
    }
    if (reads && d.options.checks != 0 && !memory.hasBits(address, bytes, kWritten)) {
        std::uint64_t first = address;
        while (memory.hasBits(first, 1, kWritten)) ++first;
        d.findings.report("uninitialized", caller, "read of " + std::to_string(bytes) + " bytes; nobody wrote " + memory.describe(first));
    }
    if (writes) memory.markWritten(address, bytes);
    return memory.data(address);
}

Work copyWork(Driver& d, Transfer t) {
    Work work;
    work.type = CU_GRAPH_NODE_TYPE_MEMCPY;
    work.run = [&d, t] {
        std::byte* from = t.from.onDevice ? deviceRange(d, t.from.address, t.bytes, true, false, t.caller) : reinterpret_cast<std::byte*>(t.from.address);
        if (from == nullptr) return CUDA_ERROR_INVALID_VALUE;
        std::byte* to = t.to.onDevice ? deviceRange(d, t.to.address, t.bytes, false, true, t.caller) : reinterpret_cast<std::byte*>(t.to.address);
        if (to == nullptr) return CUDA_ERROR_INVALID_VALUE;
        std::memmove(to, from, t.bytes);
        return CUDA_SUCCESS;
    };
    return work;
}

CUresult copy(Driver& d, Stream& stream, Transfer t, bool synchronous) {
    if (t.bytes == 0) return CUDA_SUCCESS;
    if (t.to.address == 0 || t.from.address == 0) return CUDA_ERROR_INVALID_VALUE;
    if (synchronous) {
        d.refuseDuringCapture();
        d.completeStream(stream);
        if (d.sticky != CUDA_SUCCESS) return d.sticky;
        return copyWork(d, t).run();
    }
    const auto pageable = [&](const Place& p) { return !p.onDevice && !d.memory->hostRangeOf(p.address, t.bytes); };
    if (stream.capturing != nullptr) {
        d.enqueue(stream, copyWork(d, t));
        return CUDA_SUCCESS;
    }
    // The range is checked at once, as the driver does: a wrong pointer is an error of this call, not of the next synchronisation.
    if (t.to.onDevice && deviceRange(d, t.to.address, t.bytes, false, false, t.caller) == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (t.from.onDevice && deviceRange(d, t.from.address, t.bytes, false, false, t.caller) == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (pageable(t.from)) {
        auto staged = std::make_shared<std::vector<std::byte>>(t.bytes);
        std::memcpy(staged->data(), reinterpret_cast<const void*>(t.from.address), t.bytes);
        t.from = Place::host(staged->data());
        Work work = copyWork(d, t);
        work.run = [run = work.run, staged] { return run(); };
        d.enqueue(stream, std::move(work));
        return CUDA_SUCCESS;
    }
    d.enqueue(stream, copyWork(d, t));
    if (pageable(t.to)) d.completeStream(stream);
    return d.sticky;
}

Work fillWork(Driver& d, CUdeviceptr to, std::uint32_t value, std::size_t element, std::size_t count, const char* caller) {
    Work work;
    work.type = CU_GRAPH_NODE_TYPE_MEMSET;
    work.run = [&d, to, value, element, count, caller] {
        std::byte* p = deviceRange(d, to, element * count, false, true, caller);
        if (p == nullptr) return CUDA_ERROR_INVALID_VALUE;
        for (std::size_t i = 0; i < count; ++i) std::memcpy(p + i * element, &value, element);
        return CUDA_SUCCESS;
    };
    return work;
}

CUresult fill(Driver& d, Stream& stream, CUdeviceptr to, std::uint32_t value, std::size_t element, std::size_t count, const char* caller) {
    if (count == 0) return CUDA_SUCCESS;
    if (to % element != 0) return CUDA_ERROR_INVALID_VALUE;
    if (stream.capturing == nullptr && deviceRange(d, to, element * count, false, false, caller) == nullptr) return CUDA_ERROR_INVALID_VALUE;
    d.enqueue(stream, fillWork(d, to, value, element, count, caller));
    return CUDA_SUCCESS;
}

}  // namespace cudasim
