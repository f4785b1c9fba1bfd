// Matrix instructions: mma.sync, wmma, ldmatrix, stmatrix, movmatrix.
//
// mma.sync fragments are laid out as the PTX manual says. With g = lane / 4, t = lane % 4 and e elements per 32-bit
// register:
//   A (M x K): element j of register r is row g + 8 * (r & 1), column t * e + j + (r / 2) * 4 * e
//              (M = 8: one row, r counts columns)
//   B (K x N): element j of register r is row t * e + j + r * 4 * e, column g
//   C, D:      element i is row g + 8 * (i / 2), column t * 2 + (i & 1)
// wmma fragments have no documented layout: elements go to the lanes in order of memory, several times when there is
// room. Products are exact; sums are float32 (int32, float64) in order of k.
#include <algorithm>
#include <array>

#include "isa/families.h"
#include "isa/fp.h"
#include "isa/lanes.h"
#include "machine/access.h"
#include "machine/block.h"

#include <cuda.h>

namespace cudasim {
namespace {

constexpr unsigned kMost = 32;  // rows or columns of any shape

struct Shape {
    unsigned m = 0, n = 0, k = 0;
};

enum class Element : std::uint8_t { F16, BF16, TF32, F32, F64, S8, U8, S32 };

Element elementOf(Decoding& d, const ptx::Type& t) {
    if (t == ptx::kF16) return Element::F16;
    if (t == ptx::kBF16) return Element::BF16;
    if (t.kind == ptx::Kind::TFloat) return Element::TF32;
    if (t == ptx::kF32) return Element::F32;
    if (t == ptx::kF64) return Element::F64;
    if (t.is(ptx::Kind::Signed, 8)) return Element::S8;
    if (t.is(ptx::Kind::Unsigned, 8)) return Element::U8;
    if (t.is(ptx::Kind::Signed, 32)) return Element::S32;
    d.fail("element type is not simulated");
}

unsigned bitsOf(Element e) {
    switch (e) {
        case Element::F16: case Element::BF16: return 16;
        case Element::S8: case Element::U8: return 8;
        case Element::F64: return 64;
        default: return 32;
    }
}
unsigned perRegister(Element e) { return std::max(1U, 32 / bitsOf(e)); }

template <class V>
V decodeElement(Element e, std::uint64_t bits) {
    switch (e) {
        case Element::F16: return static_cast<V>(fp::toFloat(fp::F16{static_cast<std::uint16_t>(bits)}));
        case Element::BF16: return static_cast<V>(fp::toFloat(fp::BF16{static_cast<std::uint16_t>(bits)}));
        case Element::TF32:
            // The hardware reads 19 bits.
            return static_cast<V>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) & 0xffffe000U));
        case Element::F32: return static_cast<V>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
        case Element::F64: return static_cast<V>(std::bit_cast<double>(bits));
        case Element::S8: return static_cast<V>(static_cast<std::int8_t>(bits));
        case Element::U8: return static_cast<V>(static_cast<std::uint8_t>(bits));
        case Element::S32: return static_cast<V>(static_cast<std::int32_t>(bits));
    }
    return {};
}

template <class V>
std::uint64_t encodeElement(Element e, V value) {
    switch (e) {
        case Element::F16: return fp::narrow<fp::F16>(static_cast<double>(value)).bits;
        case Element::F64: return std::bit_cast<std::uint64_t>(static_cast<double>(value));
        case Element::S32: return static_cast<std::uint32_t>(static_cast<std::int32_t>(value));
        default: return std::bit_cast<std::uint32_t>(fp::narrow<float>(static_cast<double>(value)));
    }
}

template <class V>
struct Matrix {
    alignas(64) std::array<V, kMost * kMost> v;
    V& at(unsigned row, unsigned column) { return v[row * kMost + column]; }
};

// ---- where the elements of a fragment are ----

enum class Role : std::uint8_t { A, B, C };

