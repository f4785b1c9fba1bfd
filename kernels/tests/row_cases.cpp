// Embedding, LayerNorm, bias and casts: operations on one row, or element, at a time.
#include <cmath>
#include <limits>
#include <stdexcept>

#include "cases.hpp"
#include "launches.hpp"
#include "reference.hpp"

namespace nj {
namespace {

struct RowShape {
    int capacity;
    int rows;  // capacity without a count on the device
    int dim;
};

std::string describe(const RowShape& s) {
    return std::to_string(s.rows) + " of " + std::to_string(s.capacity) + " x " + std::to_string(s.dim);
}

const Buffer* countOf(Device& device, const RowShape& s) {
    return s.rows == s.capacity ? nullptr : &device.upload(std::vector<int>{s.rows});
}

void embedding(Device& device, Type type, const RowShape& s) {
    Random random(s.capacity * 1000 + s.dim);
    const int vocabulary = 50;
    const int places = 20;
    std::vector<int> ids(s.capacity);
    std::vector<int> positions(s.capacity);
    for (int i = 0; i < s.capacity; ++i) {
        ids[i] = i == 0 ? vocabulary - 1 : random.integer(vocabulary);
        positions[i] = i == 0 ? places - 1 : random.integer(places);
    }
    const Values wordTable = random.normal(type, static_cast<size_t>(vocabulary) * s.dim, 1);
    const Values placeTable = random.normal(type, static_cast<size_t>(places) * s.dim, 0.5);
    const Values gamma = random.normal(type, s.dim, 0.2, 1);
    const Values beta = random.normal(type, s.dim, 0.2);
    const Buffer& out = device.output(type, static_cast<size_t>(s.capacity) * s.dim);
    launchEmbedding(device, type, out, device.upload(ids), device.upload(positions), device.upload(type, wordTable),
                    device.upload(type, placeTable), {&device.upload(type, gamma), &device.upload(type, beta)},
                    {s.capacity, countOf(device, s)}, s.dim);
    ids.resize(s.rows);
    positions.resize(s.rows);
    const auto compute = [&](Rounding round) {
        return layerNorm(embed(ids, positions, wordTable, placeTable, s.dim, round), gamma, beta, s.dim, round);
    };
    const std::string what = "embedding " + describe(s);
    expectClose(what, type, written(what, type, out, static_cast<size_t>(s.rows) * s.dim), compute(Rounding::exact()),
                compute(Rounding::to(type)));
}

void norm(Device& device, Type type, const RowShape& s, bool withBias, bool withResidual, bool inPlace) {
    Random random(s.capacity * 1000 + s.dim + 1);
    const size_t count = static_cast<size_t>(s.rows) * s.dim;
    Values x = random.normal(type, static_cast<size_t>(s.capacity) * s.dim, 1, 0.3);
    for (size_t i = count; i < x.size(); ++i) x[i] = Device::kSentinel;
    const Values bias = random.normal(type, s.dim, 1);
    const Values residual = random.normal(type, x.size(), 1);
    const Values gamma = random.normal(type, s.dim, 0.2, 1);
    const Values beta = random.normal(type, s.dim, 0.2);
    const Buffer& in = device.upload(type, x);
    const Buffer& out = inPlace ? in : device.output(type, x.size());
    launchLayerNorm(device, type, out, in, withBias ? &device.upload(type, bias) : nullptr,
                    withResidual ? &device.upload(type, residual) : nullptr, {&device.upload(type, gamma), &device.upload(type, beta)},
                    {s.capacity, countOf(device, s)}, s.dim);
    x.resize(count);
    const auto compute = [&](Rounding round) {
        Values sum = biasActivation(x, withBias ? bias : Values(), 0, s.dim, round);
        if (withResidual) sum = add(sum, residual, round);
        return layerNorm(sum, gamma, beta, s.dim, round);
    };
    const std::string what = "layernorm " + describe(s);
    expectClose(what, type, written(what, type, out, count), compute(Rounding::exact()), compute(Rounding::to(type)));
}

void constantRow(Device& device, Type type) {
    // Variance 0: eps alone keeps the result finite, and the result is beta.
    const int dim = 40;
    const Buffer& x = device.upload(type, Values(dim, 3.0));
    const Values beta = Random(5).normal(type, dim, 1);
    launchLayerNorm(device, type, x, x, nullptr, nullptr, {&device.upload(type, Values(dim, 1.0)), &device.upload(type, beta)}, {1}, dim);
    expectClose("layernorm of a constant row", type, decode(type, x.read()), beta, beta);
}

void biasInPlace(Device& device, Type type, const RowShape& s, int activation, bool withBias) {
    Random random(s.capacity * 1000 + s.dim + 2);
    const size_t count = static_cast<size_t>(s.rows) * s.dim;
    Values x = random.normal(type, static_cast<size_t>(s.capacity) * s.dim, 2);
    for (size_t i = count; i < x.size(); ++i) x[i] = Device::kSentinel;
    const Values bias = withBias ? random.normal(type, s.dim, 1) : Values();
    const Buffer& buffer = device.upload(type, x);
    launchBias(device, type, buffer, withBias ? &device.upload(type, bias) : nullptr, activation, {s.capacity, countOf(device, s)}, s.dim);
    x.resize(count);
    const std::string what = "bias " + describe(s) + " activation " + std::to_string(activation);
    expectClose(what, type, written(what, type, buffer, count), biasActivation(x, bias, activation, s.dim, Rounding::exact()),
                biasActivation(x, bias, activation, s.dim, Rounding::to(type)));
}

void castOne(Device& device, Type from, Type to, const Values& values) {
    const std::string entry = std::string("nj_cast_") + name(from) + "_" + name(to);
    const Buffer& in = device.upload(from, values);
    const Buffer& out = device.output(to, values.size());
    const auto count = static_cast<long long>(values.size());
    device.launch(device.function("cast", entry), {ceilDiv(static_cast<int>(count), 2048)}, 256, 0, out, in, count);
    const Values actual = decode(to, out.read());
    for (size_t i = 0; i < values.size(); ++i) {
        const double expected = roundTo(to, roundTo(from, values[i]));
        if (actual[i] != expected && !(std::isnan(actual[i]) && std::isnan(expected))) {
            throw std::runtime_error(entry + " of " + std::to_string(values[i]) + " gives " + std::to_string(actual[i]) + ", expected "
                                     + std::to_string(expected));
        }
    }
}

void cast(Device& device, Type type) {
    if (type == Type::f32) return;
    const double infinity = std::numeric_limits<double>::infinity();
    Values values{0, -0.0, 1, -1, 65504, 65519, 65520, 65536, 1e30, -1e30, infinity, -infinity, NAN, 0x1p-14, 0x1p-24, 0x1p-25, 0x1.8p-25,
                  0x1p-40, 1 + 0x1p-11, 1 + 0x3p-11, 1 + 0x1p-8, 1 + 0x3p-8, 1 + 0x1p-9, 3.4e38};
    const Values more = Random(3).normal(Type::f32, 4100, 100);
    values.insert(values.end(), more.begin(), more.end());
    castOne(device, Type::f32, type, values);
    castOne(device, type, Type::f32, values);
    for (const size_t count : {1, 3, 4, 7, 2048}) {
        const Values some(values.begin(), values.begin() + count);
        castOne(device, Type::f32, type, some);
        castOne(device, type, Type::f32, some);
    }
}

}  // namespace

void addRowCases(std::vector<Case>& cases) {
    // Widths: a DistilBERT's, MiniLM's, a golden model's, and such as no packet divides.
    for (const RowShape& s : {RowShape{1, 1, 768}, {17, 17, 768}, {129, 97, 384}, {512, 500, 32}, {5, 5, 1024}, {6, 5, 20}, {5, 1, 13}, {4, 0, 32}}) {
        cases.push_back({"embedding " + describe(s), [s](Device& d, Type t) { embedding(d, t, s); }});
        cases.push_back({"layernorm " + describe(s), [s](Device& d, Type t) {
                             norm(d, t, s, false, false, false);
                             norm(d, t, s, false, true, true);
                             norm(d, t, s, true, true, false);
                         }});
        cases.push_back({"bias " + describe(s), [s](Device& d, Type t) {
                             for (int activation = 0; activation < 3; ++activation) biasInPlace(d, t, s, activation, true);
                             biasInPlace(d, t, s, 1, false);
                         }});
    }
    cases.push_back({"layernorm of a constant row", constantRow});
    cases.push_back({"cast", cast});
}

}  // namespace nj
