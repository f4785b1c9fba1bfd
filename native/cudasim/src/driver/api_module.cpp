// Modules, functions and their attributes, occupancy.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "driver/fatbin.h"
#include "driver/limits.h"
#include "driver/state.h"
#include "ptx/ast.h"

using namespace cudasim;

namespace {

// Where the caller of cuModuleLoadDataEx wants messages.
void writeErrorLog(const std::string& message, unsigned count, CUjit_option* options, void** values) {
    char* buffer = nullptr;
    std::size_t size = 0;
    for (unsigned i = 0; i < count; ++i) {
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER) buffer = static_cast<char*>(values[i]);
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) size = reinterpret_cast<std::uintptr_t>(values[i]);
    }
    if (buffer == nullptr || size == 0) return;
    const std::size_t n = std::min(size - 1, message.size());
    std::memcpy(buffer, message.data(), n);
    buffer[n] = '\0';
}

void placeVariables(Driver& d, const ptx::Module& ast, Module& module, SymbolTable& symbols) {
    for (const ptx::Variable& v : ast.variables) {
        if (v.space != ptx::Space::Global && v.space != ptx::Space::Const) continue;
        const std::uint64_t address = d.memory->allocate(std::max<std::size_t>(v.bytes, 1), static_cast<std::size_t>(d.options.guard_bytes),
                                                         static_cast<std::size_t>(d.options.memory_bytes), "module variable " + v.name);
        if (address == 0) throw ApiError{CUDA_ERROR_OUT_OF_MEMORY};
        symbols[v.name] = address;
        module.globals[v.name] = {address, v.bytes};
        std::memset(d.memory->data(address), 0, std::max<std::size_t>(v.bytes, 1));
        if (!v.initial.empty()) std::memcpy(d.memory->data(address), v.initial.data(), v.initial.size());
        d.memory->markWritten(address, std::max<std::size_t>(v.bytes, 1));
    }
    for (const ptx::Variable& v : ast.variables) {
        for (const auto& r : v.relocations) {
            const auto it = symbols.find(r.symbol);
            if (it == symbols.end()) throw ptx::Error(0, "initializer of " + v.name + " names " + r.symbol + ", which is no variable");
            const std::uint64_t value = it->second + static_cast<std::uint64_t>(r.addend);
            std::memcpy(d.memory->data(symbols[v.name] + r.offset), &value, 8);
        }
    }
}

void release(Driver& d, Module& module) {
    for (const auto& [name, global] : module.globals) d.memory->free(global.address);
    for (const auto& [name, function] : module.functions) d.functions.erase(function.get());
}

CUresult load(Driver& d, CUmodule* out, const void* image, unsigned count, CUjit_option* options, void** values) {
    if (out == nullptr || image == nullptr) return CUDA_ERROR_INVALID_VALUE;
    auto module = std::make_unique<Module>();
    const auto refuse = [&](CUresult result, const std::string& message) {
        release(d, *module);
        d.findings.report("unsupported", "cuModuleLoadData", message);
        writeErrorLog(message, count, options, values);
        return result;
    };
    try {
        const int cc = static_cast<int>(d.options.compute_capability);
        std::string text;
        try {
            text = ptxFromImage(image, cc);
        } catch (const std::runtime_error& e) {
            return refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, e.what());
        }
        const ptx::Module ast = ptx::parse(text);
        if (ast.target > cc) {
            return refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "module for sm_" + std::to_string(ast.target) + " on a device of compute capability " + std::to_string(cc / 10) + "." + std::to_string(cc % 10));
        }
        SymbolTable symbols;
        placeVariables(d, ast, *module, symbols);
        for (const ptx::Function& f : ast.functions) {
            if (!f.entry || !f.defined) continue;
            if (module->name.empty()) module->name = f.name;
            auto function = std::make_unique<Function>();
            function->module = module.get();
            function->kernel = decodeKernel(ast, f, symbols);
            if (function->kernel.staticShared > static_cast<std::uint32_t>(kDefaultSharedLimit)) {
                return refuse(CUDA_ERROR_INVALID_PTX, f.name + " uses " + std::to_string(function->kernel.staticShared) + " bytes of static shared memory: more than 48 KiB");
            }
            d.functions.insert(function.get());
            module->functions[f.name] = std::move(function);
        }
    } catch (const ptx::Error& e) {
        return refuse(CUDA_ERROR_INVALID_PTX, e.what());
    }
    d.insert(d.modules, out, std::move(module));
    return CUDA_SUCCESS;
}

