// Gradients of a linear map: both products on awkward shapes, the bias, splits of the rows, and independence of the order of blocks.
#include <cmath>
#include <stdexcept>

#include "cases.hpp"
#include "training_launches.hpp"

namespace nj {
namespace {

struct BackwardShape {
    int capacity;
    int rows;
    int n;
    int k;
};

std::string describe(const BackwardShape& s) {
    return std::to_string(s.rows) + " of " + std::to_string(s.capacity) + " x " + std::to_string(s.n) + " x " + std::to_string(s.k);
}

const Buffer* countOf(Device& device, const BackwardShape& s) {
    return s.rows == s.capacity ? nullptr : &device.upload(std::vector<int>{s.rows});
}

Values gradients(Type type, const BackwardShape& s) {
    // Rows past the real count that would show in every sum.
    Values values = Random(s.rows + s.n).normal(type, static_cast<size_t>(s.rows) * s.n, 1);
    values.resize(static_cast<size_t>(s.capacity) * s.n, 1000);
    return values;
}

Values firstRows(const Values& values, int rows, int columns) {
    return Values(values.begin(), values.begin() + static_cast<size_t>(rows) * columns);
}

void dgrad(Device& device, Type type, int tile, const BackwardShape& s) {
    Random random(s.k);
    const Values dOut = gradients(type, s);
    const Values weight = random.normal(type, static_cast<size_t>(s.n) * s.k, 1 / std::sqrt(s.n));
    const Values before = random.normal(type, static_cast<size_t>(s.rows) * s.k, 1);
    for (const bool accumulate : {false, true}) {
        Values initial = before;
        initial.resize(static_cast<size_t>(s.capacity) * s.k, Device::kSentinel);
        const Buffer& dX = accumulate ? device.upload(type, initial) : device.output(type, initial.size());
        launchDgrad(device, type, tile, dX, device.upload(type, dOut), device.upload(type, weight), accumulate,
                    {s.capacity, countOf(device, s)}, s.n, s.k);
        const auto compute = [&](Rounding round) {
            return product(firstRows(dOut, s.rows, s.n), weight, accumulate ? before : Values(), s.n, s.k, round);
        };
        const std::string what = "dgrad " + describe(s);
        expectClose(what, type, written(what, type, dX, before.size()), compute(Rounding::exact()), compute(Rounding::to(type)));
    }
}

struct WeightInputs {
    Values dOut;
    Values x;
    Values weightBefore;
    Values biasBefore;

    WeightInputs(Type type, const BackwardShape& s) : dOut(gradients(type, s)) {
        Random random(s.k);
        x = random.normal(type, static_cast<size_t>(s.rows) * s.k, 1);
        x.resize(static_cast<size_t>(s.capacity) * s.k, 1000);
        weightBefore = random.normal(Type::f32, static_cast<size_t>(s.n) * s.k, 1);
        biasBefore = random.normal(Type::f32, s.n, 1);
    }
};

struct WeightOutputs {
    const Buffer& dWeight;
    const Buffer& dBias;
};

WeightOutputs launch(Device& device, Type type, int tile, int splits, const BackwardShape& s, const WeightInputs& in, bool withBias = true) {
    const WeightOutputs out{device.upload(Type::f32, in.weightBefore), device.upload(Type::f32, in.biasBefore)};
    const Buffer& tickets = device.zeros(static_cast<size_t>(ceilDiv(s.n, tile)) * ceilDiv(s.k, tile) * 4);
    launchWgrad(device, type, tile, splits, out.dWeight, withBias ? &out.dBias : nullptr, device.upload(type, in.dOut), device.upload(type, in.x),
                tickets, {s.capacity, countOf(device, s)}, s.n, s.k);
    for (const uint8_t byte : tickets.read()) {
        if (byte != 0) throw std::runtime_error("a ticket was not left zero for the next launch");
    }
    return out;
}

void wgrad(Device& device, Type type, int tile, const BackwardShape& s) {
    const WeightInputs in(type, s);
    const Values dOut = firstRows(in.dOut, s.rows, s.n);
    const Values x = firstRows(in.x, s.rows, s.k);
    const Rounding exact = Rounding::exact();
    const Rounding plain = Rounding::to(type);
    const Values exactWeight = transposedProduct(dOut, x, in.weightBefore, s.n, s.k, exact);
    const Values plainWeight = transposedProduct(dOut, x, in.weightBefore, s.n, s.k, plain);
    for (const int splits : {1, 3}) {
        const WeightOutputs out = launch(device, type, tile, splits, s, in);
        const std::string what = "wgrad " + describe(s) + " splits " + std::to_string(splits);
        expectClose(what, type, decode(Type::f32, out.dWeight.read()), exactWeight, plainWeight);
        expectClose(what + " bias", type, decode(Type::f32, out.dBias.read()), columnSums(dOut, in.biasBefore, s.n, exact),
                    columnSums(dOut, in.biasBefore, s.n, plain));
    }
    const WeightOutputs out = launch(device, type, tile, 2, s, in, false);
    expectClose("wgrad without bias", type, decode(Type::f32, out.dWeight.read()), exactWeight, plainWeight);
    if (decode(Type::f32, out.dBias.read()) != in.biasBefore) throw std::runtime_error("a bias that was not given was written");
}

}  // namespace

void addGemmBackwardCases(std::vector<Case>& cases) {
    for (const int tile : {64, 128}) {
        const std::string suffix = " tile " + std::to_string(tile) + " ";
        for (const BackwardShape& s : {BackwardShape{17, 17, 40, 72}, {7, 5, 9, 13}, {97, 97, 96, 136}, {140, 129, 72, 32}, {64, 0, 32, 32}, {1, 1, 1, 1}}) {
            cases.push_back({"dgrad" + suffix + describe(s), [=](Device& d, Type t) { dgrad(d, t, tile, s); }});
            cases.push_back({"wgrad" + suffix + describe(s), [=](Device& d, Type t) { wgrad(d, t, tile, s); }});
        }
        const BackwardShape s{520, 512, 72, 64};
        cases.push_back({"wgrad" + suffix + describe(s), [=](Device& d, Type t) { wgrad(d, t, tile, s); }});
        Case ordered{"wgrad" + suffix + "in any order", nullptr};
        ordered.ordered = [=](Device& d, Type t) {
            const BackwardShape shape{200, 150, 136, 72};
            const WeightOutputs out = launch(d, t, tile, 4, shape, WeightInputs(t, shape));
            std::vector<uint8_t> bytes = out.dWeight.read();
            const std::vector<uint8_t> bias = out.dBias.read();
            bytes.insert(bytes.end(), bias.begin(), bias.end());
            return bytes;
        };
        cases.push_back(ordered);
    }
}

}  // namespace nj
