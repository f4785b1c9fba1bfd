/*
 * Control interface of the simulated CUDA driver.
 *
 * The simulator is the shared library libcuda.so.1: a program uses it through <cuda.h>, unchanged. What <cuda.h> has no word for - findings of the
 * checks, counters, the simulated device's properties - is here. A test links the library, or looks these names up in it with dlsym or Panama.
 *
 * Every function may be called from any thread and takes the same lock as the driver API. Functions that report fill a caller's buffer: they
 * return the length needed including the terminating zero, and write nothing when `capacity` is smaller, so that call(NULL, 0) asks for the size.
 */
#ifndef CUDASIM_CUDASIM_H
#define CUDASIM_CUDASIM_H

#include <cuda.h>
#include <stddef.h>

#if defined(__GNUC__)
#define CUDASIM_API __attribute__((visibility("default")))
#else
#define CUDASIM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Options. They may also be given to an unmodified program in the environment: CUDASIM_OPTIONS="workers=2,seed=7".
 *
 *   name              default  meaning
 *   checks                  1  0 switches off initialisation tracking and shared-memory race detection (bounds and alignment are always checked)
 *   workers                 1  host threads that execute the blocks of one launch (1: results are reproducible bit for bit)
 *   seed                    0  other than 0: the order of blocks, the order of warps and the length of their turns are shuffled with this seed
 *   compute_capability     80  as 10 * major + minor; a module whose .target is newer is refused with CUDA_ERROR_NO_BINARY_FOR_GPU
 *   memory_bytes     8589934592  device memory; an allocation beyond it is refused with CUDA_ERROR_OUT_OF_MEMORY
 *   guard_bytes           256  least distance between two allocations; every byte of it is out of bounds
 *   multiprocessors        16  reported, and used by the occupancy functions
 *   no_device               0  1: cuInit returns CUDA_ERROR_NO_DEVICE
 *   driver_version      13000  what cuDriverGetVersion reports; below 12000 cuInit returns CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
 *   max_instructions        0  other than 0: a block that executes more warp instructions than this is ended with a `timeout` finding
 *   deferred                1  0: a stream executes work as it is enqueued; 1: as late as the API allows, so that a missing synchronisation shows
 *
 * compute_capability, memory_bytes, no_device, driver_version and multiprocessors are read by cuInit and by later queries: set them before cuInit.
 * Returns 0, or 1 when the name is unknown or the value out of range (and changes nothing).
 */
CUDASIM_API int cudasimSetOption(const char *name, long long value);

/* The value of an option; -1 when the name is unknown. */
CUDASIM_API long long cudasimGetOption(const char *name);

/*
 * One finding of a check. `check` is one of
 *   out-of-bounds, misaligned, use-after-free, double-free, invalid-free, uninitialized, shared-race, barrier-divergence, warp-sync, deadlock,
 *   timeout, leak, launch (bad geometry, arguments or shared memory), assertion, unsupported, api (a handle that was
 *   destroyed or never created).
 * Findings of the same check at the same instruction of the same kernel are one finding; `count` says how often it occurred, the rest
 * describes the first occurrence. Fields that do not apply are "" or -1. The strings live until the next cudasimReset or cudasimClear.
 */
typedef struct cudasimFinding {
    const char *check;
    const char *kernel;   /* name of the .entry, or of the driver function for findings outside a kernel */
    int line;             /* line of the PTX text of the module, from 1 */
    int block[3];
    int thread[3];
    long long count;
    const char *message;  /* what was expected and what was found, with the address, its space and the allocation nearest to it */
} cudasimFinding;

/* Number of findings since the last cudasimReset or cudasimClear. Waits for all enqueued work, so that its findings are counted. */
CUDASIM_API int cudasimErrorCount(void);

/* Copies finding number `index`, from 0 in order of occurrence. Returns 0, or 1 when there is none of that number. */
CUDASIM_API int cudasimGetError(int index, cudasimFinding *finding);

/* All findings as a JSON array of objects with the fields of cudasimFinding. */
CUDASIM_API size_t cudasimGetErrors(char *buffer, size_t capacity);

/*
 * All launches since the last cudasimReset or cudasimClear as JSON:
 *   {"launches": [{"kernel": ..., "grid": [x,y,z], "block": [x,y,z], "counters": {...}}, ...], "errors": [...]}
 * The counters are those of cudasimGetCounter; README.md defines each.
 */
CUDASIM_API size_t cudasimGetReport(char *buffer, size_t capacity);

/*
 * One counter, by the name it has in the report (for instance "global_load_sectors"), of launch number `launch` since the last cudasimReset or
 * cudasimClear, in order of execution; a negative number counts from the last (-1: the last launch). Returns -1 when there is no such
 * launch or counter.
 */
CUDASIM_API long long cudasimGetCounter(int launch, const char *name);

/* Number of launches that cudasimGetReport would list. Waits for all enqueued work. */
CUDASIM_API int cudasimLaunchCount(void);

/*
 * How often the program called a function of the driver API since the last cudasimReset or cudasimClear, by the name it has in the library (for
 * instance "cuMemcpyHtoDAsync_v2"); 0 for a function that was not called or does not exist.
 */
CUDASIM_API long long cudasimCallCount(const char *name);

/*
 * Adds one finding `leak` for each module, stream, event, graph, executable graph, device or pinned allocation and context that is alive
 * (a primary context counts as alive while it is retained). Returns how many it added.
 */
CUDASIM_API int cudasimCheckLeaks(void);

/* Forgets findings, launch reports and counts of calls; handles, memory and options stay. */
CUDASIM_API void cudasimClear(void);

/*
 * Back to the state before cuInit: every handle and allocation is gone, findings and reports are forgotten, options have their defaults (those of
 * CUDASIM_OPTIONS are applied again). Must not be called from a host callback. No handle from before may be used again.
 */
CUDASIM_API void cudasimReset(void);

/* ---- For libraries that compute on simulated memory in host code: the cuBLAS fronts ---- */

enum { CUDASIM_READ = 1, CUDASIM_WRITE = 2 };

/*
 * Host address of the device range [pointer, pointer + bytes), for `access` CUDASIM_READ, CUDASIM_WRITE or both. NULL with a finding in the
 * name of `caller` when the range is not inside one live allocation; reading bytes that nobody wrote is a finding `uninitialized`
 * (and gives the address all the same). CUDASIM_WRITE marks the range as written. `rows` and `rowStride` (in bytes) describe a strided matrix: `rows`
 * rows of `bytes` bytes each; 1 and 0 for a plain range. Only to be called from work that was enqueued with cudasimEnqueue, or when no stream has
 * work that touches the range. Pinned and registered host memory is accepted too.
 */
CUDASIM_API void *cudasimHostPointer(CUdeviceptr pointer, size_t bytes, size_t rows, size_t rowStride, int access, const char *caller);

/*
 * Enqueues `function(copy)` on `stream` as if it were a kernel: in stream order, or as a node of the graph when the stream is being captured. The `size`
 * bytes at `arguments` are copied at once; every execution gets a pointer to (16-byte aligned) memory that holds them. `name` is listed
 * among the launches, without counters. The function runs under the driver's (recursive) lock and must not enqueue work. When it returns other than
 * CUDA_SUCCESS the context gets that error, as after a failed kernel.
 */
CUDASIM_API CUresult cudasimEnqueue(CUstream stream, const char *name, CUresult (*function)(void *), const void *arguments, size_t size);

#ifdef __cplusplus
}
#endif
#endif
