// Bugs planted one at a time. Each must be caught by the check that is meant for it, once, with kernel, PTX line, block and thread.
//
// The kernels share a frame: parameters x and y (pointers to floats), a shared array s of 64 floats, %r1 = thread, %r2 = index in the grid, %rd1 = &x[%r2],
// %rd2 = &y[%r2], %r3 = address of s[thread]. The instruction that must be named carries the comment "BUG".
#include "harness.hpp"

#include <algorithm>

using namespace corpus;

namespace {

struct Planted {
    std::string name;
    std::string ptx;
    int line;  // of the comment BUG
};

Planted plant(const std::string& name, const std::string& body) {
    const std::string ptx = ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry " + name + "(.param .u64 x, .param .u64 y)\n{" + R"(
    .reg .pred %p<4>;
    .reg .b32 %r<16>;
    .reg .f32 %f<8>;
    .reg .b64 %rd<8>;
    .shared .align 16 .b8 s[256];
    ld.param.u64 %rd1, [x];
    ld.param.u64 %rd2, [y];
    cvta.to.global.u64 %rd1, %rd1;
    cvta.to.global.u64 %rd2, %rd2;
    mov.u32 %r1, %tid.x;
    mov.u32 %r4, %ctaid.x;
    mov.u32 %r5, %ntid.x;
    mad.lo.s32 %r2, %r4, %r5, %r1;
    mul.wide.s32 %rd3, %r2, 4;
    add.s64 %rd1, %rd1, %rd3;
    add.s64 %rd2, %rd2, %rd3;
    mov.u32 %r3, s;
    mad.lo.s32 %r3, %r1, 4, %r3;
)" + body + R"(
    ret;
}
)";
    const auto bug = ptx.find("// BUG");
    const int line = bug == std::string::npos ? -1 : 1 + static_cast<int>(std::count(ptx.begin(), ptx.begin() + bug, '\n'));
    return {name, ptx, line};
}

constexpr unsigned kBlocks = 2;
constexpr unsigned kThreads = 64;
constexpr int kCount = kBlocks * kThreads;

// Launches on two blocks of 64 threads and waits. Reports of the checks do not stop a kernel, but an address that is nobody's ends it.
template <typename X, typename Y>
void runPlanted(const Planted& planted, const X& x, const Y& y) {
    const Module module(planted.ptx);
    EXPECT(tryLaunch(module.function(planted.name.c_str()), {kBlocks}, {kThreads}, 0, nullptr, x, y) == CUDA_SUCCESS);
    cuCtxSynchronize();
}

void expectFindingAt(const std::string& check, const Planted& planted, int block, int thread) {
    const cudasimFinding finding = expectOneFinding(check);
    EXPECT_EQ(finding.kernel, planted.name);
    EXPECT_EQ(finding.line, planted.line);
    EXPECT_EQ(finding.block[0], block);
    EXPECT_EQ(finding.thread[0], thread);
    EXPECT(finding.block[1] == 0 && finding.block[2] == 0 && finding.thread[1] == 0 && finding.thread[2] == 0);
}

void expectMentions(const cudasimFinding& finding, const std::string& words) {
    if (std::string(finding.message).find(words) == std::string::npos) {
        fail("the message '" + std::string(finding.message) + "' does not mention '" + words + "'", __FILE__, __LINE__);
    }
}

}  // namespace

TEST(off_by_one_in_global_memory) {
    const Planted load = plant("load_behind_the_end", R"(
    ld.global.f32 %f1, [%rd1+4]; // BUG
    st.global.f32 [%rd2], %f1;
)");
    {
        const Session session;
        const Buffer<float> x(kCount, 0), y(kCount);
        runPlanted(load, x, y);
        expectFindingAt("out-of-bounds", load, 1, 63);
    }
    const Planted store = plant("store_before_the_start", R"(
    ld.global.f32 %f1, [%rd1];
    st.global.f32 [%rd2+-4], %f1; // BUG
)");
    const Session session;
    const Buffer<float> x(kCount, 0), y(kCount);
    runPlanted(store, x, y);
    expectFindingAt("out-of-bounds", store, 0, 0);
}

TEST(off_by_one_in_shared_memory) {
    const Planted planted = plant("shared_behind_the_end", R"(
    ld.global.f32 %f1, [%rd1];
    st.shared.f32 [%r3+4], %f1; // BUG
)");
    const Session session;
    const Buffer<float> x(kCount, 0), y(kCount);
    runPlanted(planted, x, y);
    expectFindingAt("out-of-bounds", planted, 0, 63);
}

