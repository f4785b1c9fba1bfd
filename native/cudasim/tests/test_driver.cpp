// The driver API: what programs call, in order, deferred, captured.
#include "harness.h"

#include <numeric>

using test::Device;

namespace {

std::string checkOf(int finding) {
    cudasimFinding f;
    return cudasimGetError(finding, &f) == 0 ? f.check : "";
}

std::vector<float> ramp(std::size_t n, float first) {
    std::vector<float> values(n);
    std::iota(values.begin(), values.end(), first);
    return values;
}

/// Enqueues out = a + b.
CUresult enqueueAdd(CUfunction add, CUstream stream, CUdeviceptr a, CUdeviceptr b, CUdeviceptr out, unsigned n) {
    void* arguments[] = {&a, &b, &out, &n};
    return cuLaunchKernel(add, (n + 127) / 128, 1, 1, 128, 1, 1, 0, stream, arguments, nullptr);
}

/// The graph of one such launch, made by capture.
CUgraph captureAdd(CUfunction add, CUdeviceptr a, CUdeviceptr b, CUdeviceptr out, unsigned n) {
    CUstream stream = nullptr;
    CUgraph graph = nullptr;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    CU(enqueueAdd(add, stream, a, b, out, n));
    CU(cuStreamEndCapture(stream, &graph));
    CU(cuStreamDestroy(stream));
    return graph;
}

const char* const kAdd = R"(
.version 8.0
.target sm_75
.address_size 64
.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 out, .param .u32 n)
{
    .reg .pred %p<2>;
    .reg .b32 %r<6>;
    .reg .f32 %f<4>;
    .reg .b64 %rd<12>;
    ld.param.u64 %rd1, [a];
    ld.param.u64 %rd2, [b];
    ld.param.u64 %rd3, [out];
    ld.param.u32 %r1, [n];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.s32 %r5, %r2, %r3, %r4;
    setp.ge.s32 %p1, %r5, %r1;
    @%p1 bra DONE;
    cvta.to.global.u64 %rd4, %rd1;
    mul.wide.s32 %rd5, %r5, 4;
    add.s64 %rd6, %rd4, %rd5;
    cvta.to.global.u64 %rd7, %rd2;
    add.s64 %rd8, %rd7, %rd5;
    ld.global.f32 %f1, [%rd6];
    ld.global.f32 %f2, [%rd8];
    add.f32 %f3, %f1, %f2;
    cvta.to.global.u64 %rd9, %rd3;
    add.s64 %rd10, %rd9, %rd5;
    st.global.f32 [%rd10], %f3;
DONE:
    ret;
}
)";

}  // namespace

TEST(vector_add) {
    Device device;
    const CUfunction add = device.load(kAdd, "add");
    const unsigned n = 1000;
    std::vector<float> a(n), b(n);
    for (unsigned i = 0; i < n; ++i) a[i] = static_cast<float>(i), b[i] = 0.5F * static_cast<float>(i);
    const CUdeviceptr x = device.upload(a), y = device.upload(b), z = device.allocate(4 * n);
    CU(device.launch(add, 8, 128, 0, x, y, z, n));
    const auto got = device.download<float>(z, n);
    for (unsigned i = 0; i < n; ++i) CHECK_EQ(got[i], a[i] + b[i]);
    CHECK_CLEAN();
    CHECK_EQ(cudasimLaunchCount(), 1);
    CHECK_EQ(cudasimGetCounter(0, "global_load_sectors"), 2 * n * 4 / 32);
    CHECK_EQ(cudasimGetCounter(0, "dram_read_bytes"), 2 * n * 4);
    CHECK_EQ(cudasimGetCounter(0, "dram_write_bytes"), n * 4);
    CHECK_EQ(cudasimGetCounter(-1, "divergent_branches"), 1);
}

