// Kernel launches.
#include <cstring>

#include "driver/launching.h"
#include "driver/limits.h"

namespace cudasim {
namespace {

[[noreturn]] void refuse(Driver& d, const Kernel& kernel, CUresult result, const std::string& message) {
    d.findings.report("launch", kernel.name, message);
    throw ApiError{result};
}

void checkGeometry(Driver& d, const Function& f, const CUDA_KERNEL_NODE_PARAMS& p) {
    const Kernel& k = f.kernel;
    const auto triple = [](unsigned x, unsigned y, unsigned z) { return "(" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + ")"; };
    if (p.gridDimX == 0 || p.gridDimY == 0 || p.gridDimZ == 0 || p.gridDimX > 2147483647U || p.gridDimY > 65535 || p.gridDimZ > 65535) {
        refuse(d, k, CUDA_ERROR_INVALID_VALUE, "grid " + triple(p.gridDimX, p.gridDimY, p.gridDimZ) + ": each from 1, at most (2147483647,65535,65535)");
    }
    const std::uint64_t threads = std::uint64_t{p.blockDimX} * p.blockDimY * p.blockDimZ;
    if (threads == 0 || threads > k.maxThreads || p.blockDimZ > 64) {
        refuse(d, k, CUDA_ERROR_INVALID_VALUE, "block " + triple(p.blockDimX, p.blockDimY, p.blockDimZ) + " of " + std::to_string(threads) + " threads: the function takes 1 to " +
                                                   std::to_string(k.maxThreads) + ", and at most 64 in z");
    }
    if (k.requiredThreads != 0 && threads != k.requiredThreads) {
        refuse(d, k, CUDA_ERROR_INVALID_VALUE, "block of " + std::to_string(threads) + " threads: the function is compiled for exactly " + std::to_string(k.requiredThreads));
    }
    const std::uint64_t shared = std::uint64_t{k.staticShared} + p.sharedMemBytes;
    const std::uint64_t limit = f.maxDynamicShared != 0 ? std::uint64_t{k.staticShared} + static_cast<unsigned>(f.maxDynamicShared) : static_cast<unsigned>(kDefaultSharedLimit);
    if (shared > limit) {
        refuse(d, k, CUDA_ERROR_INVALID_VALUE, std::to_string(shared) + " bytes of shared memory (" + std::to_string(k.staticShared) + " static, " + std::to_string(p.sharedMemBytes) +
                                                   " dynamic): the limit is " + std::to_string(limit) + " unless CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES raises it");
    }
}

std::vector<std::byte> collectArguments(Driver& d, const Kernel& k, void** params, void** extra) {
    std::vector<std::byte> out(k.paramBytes);
    if (params != nullptr && extra != nullptr) refuse(d, k, CUDA_ERROR_INVALID_VALUE, "both kernelParams and extra are given");
    if (extra != nullptr) {
        const void* buffer = nullptr;
        std::size_t size = 0;
        for (std::size_t i = 0; extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
            if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = extra[i + 1];
            else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE) size = *static_cast<const std::size_t*>(extra[i + 1]);
            else refuse(d, k, CUDA_ERROR_INVALID_VALUE, "unknown entry in extra");
        }
        // A buffer may end with padding up to the next multiple of 8.
        if (buffer == nullptr || size < k.paramBytes || size > (k.paramBytes + 7U) / 8U * 8U) {
            refuse(d, k, CUDA_ERROR_INVALID_VALUE, "argument buffer of " + std::to_string(size) + " bytes: the function's parameters take " + std::to_string(k.paramBytes));
        }
        std::memcpy(out.data(), buffer, k.paramBytes);
        return out;
    }
    if (params == nullptr && !k.params.empty()) refuse(d, k, CUDA_ERROR_INVALID_VALUE, "no arguments: the function has " + std::to_string(k.params.size()) + " parameters");
    for (std::size_t i = 0; i < k.params.size(); ++i) {
        if (params[i] == nullptr) refuse(d, k, CUDA_ERROR_INVALID_VALUE, "argument " + std::to_string(i) + " of " + std::to_string(k.params.size()) + " is a null pointer");
        std::memcpy(out.data() + k.params[i].offset, params[i], k.params[i].bytes);
    }
    return out;
}

CUresult launch(Driver& d, CUDA_KERNEL_NODE_PARAMS params, CUstream stream, bool cooperative) {
    Stream& s = d.stream(stream);
    d.enqueue(s, kernelWork(d, params, cooperative));
    return d.options.deferred == 0 ? d.sticky : CUDA_SUCCESS;
}

}  // namespace

