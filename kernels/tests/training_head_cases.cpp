// A head in training: float32 results of 16-bit operands, and both gradients.
#include <cmath>

#include "cases.hpp"
#include "training_launches.hpp"

namespace nj {
namespace {

struct HeadShape {
    int capacity;
    int rows;
    int n;
    int k;
};

void head(Device& device, Type type, const HeadShape& s) {
    Random random(s.k + s.n);
    const auto rows = static_cast<size_t>(s.rows);
    const auto capacity = static_cast<size_t>(s.capacity);
    const Values x = random.normal(type, rows * s.k, 1);
    const Values weight = random.normal(type, static_cast<size_t>(s.n) * s.k, 1 / std::sqrt(s.k));
    const Values bias = random.normal(type, s.n, 0.5);
    const Values dOut = random.normal(Type::f32, rows * s.n, 0.3);
    const Values before = random.normal(type, rows * s.k, 1);
    const Values weightBefore = random.normal(Type::f32, static_cast<size_t>(s.n) * s.k, 1);
    const Values biasBefore = random.normal(Type::f32, s.n, 1);
    const Buffer* count = s.rows == s.capacity ? nullptr : &device.upload(std::vector<int>{s.rows});
    const Buffer& input = device.upload(type, x);
    const Buffer& weights = device.upload(type, weight);
    const Buffer& gradient = device.upload(Type::f32, dOut);
    const std::string what = "head " + std::to_string(s.rows) + " x " + std::to_string(s.n) + " x " + std::to_string(s.k);
    const Rounding exact = Rounding::exact();
    const Rounding plain = Rounding::to(type);

    const Buffer& out = device.output(Type::f32, capacity * s.n);
    device.launch(entry(device, type, "head", "head"), {ceilDiv(s.capacity, 4), s.n}, 128, 0, out, input, weights, device.upload(type, bias),
                  s.capacity, count, s.n, s.k);
    expectClose(what, type, written(what, Type::f32, out, rows * s.n), linear(x, weight, bias, {}, 0, s.n, s.k, exact),
                linear(x, weight, bias, {}, 0, s.n, s.k, plain));

    for (const bool accumulate : {false, true}) {
        Values initial = before;
        initial.resize(capacity * s.k, Device::kSentinel);
        const Buffer& dX = accumulate ? device.upload(type, initial) : device.output(type, capacity * s.k);
        device.launch(entry(device, type, "head", "head_dgrad"), {ceilDiv(s.capacity, 4)}, 128, 0, dX, gradient, weights,
                      static_cast<int>(accumulate), s.capacity, count, s.n, s.k);
        const auto compute = [&](Rounding round) { return product(dOut, weight, accumulate ? before : Values(), s.n, s.k, round); };
        expectClose(what + " dgrad", type, written(what, type, dX, rows * s.k), compute(exact), compute(plain));
    }

    const Buffer& dWeight = device.upload(Type::f32, weightBefore);
    const Buffer& dBias = device.upload(Type::f32, biasBefore);
    device.launch(entry(device, type, "head", "head_wgrad"), {ceilDiv(s.k, 32), s.n}, 256, 0, dWeight, dBias, gradient, input, s.capacity,
                  count, s.n, s.k);
    expectClose(what + " wgrad", type, decode(Type::f32, dWeight.read()), transposedProduct(dOut, x, weightBefore, s.n, s.k, exact),
                transposedProduct(dOut, x, weightBefore, s.n, s.k, plain));
    expectClose(what + " bias", type, decode(Type::f32, dBias.read()), columnSums(dOut, biasBefore, s.n, exact),
                columnSums(dOut, biasBefore, s.n, plain));
}

}  // namespace

void addTrainingHeadCases(std::vector<Case>& cases) {
    for (const HeadShape& s : {HeadShape{1, 1, 1, 1}, {5, 5, 3, 768}, {20, 17, 2, 384}, {97, 97, 1, 64}, {129, 128, 37, 40}, {6, 5, 8, 13}, {3, 0, 2, 32}}) {
        cases.push_back({"head in training " + std::to_string(s.rows) + " x " + std::to_string(s.n) + " x " + std::to_string(s.k),
                         [s](Device& d, Type t) { head(d, t, s); }});
    }
}

}  // namespace nj
