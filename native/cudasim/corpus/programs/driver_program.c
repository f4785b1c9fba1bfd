/*
 * A program that knows <cuda.h> and nothing of a simulator: initialisation, memory, a module, launches on a stream, events, a graph captured and
 * replayed. It ends with 0 when every number is right. The argument is the PTX of kernels/saxpy.cu.
 */
#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 1000, BLOCK = 128, REPLAYS = 3 };

static void check(CUresult status, const char *call) {
    const char *text = NULL;
    if (status == CUDA_SUCCESS) return;
    cuGetErrorString(status, &text);
    fprintf(stderr, "%s: %d %s\n", call, (int)status, text ? text : "");
    exit(1);
}
#define CHECK(call) check(call, #call)

static char *readText(const char *path) {
    FILE *file = fopen(path, "rb");
    long size;
    char *text;
    if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 || !(text = malloc((size_t)size + 1))) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    rewind(file);
    text[fread(text, 1, (size_t)size, file)] = '\0';
    fclose(file);
    return text;
}

static void expectAll(const float *y, float slope, const char *when) {
    for (int i = 0; i < COUNT; ++i) {
        if (y[i] != slope * (float)i + 1.0f) {
            fprintf(stderr, "%s: y[%d] is %g, expected %g\n", when, i, y[i], slope * (float)i + 1.0f);
            exit(1);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s saxpy.ptx\n", argv[0]);
        return 2;
    }
    int devices = 0, version = 0;
    char name[100];
    CUdevice device;
    CUcontext context;
    CHECK(cuInit(0));
    CHECK(cuDriverGetVersion(&version));
    CHECK(cuDeviceGetCount(&devices));
    CHECK(cuDeviceGet(&device, 0));
    CHECK(cuDeviceGetName(name, sizeof name, device));
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    printf("%d devices, the first is %s, driver %d\n", devices, name, version);

    char *ptx = readText(argv[1]);
    CUmodule module;
    CUfunction saxpy;
    CHECK(cuModuleLoadData(&module, ptx));
    CHECK(cuModuleGetFunction(&saxpy, module, "saxpy"));
    free(ptx);

    float *x, *y;
    CUdeviceptr deviceX, deviceY;
    CHECK(cuMemAllocHost((void **)&x, COUNT * sizeof(float)));
    CHECK(cuMemAllocHost((void **)&y, COUNT * sizeof(float)));
    CHECK(cuMemAlloc(&deviceX, COUNT * sizeof(float)));
    CHECK(cuMemAlloc(&deviceY, COUNT * sizeof(float)));
    for (int i = 0; i < COUNT; ++i) {
        x[i] = (float)i;
        y[i] = 1.0f;
    }

    CUstream stream;
    CUevent start, stop;
    float milliseconds = -1.0f;
    float alpha = 0.5f;
    int count = COUNT;
    void *arguments[] = {&deviceX, &deviceY, &alpha, &count};
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuEventCreate(&start, CU_EVENT_DEFAULT));
    CHECK(cuEventCreate(&stop, CU_EVENT_DEFAULT));
    CHECK(cuMemcpyHtoDAsync(deviceX, x, COUNT * sizeof(float), stream));
    CHECK(cuMemcpyHtoDAsync(deviceY, y, COUNT * sizeof(float), stream));
    CHECK(cuEventRecord(start, stream));
    CHECK(cuLaunchKernel(saxpy, (COUNT + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, stream, arguments, NULL));
    CHECK(cuEventRecord(stop, stream));
    CHECK(cuMemcpyDtoHAsync(y, deviceY, COUNT * sizeof(float), stream));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuEventElapsedTime(&milliseconds, start, stop));
    expectAll(y, 0.5f, "after a launch");
    if (!(milliseconds >= 0.0f)) {
        fprintf(stderr, "the launch took %g ms\n", milliseconds);
        return 1;
    }

    /* A graph of two launches and a copy: the arguments are those at capture time. */
    CUgraph graph;
    CUgraphExec executable;
    size_t nodes = 0;
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    alpha = 2.0f;
    CHECK(cuLaunchKernel(saxpy, (COUNT + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, stream, arguments, NULL));
    alpha = 0.25f;
    CHECK(cuLaunchKernel(saxpy, (COUNT + BLOCK - 1) / BLOCK, 1, 1, BLOCK, 1, 1, 0, stream, arguments, NULL));
    CHECK(cuMemcpyDtoHAsync(y, deviceY, COUNT * sizeof(float), stream));
    CHECK(cuStreamEndCapture(stream, &graph));
    alpha = 1000.0f;
    CHECK(cuGraphGetNodes(graph, NULL, &nodes));
    CHECK(cuGraphInstantiate(&executable, graph, 0));
    expectAll(y, 0.5f, "after a capture, which executes nothing");
    if (nodes != 3) {
        fprintf(stderr, "the graph has %zu nodes, expected 3\n", nodes);
        return 1;
    }
    for (int replay = 1; replay <= REPLAYS; ++replay) {
        CHECK(cuGraphLaunch(executable, stream));
        CHECK(cuStreamSynchronize(stream));
        expectAll(y, 0.5f + 2.25f * (float)replay, "after a replay");
    }

    CHECK(cuGraphExecDestroy(executable));
    CHECK(cuGraphDestroy(graph));
    CHECK(cuEventDestroy(start));
    CHECK(cuEventDestroy(stop));
    CHECK(cuStreamDestroy(stream));
    CHECK(cuMemFree(deviceX));
    CHECK(cuMemFree(deviceY));
    CHECK(cuMemFreeHost(x));
    CHECK(cuMemFreeHost(y));
    CHECK(cuModuleUnload(module));
    CHECK(cuDevicePrimaryCtxRelease(device));
    puts("ok");
    return 0;
}
