// Initialisation, devices, contexts, error names.
#include <cstring>

#include "driver/state.h"
#include "driver/limits.h"

using namespace cudasim;

namespace {

CUresult checkDevice(CUdevice device) { return device == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE; }

struct ErrorText {
    CUresult result;
    const char* name;
    const char* text;
};

#define E(code, text) {code, #code, text}
constexpr ErrorText kErrors[] = {
    E(CUDA_SUCCESS, "no error"),
    E(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    E(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    E(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
    E(CUDA_ERROR_DEINITIALIZED, "driver shutting down"),
    E(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"),
    E(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
    E(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    E(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
    E(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device"),
    E(CUDA_ERROR_INVALID_PTX, "a PTX JIT compilation failed"),
    E(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain"),
    E(CUDA_ERROR_INVALID_SOURCE, "device kernel image is invalid"),
    E(CUDA_ERROR_FILE_NOT_FOUND, "file not found"),
    E(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
    E(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    E(CUDA_ERROR_NOT_READY, "device not ready"),
    E(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"),
    E(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"),
    E(CUDA_ERROR_LAUNCH_TIMEOUT, "the launch timed out and was terminated"),
    E(CUDA_ERROR_CONTEXT_IS_DESTROYED, "context is destroyed"),
    E(CUDA_ERROR_ASSERT, "device-side assert triggered"),
    E(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned address"),
    E(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    E(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, "too many blocks in cooperative launch"),
    E(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
    E(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "system has unsupported display driver / cuda driver combination"),
    E(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing"),
    E(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "operation failed due to a previous error during capture"),
    E(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "capture was not ended in the same stream as it began"),
    E(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "capturing stream has unjoined work"),
    E(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "dependency created on uncaptured work in another stream"),
    E(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "operation would make the legacy stream depend on a capturing blocking stream"),
    E(CUDA_ERROR_CAPTURED_EVENT, "operation not permitted on an event last recorded in a capturing stream"),
    E(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "the graph update was not performed because it included changes which violated constraints specific to instantiated graph update"),
    E(CUDA_ERROR_INVALID_CLUSTER_SIZE, "cluster misconfiguration"),
    E(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "part or all of the requested memory range is already mapped"),
    E(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "pointer does not correspond to a registered memory region"),
    E(CUDA_ERROR_UNKNOWN, "unknown error"),
};
#undef E

const ErrorText* errorText(CUresult result) {
    for (const ErrorText& e : kErrors) {
        if (e.result == result) return &e;
    }
    return nullptr;
}

Context* newContext(Driver& d, unsigned flags) {
    CUcontext handle = nullptr;
    Context* c = d.insert(d.contexts, &handle, std::make_unique<Context>());
    c->flags = flags;
    return c;
}

CUresult createContext(CUcontext* out, unsigned flags, CUdevice device) {
    return api(Needs::Init, [&](Driver& d) {
        if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult r = checkDevice(device); r != CUDA_SUCCESS) return r;
        Context* c = newContext(d, flags);
        Driver::contextStack().push_back(c);
        *out = reinterpret_cast<CUcontext>(c);
        return CUDA_SUCCESS;
    });
}

}  // namespace

extern "C" {

CUresult CUDAAPI cuInit(unsigned int flags) {
    return api(Needs::Nothing, [&](Driver& d) {
        if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
        if (d.options.no_device != 0) return CUDA_ERROR_NO_DEVICE;
        if (d.options.driver_version < 12000) return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
        if (d.initialised) return CUDA_SUCCESS;
        d.memory = std::make_unique<DeviceMemory>();
        d.legacyStream = std::make_unique<Stream>();
        d.perThreadStream = std::make_unique<Stream>();
        d.perThreadStream->flags = CU_STREAM_NON_BLOCKING;
        d.initialised = true;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuDriverGetVersion(int* version) {
    return api(Needs::Nothing, [&](Driver& d) {
        if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *version = static_cast<int>(d.options.driver_version);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuGetErrorName(CUresult error, const char** out) {
    if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const ErrorText* e = errorText(error);
    *out = e != nullptr ? e->name : nullptr;
    return e != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuGetErrorString(CUresult error, const char** out) {
    if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const ErrorText* e = errorText(error);
    *out = e != nullptr ? e->text : nullptr;
    return e != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuDeviceGetCount(int* count) {
    return api(Needs::Init, [&](Driver&) {
        if (count == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *count = 1;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuDeviceGet(CUdevice* device, int ordinal) {
    return api(Needs::Init, [&](Driver&) {
        if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *device = ordinal;
        return checkDevice(ordinal);
    });
}

CUresult CUDAAPI cuDeviceGetName(char* name, int length, CUdevice device) {
    return api(Needs::Init, [&](Driver&) {
        if (name == nullptr || length <= 0) return CUDA_ERROR_INVALID_VALUE;
        std::strncpy(name, "cudasim (simulated CUDA device)", static_cast<std::size_t>(length));
        name[length - 1] = '\0';
        return checkDevice(device);
    });
}

CUresult CUDAAPI cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
    return api(Needs::Init, [&](Driver&) {
        if (uuid == nullptr) return CUDA_ERROR_INVALID_VALUE;
        std::memcpy(uuid->bytes, "cudasim-device-0", sizeof uuid->bytes);
        return checkDevice(device);
    });
}

CUresult CUDAAPI cuDeviceTotalMem(size_t* bytes, CUdevice device) {
    return api(Needs::Init, [&](Driver& d) {
        if (bytes == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *bytes = static_cast<size_t>(d.options.memory_bytes);
        return checkDevice(device);
    });
}

CUresult CUDAAPI cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
    return api(Needs::Init, [&](Driver& d) {
        if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult r = checkDevice(device); r != CUDA_SUCCESS) return r;
        const auto v = deviceAttribute(d.options, attribute);
        if (!v) return CUDA_ERROR_INVALID_VALUE;
        *value = *v;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext* out, CUdevice device) {
    return api(Needs::Init, [&](Driver& d) {
        if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult r = checkDevice(device); r != CUDA_SUCCESS) return r;
        if (d.primary == nullptr) {
            d.primary = newContext(d, 0);
            d.primary->primary = true;
        }
        ++d.primary->retained;
        *out = reinterpret_cast<CUcontext>(d.primary);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuDevicePrimaryCtxRelease(CUdevice device) {
    return api(Needs::Init, [&](Driver& d) {
        if (const CUresult r = checkDevice(device); r != CUDA_SUCCESS) return r;
        if (d.primary == nullptr || d.primary->retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
        d.completeAll();
        --d.primary->retained;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuDevicePrimaryCtxReset(CUdevice device) {
    return api(Needs::Init, [&](Driver& d) {
        d.completeAll();
        return checkDevice(device);
    });
}

CUresult CUDAAPI cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned int) {
    return api(Needs::Init, [&](Driver&) { return checkDevice(device); });
}

CUresult CUDAAPI cuDevicePrimaryCtxGetState(CUdevice device, unsigned int* flags, int* active) {
    return api(Needs::Init, [&](Driver& d) {
        if (flags == nullptr || active == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *flags = 0;
        *active = d.primary != nullptr && d.primary->retained > 0 ? 1 : 0;
        return checkDevice(device);
    });
}

CUresult CUDAAPI cuCtxCreate(CUcontext* out, CUctxCreateParams*, unsigned int flags, CUdevice device) { return createContext(out, flags, device); }
#undef cuCtxCreate
CUresult CUDAAPI cuCtxCreate_v2(CUcontext* out, unsigned int flags, CUdevice device) { return createContext(out, flags, device); }

CUresult CUDAAPI cuCtxDestroy(CUcontext context) {
    return api(Needs::Init, [&](Driver& d) {
        Context& c = d.lookup(d.contexts, context, CUDA_ERROR_INVALID_CONTEXT);
        if (c.primary) return CUDA_ERROR_INVALID_CONTEXT;
        d.completeAll();
        auto& stack = Driver::contextStack();
        if (!stack.empty() && stack.back() == &c) stack.pop_back();
        d.contexts.erase(context);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuCtxPushCurrent(CUcontext context) {
    return api(Needs::Init, [&](Driver& d) {
        Driver::contextStack().push_back(&d.lookup(d.contexts, context, CUDA_ERROR_INVALID_CONTEXT));
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuCtxPopCurrent(CUcontext* out) {
    return api(Needs::Init, [&](Driver&) {
        auto& stack = Driver::contextStack();
        if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
        if (out != nullptr) *out = reinterpret_cast<CUcontext>(stack.back());
        stack.pop_back();
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuCtxSetCurrent(CUcontext context) {
    return api(Needs::Init, [&](Driver& d) {
        auto& stack = Driver::contextStack();
        Context* c = context == nullptr ? nullptr : &d.lookup(d.contexts, context, CUDA_ERROR_INVALID_CONTEXT);
        if (!stack.empty()) stack.pop_back();
        if (c != nullptr) stack.push_back(c);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuCtxGetCurrent(CUcontext* out) {
    return api(Needs::Init, [&](Driver&) {
        if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *out = reinterpret_cast<CUcontext>(Driver::currentContext());
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuCtxGetDevice(CUdevice* device) {
    return api(Needs::Context, [&](Driver&) {
        if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *device = 0;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuCtxGetFlags(unsigned int* flags) {
    return api(Needs::Context, [&](Driver&) {
        if (flags == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *flags = Driver::currentContext()->flags;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuCtxGetApiVersion(CUcontext, unsigned int* version) {
    return api(Needs::Init, [&](Driver&) {
        if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *version = 3020;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuCtxGetStreamPriorityRange(int* least, int* greatest) {
    return api(Needs::Context, [&](Driver&) {
        if (least != nullptr) *least = 0;
        if (greatest != nullptr) *greatest = -5;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuCtxGetLimit(size_t* value, CUlimit limit) {
    return api(Needs::Context, [&](Driver&) {
        if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
        switch (limit) {
            case CU_LIMIT_STACK_SIZE: *value = 512 * 1024; return CUDA_SUCCESS;
            case CU_LIMIT_PRINTF_FIFO_SIZE: *value = 1 << 20; return CUDA_SUCCESS;
            default: return CUDA_ERROR_NOT_SUPPORTED;
        }
    });
}

CUresult CUDAAPI cuCtxSetLimit(CUlimit, size_t) {
    return api(Needs::Context, [&](Driver&) { return CUDA_SUCCESS; });
}

CUresult CUDAAPI cuCtxSynchronize(void) {
    return api(Needs::Context, [&](Driver& d) {
        d.refuseDuringCapture();
        d.completeAll();
        return d.sticky;
    });
}

}  // extern "C"