// Calls f(register, element in register, row, column) for every element of the lane.
template <class F>
void forMmaElements(Role role, Shape s, Element e, std::uint32_t lane, F f) {
    const unsigned g = lane / 4, t = lane % 4, per = perRegister(e);
    if (role == Role::A) {
        const unsigned rows = s.m / 8;
        const unsigned registers = s.m * s.k / kLanes / per;
        for (unsigned r = 0; r < registers; ++r) {
            for (unsigned j = 0; j < per; ++j) f(r, j, g + 8 * (r % rows), t * per + j + r / rows * 4 * per);
        }
    } else if (role == Role::B) {
        const unsigned registers = s.k * s.n / kLanes / per;
        for (unsigned r = 0; r < registers; ++r) {
            for (unsigned j = 0; j < per; ++j) f(r, j, t * per + j + r * 4 * per, g);
        }
    } else {
        const unsigned elements = s.m * s.n / kLanes;
        for (unsigned i = 0; i < elements; ++i) f(i / per, i % per, g + 8 * (i / 2), t * 2 + (i & 1));
    }
}

struct WmmaPlace {
    unsigned rows, columns;
    bool rowMajor;  // consecutive elements are consecutive in a row
    unsigned registers;
};

template <class F>
void forWmmaElements(const WmmaPlace& p, Element e, std::uint32_t lane, F f) {
    const unsigned per = perRegister(e);
    const unsigned perLane = p.rows * p.columns / kLanes;
    for (unsigned i = 0; i < p.registers * per; ++i) {
        const unsigned index = lane * perLane + i % perLane;
        const unsigned minor = p.rowMajor ? p.columns : p.rows;
        const unsigned row = p.rowMajor ? index / minor : index % minor;
        const unsigned column = p.rowMajor ? index % minor : index / minor;
        f(i / per, i % per, row, column);
    }
}

std::uint64_t registerValue(Warp& w, std::uint32_t slot, std::uint32_t lane, Element e, unsigned j) {
    if (e == Element::F64) return w.slot<std::uint64_t>(slot)[lane];
    return w.slot<std::uint32_t>(slot)[lane] >> (j * bitsOf(e) % 32);
}

void setRegisterValue(Warp& w, std::uint32_t slot, std::uint32_t lane, Element e, unsigned j, std::uint64_t bits) {
    if (e == Element::F64) {
        w.slot<std::uint64_t>(slot)[lane] = bits;
        return;
    }
    std::uint32_t& cell = w.slot<std::uint32_t>(slot)[lane];
    const unsigned width = bitsOf(e);
    const auto field =
        static_cast<std::uint32_t>((width == 32 ? 0xffffffffULL : (1ULL << width) - 1) << (j * width % 32));
    cell = (cell & ~field) | (static_cast<std::uint32_t>(bits << (j * width % 32)) & field);
}

// ---- all lanes of a warp together ----

bool wholeWarp(Warp& w, const Instr& in, std::uint32_t& mask) {
    static constexpr auto kAll = [] {
        std::array<std::uint32_t, kLanes> all{};
        all.fill(kFullMask);
        return all;
    }();
    if (!w.converge(in, mask, kAll.data())) return false;
    if (mask == kFullMask) return true;
    w.block->launch.findings->report(
        "warp-sync", w.block->site(w, static_cast<std::uint32_t>(std::countr_zero(mask)), in.line), [&] {
            return "only " + std::to_string(std::popcount(mask)) + " threads of the warp execute this: it needs all 32";
        });
    throw Fault{CUDA_ERROR_LAUNCH_FAILED};
}

// ---- mma ----

// What an mma or wmma.mma instruction is; kept in Instr::imm.
struct MmaPlan {
    Shape shape;
    Element a, b, c, d;
    bool wmma, aRow, bRow, saturate;

