// Fragment layouts of mma.sync, ldmatrix, stmatrix and movmatrix against matrix products. The layouts here are written down from the figures of the PTX manual,
// element by element, and not shared with the simulator.
#include "evaluate.h"

namespace {

using U16 = std::uint16_t;
using U32 = std::uint32_t;

enum class Kind { F16, BF16, TF32, S8, U8 };

struct Shape {
    const char* name;
    unsigned m, n, k;
    Kind kind;
    const char* types;  // .d.a.b.c
    bool halfResult;
};

unsigned bits(Kind k) { return k == Kind::TF32 ? 32 : k == Kind::F16 || k == Kind::BF16 ? 16 : 8; }

U32 encode(Kind k, int v) {
    switch (k) {
        case Kind::F16: return std::bit_cast<U16>(static_cast<_Float16>(v));
        case Kind::BF16: return std::bit_cast<U32>(static_cast<float>(v)) >> 16;
        case Kind::TF32: return std::bit_cast<U32>(static_cast<float>(v));
        default: return static_cast<U32>(v) & 0xff;
    }
}

// Row and column of element i of a lane's fragment of A, from the manual's figures.
void placeA(const Shape& s, unsigned lane, unsigned i, unsigned& row, unsigned& col) {
    const unsigned g = lane >> 2, t = lane & 3;
    if (bits(s.kind) == 16) {
        row = i < 2 || (i >= 4 && i < 6) ? g : g + 8;
        col = t * 2 + (i & 1) + (i >= 4 ? 8 : 0);
    } else if (bits(s.kind) == 32) {
        row = i == 0 || i == 2 ? g : g + 8;
        col = i < 2 ? t : t + 4;
    } else if (s.m == 8) {
        row = g;
        col = t * 4 + i;
    } else {
        row = i < 4 || (i >= 8 && i < 12) ? g : g + 8;
        col = t * 4 + (i & 3) + (i >= 8 ? 16 : 0);
    }
}

void placeB(const Shape& s, unsigned lane, unsigned i, unsigned& row, unsigned& col) {
    const unsigned g = lane >> 2, t = lane & 3;
    col = g;
    if (bits(s.kind) == 16) row = t * 2 + (i & 1) + (i >= 2 ? 8 : 0);
    else if (bits(s.kind) == 32) row = i == 0 ? t : t + 4;
    else row = t * 4 + (i & 3) + (i >= 4 ? 16 : 0);
}

std::string list(const char* prefix, unsigned n) {
    std::string text = "{";
    for (unsigned i = 0; i < n; ++i) text += (i == 0 ? "" : ", ") + ("%" + std::string(prefix) + std::to_string(i));
    return text + "}";
}

void check(const Shape& s) {
    const bool integer = s.kind == Kind::S8 || s.kind == Kind::U8;
    const unsigned per = 32 / bits(s.kind);
    const unsigned na = s.m * s.k / 32 / per, nb = s.k * s.n / 32 / per, elements = s.m * s.n / 32, nc = s.halfResult ? elements / 2 : elements;
    const auto a = [&](unsigned r, unsigned c) { const int v = static_cast<int>((r * 7 + c * 3) % 11); return s.kind == Kind::U8 ? v + 200 : v - 5; };
    const auto b = [&](unsigned r, unsigned c) { const int v = static_cast<int>((r * 5 + c * 2) % 13); return s.kind == Kind::U8 ? v : v - 6; };
    const auto c0 = [&](unsigned r, unsigned c) { return static_cast<int>(r * 2) - static_cast<int>(c); };
    std::vector<U32> in(32 * (na + nb + nc));
    for (unsigned lane = 0; lane < 32; ++lane) {
        U32* at = &in[lane * (na + nb + nc)];
        unsigned row = 0, col = 0;
        for (unsigned i = 0; i < na * per; ++i) placeA(s, lane, i, row, col), at[i / per] |= encode(s.kind, a(row, col)) << (i % per * bits(s.kind));
        for (unsigned i = 0; i < nb * per; ++i) placeB(s, lane, i, row, col), at[na + i / per] |= encode(s.kind, b(row, col)) << (i % per * bits(s.kind));
        for (unsigned i = 0; i < elements; ++i) {
            const int v = c0((lane >> 2) + (i >= 2 ? 8 : 0), (lane & 3) * 2 + (i & 1));
            if (s.halfResult) at[na + nb + i / 2] |= encode(Kind::F16, v) << (i % 2 * 16);
            else at[na + nb + i] = integer ? static_cast<U32>(v) : std::bit_cast<U32>(static_cast<float>(v));
        }
    }
    const bool floatC = !integer && !s.halfResult;
    const std::string cType = floatC ? "f32" : "b32";
    std::string body = ".reg .b32 %a<8>, %b<8>, %i; .reg ." + cType + " %c<8>; .reg .b64 %p, %o;\nmov.u32 %i, %tid.x; ld.param.u64 %p, [in]; mul.wide.u32 %o, %i, " + std::to_string(4 * (na + nb + nc)) + "; add.s64 %p, %p, %o;\n";
    const auto load = [&](const char* prefix, const std::string& type, unsigned n, unsigned first) {
        for (unsigned i = 0; i < n; ++i) body += "ld.global." + type + " %" + prefix + std::to_string(i) + ", [%p+" + std::to_string(4 * (first + i)) + "];\n";
    };
    load("a", "b32", na, 0);
    load("b", "b32", nb, na);
    load("c", cType, nc, na + nb);
    body += std::string("mma.sync.aligned.") + s.name + ".row.col." + s.types + " " + list("c", nc) + ", " + list("a", na) + ", " + list("b", nb) + ", " + list("c", nc) + ";\n";
    body += "ld.param.u64 %p, [out]; mul.wide.u32 %o, %i, " + std::to_string(4 * nc) + "; add.s64 %p, %p, %o;\n";
    for (unsigned i = 0; i < nc; ++i) body += "st.global." + cType + " [%p+" + std::to_string(4 * i) + "], %c" + std::to_string(i) + ";\n";
    test::Device device;
    const CUfunction f = device.load(test::module(body, ".param .u64 in, .param .u64 out"), "k");
    const CUdeviceptr out = device.allocate(32 * nc * 4);
    CU(device.launch(f, 1, 32, 0, device.upload(in), out));
    const auto got = device.download<U32>(out, 32 * nc);
    for (unsigned lane = 0; lane < 32; ++lane) {
        for (unsigned i = 0; i < elements; ++i) {
            const unsigned row = (lane >> 2) + (i >= 2 ? 8 : 0), col = (lane & 3) * 2 + (i & 1);
            int want = c0(row, col);
            for (unsigned k = 0; k < s.k; ++k) want += a(row, k) * b(k, col);
            const U32 raw = got[lane * nc + (s.halfResult ? i / 2 : i)];
            const double value = s.halfResult ? static_cast<double>(std::bit_cast<_Float16>(static_cast<U16>(raw >> (i % 2 * 16)))) : integer ? static_cast<double>(static_cast<int>(raw)) : std::bit_cast<float>(raw);
            CHECK_EQ(value, static_cast<double>(want));
        }
    }
    CHECK_EQ(cudasimGetCounter(-1, "mma"), 1);
    CHECK_CLEAN();
}

}  // namespace

