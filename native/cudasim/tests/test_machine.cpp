// Threads, warps, blocks and memory: divergence, barriers, shuffles, atomics, calls, asynchronous copies; and the checks on all of them.
#include "evaluate.h"

using test::Device;

namespace {

using U32 = std::uint32_t;

// A kernel k(out) whose thread i has %i, its own out element at [%o], and the base in %p.
std::string kernel(const std::string& body) {
    return test::module(".reg .pred %q, %r; .reg .b32 %i, %n, %x, %y, %z, %w; .reg .b64 %p, %o, %u, %v; .reg .f32 %f;\n"
                        "mov.u32 %i, %tid.x; ld.param.u64 %p, [out]; mul.wide.u32 %o, %i, 4; add.s64 %o, %p, %o;\n" + body, ".param .u64 out");
}

struct Result {
    CUresult status;
    std::vector<U32> out;
    std::string check, message;  // of the first finding
    int line = -1, thread = -1;
};

Result run(const std::string& body, unsigned threads = 32, unsigned grid = 1, int seed = 0, int workers = 1) {
    Device device;
    cudasimSetOption("seed", seed);
    cudasimSetOption("workers", workers);
    const CUfunction f = device.load(kernel(body), "k");
    const CUdeviceptr out = device.upload(std::vector<U32>(1024));
    Result r;
    r.status = device.launch(f, grid, threads, 0, out);
    if (r.status == CUDA_SUCCESS) r.out = device.download<U32>(out, 1024);
    cudasimFinding finding;
    if (cudasimGetError(0, &finding) == 0) {
        r.check = finding.check;
        r.message = finding.message;
        r.line = finding.line;
        r.thread = finding.thread[0];
        CHECK(std::string(finding.kernel) == "k");
    }
    return r;
}

void expectOut(const char* file, int line, const Result& r, unsigned n, U32 (*want)(U32)) {
    if (!r.check.empty() || r.out.size() < n) {
        test::fail(file, line, "status " + std::to_string(r.status) + ", finding " + r.check + " at line " + std::to_string(r.line));
        return;
    }
    for (U32 i = 0; i < n; ++i) {
        if (r.out[i] != want(i)) test::fail(file, line, "thread " + std::to_string(i) + ": " + std::to_string(r.out[i]) + " instead of " + std::to_string(want(i)));
    }
}
#define EXPECT_OUT(result, n, want) expectOut(__FILE__, __LINE__, result, n, want)

}  // namespace

TEST(nested_divergence_and_early_exit) {
    // collatz steps by thread: loops of different lengths, with a branch inside; thread 5 exits before
    const char* body = R"(
 setp.eq.u32 %q, %i, 5;
 @%q exit;
 add.u32 %x, %i, 1; mov.u32 %n, 0;
LOOP: setp.le.u32 %q, %x, 1;
 @%q bra DONE;
 and.b32 %y, %x, 1; setp.eq.u32 %r, %y, 0;
 @%r bra EVEN;
 mad.lo.u32 %x, %x, 3, 1; bra NEXT;
EVEN: shr.u32 %x, %x, 1;
NEXT: add.u32 %n, %n, 1; bra LOOP;
DONE: st.global.u32 [%o], %n;
)";
    const auto want = +[](U32 i) -> U32 {
        U32 n = 0;
        for (U32 x = i + 1; x > 1; ++n) x = x % 2 == 0 ? x / 2 : 3 * x + 1;
        return i == 5 ? 0 : n;
    };
    EXPECT_OUT(run(body, 200), 200, want);
    EXPECT_OUT(run(body, 200, 1, 7), 200, want);
}