    std::int64_t pack() const {
        return static_cast<std::int64_t>(shape.m | shape.n << 8 | shape.k << 16) | static_cast<std::int64_t>(a) << 24 |
               static_cast<std::int64_t>(b) << 28 | static_cast<std::int64_t>(c) << 32 |
               static_cast<std::int64_t>(d) << 36 | static_cast<std::int64_t>(wmma) << 40 |
               static_cast<std::int64_t>(aRow) << 41 | static_cast<std::int64_t>(bRow) << 42 |
               static_cast<std::int64_t>(saturate) << 43;
    }
    static MmaPlan unpack(std::int64_t v) {
        const auto element = [&](int at) { return static_cast<Element>(v >> at & 15); };
        const auto size = [&](int at) { return static_cast<unsigned>(v >> at & 255); };
        return {{size(0), size(8), size(16)}, element(24),        element(28),        element(32),       element(36),
                (v >> 40 & 1) != 0,           (v >> 41 & 1) != 0, (v >> 42 & 1) != 0, (v >> 43 & 1) != 0};
    }
};

unsigned wmmaRegisters(Role role, Shape s, Element e) {
    const unsigned elements = (role == Role::A ? s.m * s.k : role == Role::B ? s.k * s.n : s.m * s.n) / kLanes;
    if (role != Role::C && e == Element::F16) return 8;  // held twice or more, on every shape
    return std::max(1U, elements / perRegister(e));
}

WmmaPlace wmmaPlace(Role role, Shape s, Element e, bool rowMajor) {
    const unsigned rows = role == Role::B ? s.k : s.m;
    const unsigned columns = role == Role::A ? s.k : s.n;
    return {rows, columns, rowMajor, wmmaRegisters(role, s, e)};
}

template <class F>
void forElements(const MmaPlan& p, Role role, Element e, std::uint32_t lane, F f) {
    if (!p.wmma) forMmaElements(role, p.shape, e, lane, f);
    else
        forWmmaElements(wmmaPlace(role, p.shape, e,
                                  role == Role::A   ? p.aRow
                                  : role == Role::B ? p.bRow
                                                    : true),
                        e, lane, f);
}

template <class V>
void runMma(Warp& w, const Instr& in, std::uint32_t mask) {
    if (!wholeWarp(w, in, mask)) return;
    ++(*w.counters)[Counter::mma];
    const MmaPlan p = MmaPlan::unpack(in.imm);
    const std::uint32_t* slots = w.kernel->slots.data();
    Matrix<V> a, b, c;
    const auto read = [&](Role role, Element e, std::uint32_t first, Matrix<V>& to) {
        for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
            forElements(p, role, e, lane, [&](unsigned r, unsigned j, unsigned row, unsigned column) {
                to.at(row, column) = decodeElement<V>(e, registerValue(w, slots[first + r], lane, e, j));
            });
        }
    };
    read(Role::A, p.a, in.a, a);
    read(Role::B, p.b, in.b, b);
    read(Role::C, p.c, in.c, c);
    for (unsigned row = 0; row < p.shape.m; ++row) {
        V* const out = &c.at(row, 0);
        if constexpr (std::is_same_v<V, std::int32_t>) {
            for (unsigned column = 0; column < p.shape.n; ++column) {
                std::int64_t sum = out[column];
                for (unsigned k = 0; k < p.shape.k; ++k) sum += std::int64_t{a.at(row, k)} * b.at(k, column);
                if (p.saturate) sum = std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX);
                out[column] = static_cast<std::int32_t>(sum);
            }
        } else {
            for (unsigned k = 0; k < p.shape.k; ++k) {
                const V x = a.at(row, k);
                const V* const y = &b.at(k, 0);
                for (unsigned column = 0; column < p.shape.n; ++column) out[column] += x * y[column];
            }
        }
    }
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        forElements(p, Role::C, p.d, lane, [&](unsigned r, unsigned j, unsigned row, unsigned column) {
            setRegisterValue(w, slots[in.d + r], lane, p.d, j, encodeElement(p.d, c.at(row, column)));
        });
    }
}