TEST(mma_shapes) {
    const Shape shapes[] = {
        {"m16n8k8", 16, 8, 8, Kind::F16, "f32.f16.f16.f32", false},      {"m16n8k16", 16, 8, 16, Kind::F16, "f32.f16.f16.f32", false},
        {"m16n8k8", 16, 8, 8, Kind::F16, "f16.f16.f16.f16", true},       {"m16n8k16", 16, 8, 16, Kind::F16, "f16.f16.f16.f16", true},
        {"m16n8k8", 16, 8, 8, Kind::BF16, "f32.bf16.bf16.f32", false},   {"m16n8k16", 16, 8, 16, Kind::BF16, "f32.bf16.bf16.f32", false},
        {"m16n8k4", 16, 8, 4, Kind::TF32, "f32.tf32.tf32.f32", false},   {"m16n8k8", 16, 8, 8, Kind::TF32, "f32.tf32.tf32.f32", false},
        {"m8n8k16", 8, 8, 16, Kind::S8, "s32.s8.s8.s32", false},         {"m16n8k16", 16, 8, 16, Kind::S8, "s32.s8.s8.s32", false},
        {"m16n8k32", 16, 8, 32, Kind::S8, "s32.s8.s8.s32", false},       {"m16n8k32", 16, 8, 32, Kind::U8, "s32.u8.u8.s32", false},
    };
    for (const Shape& s : shapes) check(s);
}

