// Device and host memory, copies, memset.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "driver/transfer.h"

using namespace cudasim;

namespace {

CUresult allocate(Driver& d, CUdeviceptr* out, std::size_t bytes) {
    if (out == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    *out = d.memory->allocate(bytes, static_cast<std::size_t>(d.options.guard_bytes), static_cast<std::size_t>(d.options.memory_bytes), "allocation");
    return *out == 0 ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

CUresult release(Driver& d, CUdeviceptr pointer, const char* caller) {
    if (pointer == 0) return CUDA_SUCCESS;
    const auto host = d.memory->hostRanges().find(pointer);
    if (host != d.memory->hostRanges().end() && host->second.managed) {
        std::free(reinterpret_cast<void*>(pointer));
        d.memory->hostRanges().erase(host);
        return CUDA_SUCCESS;
    }
    const std::string where = d.memory->describe(pointer);
    switch (d.memory->free(pointer)) {
        case DeviceMemory::Free::Ok: return CUDA_SUCCESS;
        case DeviceMemory::Free::Twice: d.findings.report("double-free", caller, where); break;
        case DeviceMemory::Free::Unknown: d.findings.report("invalid-free", caller, where); break;
        case DeviceMemory::Free::Inner: d.findings.report("invalid-free", caller, where + ": not the start of the allocation"); break;
    }
    return CUDA_ERROR_INVALID_VALUE;
}

CUresult allocateHost(Driver& d, void** out, std::size_t bytes, bool managed) {
    if (out == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    *out = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (*out == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
    d.memory->addHostRange(*out, {bytes, true, managed});
    return CUDA_SUCCESS;
}

}  // namespace

extern "C" {

CUresult CUDAAPI cuMemGetInfo(size_t* free, size_t* total) {
    return api(Needs::Context, [&](Driver& d) {
        if (free == nullptr || total == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *total = static_cast<std::size_t>(d.options.memory_bytes);
        *free = *total - d.memory->liveBytes();
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuMemAlloc(CUdeviceptr* out, size_t bytes) {
    return api(Needs::Context, [&](Driver& d) { return allocate(d, out, bytes); });
}

CUresult CUDAAPI cuMemAllocPitch(CUdeviceptr* out, size_t* pitch, size_t width, size_t height, unsigned int) {
    return api(Needs::Context, [&](Driver& d) {
        if (pitch == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *pitch = (width + 511) / 512 * 512;
        return allocate(d, out, *pitch * height);
    });
}

CUresult CUDAAPI cuMemAllocAsync(CUdeviceptr* out, size_t bytes, CUstream stream) {
    return api(Needs::Context, [&](Driver& d) {
        if (d.stream(stream).capturing != nullptr) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        return allocate(d, out, bytes);
    });
}

CUresult CUDAAPI cuMemFree(CUdeviceptr pointer) {
    return api(Needs::Context, [&](Driver& d) {
        d.refuseDuringCapture();
        d.completeAll();  // as the driver does: freeing synchronises
        return release(d, pointer, "cuMemFree");
    });
}

CUresult CUDAAPI cuMemFreeAsync(CUdeviceptr pointer, CUstream stream) {
    return api(Needs::Context, [&](Driver& d) {
        Stream& s = d.stream(stream);
        if (s.capturing != nullptr) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        if (d.memory->allocations().find(pointer) == d.memory->allocations().end()) return release(d, pointer, "cuMemFreeAsync");
        d.enqueue(s, {CU_GRAPH_NODE_TYPE_MEM_FREE, [&d, pointer] { return release(d, pointer, "cuMemFreeAsync"); }, {}});
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuMemAllocManaged(CUdeviceptr* out, size_t bytes, unsigned int) {
    return api(Needs::Context, [&](Driver& d) {
        void* p = nullptr;
        const CUresult result = allocateHost(d, &p, bytes, /*managed=*/true);
        if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *out = reinterpret_cast<CUdeviceptr>(p);
        return result;
    });
}

CUresult CUDAAPI cuMemAllocHost(void** out, size_t bytes) {
    return api(Needs::Context, [&](Driver& d) { return allocateHost(d, out, bytes, /*managed=*/false); });
}

CUresult CUDAAPI cuMemHostAlloc(void** out, size_t bytes, unsigned int) {
    return api(Needs::Context, [&](Driver& d) { return allocateHost(d, out, bytes, /*managed=*/false); });
}

CUresult CUDAAPI cuMemFreeHost(void* pointer) {
    return api(Needs::Context, [&](Driver& d) {
        auto& ranges = d.memory->hostRanges();
        const auto it = ranges.find(reinterpret_cast<std::uint64_t>(pointer));
        if (it == ranges.end() || !it->second.owned) {
            d.findings.report("invalid-free", "cuMemFreeHost", d.memory->describe(reinterpret_cast<std::uint64_t>(pointer)));
            return CUDA_ERROR_INVALID_VALUE;
        }
        d.completeAll();
        std::free(pointer);
        ranges.erase(it);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuMemHostRegister(void* pointer, size_t bytes, unsigned int) {
    return api(Needs::Context, [&](Driver& d) {
        if (pointer == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
        if (d.memory->hostRangeOf(reinterpret_cast<std::uint64_t>(pointer), 1)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
        d.memory->addHostRange(pointer, {bytes, false, false});
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuMemHostUnregister(void* pointer) {
    return api(Needs::Context, [&](Driver& d) {
        d.completeAll();
        return d.memory->removeHostRange(pointer) ? CUDA_SUCCESS : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    });
}

CUresult CUDAAPI cuMemHostGetDevicePointer(CUdeviceptr* out, void* pointer, unsigned int) {
    return api(Needs::Context, [&](Driver& d) {
        if (out == nullptr || !d.memory->hostRangeOf(reinterpret_cast<std::uint64_t>(pointer), 1)) return CUDA_ERROR_INVALID_VALUE;
        *out = reinterpret_cast<CUdeviceptr>(pointer);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuMemHostGetFlags(unsigned int* flags, void* pointer) {
    return api(Needs::Context, [&](Driver& d) {
        if (flags == nullptr || !d.memory->hostRangeOf(reinterpret_cast<std::uint64_t>(pointer), 1)) return CUDA_ERROR_INVALID_VALUE;
        *flags = CU_MEMHOSTALLOC_DEVICEMAP;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuMemGetAddressRange(CUdeviceptr* base, size_t* bytes, CUdeviceptr pointer) {
    return api(Needs::Context, [&](Driver& d) {
        const DeviceMemory::Allocation* a = d.memory->find(pointer);
        if (a == nullptr || !a->live) return CUDA_ERROR_NOT_FOUND;
        if (base != nullptr) *base = a->address;
        if (bytes != nullptr) *bytes = a->bytes;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuPointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr pointer) {
    return api(Needs::Context, [&](Driver& d) {
        const DeviceMemory::Allocation* a = d.memory->find(pointer);
        const auto host = d.memory->hostRangeOf(pointer, 1);
        if (data == nullptr || ((a == nullptr || !a->live) && !host)) return CUDA_ERROR_INVALID_VALUE;
        switch (attribute) {
            case CU_POINTER_ATTRIBUTE_MEMORY_TYPE: *static_cast<unsigned*>(data) = host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE; return CUDA_SUCCESS;
            case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: *static_cast<CUdeviceptr*>(data) = pointer; return CUDA_SUCCESS;
            case CU_POINTER_ATTRIBUTE_HOST_POINTER:
                if (!host) return CUDA_ERROR_INVALID_VALUE;
                *static_cast<void**>(data) = reinterpret_cast<void*>(pointer);
                return CUDA_SUCCESS;
            case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: *static_cast<int*>(data) = 0; return CUDA_SUCCESS;
            case CU_POINTER_ATTRIBUTE_CONTEXT: *static_cast<CUcontext*>(data) = reinterpret_cast<CUcontext>(Driver::currentContext()); return CUDA_SUCCESS;
            default: return CUDA_ERROR_NOT_SUPPORTED;
        }
    });
}

// ---- copies ----

CUresult CUDAAPI cuMemcpyHtoD(CUdeviceptr to, const void* from, size_t bytes) {
    return api(Needs::Context, [&](Driver& d) { return copy(d, *d.legacyStream, {Place::device(to), Place::host(from), bytes, "cuMemcpyHtoD"}, true); });
}
CUresult CUDAAPI cuMemcpyDtoH(void* to, CUdeviceptr from, size_t bytes) {
    return api(Needs::Context, [&](Driver& d) { return copy(d, *d.legacyStream, {Place::host(to), Place::device(from), bytes, "cuMemcpyDtoH"}, true); });
}
CUresult CUDAAPI cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
    return api(Needs::Context, [&](Driver& d) { return copy(d, *d.legacyStream, {Place::device(to), Place::device(from), bytes, "cuMemcpyDtoD"}, true); });
}
CUresult CUDAAPI cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
    return api(Needs::Context, [&](Driver& d) { return copy(d, *d.legacyStream, {Place::any(d, to), Place::any(d, from), bytes, "cuMemcpy"}, true); });
}
CUresult CUDAAPI cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
    return api(Needs::Context, [&](Driver& d) { return copy(d, d.stream(stream), {Place::device(to), Place::host(from), bytes, "cuMemcpyHtoDAsync"}, false); });
}
CUresult CUDAAPI cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return api(Needs::Context, [&](Driver& d) { return copy(d, d.stream(stream), {Place::host(to), Place::device(from), bytes, "cuMemcpyDtoHAsync"}, false); });
}
CUresult CUDAAPI cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return api(Needs::Context, [&](Driver& d) { return copy(d, d.stream(stream), {Place::device(to), Place::device(from), bytes, "cuMemcpyDtoDAsync"}, false); });
}
CUresult CUDAAPI cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return api(Needs::Context, [&](Driver& d) { return copy(d, d.stream(stream), {Place::any(d, to), Place::any(d, from), bytes, "cuMemcpyAsync"}, false); });
}

CUresult CUDAAPI cuMemsetD8(CUdeviceptr to, unsigned char value, size_t n) {
    return api(Needs::Context, [&](Driver& d) { return fill(d, *d.legacyStream, to, value, 1, n, "cuMemsetD8"); });
}
CUresult CUDAAPI cuMemsetD16(CUdeviceptr to, unsigned short value, size_t n) {
    return api(Needs::Context, [&](Driver& d) { return fill(d, *d.legacyStream, to, value, 2, n, "cuMemsetD16"); });
}
CUresult CUDAAPI cuMemsetD32(CUdeviceptr to, unsigned int value, size_t n) {
    return api(Needs::Context, [&](Driver& d) { return fill(d, *d.legacyStream, to, value, 4, n, "cuMemsetD32"); });
}
CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t n, CUstream stream) {
    return api(Needs::Context, [&](Driver& d) { return fill(d, d.stream(stream), to, value, 1, n, "cuMemsetD8Async"); });
}
CUresult CUDAAPI cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t n, CUstream stream) {
    return api(Needs::Context, [&](Driver& d) { return fill(d, d.stream(stream), to, value, 2, n, "cuMemsetD16Async"); });
}
CUresult CUDAAPI cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t n, CUstream stream) {
    return api(Needs::Context, [&](Driver& d) { return fill(d, d.stream(stream), to, value, 4, n, "cuMemsetD32Async"); });
}

}  // extern "C"