std::optional<Shape> takeShape(Decoding& d) {
    static constexpr std::pair<std::string_view, Shape> kShapes[] = {
        {"m16n8k4", {16, 8, 4}},   {"m16n8k8", {16, 8, 8}},   {"m16n8k16", {16, 8, 16}},   {"m16n8k32", {16, 8, 32}},
        {"m8n8k16", {8, 8, 16}},   {"m8n8k4", {8, 8, 4}},     {"m16n16k16", {16, 16, 16}}, {"m8n32k16", {8, 32, 16}},
        {"m32n8k16", {32, 8, 16}}, {"m16n16k8", {16, 16, 8}},
    };
    for (const auto& [name, shape] : kShapes) {
        if (d.take(name)) return shape;
    }
    return std::nullopt;
}

bool known(const MmaPlan& p) {
    const Shape& s = p.shape;
    const bool floatC = (p.c == Element::F32 || (p.c == Element::F16 && p.a == Element::F16)) && p.c == p.d;
    const bool mixedC = p.a == Element::F16 && (p.c == Element::F16 || p.c == Element::F32) &&
                        (p.d == Element::F16 || p.d == Element::F32);
    const bool eight = (p.a == Element::S8 || p.a == Element::U8) && (p.b == Element::S8 || p.b == Element::U8) &&
                       p.c == Element::S32 && p.d == Element::S32;
    if (!eight && p.a != p.b) return false;
    if (p.wmma) {
        const bool large = s.m * s.n == 256 && s.k == 16;
        if (p.a == Element::F16) return large && mixedC;
        if (p.a == Element::BF16) return large && floatC;
        if (eight) return large;
        if (p.a == Element::TF32) return s.m == 16 && s.n == 16 && s.k == 8 && floatC;
        return p.a == Element::F64 && s.m == 8 && s.n == 8 && s.k == 4 && p.c == Element::F64 && p.d == Element::F64;
    }
    if (p.a == Element::F64)
        return p.c == Element::F64 && p.d == Element::F64 && ((s.m == 8 && s.k == 4) || (s.m == 16 && s.k <= 16)) &&
               s.n == 8;
    if (p.a == Element::F16) return s.m == 16 && s.n == 8 && (s.k == 8 || s.k == 16) && mixedC;
    if (p.a == Element::BF16) return s.m == 16 && s.n == 8 && (s.k == 8 || s.k == 16) && floatC;
    if (p.a == Element::TF32) return s.m == 16 && s.n == 8 && (s.k == 4 || s.k == 8) && floatC;
    return eight && ((s.m == 16 && (s.k == 16 || s.k == 32)) || (s.m == 8 && s.k == 16)) && s.n == 8;
}

ptx::Type registerType(Element e) { return e == Element::F64 ? ptx::kF64 : e == Element::F32 ? ptx::kF32 : ptx::kB32; }

void decodeMmaOperands(Decoding& d, const MmaPlan& p) {
    if (!known(p)) d.fail("shape and types are not simulated");
    const auto registers = [&](Role role, Element e) {
        if (p.wmma) return wmmaRegisters(role, p.shape, e);
        const unsigned elements = (role == Role::A   ? p.shape.m * p.shape.k
                                   : role == Role::B ? p.shape.k * p.shape.n
                                                     : p.shape.m * p.shape.n) /
                                  kLanes;
        return elements / perRegister(e);
    };
    d.expectOperands(4, 4);
    d.out.cls = Counter::inst_matrix;
    d.out.d = d.destVector(d.operand(0), registerType(p.d).bits, registers(Role::C, p.d));
    d.out.a = d.sourceVector(d.operand(1), registerType(p.a), registers(Role::A, p.a));
    d.out.b = d.sourceVector(d.operand(2), registerType(p.b), registers(Role::B, p.b));
    d.out.c = d.sourceVector(d.operand(3), registerType(p.c), registers(Role::C, p.c));
    d.out.imm = p.pack();
    d.out.run = p.a == Element::F64 ? &runMma<double> : p.c == Element::S32 ? &runMma<std::int32_t> : &runMma<float>;
}