TEST(missing_barrier) {
    // Thread t of the first warp writes s[t], thread 32 + t of the second reads it; no barrier between them, one before.
    const std::string body = R"(
    mov.f32 %f1, 0f00000000;
    st.shared.f32 [%r3], %f1;
    bar.sync 0;
    setp.ge.s32 %p1, %r1, 32;
    @%p1 bra READ;
    ld.global.f32 %f1, [%rd1];
    st.shared.f32 [%r3], %f1; // WRITE
    BARRIER
    bra DONE;
READ:
    BARRIER
    ld.shared.f32 %f1, [%r3+-128]; // READ
    st.global.f32 [%rd2], %f1;
DONE:
)";
    const auto withBarrier = [&](const std::string& barrier) {
        std::string text = body;
        for (size_t at; (at = text.find("BARRIER")) != std::string::npos;) text.replace(at, 7, barrier);
        return plant("one_warp_reads_what_another_writes", text);
    };
    const auto lineOf = [](const Planted& planted, const char* mark) {
        return 1 + static_cast<int>(std::count(planted.ptx.begin(), planted.ptx.begin() + planted.ptx.find(mark), '\n'));
    };
    const Planted planted = withBarrier("");
    // Whatever the order of the warps: the race is reported at the later of the two accesses.
    for (const long long seed : {0, 1, 2, 3, 4}) {
        const Session session(80, seed);
        const Buffer<float> x(kCount, 0), y(kCount, 0);
        runPlanted(planted, x, y);
        EXPECT(cudasimErrorCount() > 0);
        for (int i = 0; i < cudasimErrorCount(); ++i) {  // one finding a line: different blocks may meet it in different orders
            cudasimFinding finding{};
            cudasimGetError(i, &finding);
            EXPECT_EQ(finding.check, "shared-race");
            EXPECT_EQ(finding.kernel, planted.name);
            const bool read = finding.line == lineOf(planted, "// READ");
            if (!read) EXPECT_EQ(finding.line, lineOf(planted, "// WRITE"));
            EXPECT_EQ(finding.thread[0], read ? 32 : 0);
        }
        if (seed == 0) EXPECT_EQ(expectOneFinding("shared-race").block[0], 0);
    }
    const Session session;
    const Buffer<float> x(kCount, 0), y(kCount, 0);
    runPlanted(withBarrier("bar.sync 0;"), x, y);
    expectNoFindings();
}

TEST(uninitialised_global_memory) {
    const Planted planted = plant("reads_what_nobody_wrote", R"(
    ld.global.f32 %f1, [%rd1]; // BUG
    st.global.f32 [%rd2], %f1;
)");
    const Session session;
    const Buffer<float> x(kCount), y(kCount);
    CHECK(cuMemsetD8(x.pointer(), 0, 81 * sizeof(float)));  // all but element 81
    CHECK(cuMemsetD8(x.pointer() + 82 * sizeof(float), 0, (kCount - 82) * sizeof(float)));
    runPlanted(planted, x, y);
    expectFindingAt("uninitialized", planted, 1, 81 - kThreads);
    EXPECT_EQ(expectOneFinding("uninitialized").count, 1);
}

TEST(uninitialised_shared_memory) {
    const Planted planted = plant("leaves_one_element_out", R"(
    setp.ne.s32 %p1, %r1, 37;
    ld.global.f32 %f1, [%rd1];
    @%p1 st.shared.f32 [%r3], %f1;
    bar.sync 0;
    ld.shared.f32 %f1, [%r3]; // BUG
    st.global.f32 [%rd2], %f1;
)");
    const Session session;
    const Buffer<float> x(kCount, 0), y(kCount);
    runPlanted(planted, x, y);
    expectFindingAt("uninitialized", planted, 0, 37);
    EXPECT_EQ(expectOneFinding("uninitialized").count, kBlocks);
}

TEST(misaligned_vector_load) {
    const Planted planted = plant("vector_at_any_float", R"(
    setp.gt.s32 %p1, %r2, 2;
    @%p1 ret;
    ld.global.v2.f32 {%f1, %f2}, [%rd1]; // BUG
    st.global.f32 [%rd2], %f2;
)");
    const Session session;
    const Buffer<float> x(kCount, 0), y(kCount);
    runPlanted(planted, x, y);
    expectFindingAt("misaligned", planted, 0, 1);
}

TEST(use_after_free) {
    const Planted planted = plant("reads_freed_memory", R"(
    ld.global.f32 %f1, [%rd1]; // BUG
    st.global.f32 [%rd2], %f1;
)");
    const Session session;
    const Buffer<float> y(kCount);
    CUdeviceptr freed = 0;
    {
        const Buffer<float> x(kCount, 0);
        freed = x.pointer();
    }
    runPlanted(planted, freed, y);
    expectFindingAt("use-after-free", planted, 0, 0);
}

TEST(double_free) {
    const Session session;
    CUdeviceptr x = 0;
    CHECK(cuMemAlloc(&x, 16));
    CHECK(cuMemFree(x));
    EXPECT_EQ(cuMemFree(x), CUDA_ERROR_INVALID_VALUE);
    const cudasimFinding finding = expectOneFinding("double-free");
    EXPECT(std::string(finding.kernel).rfind("cuMemFree", 0) == 0);
    EXPECT_EQ(finding.line, -1);
}