TEST(threads_of_a_warp_make_progress_independently) {
    // A lock that each lane takes in turn: lock-step execution without independent scheduling would never end.
    EXPECT_OUT(run(R"(
 .shared .align 4 .b32 lock; .shared .align 4 .b32 count;
 setp.eq.u32 %q, %i, 0; @%q st.shared.u32 [lock], 0; @%q st.shared.u32 [count], 0;
 bar.sync 0;
SPIN: atom.shared.cas.b32 %x, [lock], 0, 1;
 setp.ne.u32 %q, %x, 0; @%q bra SPIN;
 ld.volatile.shared.u32 %y, [count]; add.u32 %y, %y, 1; st.volatile.shared.u32 [count], %y;
 atom.shared.exch.b32 %x, [lock], 0;
 bar.sync 0;
 ld.shared.u32 %y, [count]; st.global.u32 [%o], %y;
)", 40), 40, +[](U32) -> U32 { return 40; });
}

TEST(shuffles_votes_and_reductions) {
    EXPECT_OUT(run("shfl.sync.bfly.b32 %x, %i, 5, 31, -1; st.global.u32 [%o], %x;"), 32, +[](U32 i) -> U32 { return i ^ 5; });
    EXPECT_OUT(run("shfl.sync.up.b32 %x|%q, %i, 3, 0, -1; @!%q add.u32 %x, %x, 100; st.global.u32 [%o], %x;"), 32, +[](U32 i) -> U32 { return i < 3 ? i + 100 : i - 3; });
    EXPECT_OUT(run("shfl.sync.down.b32 %x, %i, 2, 0x181f, -1; st.global.u32 [%o], %x;"), 32, +[](U32 i) -> U32 { return i % 8 >= 6 ? i : i + 2; });
    EXPECT_OUT(run("shfl.sync.idx.b32 %x, %i, 9, 0x181f, -1; st.global.u32 [%o], %x;"), 32, +[](U32 i) -> U32 { return i / 8 * 8 + 1; });
    EXPECT_OUT(run("and.b32 %x, %i, 3; setp.eq.u32 %q, %x, 1; vote.sync.ballot.b32 %x, %q, -1; st.global.u32 [%o], %x;"), 32, +[](U32) -> U32 { return 0x22222222; });
    EXPECT_OUT(run("shr.u32 %x, %i, 4; match.any.sync.b32 %y, %x, -1; st.global.u32 [%o], %y;"), 32, +[](U32 i) -> U32 { return i < 16 ? 0xffff : 0xffff0000; });
    EXPECT_OUT(run("redux.sync.add.s32 %x, %i, -1; st.global.u32 [%o], %x;"), 32, +[](U32) -> U32 { return 496; });
    // halves of a warp shuffle at different places of the program, each with its own member mask
    EXPECT_OUT(run(R"(
 setp.lt.u32 %q, %i, 16; @%q bra LOW;
 shfl.sync.bfly.b32 %x, %i, 1, 31, 0xffff0000; bra END;
LOW: shfl.sync.bfly.b32 %x, %i, 2, 31, 0x0000ffff;
END: st.global.u32 [%o], %x;
)"), 32, +[](U32 i) -> U32 { return i < 16 ? i ^ 2 : i ^ 1; });
}

TEST(barriers) {
    const char* body = R"(
 .shared .align 4 .b8 s[1024];
 mov.u32 %x, s; mad.lo.u32 %x, %i, 4, %x; st.shared.u32 [%x], %i;
 bar.sync 0;
 sub.u32 %y, 255, %i; mov.u32 %x, s; mad.lo.u32 %x, %y, 4, %x; ld.shared.u32 %z, [%x];
 setp.gt.u32 %q, %z, 99; bar.red.popc.u32 %w, 0, %q; mad.lo.u32 %z, %w, 1000, %z;
 st.global.u32 [%o], %z;
)";
    for (const int seed : {0, 1, 2}) EXPECT_OUT(run(body, 256, 3, seed), 256, +[](U32 i) -> U32 { return 156000 + 255 - i; });
    EXPECT_OUT(run(body, 256, 8, 3, 2), 256, +[](U32 i) -> U32 { return 156000 + 255 - i; });
    // producer and consumer warps with a named barrier
    EXPECT_OUT(run(R"(
 .shared .align 4 .b8 s[128];
 and.b32 %x, %i, 31; mov.u32 %y, s; mad.lo.u32 %y, %x, 4, %y;
 setp.ge.u32 %q, %i, 32; @%q bra CONSUME;
 st.shared.u32 [%y], %i; bar.arrive 1, 64; bra END;
CONSUME: bar.sync 1, 64; ld.shared.u32 %z, [%y]; st.global.u32 [%o], %z;
END:
)", 64), 64, +[](U32 i) -> U32 { return i < 32 ? 0 : i - 32; });
}

TEST(atomics_under_contention) {
    for (const int workers : {1, 2}) {
        const Result q = run(R"(
 .reg .b16 %h;
 atom.global.add.u32 %x, [%p], 1; red.global.max.u32 [%p+4], %i; red.global.add.f32 [%p+8], 0f3F800000; atom.global.inc.u32 %x, [%p+12], 9;
 mov.b16 %h, 0x3c00; red.global.add.noftz.f16 [%p+16], %h; red.global.or.b32 [%p+20], %i;
LOOP: ld.volatile.global.u32 %y, [%p+24]; add.u32 %z, %y, 2; atom.global.cas.b32 %w, [%p+24], %y, %z; setp.ne.u32 %q, %w, %y; @%q bra LOOP;
)", 100, 4, 5, workers);
        CHECK(q.check.empty());
        if (q.out.size() < 7) continue;
        CHECK_EQ(q.out[0], 400);
        CHECK_EQ(q.out[1], 99);
        CHECK_EQ(std::bit_cast<float>(q.out[2]), 400.0F);
        CHECK_EQ(q.out[3], 0);
        CHECK_EQ(q.out[4], 0x5e40);  // 400 as a half
        CHECK_EQ(q.out[5], 127);
        CHECK_EQ(q.out[6], 800);
    }
}

TEST(recursive_calls_keep_registers) {
    Device device;
    const std::string fib = R"(
.func (.param .b32 result) fib (.param .b32 n) {
 .reg .b32 %n, %a, %b; .reg .pred %p;
 ld.param.u32 %n, [n]; setp.lt.u32 %p, %n, 2; @%p bra BASE;
 { .param .b32 p0; .param .b32 r0; sub.u32 %a, %n, 1; st.param.b32 [p0+0], %a; call.uni (r0), fib, (p0); ld.param.b32 %a, [r0+0]; }
 { .param .b32 p0; .param .b32 r0; sub.u32 %b, %n, 2; st.param.b32 [p0+0], %b; call.uni (r0), fib, (p0); ld.param.b32 %b, [r0+0]; }
 add.u32 %n, %a, %b;
BASE: st.param.b32 [result+0], %n; ret;
}
)";
    const std::string body = ".reg .b32 %i, %x; .reg .b64 %p, %o; mov.u32 %i, %tid.x; ld.param.u64 %p, [out]; mul.wide.u32 %o, %i, 4; add.s64 %p, %p, %o;\n"
                             "{ .param .b32 a; .param .b32 r; and.b32 %x, %i, 7; st.param.b32 [a], %x; call (r), fib, (a); ld.param.b32 %x, [r]; } st.global.u32 [%p], %x;";
    const CUfunction f = device.load(test::module(body, ".param .u64 out", "k", fib), "k");
    const CUdeviceptr out = device.allocate(64 * 4);
    CU(device.launch(f, 1, 64, 0, out));
    const auto got = device.download<U32>(out, 64);
    const U32 want[] = {0, 1, 1, 2, 3, 5, 8, 13};
    for (U32 i = 0; i < 64; ++i) CHECK_EQ(got[i], want[i % 8]);
    CHECK_CLEAN();
}

TEST(asynchronous_copies_arrive_when_waited_for) {
    const std::string copy = " .shared .align 16 .b8 s[512]; mov.u32 %x, s; mad.lo.u32 %x, %i, 16, %x; mul.wide.u32 %u, %i, 16; add.s64 %u, %p, %u;\n st.global.u32 [%u], %i; st.global.u32 [%u+4], 7;\n"
                             " cp.async.ca.shared.global [%x], [%u], 16, 8; cp.async.commit_group;\n";
    EXPECT_OUT(run(copy + "cp.async.wait_group 0; ld.shared.u32 %y, [%x+4]; ld.shared.u32 %z, [%x+12]; add.u32 %y, %y, %z; st.global.u32 [%o+2048], %y; bar.sync 0; ld.global.u32 %y, [%o+2048]; st.global.u32 [%o], %y;"),
               32, +[](U32) -> U32 { return 7; });
    const Result r = run(copy + "ld.shared.u32 %y, [%x+4];");
    CHECK_EQ(r.check, std::string("uninitialized"));
}

TEST(checks_name_the_place) {
    const auto expect = [](const char* body, const char* check, int line, int thread, CUresult status, unsigned threads = 64) {
        const Result r = run(body, threads);
        if (r.check != check || r.line != line || r.thread != thread || r.status != status) {
            test::fail(__FILE__, __LINE__, std::string(check) + ": got " + r.check + ", line " + std::to_string(r.line) + ", thread " + std::to_string(r.thread) + ", status " + std::to_string(r.status) + " for " + body);
        }
    };
    constexpr int kLine = 9;  // of the text after the line feed that begins a body
    expect("\n ld.global.u32 %x, [%o+4000];", "out-of-bounds", kLine, 24, CUDA_ERROR_ILLEGAL_ADDRESS);
    expect("\n ld.global.v2.u32 {%x, %y}, [%o];", "misaligned", kLine, 1, CUDA_ERROR_MISALIGNED_ADDRESS);
    expect("\n .shared .align 4 .b8 s[128]; mov.u32 %x, s; mad.lo.u32 %x, %i, 4, %x; st.shared.u32 [%x], %i;", "out-of-bounds", kLine, 32, CUDA_ERROR_ILLEGAL_ADDRESS);
    expect("\n .shared .align 4 .b8 s[256]; mov.u32 %x, s; mad.lo.u32 %x, %i, 4, %x; ld.shared.u32 %y, [%x];", "uninitialized", kLine, 0, CUDA_SUCCESS);
    expect("\n .local .align 4 .b8 l[16]; ld.local.u32 %x, [l+4];", "uninitialized", kLine, 0, CUDA_SUCCESS);
    expect("\n .shared .align 4 .b8 s[256]; mov.u32 %x, s; mad.lo.u32 %y, %i, 4, %x; st.shared.u32 [%y], %i;\n xor.b32 %z, %i, 32; mad.lo.u32 %z, %z, 4, %x; ld.shared.u32 %w, [%z];\n", "uninitialized", kLine + 1, 0, CUDA_SUCCESS);
    expect("\n .shared .align 4 .b8 s[256]; mov.u32 %x, s; mad.lo.u32 %y, %i, 4, %x; st.shared.u32 [%y], %i;\n bar.sync 0; xor.b32 %z, %i, 1; mad.lo.u32 %z, %z, 4, %x;\n st.shared.u32 [%y], %z; ld.shared.u32 %w, [%z];", "shared-race", kLine + 2, 32, CUDA_SUCCESS);  // the warp that arrived last goes on first
    expect("\n setp.lt.u32 %q, %i, 40;\n @%q bar.sync 0;", "barrier-divergence", kLine + 1, 32, CUDA_SUCCESS);
    expect("\n setp.lt.u32 %q, %i, 40;\n @%q bra A;\n exit;\nA: bar.sync 0;", "barrier-divergence", kLine + 3, 32, CUDA_SUCCESS);
    expect("\n setp.lt.u32 %q, %i, 16; @!%q exit; .reg .b32 %m<4>;\n ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%x}, [%y];", "warp-sync", kLine + 1, 0, CUDA_ERROR_LAUNCH_FAILED);
    expect("\n trap;", "assertion", kLine, 0, CUDA_ERROR_LAUNCH_FAILED);
}

// All lanes count in one word, then read it: __syncwarp orders their atomic writes and the reads, nothing else does.
TEST(atomics_of_one_warp_are_ordered_by_a_warp_barrier) {
    const auto body = [](const char* barrier) {
        return std::string(" .shared .align 4 .b32 c; setp.eq.u32 %q, %i, 0; @%q st.shared.u32 [c], 0; bar.sync 0;\n"
                           " atom.shared.add.u32 %x, [c], 1;\n") + barrier + "\n ld.shared.u32 %y, [c]; st.global.u32 [%o], %y;";
    };
    EXPECT_OUT(run(body("bar.warp.sync -1;")), 32, +[](U32) -> U32 { return 32; });
    const Result unordered = run(body(""));
    CHECK_EQ(unordered.check, std::string("shared-race"));
    CHECK_EQ(unordered.thread, 0);
    CHECK(unordered.message.find("several threads wrote") != std::string::npos);
    // Atomic writes of two warps: a barrier of one warp does not order them.
    CHECK_EQ(run(body("bar.warp.sync -1;"), 64).check, std::string("shared-race"));
    // A plain write where lanes counted before.
    const Result write = run(" .shared .align 4 .b32 c; setp.eq.u32 %q, %i, 0; @%q st.shared.u32 [c], 0; bar.sync 0;\n"
                             " red.shared.add.u32 [c], 1;\n @%q st.shared.u32 [c], 77;");
    CHECK_EQ(write.check, std::string("shared-race"));
    CHECK(write.message.find("several threads wrote") != std::string::npos);
}

TEST(deferred_free_and_leaks) {
    Device device;
    const CUdeviceptr p = device.allocate(64);
    CU(cuMemFree(p));
    CHECK_EQ(cuMemFree(p), CUDA_ERROR_INVALID_VALUE);
    cudasimFinding finding;
    CHECK_EQ(cudasimGetError(0, &finding), 0);
    CHECK(std::string(finding.check) == "double-free");
    const CUfunction f = device.load(kernel("ld.global.u32 %x, [%o];"), "k");
    CHECK_EQ(device.launch(f, 1, 1, 0, p), CUDA_ERROR_ILLEGAL_ADDRESS);
    CHECK_EQ(cudasimGetError(1, &finding), 0);
    CHECK(std::string(finding.check) == "use-after-free");
    CHECK_EQ(cudasimCheckLeaks(), 2);  // the module and the context
}

TEST(counters) {
    const auto counter = [](const std::string& body, const char* name) {
        Device device;
        const CUfunction f = device.load(kernel(body), "k");
        const CUdeviceptr out = device.upload(std::vector<U32>(4096));
        CU(device.launch(f, 1, 32, 0, out));
        CHECK_CLEAN();
        return cudasimGetCounter(-1, name);
    };
    CHECK_EQ(counter("ld.global.u32 %x, [%o];", "global_load_sectors"), 4);
    CHECK_EQ(counter("ld.global.u32 %x, [%o+16];", "global_load_sectors"), 5);
    CHECK_EQ(counter("mul.wide.u32 %u, %i, 128; add.s64 %u, %p, %u; ld.global.u32 %x, [%u];", "global_load_sectors"), 32);
    CHECK_EQ(counter("mul.wide.u32 %u, %i, 128; add.s64 %u, %p, %u; ld.global.u32 %x, [%u];", "dram_read_bytes"), 1024);
    const std::string shared = ".shared .align 16 .b8 s[8192]; mov.u32 %x, s; mov.u32 %y, 0; ";
    for (const auto& [stride, conflicts] : {std::pair{4, 0}, {8, 1}, {128, 31}, {132, 0}, {0, 0}, {64, 15}}) {
        CHECK_EQ(counter(shared + "mad.lo.u32 %x, %i, " + std::to_string(stride) + ", %x; st.shared.u32 [%x], %y;", "shared_store_bank_conflicts"), conflicts);
    }
    CHECK_EQ(counter(shared + "mad.lo.u32 %x, %i, 16, %x; st.shared.v4.u32 [%x], {%y,%y,%y,%y};", "shared_store_bank_conflicts"), 0);
    CHECK_EQ(counter(shared + "mad.lo.u32 %x, %i, 16, %x; st.shared.v4.u32 [%x], {%y,%y,%y,%y};", "shared_store_wavefronts"), 4);
    CHECK_EQ(counter(shared + "mad.lo.u32 %x, %i, 32, %x; st.shared.v4.u32 [%x], {%y,%y,%y,%y};", "shared_store_bank_conflicts"), 4);
}