void decodeMma(Decoding& d) {
    if (d.take("sp")) d.fail("sparse matrices are not simulated");
    if (!d.take("sync") || !d.take("aligned")) d.fail("without .sync.aligned");
    const auto shape = takeShape(d);
    if (!shape) d.fail("shape is not simulated");
    if (!d.take("row") || !d.take("col")) d.fail("layout other than .row.col");
    MmaPlan p{};
    p.shape = *shape;
    p.saturate = d.take("satfinite");
    p.d = elementOf(d, d.type());
    p.a = elementOf(d, d.type());
    p.b = elementOf(d, d.type());
    p.c = elementOf(d, d.type());
    decodeMmaOperands(d, p);
}

// ---- wmma ----

// e: slot of the stride, in elements; mode: role | element << 2 | (row major in memory) << 6 | (fragment order by rows)
// << 7; imm is the address offset, c the shape
void runWmmaAccess(Warp& w, const Instr& in, std::uint32_t mask, AccessKind kind) {
    if (!wholeWarp(w, in, mask)) return;
    const auto role = static_cast<Role>(in.mode & 3);
    const auto e = static_cast<Element>(in.mode >> 2 & 15);
    const bool rowMajor = (in.mode >> 6 & 1U) != 0;
    const Shape s{in.c & 255, in.c >> 8 & 255, in.c >> 16 & 255};
    const WmmaPlace place = wmmaPlace(role, s, e, (in.mode >> 7 & 1U) != 0);
    const std::uint32_t* slots = w.kernel->slots.data() + in.extra;
    LaneAddresses base;
    formAddresses(w, in, mask, base);
    const Lanes<std::uint32_t> stride(w, in.e);
    const unsigned bytes = bitsOf(e) / 8;
    // Elements that are neighbours in memory go in one access of up to 16 bytes, when the fragment's order is that of
    // memory.
    const unsigned perLane = place.rows * place.columns / kLanes;
    const unsigned chunk = place.rowMajor == rowMajor ? std::min(perLane, 16 / bytes) : 1;
    for (unsigned first = 0; first < perLane; first += chunk) {
        LaneAddresses addresses;
        LanePointers pointers;
        LaneData data;
        const unsigned size = chunk * bytes;
        for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
            unsigned i = 0;
            forWmmaElements(place, e, lane, [&](unsigned r, unsigned j, unsigned row, unsigned column) {
                const unsigned index = i++;
                if (index < first || index >= first + chunk) return;
                if (index == first) {
                    const std::uint64_t element = rowMajor ? std::uint64_t{row} * stride[lane] + column
                                                           : std::uint64_t{column} * stride[lane] + row;
                    addresses[lane] = base[lane] + element * bytes;
                }
                if (kind == AccessKind::Store) {
                    const std::uint64_t bits = registerValue(w, slots[r], lane, e, j);
                    std::memcpy(data[lane].data() + (index - first) * bytes, &bits, bytes);
                }
            });
        }
        resolve(w, in, mask, size, kind, addresses, pointers, kind == AccessKind::Store ? &data : nullptr);
        for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
            if (kind == AccessKind::Store) {
                std::memcpy(pointers[lane], data[lane].data(), size);
                continue;
            }
            unsigned i = 0;
            forWmmaElements(place, e, lane, [&](unsigned r, unsigned j, unsigned, unsigned) {
                const unsigned index = i++ % perLane;
                if (index < first || index >= first + chunk) return;
                std::uint64_t bits = 0;
                std::memcpy(&bits, pointers[lane] + (index - first) * bytes, bytes);
                setRegisterValue(w, slots[r], lane, e, j, bits);
            });
        }
    }
}

void runWmmaLoad(Warp& w, const Instr& in, std::uint32_t mask) { runWmmaAccess(w, in, mask, AccessKind::Load); }
void runWmmaStore(Warp& w, const Instr& in, std::uint32_t mask) { runWmmaAccess(w, in, mask, AccessKind::Store); }