Work kernelWork(Driver& d, const CUDA_KERNEL_NODE_PARAMS& params, bool cooperative) {
    auto* f = reinterpret_cast<Function*>(params.func);
    if (!d.functions.contains(f)) throwNoSuchHandle("function", f, CUDA_ERROR_INVALID_HANDLE);
    checkGeometry(d, *f, params);
    Work work;
    work.type = CU_GRAPH_NODE_TYPE_KERNEL;
    work.kernel = params;
    work.kernel.kernelParams = nullptr;
    work.kernel.extra = nullptr;
    work.run = [&d, f, shape = work.kernel, arguments = collectArguments(d, f->kernel, params.kernelParams, params.extra), cooperative] {
        if (!d.functions.contains(f)) {
            d.findings.report("use-after-free", "cuLaunchKernel", "the module of the function was unloaded before the launch was executed");
            return CUDA_ERROR_INVALID_HANDLE;
        }
        return d.runKernel(*f, shape, arguments, cooperative);
    };
    return work;
}

}  // namespace cudasim

using namespace cudasim;

extern "C" {

CUresult CUDAAPI cuLaunchKernel(CUfunction f, unsigned int gridX, unsigned int gridY, unsigned int gridZ, unsigned int blockX, unsigned int blockY, unsigned int blockZ,
                                unsigned int sharedBytes, CUstream stream, void** params, void** extra) {
    return api(Needs::Context, [&](Driver& d) {
        return launch(d, {f, gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, params, extra, nullptr, nullptr}, stream, false);
    });
}

CUresult CUDAAPI cuLaunchCooperativeKernel(CUfunction f, unsigned int gridX, unsigned int gridY, unsigned int gridZ, unsigned int blockX, unsigned int blockY,
                                           unsigned int blockZ, unsigned int sharedBytes, CUstream stream, void** params) {
    return api(Needs::Context, [&](Driver& d) {
        return launch(d, {f, gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, params, nullptr, nullptr, nullptr}, stream, true);
    });
}

CUresult CUDAAPI cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction f, void** params, void** extra) {
    return api(Needs::Context, [&](Driver& d) {
        if (config == nullptr) return CUDA_ERROR_INVALID_VALUE;
        bool cooperative = false;
        for (unsigned i = 0; i < config->numAttrs; ++i) {
            const CUlaunchAttribute& a = config->attrs[i];
            switch (a.id) {
                case CU_LAUNCH_ATTRIBUTE_IGNORE:
                case CU_LAUNCH_ATTRIBUTE_PRIORITY:
                case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
                case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION: break;
                case CU_LAUNCH_ATTRIBUTE_COOPERATIVE: cooperative = a.value.cooperative != 0; break;
                case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
                    if (a.value.clusterDim.x == 1 && a.value.clusterDim.y == 1 && a.value.clusterDim.z == 1) break;
                    d.findings.report("unsupported", "cuLaunchKernelEx", "thread block clusters are not simulated");
                    return CUDA_ERROR_NOT_SUPPORTED;
                default:
                    d.findings.report("unsupported", "cuLaunchKernelEx", "launch attribute " + std::to_string(a.id));
                    return CUDA_ERROR_NOT_SUPPORTED;
            }
        }
        return launch(d, {f, config->gridDimX, config->gridDimY, config->gridDimZ, config->blockDimX, config->blockDimY, config->blockDimZ, config->sharedMemBytes, params, extra,
                          nullptr, nullptr}, config->hStream, cooperative);
    });
}

}  // extern "C"
