// GEMM: every variant and epilogue on awkward shapes, and its independence of the order of blocks.
#include <cmath>
#include <stdexcept>

#include "cases.hpp"
#include "launches.hpp"
#include "reference.hpp"

namespace nj {
namespace {

struct GemmShape {
    int capacity;
    int rows;
    int n;
    int k;
};

enum class Tail { none, bias, gelu, relu, residual, norm };

/** What a launch wrote. */
struct Product {
    const Buffer& out;
    const Buffer* preActivation;
};

std::string describe(GemmVariant variant, const GemmShape& s) {
    return std::string("gemm ") + variant.entry + " " + std::to_string(s.rows) + " of " + std::to_string(s.capacity) + " x "
        + std::to_string(s.n) + " x " + std::to_string(s.k);
}

struct GemmInputs {
    Values x;
    Values weight;
    Values bias;
    Values residual;
    Values gamma;
    Values beta;

    GemmInputs(Type type, const GemmShape& s) {
        Random random(s.rows * 7 + s.n * 3 + s.k);
        x = random.normal(type, static_cast<size_t>(s.capacity) * s.k, 1);
        weight = random.normal(type, static_cast<size_t>(s.n) * s.k, 1 / std::sqrt(s.k));
        bias = random.normal(type, s.n, 0.5);
        residual = random.normal(type, static_cast<size_t>(s.capacity) * s.n, 1);
        gamma = random.normal(type, s.n, 0.2, 1);
        beta = random.normal(type, s.n, 0.2);
    }
};

Product multiply(Device& device, Type type, GemmVariant variant, const GemmShape& s, Tail tail, const GemmInputs& in) {
    GemmArguments a{.x = &device.upload(type, in.x),
                    .weight = &device.upload(type, in.weight),
                    .norm = {},
                    .rows = {s.capacity, s.rows == s.capacity ? nullptr : &device.upload(std::vector<int>{s.rows})},
                    .n = s.n,
                    .k = s.k,
                    .tickets = nullptr};
    if (tail != Tail::none) a.bias = &device.upload(type, in.bias);
    if (tail == Tail::gelu) a.activation = 1;
    if (tail == Tail::relu) a.activation = 2;
    if (tail == Tail::residual) a.residual = &device.upload(type, in.residual);
    const size_t count = static_cast<size_t>(s.capacity) * s.n;
    if (tail != Tail::norm) {
        const Buffer& out = device.output(type, count);
        if (a.activation != 0) a.preActivation = &device.output(type, count);
        launchGemm(device, type, variant, out, a);
        return {out, a.preActivation};
    }
    // In place, as the encoder does it: the residual stream is replaced by the normalised sum.
    Values stream = in.residual;
    for (size_t i = static_cast<size_t>(s.rows) * s.n; i < count; ++i) stream[i] = Device::kSentinel;
    const Buffer& out = device.upload(type, stream);
    a.residual = &out;
    a.norm = {&device.upload(type, in.gamma), &device.upload(type, in.beta)};
    const Buffer& tickets = device.zeros(static_cast<size_t>(ceilDiv(s.capacity, variant.tile)) * 4);
    a.tickets = &tickets;
    launchGemm(device, type, variant, out, a);
    for (const uint8_t byte : tickets.read()) {
        if (byte != 0) throw std::runtime_error("a ticket was not left zero for the next launch");
    }
    return {out, nullptr};
}

Values expected(const GemmShape& s, Tail tail, const GemmInputs& in, Rounding round) {
    const Values x(in.x.begin(), in.x.begin() + static_cast<size_t>(s.rows) * s.k);
    const bool residual = tail == Tail::residual || tail == Tail::norm;
    const Values sum = linear(x, in.weight, tail == Tail::none ? Values() : in.bias, residual ? in.residual : Values(),
                              tail == Tail::gelu ? 1 : tail == Tail::relu ? 2 : 0, s.n, s.k, round);
    return tail == Tail::norm ? layerNorm(sum, in.gamma, in.beta, s.n, round) : sum;
}

void gemm(Device& device, Type type, GemmVariant variant, const GemmShape& s, const std::vector<Tail>& tails) {
    const GemmInputs in(type, s);
    for (const Tail tail : tails) {
        const std::string what = describe(variant, s) + " tail " + std::to_string(static_cast<int>(tail));
        const auto expect = [&](const Buffer& actual, Tail kept) {
            expectClose(what, type, written(what, type, actual, static_cast<size_t>(s.rows) * s.n), expected(s, kept, in, Rounding::exact()),
                        expected(s, kept, in, Rounding::to(type)));
        };
        const Product product = multiply(device, type, variant, s, tail, in);
        expect(product.out, tail);
        if (product.preActivation != nullptr) expect(*product.preActivation, Tail::bias);
    }
}

}  // namespace

void addGemmCases(std::vector<Case>& cases) {
    const std::vector<Tail> all{Tail::none, Tail::bias, Tail::gelu, Tail::relu, Tail::residual, Tail::norm};
    const auto add = [&cases](GemmVariant variant, const GemmShape& s, const std::vector<Tail>& tails) {
        cases.push_back({describe(variant, s), [=](Device& d, Type t) { gemm(d, t, variant, s, tails); }});
    };
    for (const GemmVariant variant : {kRows16, kTile64, kTile128}) {
        add(variant, {17, 17, 40, 72}, all);       // no dimension a multiple of a tile or a slice
        add(variant, {7, 5, 9, 13}, all);          // nothing aligned, rows known to the device only
        add(variant, {97, 97, 32, 128}, {Tail::norm});
        add(variant, {129, 129, 136, 96}, {Tail::bias});
        add(variant, {200, 130, 129, 64}, {Tail::norm});
        add(variant, {64, 0, 32, 32}, {Tail::norm});
        add(variant, {1, 1, 1, 1}, {Tail::bias});
        add(variant, {70, 65, 48, 32}, {Tail::gelu, Tail::relu});
    }
    add(kRows16, {1, 1, 384, 1536}, {Tail::norm});
    add(kRows16, {5, 5, 768, 3072}, {Tail::norm});
    add(kTile64, {17, 17, 1152, 384}, {Tail::gelu});
    add(kTile128, {129, 129, 384, 384}, {Tail::norm});
    add(kTile128, {128, 128, 768, 256}, {Tail::residual});
    for (const GemmVariant variant : {kRows16, kTile64, kTile128}) {
        const GemmShape s{150, 150, 200, 64};
        Case ordered{describe(variant, s) + " in any order", nullptr};
        ordered.ordered = [=](Device& d, Type t) { return multiply(d, t, variant, s, Tail::norm, GemmInputs(t, s)).out.read(); };
        cases.push_back(ordered);
    }
}

}  // namespace nj