void decodeWmma(Decoding& d) {
    const int what = d.takeOneOf({"load", "store", "mma"});
    if (!d.take("sync") || !d.take("aligned") || what < 0) d.fail("unknown form");
    const auto shape = takeShape(d);
    if (!shape) d.fail("shape is not simulated");
    d.out.cls = Counter::inst_matrix;
    if (what == 2) {
        MmaPlan p{};
        p.shape = *shape;
        p.wmma = true;
        // .alayout.blayout stand side by side
        for (std::size_t i = 1; i + 1 < d.source.opcode.size(); ++i) {
            const std::string& x = d.source.opcode[i];
            const std::string& y = d.source.opcode[i + 1];
            if ((x == "row" || x == "col") && (y == "row" || y == "col")) {
                p.aRow = x == "row";
                p.bRow = y == "row";
            }
        }
        while (d.takeOneOf({"row", "col"}) >= 0) {
        }
        p.saturate = d.take("satfinite");
        // f16: .dtype.ctype; others: .dtype.atype.btype.ctype
        std::vector<Element> types;
        while (const auto t = d.maybeType()) types.push_back(elementOf(d, *t));
        if (types.size() == 2) types = {types[0], Element::F16, Element::F16, types[1]};
        if (types.size() != 4) d.fail("types");
        p.d = types[0];
        p.a = types[1];
        p.b = types[2];
        p.c = types[3];
        decodeMmaOperands(d, p);
        return;
    }
    const int matrix = d.takeOneOf({"a", "b", "c", "d"});
    const int layout = d.takeOneOf({"row", "col"});
    d.out.space = d.maybeSpace().value_or(ptx::Space::Generic);
    const Element e = elementOf(d, d.type());
    if (matrix < 0 || layout < 0) d.fail("unknown form");
    const Role role = matrix == 0 ? Role::A : matrix == 1 ? Role::B : Role::C;
    const bool rowMajor = layout == 0;
    const bool fragmentRows = role == Role::C || rowMajor;
    const std::size_t fragment = what == 0 ? 0 : 1;
    const WmmaPlace place = wmmaPlace(role, *shape, e, fragmentRows);
    d.expectOperands(2, 3);
    d.address(1 - fragment);
    d.out.extra = what == 0 ? d.destVector(d.operand(0), registerType(e).bits, place.registers)
                            : d.sourceVector(d.operand(1), registerType(e), place.registers);
    if (d.operandCount() == 3) {
        d.out.e = d.src(2, ptx::kB32);
    } else {
        ptx::Operand leading;
        leading.kind = ptx::Operand::Kind::Integer;
        leading.bits = rowMajor ? place.columns : place.rows;
        d.out.e = d.sourceOf(leading, ptx::kB32);
    }
    d.out.mode = static_cast<std::uint32_t>(role) | static_cast<std::uint32_t>(e) << 2 | std::uint32_t{rowMajor} << 6 |
                 std::uint32_t{fragmentRows} << 7;
    d.out.c = shape->m | shape->n << 8 | shape->k << 16;
    d.out.run = what == 0 ? &runWmmaLoad : &runWmmaStore;
}

// ---- ldmatrix, stmatrix, movmatrix: 8 x 8 matrices of 16-bit elements; lane i holds row i / 4, columns 2 * (i % 4)
// and the next ----

using Tile = std::array<std::array<std::uint16_t, 8>, 8>;

void tileToLanes(const Tile& tile, bool transpose, std::uint32_t* cells) {
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        const unsigned row = lane / 4, column = lane % 4 * 2;
        const std::uint16_t low = transpose ? tile[column][row] : tile[row][column];
        const std::uint16_t high = transpose ? tile[column + 1][row] : tile[row][column + 1];
        cells[lane] = low | std::uint32_t{high} << 16;
    }
}

void lanesToTile(const std::uint32_t* cells, bool transpose, Tile& tile) {
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        const unsigned row = lane / 4, column = lane % 4 * 2;
        (transpose ? tile[column][row] : tile[row][column]) = static_cast<std::uint16_t>(cells[lane]);
        (transpose ? tile[column + 1][row] : tile[row][column + 1]) = static_cast<std::uint16_t>(cells[lane] >> 16);
    }
}