Function& functionOf(Driver& d, CUfunction handle) {
    auto* f = reinterpret_cast<Function*>(handle);
    if (!d.functions.contains(f)) throwNoSuchHandle("function", f, CUDA_ERROR_INVALID_HANDLE);
    return *f;
}

int blocksPerMultiprocessor(Driver& d, const Function& f, int threads, std::size_t dynamic) {
    const auto attribute = [&](CUdevice_attribute a) { return deviceAttribute(d.options, a).value_or(0); };
    const int warps = (threads + 31) / 32;
    const int byThreads = attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR) / (warps * 32);
    const int shared = static_cast<int>(f.kernel.staticShared + dynamic) + attribute(CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK);
    const int byShared = shared == 0 ? byThreads : attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR) / shared;
    return std::min({byThreads, byShared, attribute(CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR)});
}

}  // namespace

extern "C" {

CUresult CUDAAPI cuModuleLoadData(CUmodule* module, const void* image) {
    return api(Needs::Context, [&](Driver& d) { return load(d, module, image, 0, nullptr, nullptr); });
}

CUresult CUDAAPI cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned int count, CUjit_option* options, void** values) {
    return api(Needs::Context, [&](Driver& d) { return load(d, module, image, count, options, values); });
}

CUresult CUDAAPI cuModuleLoadFatBinary(CUmodule* module, const void* image) {
    return api(Needs::Context, [&](Driver& d) { return load(d, module, image, 0, nullptr, nullptr); });
}

CUresult CUDAAPI cuModuleLoad(CUmodule* module, const char* path) {
    return api(Needs::Context, [&](Driver& d) {
        if (path == nullptr) return CUDA_ERROR_INVALID_VALUE;
        std::ifstream file(path, std::ios::binary);
        if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        return load(d, module, text.c_str(), 0, nullptr, nullptr);
    });
}

