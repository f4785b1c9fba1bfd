// cuGetProcAddress: the functions of this library by the names of <cuda.h>, in the version that the header maps the name to.
#include <cuda.h>

#include <string_view>


namespace {

struct Entry {
    std::string_view name;
    void* address;
};

template <class F>
void* address(F* function) {
    return reinterpret_cast<void*>(function);
}

#define E(name) Entry{#name, address(name)}
const Entry kEntries[] = {
    E(cuCtxCreate), E(cuCtxDestroy), E(cuCtxGetApiVersion), E(cuCtxGetCurrent), E(cuCtxGetDevice), E(cuCtxGetFlags), E(cuCtxGetLimit),
    E(cuCtxGetStreamPriorityRange), E(cuCtxPopCurrent), E(cuCtxPushCurrent), E(cuCtxSetCurrent), E(cuCtxSetLimit), E(cuCtxSynchronize),
    E(cuDeviceGet), E(cuDeviceGetAttribute), E(cuDeviceGetCount), E(cuDeviceGetName), E(cuDeviceGetUuid), E(cuDevicePrimaryCtxGetState),
    E(cuDevicePrimaryCtxRelease), E(cuDevicePrimaryCtxReset), E(cuDevicePrimaryCtxRetain), E(cuDevicePrimaryCtxSetFlags), E(cuDeviceTotalMem),
    E(cuDriverGetVersion), E(cuEventCreate), E(cuEventDestroy), E(cuEventElapsedTime), E(cuEventQuery), E(cuEventRecord), E(cuEventRecordWithFlags),
    E(cuEventSynchronize), E(cuFuncGetAttribute), E(cuFuncGetModule), E(cuFuncGetName), E(cuFuncGetParamInfo), E(cuFuncSetAttribute),
    E(cuFuncSetCacheConfig), E(cuGetErrorName), E(cuGetErrorString), E(cuGetProcAddress), E(cuGraphAddEmptyNode), E(cuGraphAddHostNode),
    E(cuGraphAddKernelNode), E(cuGraphAddMemcpyNode), E(cuGraphAddMemsetNode), E(cuGraphCreate), E(cuGraphDestroy), E(cuGraphExecDestroy),
    E(cuGraphExecKernelNodeSetParams), E(cuGraphExecUpdate), E(cuGraphGetNodes), E(cuGraphInstantiate), E(cuGraphInstantiateWithFlags),
    E(cuGraphInstantiateWithParams), E(cuGraphKernelNodeGetParams), E(cuGraphKernelNodeSetParams), E(cuGraphLaunch), E(cuGraphNodeGetType),
    E(cuGraphUpload), E(cuInit), E(cuLaunchCooperativeKernel), E(cuLaunchHostFunc), E(cuLaunchKernel), E(cuLaunchKernelEx), E(cuMemAlloc),
    E(cuMemAllocAsync), E(cuMemAllocHost), E(cuMemAllocManaged), E(cuMemAllocPitch), E(cuMemFree), E(cuMemFreeAsync), E(cuMemFreeHost),
    E(cuMemGetAddressRange), E(cuMemGetInfo), E(cuMemHostAlloc), E(cuMemHostGetDevicePointer), E(cuMemHostGetFlags), E(cuMemHostRegister),
    E(cuMemHostUnregister), E(cuMemcpy), E(cuMemcpyAsync), E(cuMemcpyDtoD), E(cuMemcpyDtoDAsync), E(cuMemcpyDtoH), E(cuMemcpyDtoHAsync),
    E(cuMemcpyHtoD), E(cuMemcpyHtoDAsync), E(cuMemsetD16), E(cuMemsetD16Async), E(cuMemsetD32), E(cuMemsetD32Async), E(cuMemsetD8),
    E(cuMemsetD8Async), E(cuModuleGetFunction), E(cuModuleGetFunctionCount), E(cuModuleGetGlobal), E(cuModuleGetLoadingMode), E(cuModuleLoad),
    E(cuModuleLoadData), E(cuModuleLoadDataEx), E(cuModuleLoadFatBinary), E(cuModuleUnload), E(cuOccupancyMaxActiveBlocksPerMultiprocessor),
    E(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags), E(cuOccupancyMaxPotentialBlockSize), E(cuPointerGetAttribute), E(cuStreamAddCallback),
    E(cuStreamBeginCapture), E(cuStreamCreate), E(cuStreamCreateWithPriority), E(cuStreamDestroy), E(cuStreamEndCapture), E(cuStreamGetCtx),
    E(cuStreamGetFlags), E(cuStreamGetId), E(cuStreamGetPriority), E(cuStreamIsCapturing), E(cuStreamQuery), E(cuStreamSynchronize),
    E(cuStreamWaitEvent), E(cuThreadExchangeStreamCaptureMode),
};
#undef E

}  // namespace

extern "C" {

CUresult CUDAAPI cuGetProcAddress(const char* symbol, void** function, int, cuuint64_t, CUdriverProcAddressQueryResult* status) {
    if (symbol == nullptr || function == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *function = nullptr;
    for (const Entry& e : kEntries) {
        if (e.name == symbol) *function = e.address;
    }
    if (status != nullptr) *status = *function != nullptr ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return *function != nullptr ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
#undef cuGetProcAddress
CUresult CUDAAPI cuGetProcAddress(const char* symbol, void** function, int version, cuuint64_t flags) { return cuGetProcAddress_v2(symbol, function, version, flags, nullptr); }

}  // extern "C"