TEST(leaked_handles) {
    const auto leak = [](const std::function<void()>& body, const std::string& what) {
        const Session session;
        EXPECT_EQ(cudasimCheckLeaks(), 1);  // the primary context that the session holds
        cudasimClear();
        body();
        EXPECT_EQ(cudasimCheckLeaks(), 2);
        std::string all(cudasimGetErrors(nullptr, 0), '\0');
        cudasimGetErrors(all.data(), all.size());
        for (int i = 0; i < cudasimErrorCount(); ++i) {
            cudasimFinding finding{};
            cudasimGetError(i, &finding);
            EXPECT_EQ(finding.check, "leak");
            if (std::string(finding.message).find(what) != std::string::npos) return;
        }
        fail("no leak of " + what + " in " + all, __FILE__, __LINE__);
    };
    leak(
        [] {
            CUmodule module = nullptr;
            CHECK(cuModuleLoadData(&module, plant("never_unloaded", "").ptx.c_str()));
        },
        "module");
    leak(
        [] {
            CUstream stream = nullptr;
            CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
        },
        "stream");
    leak(
        [] {
            CUgraph graph = nullptr;
            CHECK(cuGraphCreate(&graph, 0));
        },
        "graph");
    leak(
        [] {
            CUevent event = nullptr;
            CHECK(cuEventCreate(&event, CU_EVENT_DEFAULT));
        },
        "event");
    leak(
        [] {
            CUdeviceptr pointer = 0;
            CHECK(cuMemAlloc(&pointer, 100));
        },
        "allocation");
}

TEST(barrier_in_divergent_code) {
    const Planted planted = plant("barrier_for_half_a_warp", R"(
    setp.ge.s32 %p1, %r1, 16;
    @%p1 bra DONE;
    bar.sync 0; // BUG
DONE:
    mov.u32 %r6, 0;
)");
    const Session session;
    const Buffer<float> x(kCount, 0), y(kCount);
    runPlanted(planted, x, y);
    const cudasimFinding finding = expectOneFinding("barrier-divergence");
    EXPECT_EQ(finding.kernel, planted.name);
    EXPECT_EQ(finding.line, planted.line);
    EXPECT_EQ(finding.block[0], 0);
    EXPECT_EQ(finding.thread[0], 0);
}

TEST(too_much_shared_memory) {
    const Planted planted = plant("uses_48_kib_and_more", "");
    const Session session;
    const Buffer<float> x(kCount, 0), y(kCount);
    const Module module(planted.ptx);
    const CUfunction function = module.function(planted.name.c_str());
    // 256 static bytes and 48 KiB: more than 48 KiB without the attribute that asks for it.
    EXPECT_EQ(tryLaunch(function, {kBlocks}, {kThreads}, 48 * 1024, nullptr, x, y), CUDA_ERROR_INVALID_VALUE);
    const cudasimFinding finding = expectOneFinding("launch");
    EXPECT_EQ(finding.kernel, planted.name);
    expectMentions(finding, "shared");
    cudasimClear();
    CHECK(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 48 * 1024));
    CHECK(tryLaunch(function, {kBlocks}, {kThreads}, 48 * 1024, nullptr, x, y));
    expectNoFindings();
}

TEST(wrong_argument_size) {
    // An array of pointers to arguments carries no sizes; the packed form does, and must hold exactly the two pointers.
    const Planted planted = plant("takes_two_pointers", "");
    const Session session;
    const Buffer<float> x(kCount, 0), y(kCount);
    const Module module(planted.ptx);
    const CUfunction function = module.function(planted.name.c_str());
    CUdeviceptr packed[3] = {x.pointer(), y.pointer(), 0};
    const auto launchPacked = [&](size_t bytes) {
        void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
        return cuLaunchKernel(function, kBlocks, 1, 1, kThreads, 1, 1, 0, nullptr, nullptr, extra);
    };
    for (const size_t bytes : {size_t{8}, size_t{12}, size_t{24}}) {
        EXPECT(launchPacked(bytes) != CUDA_SUCCESS);
        const cudasimFinding finding = expectOneFinding("launch");
        EXPECT_EQ(finding.kernel, planted.name);
        expectMentions(finding, "16");
        cudasimClear();
    }
    CHECK(launchPacked(16));
    expectNoFindings();
}

TEST(checks_can_be_switched_off) {
    const Planted planted = plant("reads_what_nobody_wrote", R"(
    ld.global.f32 %f1, [%rd1];
    st.global.f32 [%rd2], %f1;
)");
    const Session session;
    EXPECT_EQ(cudasimSetOption("checks", 0), 0);
    const Buffer<float> x(kCount), y(kCount);
    runPlanted(planted, x, y);
    expectNoFindings();
}