// Lanes 8 i to 8 i + 7 give the addresses of the rows of matrix i.
void runLdmatrix(Warp& w, const Instr& in, std::uint32_t mask) {
    if (!wholeWarp(w, in, mask)) return;
    ++(*w.counters)[Counter::ldmatrix];
    LaneAddresses addresses;
    LanePointers pointers;
    formAddresses(w, in, mask, addresses);
    const std::uint32_t rows = in.count == 4 ? kFullMask : (1U << (8 * in.count)) - 1;
    resolve(w, in, rows, 16, AccessKind::Load, addresses, pointers);
    std::array<Tile, 4> tiles;
    for (std::uint32_t i = 0; i < in.count * 8U; ++i) std::memcpy(tiles[i / 8][i % 8].data(), pointers[i], 16);
    for (std::uint32_t i = 0; i < in.count; ++i)
        tileToLanes(tiles[i], in.mode != 0, w.slot<std::uint32_t>(w.kernel->slots[in.extra + i]));
}

void runStmatrix(Warp& w, const Instr& in, std::uint32_t mask) {
    if (!wholeWarp(w, in, mask)) return;
    LaneAddresses addresses;
    LanePointers pointers;
    LaneData data;
    formAddresses(w, in, mask, addresses);
    const std::uint32_t rows = in.count == 4 ? kFullMask : (1U << (8 * in.count)) - 1;
    Tile tile;
    for (std::uint32_t i = 0; i < in.count; ++i) {
        lanesToTile(w.slot<std::uint32_t>(w.kernel->slots[in.extra + i]), in.mode != 0, tile);
        for (std::uint32_t row = 0; row < 8; ++row) std::memcpy(data[8 * i + row].data(), tile[row].data(), 16);
    }
    resolve(w, in, rows, 16, AccessKind::Store, addresses, pointers, &data);
    for (std::uint32_t i = 0; i < in.count * 8U; ++i) std::memcpy(pointers[i], data[i].data(), 16);
}

void decodeMatrixAccess(Decoding& d, bool load) {
    if (!d.take("sync") || !d.take("aligned") || !d.take("m8n8")) d.fail("only .sync.aligned.m8n8 is simulated");
    const int number = d.takeOneOf({"x1", "x2", "x4"});
    if (number < 0) d.fail("neither .x1, .x2 nor .x4");
    d.out.count = static_cast<std::uint8_t>(1U << number);
    d.out.mode = d.take("trans") ? 1 : 0;
    d.out.space = d.maybeSpace().value_or(ptx::Space::Generic);
    if (d.type() != ptx::kB16) d.fail("only .b16 is simulated");
    d.expectOperands(2, 2);
    d.out.cls = Counter::inst_matrix;
    d.address(load ? 1 : 0);
    d.out.extra =
        load ? d.destVector(d.operand(0), 32, d.out.count) : d.sourceVector(d.operand(1), ptx::kB32, d.out.count);
    d.out.run = load ? &runLdmatrix : &runStmatrix;
}

void runMovmatrix(Warp& w, const Instr& in, std::uint32_t mask) {
    if (!wholeWarp(w, in, mask)) return;
    Tile tile;
    lanesToTile(w.slot<std::uint32_t>(in.a), false, tile);
    tileToLanes(tile, true, w.slot<std::uint32_t>(in.d));
}

void decodeMovmatrix(Decoding& d) {
    if (!d.take("sync") || !d.take("aligned") || !d.take("m8n8") || !d.take("trans") || d.type() != ptx::kB16)
        d.fail("only .sync.aligned.m8n8.trans.b16 is known");
    d.expectOperands(2, 2);
    d.out.cls = Counter::inst_matrix;
    d.out.d = d.dest(0, 32);
    d.out.a = d.src(1, ptx::kB32);
    d.out.run = &runMovmatrix;
}

}  // namespace

std::span<const DecoderEntry> matrixFamily() {
    static constexpr DecoderEntry kFamily[] = {
        {"mma", decodeMma}, {"wmma", decodeWmma}, {"movmatrix", decodeMovmatrix},
        {"ldmatrix", [](Decoding& d) { decodeMatrixAccess(d, true); }},
        {"stmatrix", [](Decoding& d) { decodeMatrixAccess(d, false); }},
    };
    return kFamily;
}

}  // namespace cudasim