CUresult CUDAAPI cuModuleUnload(CUmodule handle) {
    return api(Needs::Context, [&](Driver& d) {
        Module& module = d.lookup(d.modules, handle);
        d.completeAll();
        release(d, module);
        d.modules.erase(handle);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuModuleGetFunction(CUfunction* out, CUmodule handle, const char* name) {
    return api(Needs::Context, [&](Driver& d) {
        if (out == nullptr || name == nullptr) return CUDA_ERROR_INVALID_VALUE;
        Module& module = d.lookup(d.modules, handle);
        const auto it = module.functions.find(name);
        if (it == module.functions.end()) return CUDA_ERROR_NOT_FOUND;
        *out = reinterpret_cast<CUfunction>(it->second.get());
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuModuleGetFunctionCount(unsigned int* count, CUmodule handle) {
    return api(Needs::Context, [&](Driver& d) {
        if (count == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *count = static_cast<unsigned>(d.lookup(d.modules, handle).functions.size());
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuModuleGetGlobal(CUdeviceptr* pointer, size_t* bytes, CUmodule handle, const char* name) {
    return api(Needs::Context, [&](Driver& d) {
        if (name == nullptr) return CUDA_ERROR_INVALID_VALUE;
        Module& module = d.lookup(d.modules, handle);
        const auto it = module.globals.find(name);
        if (it == module.globals.end()) return CUDA_ERROR_NOT_FOUND;
        if (pointer != nullptr) *pointer = it->second.address;
        if (bytes != nullptr) *bytes = it->second.bytes;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
    if (mode == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *mode = CU_MODULE_EAGER_LOADING;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuFuncGetName(const char** name, CUfunction handle) {
    return api(Needs::Context, [&](Driver& d) {
        if (name == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *name = functionOf(d, handle).kernel.name.c_str();
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuFuncGetModule(CUmodule* module, CUfunction handle) {
    return api(Needs::Context, [&](Driver& d) {
        if (module == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *module = reinterpret_cast<CUmodule>(functionOf(d, handle).module);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuFuncGetParamInfo(CUfunction handle, size_t index, size_t* offset, size_t* size) {
    return api(Needs::Context, [&](Driver& d) {
        const Function& f = functionOf(d, handle);
        if (offset == nullptr || index >= f.kernel.params.size()) return CUDA_ERROR_INVALID_VALUE;
        *offset = f.kernel.params[index].offset;
        if (size != nullptr) *size = f.kernel.params[index].bytes;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction handle) {
    return api(Needs::Context, [&](Driver& d) {
        const Function& f = functionOf(d, handle);
        if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
        switch (attribute) {
            case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = static_cast<int>(f.kernel.maxThreads); return CUDA_SUCCESS;
            case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = static_cast<int>(f.kernel.staticShared); return CUDA_SUCCESS;
            case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: *value = 0; return CUDA_SUCCESS;
            case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = static_cast<int>(f.kernel.functions[0].frameBytes); return CUDA_SUCCESS;
            // Registers are PTX's virtual ones, bounded by what one thread may have: the hardware's number is not known here.
            case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = static_cast<int>(std::min<std::uint32_t>(f.kernel.registerCount, 255)); return CUDA_SUCCESS;
            case CU_FUNC_ATTRIBUTE_PTX_VERSION: *value = f.kernel.target; return CUDA_SUCCESS;
            case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = static_cast<int>(d.options.compute_capability); return CUDA_SUCCESS;
            case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
                *value = f.maxDynamicShared != 0 ? f.maxDynamicShared : kDefaultSharedLimit - static_cast<int>(f.kernel.staticShared);
                return CUDA_SUCCESS;
            default: break;
        }
        const auto it = f.attributes.find(attribute);
        *value = it == f.attributes.end() ? 0 : it->second;
        return attribute >= CU_FUNC_ATTRIBUTE_MAX ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
    return api(Needs::Context, [&](Driver& d) {
        Function& f = functionOf(d, handle);
        switch (attribute) {
            case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: {
                const int most = sharedLimitOptIn(static_cast<int>(d.options.compute_capability)) - static_cast<int>(f.kernel.staticShared);
                if (value < 0 || value > most) {
                    d.findings.report("launch", f.kernel.name, std::to_string(value) + " bytes of dynamic shared memory asked for: the device has " + std::to_string(most) + " for this function");
                    return CUDA_ERROR_INVALID_VALUE;
                }
                f.maxDynamicShared = value;
                return CUDA_SUCCESS;
            }
            case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: f.attributes[attribute] = value; return CUDA_SUCCESS;
            case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
            case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
            case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
            case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH: return CUDA_ERROR_NOT_SUPPORTED;
            default: return CUDA_ERROR_INVALID_VALUE;
        }
    });
}

CUresult CUDAAPI cuFuncSetCacheConfig(CUfunction handle, CUfunc_cache) {
    return api(Needs::Context, [&](Driver& d) {
        functionOf(d, handle);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction handle, int threads, size_t dynamic) {
    return api(Needs::Context, [&](Driver& d) {
        if (blocks == nullptr || threads <= 0) return CUDA_ERROR_INVALID_VALUE;
        *blocks = blocksPerMultiprocessor(d, functionOf(d, handle), threads, dynamic);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, CUfunction handle, int threads, size_t dynamic, unsigned int) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, handle, threads, dynamic);
}

CUresult CUDAAPI cuOccupancyMaxPotentialBlockSize(int* minGrid, int* block, CUfunction handle, CUoccupancyB2DSize sharedOf, size_t dynamic, int limit) {
    return api(Needs::Context, [&](Driver& d) {
        const Function& f = functionOf(d, handle);
        if (minGrid == nullptr || block == nullptr) return CUDA_ERROR_INVALID_VALUE;
        const int most = std::min(static_cast<int>(f.kernel.maxThreads), limit > 0 ? limit : 1024);
        int best = 0, bestThreads = 0;
        for (int threads = most / 32 * 32; threads >= 32; threads -= 32) {
            const int n = blocksPerMultiprocessor(d, f, threads, sharedOf != nullptr ? sharedOf(threads) : dynamic);
            if (n * threads > best) {
                best = n * threads;
                bestThreads = threads;
                *minGrid = n * static_cast<int>(d.options.multiprocessors);
            }
        }
        *block = bestThreads;
        return CUDA_SUCCESS;
    });
}

}  // extern "C"
