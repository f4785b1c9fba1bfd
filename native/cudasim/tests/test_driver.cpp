// The driver API: what programs call, in order, deferred, captured.
#include "harness.h"

using test::Device;

namespace {

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
