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
    }
}

}  // namespace nj
