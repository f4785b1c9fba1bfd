/*
 * A CUDA driver that does nothing and returns at once, with status 0: what is left of a prediction on it is the time of the caller's own
 * code. Built by benchmarks/launch-latency as libcuda.so.1; needs no CUDA toolkit. It has the functions that Nightjar calls, as cuda.h
 * declares them. Device memory has addresses but no content; nothing is launched or copied.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t Handle;

enum { SUCCESS = 0, OUT_OF_MEMORY = 2, PAGE = 4096 };

/* CUdevice_attribute */
enum { MULTIPROCESSOR_COUNT = 16, COMPUTE_CAPABILITY_MAJOR = 75 };

/* Handles and device addresses are numbers that nobody follows; addresses are aligned as the driver's. */
static Handle next = 1 << 20;
enum { ALIGNMENT = 512 };

static int take(Handle *out, size_t bytes) {
    *out = next;
    next += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return SUCCESS;
}

static int give(Handle *out) { return take(out, 1); }

int cuInit(unsigned flags) { (void)flags; return SUCCESS; }

int cuDriverGetVersion(int *version) {
    *version = 13000;
    return SUCCESS;
}

int cuGetErrorName(int status, const char **text) {
    *text = status == SUCCESS ? "CUDA_SUCCESS" : "CUDA_ERROR_OUT_OF_MEMORY";
    return SUCCESS;
}

int cuGetErrorString(int status, const char **text) { return cuGetErrorName(status, text); }

int cuDeviceGetCount(int *count) {
    *count = 1;
    return SUCCESS;
}

int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return SUCCESS;
}

int cuDeviceGetName(char *name, int length, int device) {
    (void)device;
    strncpy(name, "stub (does nothing)", (size_t)length);
    return SUCCESS;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == COMPUTE_CAPABILITY_MAJOR ? 9 : attribute == MULTIPROCESSOR_COUNT ? 132 : 0;
    return SUCCESS;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    (void)device;
    *bytes = (size_t)80 << 30;
    return SUCCESS;
}

int cuDevicePrimaryCtxRetain(Handle *context, int device) { (void)device; return give(context); }
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return SUCCESS; }
int cuCtxSetCurrent(Handle context) { (void)context; return SUCCESS; }
int cuCtxSynchronize(void) { return SUCCESS; }

int cuModuleLoadData(Handle *module, const void *image) { (void)image; return give(module); }
int cuModuleUnload(Handle module) { (void)module; return SUCCESS; }
int cuModuleGetFunction(Handle *function, Handle module, const char *name) { (void)module; (void)name; return give(function); }
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Handle function, int block, size_t shared) {
    (void)function; (void)block; (void)shared;
    *blocks = 1;
    return SUCCESS;
}
int cuLaunchKernel(Handle function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY, unsigned blockZ,
                   unsigned shared, Handle stream, void **arguments, void **extra) {
    (void)function; (void)gridX; (void)gridY; (void)gridZ; (void)blockX; (void)blockY; (void)blockZ; (void)shared; (void)stream;
    (void)arguments; (void)extra;
    return SUCCESS;
}

int cuMemAlloc_v2(uint64_t *address, size_t bytes) { return take(address, bytes); }
int cuMemFree_v2(uint64_t address) { (void)address; return SUCCESS; }
int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
    (void)flags;
    *memory = aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);
    return *memory != NULL ? SUCCESS : OUT_OF_MEMORY;
}
int cuMemFreeHost(void *memory) {
    free(memory);
    return SUCCESS;
}
int cuMemsetD8Async(uint64_t address, unsigned char value, size_t bytes, Handle stream) {
    (void)address; (void)value; (void)bytes; (void)stream;
    return SUCCESS;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, Handle stream) {
    (void)to; (void)from; (void)bytes; (void)stream;
    return SUCCESS;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, Handle stream) {
    (void)to; (void)from; (void)bytes; (void)stream;
    return SUCCESS;
}

int cuStreamCreate(Handle *stream, unsigned flags) { (void)flags; return give(stream); }
int cuStreamDestroy_v2(Handle stream) { (void)stream; return SUCCESS; }
int cuStreamSynchronize(Handle stream) { (void)stream; return SUCCESS; }
int cuEventCreate(Handle *event, unsigned flags) { (void)flags; return give(event); }
int cuEventDestroy_v2(Handle event) { (void)event; return SUCCESS; }
int cuEventRecord(Handle event, Handle stream) { (void)event; (void)stream; return SUCCESS; }
int cuEventSynchronize(Handle event) { (void)event; return SUCCESS; }

int cuStreamBeginCapture_v2(Handle stream, int mode) { (void)stream; (void)mode; return SUCCESS; }
int cuStreamEndCapture(Handle stream, Handle *graph) { (void)stream; return give(graph); }
int cuGraphInstantiateWithFlags(Handle *executable, Handle graph, unsigned long long flags) {
    (void)graph; (void)flags;
    return give(executable);
}
int cuGraphDestroy(Handle graph) { (void)graph; return SUCCESS; }
int cuGraphExecDestroy(Handle executable) { (void)executable; return SUCCESS; }
int cuGraphLaunch(Handle executable, Handle stream) { (void)executable; (void)stream; return SUCCESS; }