TEST(pinned_host_memory) {
    Device device;
    const CUfunction add = device.load(kAdd, "add");
    constexpr unsigned n = 97;
    void* pinned = nullptr;
    CU(cuMemHostAlloc(&pinned, n * 4, CU_MEMHOSTALLOC_DEVICEMAP));
    CUdeviceptr mapped = 0;
    CU(cuMemHostGetDevicePointer(&mapped, pinned, 0));
    unsigned type = 0;
    CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, mapped));
    CHECK_EQ(type, CU_MEMORYTYPE_HOST);
    auto* host = static_cast<float*>(pinned);
    for (unsigned i = 0; i < n; ++i) host[i] = static_cast<float>(i);
    const CUdeviceptr out = device.allocate(n * 4);
    CU(device.launch(add, 1, 128, 0, mapped, mapped, out, n));  // the kernel reads host memory through the bus
    const auto got = device.download<float>(out, n);
    for (unsigned i = 0; i < n; ++i) CHECK_EQ(got[i], 2 * host[i]);

    std::vector<float> own(n, 1.5F);
    CU(cuMemHostRegister(own.data(), n * 4, 0));
    CHECK_EQ(cuMemHostRegister(own.data(), n * 4, 0), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
    CU(cuMemHostGetDevicePointer(&mapped, own.data(), 0));
    CU(device.launch(add, 1, 128, 0, out, mapped, mapped, n));
    for (unsigned i = 0; i < n; ++i) CHECK_EQ(own[i], 2 * static_cast<float>(i) + 1.5F);
    CU(cuMemHostUnregister(own.data()));
    CHECK_EQ(cuMemHostUnregister(own.data()), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
    CHECK_CLEAN();
    CU(cuMemFreeHost(pinned));
    CHECK_EQ(cuMemFreeHost(pinned), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(checkOf(0), std::string("invalid-free"));
}

TEST(asynchronous_copies_keep_the_order_of_their_stream) {
    Device device;
    const CUfunction add = device.load(kAdd, "add");
    constexpr unsigned n = 129;
    CUstream stream = nullptr;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    void* from = nullptr;
    void* to = nullptr;
    CU(cuMemAllocHost(&from, n * 4));
    CU(cuMemAllocHost(&to, n * 4));
    auto* pinned = static_cast<float*>(from);
    auto* result = static_cast<float*>(to);
    std::fill_n(pinned, n, 1.0F);
    std::fill_n(result, n, -1.0F);
    std::vector<float> pageable(n, 10.0F);
    const CUdeviceptr a = device.allocate(n * 4), b = device.allocate(n * 4), c = device.allocate(n * 4);
    CU(cuMemcpyHtoDAsync(a, pinned, n * 4, stream));
    CU(cuMemcpyHtoDAsync(b, pageable.data(), n * 4, stream));
    std::fill_n(pinned, n, 2.0F);                           // not waited for: the copy may see it, and here it does
    std::fill(pageable.begin(), pageable.end(), 20.0F);     // pageable memory has been staged
    CU(enqueueAdd(add, stream, a, b, c, n));
    CU(cuMemcpyDtoDAsync(a, c, n * 4, stream));
    CU(cuMemcpyDtoHAsync(result, a, n * 4, stream));
    CU(cuMemsetD32Async(a, 0, n, stream));                  // after the copy
    CHECK_EQ(result[0], -1.0F);
    CHECK_EQ(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
    CU(cuStreamSynchronize(stream));
    for (unsigned i = 0; i < n; ++i) CHECK_EQ(result[i], 12.0F);
    CHECK_EQ(device.download<float>(a, n)[n - 1], 0.0F);

    // Another stream waits for an event, and only for what is before it.
    CUstream other = nullptr;
    CUevent event = nullptr;
    CU(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    CU(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    CU(cuMemsetD32Async(a, 0x40000000, n, stream));         // 2
    CU(cuEventRecord(event, stream));
    CU(cuMemsetD32Async(b, 0x40400000, n, stream));         // 3: not waited for
    CU(cuStreamWaitEvent(other, event, 0));
    CU(enqueueAdd(add, other, a, b, c, n));
    CU(cuMemcpyDtoHAsync(result, c, n * 4, other));
    CU(cuStreamSynchronize(other));
    for (unsigned i = 0; i < n; ++i) CHECK_EQ(result[i], 12.0F);
    CHECK_CLEAN();
}

TEST(memset_writes_elements_and_nothing_else) {
    Device device;
    const CUdeviceptr p = device.upload(std::vector<std::uint8_t>(64, 0xee));
    CU(cuMemsetD8(p + 1, 0x12, 5));
    CU(cuMemsetD16(p + 10, 0x3456, 3));
    CU(cuMemsetD32(p + 20, 0x789abcde, 2));
    CU(cuMemsetD8Async(p + 33, 0x21, 1, nullptr));
    CU(cuMemsetD16Async(p + 40, 0x6543, 1, nullptr));
    CU(cuMemsetD32Async(p + 44, 0xedcba987, 1, nullptr));
    CU(cuMemsetD32(p, 0, 0));
    std::vector<std::uint8_t> want(64, 0xee);
    const auto put = [&](std::size_t at, std::uint32_t value, std::size_t element, std::size_t count) {
        for (std::size_t i = 0; i < element * count; ++i)
            want[at + i] = static_cast<std::uint8_t>(value >> (i % element * 8));
    };
    put(1, 0x12, 1, 5), put(10, 0x3456, 2, 3), put(20, 0x789abcde, 4, 2);
    put(33, 0x21, 1, 1), put(40, 0x6543, 2, 1), put(44, 0xedcba987, 4, 1);
    const auto got = device.download<std::uint8_t>(p, 64);
    for (std::size_t i = 0; i < 64; ++i) CHECK_EQ(got[i], want[i]);
    CHECK_EQ(cuMemsetD32(p + 2, 0, 1), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemsetD16(p + 1, 0, 1), CUDA_ERROR_INVALID_VALUE);
    CHECK_CLEAN();
    CHECK_EQ(cuMemsetD32(p + 60, 0, 2), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(checkOf(0), std::string("out-of-bounds"));
}

TEST(occupancy) {
    struct Expected {
        int computeCapability, threads;
        std::size_t dynamic;
        int blocks;
    };
    // Multiprocessors: sm_75 1024 threads, 16 blocks, 65 KiB; sm_80 2048, 32, 164 KiB; sm_90 2048, 32, 228 KiB; from
    // sm_80 on
    // every block costs 1 KiB more.
    for (const Expected& e : {Expected{90, 256, 0, 8}, {90, 32, 0, 32}, {90, 33, 0, 32}, {90, 1024, 0, 2},
                              {90, 128, 40 << 10, 5},
                              {80, 128, 40 << 10, 4}, {75, 256, 0, 4}, {75, 32, 0, 16}, {75, 64, 32 << 10, 2}}) {
        Device device(e.computeCapability);
        const CUfunction add = device.load(kAdd, "add");
        int blocks = -1;
        CU(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add, e.threads, e.dynamic));
        CHECK_EQ(blocks, e.blocks);
        CHECK_EQ(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add, 0, 0), CUDA_ERROR_INVALID_VALUE);
    }
    Device device;
    cudasimSetOption("multiprocessors", 10);
    int grid = 0, block = 0;
    CU(cuOccupancyMaxPotentialBlockSize(&grid, &block, device.load(kAdd, "add"), nullptr, 0, 512));
    CHECK_EQ(block, 512);
    CHECK_EQ(grid, 4 * 10);
}

TEST(functions_by_name) {
    Device device;
    void* address = nullptr;
    CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
    CU(cuGetProcAddress("cuMemAlloc", &address, 13000, CU_GET_PROC_ADDRESS_DEFAULT, &status));
    CHECK_EQ(status, CU_GET_PROC_ADDRESS_SUCCESS);
    CUdeviceptr p = 0;
    CU(reinterpret_cast<CUresult(CUDAAPI*)(CUdeviceptr*, std::size_t)>(address)(&p, 100));
    std::size_t bytes = 0;
    CU(cuMemGetAddressRange(nullptr, &bytes, p));
    CHECK_EQ(bytes, 100);
    CHECK_EQ(cuGetProcAddress("cuNoSuchFunction", &address, 13000, 0, &status), CUDA_ERROR_NOT_FOUND);
    CHECK(address == nullptr);
    CHECK_EQ(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
    CHECK_EQ(cuGetProcAddress(nullptr, &address, 13000, 0, &status), CUDA_ERROR_INVALID_VALUE);
}

TEST(executable_graphs_are_launched_again_and_updated) {
    Device device;
    const CUfunction add = device.load(kAdd, "add");
    constexpr unsigned n = 97;
    const CUdeviceptr a = device.upload(ramp(n, 0)), b = device.upload(ramp(n, 100)),
        c = device.upload(std::vector<float>(n));
    const auto expectSum = [&](float first, float step) {
        CU(cuCtxSynchronize());
        const auto got = device.download<float>(c, n);
        for (unsigned i = 0; i < n; ++i) CHECK_EQ(got[i], first + step * static_cast<float>(i));
    };
    const CUgraph graph = captureAdd(add, a, b, c, n);
    CHECK_EQ(device.download<float>(c, n)[1], 0.0F);  // captured, not executed
    CUgraphExec exec = nullptr;
    CU(cuGraphInstantiate(&exec, graph, 0));
    CU(cuGraphLaunch(exec, nullptr));
    expectSum(100, 2);
    CU(cuMemcpyHtoD(a, ramp(n, 1000).data(), n * 4));
    CU(cuGraphLaunch(exec, nullptr));
    expectSum(1100, 2);

    // The same shape with other arguments.
    const CUgraph doubled = captureAdd(add, b, b, c, n);
    CUgraphExecUpdateResultInfo info{};
    CU(cuGraphExecUpdate(exec, doubled, &info));
    CHECK_EQ(info.result, CU_GRAPH_EXEC_UPDATE_SUCCESS);
    CU(cuGraphLaunch(exec, nullptr));
    expectSum(200, 2);

    // One node's arguments, by the node of the graph it was made from.
    CUgraphNode node = nullptr;
    std::size_t count = 1;
    CU(cuGraphGetNodes(graph, &node, &count));
    CUdeviceptr x = a, y = a, z = c;
    unsigned length = n;
    void* arguments[] = {&x, &y, &z, &length};
    CUDA_KERNEL_NODE_PARAMS params{};
    CU(cuGraphKernelNodeGetParams(node, &params));
    params.kernelParams = arguments;
    CU(cuGraphExecKernelNodeSetParams(exec, node, &params));
    CU(cuGraphLaunch(exec, nullptr));
    expectSum(2000, 2);

    // Another shape is refused and leaves what was there.
    CUgraphNode second = nullptr;
    CU(cuGraphAddEmptyNode(&second, doubled, nullptr, 0));
    CHECK_EQ(cuGraphExecUpdate(exec, doubled, &info), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
    CHECK_EQ(info.result, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);

    // It outlives the graphs.
    CU(cuGraphDestroy(doubled));
    CU(cuGraphDestroy(graph));
    CU(cuMemsetD32(c, 0, n));
    CU(cuGraphLaunch(exec, nullptr));
    expectSum(2000, 2);
    CHECK_CLEAN();
    CHECK_EQ(cudasimCallCount("cuGraphLaunch"), 5);
    CHECK_EQ(cudasimCallCount("cuLaunchKernel"), 2);  // both captured
    CHECK_EQ(cudasimLaunchCount(), 5);

    const int others = 5;  // three allocations, the module, the context
    CHECK_EQ(cudasimCheckLeaks(), others + 1);
    CHECK(Device::findings().find("executable graph") != std::string::npos);
    cudasimClear();
    CHECK_EQ(cudasimCallCount("cuGraphLaunch"), 0);
    CU(cuGraphExecDestroy(exec));
    CHECK_EQ(cudasimCheckLeaks(), others);
}

TEST(dead_handles_are_named) {
    const auto expect = [](const char* function, const char* kind, const std::function<CUresult()>& call,
                           CUresult status = CUDA_ERROR_INVALID_HANDLE) {
        cudasimClear();
        CHECK_EQ(call(), status);
        cudasimFinding finding{};
        CHECK_EQ(cudasimErrorCount(), 1);
        if (cudasimGetError(0, &finding) != 0) return;
        CHECK_EQ(std::string(finding.check), std::string("api"));
        CHECK_EQ(std::string(finding.kernel).substr(0, std::strlen(function)), std::string(function));
        CHECK(std::string(finding.message).find(kind) != std::string::npos);
        CHECK_EQ(finding.line, -1);
    };
    Device device;
    CUstream stream = nullptr;
    CU(cuStreamCreate(&stream, 0));
    CU(cuStreamDestroy(stream));
    expect("cuStreamDestroy", "stream", [&] { return cuStreamDestroy(stream); });
    expect("cuMemsetD8Async", "stream", [&] { return cuMemsetD8Async(0x1000, 0, 1, stream); });
    CUevent event = nullptr;
    CU(cuEventCreate(&event, 0));
    CU(cuEventDestroy(event));
    expect("cuEventRecord", "event", [&] { return cuEventRecord(event, nullptr); });
    const CUfunction add = device.load(kAdd, "add");
    CUmodule module = nullptr;
    CU(cuFuncGetModule(&module, add));
    CU(cuModuleUnload(module));
    expect("cuModuleUnload", "module", [&] { return cuModuleUnload(module); });
    expect("cuLaunchKernel", "function", [&] { return enqueueAdd(add, nullptr, 0, 0, 0, 1); });
    CUgraph graph = nullptr;
    CUgraphExec exec = nullptr;
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphInstantiate(&exec, graph, 0));
    CU(cuGraphExecDestroy(exec));
    expect("cuGraphLaunch", "executable graph", [&] { return cuGraphLaunch(exec, nullptr); });
    CU(cuGraphDestroy(graph));
    expect("cuGraphInstantiate", "graph", [&] { return cuGraphInstantiate(&exec, graph, 0); });
    CUcontext context = nullptr;
    CU(cuCtxCreate(&context, nullptr, 0, 0));
    CU(cuCtxDestroy(context));
    expect("cuCtxSetCurrent", "context", [&] { return cuCtxSetCurrent(context); }, CUDA_ERROR_INVALID_CONTEXT);
}

TEST(machines_without_a_device_or_with_an_old_driver) {
    int count = -1;
    cudasimReset();
    CHECK_EQ(cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
    cudasimSetOption("no_device", 1);
    CHECK_EQ(cuInit(0), CUDA_ERROR_NO_DEVICE);
    CHECK_EQ(cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
    cudasimReset();
    cudasimSetOption("driver_version", 11080);
    int version = 0;
    CU(cuDriverGetVersion(&version));  // needs no cuInit
    CHECK_EQ(version, 11080);
    CHECK_EQ(cuInit(0), CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
    cudasimReset();
    CU(cuInit(0));
    CU(cuDeviceGetCount(&count));
    CHECK_EQ(count, 1);
    cudasimReset();
}

TEST(results_and_counters_depend_on_neither_workers_nor_order) {
    constexpr unsigned n = 64 * 128 - 5;
    std::vector<float> expected;
    std::vector<long long> counters;
    for (const auto& [workers, seed] : {std::pair{1, 0}, {1, 3}, {2, 0}, {2, 3}, {2, 4}}) {
        Device device;
        cudasimSetOption("workers", workers);
        cudasimSetOption("seed", seed);
        const CUfunction add = device.load(kAdd, "add");
        const CUdeviceptr a = device.upload(ramp(n, 0.1F)), b = device.upload(ramp(n, 3.7F)),
            c = device.allocate(n * 4);
        CU(enqueueAdd(add, nullptr, a, b, c, n));
        CU(enqueueAdd(add, nullptr, c, b, a, n));
        CU(cuCtxSynchronize());
        CHECK_CLEAN();
        const auto got = device.download<float>(a, n);
        std::vector<long long> counted;
        for (const char* name : {"thread_instructions", "warp_instructions", "global_load_sectors", "dram_read_bytes",
                                 "dram_write_bytes"}) {
            counted.push_back(cudasimGetCounter(0, name));
        }
        if (expected.empty()) expected = got, counters = counted;
        CHECK(std::memcmp(got.data(), expected.data(), n * 4) == 0);
        CHECK(counted == counters);
    }
    const std::vector<float> a = ramp(n, 0.1F), b = ramp(n, 3.7F);
    for (unsigned i = 0; i < n; ++i) CHECK_EQ(expected[i], (a[i] + b[i]) + b[i]);
}
