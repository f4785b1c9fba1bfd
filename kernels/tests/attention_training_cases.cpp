// Attention as training runs it, and its backward: every head dim and length, with and without dropout, empty sequences.
#include <algorithm>
#include <cmath>

#include "cases.hpp"
#include "training_launches.hpp"

namespace nj {
namespace {

struct Shape {
    std::vector<int> lengths;
    AttentionSpec spec;
    double deviation = 1;  // of queries and keys
};

std::string describe(const Shape& s) {
    std::string text = "attention training heads " + std::to_string(s.spec.heads) + " of " + std::to_string(s.spec.headDim) + " lengths";
    for (const int length : s.lengths) text += " " + std::to_string(length);
    return text + (s.spec.dropout.probability > 0 ? " dropping" : "");
}

int longest(const Batch& batch) { return std::max(1, *std::max_element(batch.lengths.begin(), batch.lengths.end())); }

void forward(Device& device, Type type, const Shape& s) {
    const Batch batch(s.lengths);
    const auto tokens = static_cast<size_t>(batch.tokens());
    const Values qkv = Random(s.spec.dim()).normal(type, tokens * 3 * s.spec.dim(), s.deviation);
    const Buffer& out = device.output(type, (tokens + 3) * s.spec.dim());
    const Buffer& logSumExp = device.output(Type::f32, (tokens + 3) * s.spec.heads);
    launchAttentionTrain(device, type, out, logSumExp, device.upload(type, qkv), DeviceBatch(device, batch), longest(batch), s.spec);
    const AttentionResult exact = attentionForward(qkv, batch, s.spec, Rounding::exact());
    const AttentionResult plain = attentionForward(qkv, batch, s.spec, Rounding::to(type));
    const std::string what = describe(s);
    expectClose(what, type, written(what, type, out, exact.out.size()), exact.out, plain.out);
    expectClose(what + " logSumExp", type, written(what, Type::f32, logSumExp, exact.logSumExp.size()), exact.logSumExp, plain.logSumExp);
}

struct BackwardInputs {
    Batch batch;
    Values qkv;
    Values dOut;
    AttentionResult forward;  // as the device would have kept it

    BackwardInputs(Type type, const Shape& s) : batch(s.lengths) {
        Random random(s.spec.dim() + 1);
        const auto tokens = static_cast<size_t>(batch.tokens());
        qkv = random.normal(type, tokens * 3 * s.spec.dim(), s.deviation);
        dOut = random.normal(type, tokens * s.spec.dim(), 1);
        forward = attentionForward(qkv, batch, s.spec, Rounding::exact());
        for (double& value : forward.out) value = roundTo(type, value);
        for (double& value : forward.logSumExp) value = static_cast<float>(value);
    }
};

const Buffer& launch(Device& device, Type type, const Shape& s, const BackwardInputs& in) {
    const auto tokens = static_cast<size_t>(in.batch.tokens());
    const AttentionBackwardBuffers buffers{device.output(type, (tokens + 3) * 3 * s.spec.dim()), device.output(Type::f32, tokens * s.spec.heads),
                                           device.upload(type, in.qkv), device.upload(type, in.forward.out), device.upload(type, in.dOut),
                                           device.upload(Type::f32, in.forward.logSumExp)};
    launchAttentionBackward(device, type, buffers, DeviceBatch(device, in.batch), longest(in.batch), s.spec);
    return buffers.dQkv;
}

void backward(Device& device, Type type, const Shape& s) {
    const BackwardInputs in(type, s);
    const std::string what = describe(s) + " backward";
    const Values actual = written(what, type, launch(device, type, s, in), in.qkv.size());
    const AttentionGradients exact = attentionBackward(in.qkv, in.forward, in.dOut, in.batch, s.spec, Rounding::exact());
    const AttentionGradients plain = attentionBackward(in.qkv, in.forward, in.dOut, in.batch, s.spec, Rounding::to(type));
    const int dim = s.spec.dim();
    const auto part = [&](int index) {
        Values values;
        for (int t = 0; t < in.batch.tokens(); ++t) {
            const auto first = actual.begin() + (static_cast<int64_t>(t) * 3 + index) * dim;
            values.insert(values.end(), first, first + dim);
        }
        return values;
    };
    expectClose(what + " queries", type, part(0), exact.dQueries, plain.dQueries);
    expectClose(what + " keys", type, part(1), exact.dKeys, plain.dKeys);
    expectClose(what + " values", type, part(2), exact.dValues, plain.dValues);
}

}  // namespace

void addAttentionTrainingCases(std::vector<Case>& cases) {
    std::vector<Shape> all;
    for (const int headDim : {8, 24, 32, 64, 80, 128}) all.push_back({{1, 5, 17, 0, 97}, {1, headDim, kSomeDropout}});
    all.push_back({{33, 0, 129}, {3, 32, kNoDropout}});
    all.push_back({{512}, {1, 32, kSomeDropout}});
    all.push_back({{97, 17}, {1, 64, kSomeDropout}, 12});
    all.push_back({{0, 0}, {1, 32, kSomeDropout}});
    for (const Shape& s : all) {
        cases.push_back({describe(s) + " forward", [s](Device& d, Type t) { forward(d, t, s); }});
        cases.push_back({describe(s) + " backward", [s](Device& d, Type t) { backward(d, t, s); }});
    }
    Case ordered{"attention training backward in any order", nullptr};
    ordered.ordered = [](Device& d, Type t) {
        const Shape s{{70, 129}, {2, 32, kSomeDropout}};
        return launch(d, t, s, BackwardInputs(t, s)).read();
    };
    cases.push_back(ordered);
}

}  // namespace nj