// 8 x 8 matrices: row r of matrix i holds 64 i + 8 r + c. Lane l gets elements (l / 4, 2 (l % 4)) and the next; with .trans those of the transpose.
TEST(ldmatrix_and_stmatrix) {
    for (const unsigned count : {1U, 2U, 4U}) {
        for (const bool transpose : {false, true}) {
            std::string regs = list("r", count);
            std::string body = ".reg .b32 %r<4>, %i, %s, %t; .reg .b64 %p, %o; .shared .align 16 .b8 tile[1024];\nmov.u32 %i, %tid.x; mov.u32 %s, tile; ld.param.u64 %p, [out];\n";
            // every lane fills 8 elements of row `lane`
            for (unsigned c = 0; c < 8; c += 2) {
                body += "mul.lo.u32 %t, %i, 8; add.u32 %t, %t, " + std::to_string(c) + "; mad.lo.u32 %t, %t, 65537, 65536; mad.lo.u32 %r0, %i, 16, %s; st.shared.b32 [%r0+" + std::to_string(2 * c) + "], %t;\n";
            }
            body += "bar.sync 0; mad.lo.u32 %t, %i, 16, %s;\n";
            body += "ldmatrix.sync.aligned.m8n8.x" + std::to_string(count) + (transpose ? ".trans" : "") + ".shared.b16 " + regs + ", [%t];\n";
            body += "mul.wide.u32 %o, %i, 16; add.s64 %p, %p, %o;\n";
            for (unsigned i = 0; i < count; ++i) body += "st.global.b32 [%p+" + std::to_string(4 * i) + "], %r" + std::to_string(i) + ";\n";
            // and back: stmatrix of what was loaded must leave the tile as it was
            body += "bar.sync 0; stmatrix.sync.aligned.m8n8.x" + std::to_string(count) + (transpose ? ".trans" : "") + ".shared.b16 [%t], " + regs + ";\nbar.sync 0; ld.shared.b32 %r0, [%t+4]; st.global.b32 [%p+512], %r0;\n";
            test::Device device;
            const CUfunction f = device.load(test::module(body, ".param .u64 out"), "k");
            const CUdeviceptr out = device.allocate(1024 + 16);
            CU(cuMemsetD8(out, 0, 1024 + 16));
            CU(device.launch(f, 1, 32, 0, out));
            const auto got = device.download<U32>(out, 256);
            for (unsigned lane = 0; lane < 32; ++lane) {
                for (unsigned i = 0; i < count; ++i) {
                    const unsigned r = lane / 4, c = lane % 4 * 2;
                    const U32 low = transpose ? 64 * i + 8 * c + r : 64 * i + 8 * r + c;
                    const U32 high = transpose ? low + 8 : low + 1;
                    CHECK_EQ(got[lane * 4 + i], low | high << 16);
                }
                CHECK_EQ(got[128 + lane * 4], (8 * lane + 2) | (8 * lane + 3) << 16);
            }
            CHECK_EQ(cudasimGetCounter(-1, "ldmatrix"), 1);
            CHECK_CLEAN();
        }
    }
}

TEST(movmatrix_transposes) {
    std::vector<U32> in(32);
    for (unsigned lane = 0; lane < 32; ++lane) in[lane] = 2 * lane | (2 * lane + 1) << 16;  // element (r, c) is 8 r + c
    const auto got = test::evaluate<U32>("movmatrix.sync.aligned.m8n8.trans.b16 %d, %a;", in);
    for (unsigned lane = 0; lane < 32; ++lane) {
        const U32 low = 8 * (lane % 4 * 2) + lane / 4;
        CHECK_EQ(got[lane], low | (low + 8) << 16);
    }
}
