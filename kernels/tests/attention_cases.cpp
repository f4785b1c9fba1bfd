// Attention: every head dim and length, empty sequences, and scores so large that a softmax without its maximum would overflow.
#include <algorithm>
#include <cmath>

#include "cases.hpp"
#include "launches.hpp"
#include "reference.hpp"

namespace nj {
namespace {

struct Sequences {
    std::vector<int> lengths;
    int heads;
    int headDim;
    double deviation = 1;  // of queries and keys
};

std::string describe(const Sequences& s) {
    std::string text = "attention heads " + std::to_string(s.heads) + " of " + std::to_string(s.headDim) + " lengths";
    for (const int length : s.lengths) text += " " + std::to_string(length);
    return text;
}

void attend(Device& device, Type type, const Sequences& s) {
    Random random(s.heads * 100 + s.headDim);
    const std::vector<int> cuSeqlens = prefixSums(s.lengths);
    const int dim = s.heads * s.headDim;
    const size_t tokens = cuSeqlens.back();
    const Values qkv = random.normal(type, tokens * 3 * dim, s.deviation);
    const AttentionShape shape{s.heads, s.headDim, static_cast<int>(s.lengths.size()),
                               std::max(1, *std::max_element(s.lengths.begin(), s.lengths.end()))};
    const auto scale = static_cast<float>(1 / std::sqrt(s.headDim));
    const Values exact = attention(qkv, cuSeqlens, s.heads, s.headDim, scale, Rounding::exact());
    const Values plain = attention(qkv, cuSeqlens, s.heads, s.headDim, scale, Rounding::to(type));
    const Buffer& in = device.upload(type, qkv);
    const Buffer& starts = device.upload(cuSeqlens);
    for (const bool isShort : {false, true}) {
        if (isShort && !hasShortAttention(device, type, shape)) continue;
        // Three rows more than there are tokens, which must stay as they are.
        const Buffer& out = device.output(type, (tokens + 3) * dim);
        launchAttention(device, type, isShort, out, in, starts, shape, scale);
        const std::string what = describe(s) + (isShort ? " short" : "");
        expectClose(what, type, written(what, type, out, tokens * dim), exact, plain);
    }
}

}  // namespace

void addAttentionCases(std::vector<Case>& cases) {
    std::vector<Sequences> all;
    for (const int headDim : {8, 16, 24, 32, 40, 64, 80, 128}) all.push_back({{1, 5, 17, 0, 97, 64, 128, 0}, 1, headDim});
    all.push_back({{33, 0, 129}, 3, 32});
    all.push_back({{16}, 12, 32});
    all.push_back({{64}, 2, 128});
    all.push_back({{512}, 1, 32});
    all.push_back({{0, 300, 1}, 1, 64});
    all.push_back({{600}, 1, 16});
    all.push_back({{97, 17}, 1, 64, 12});
    all.push_back({{0, 0}, 1, 32});
    for (const Sequences& s : all) cases.push_back({describe(s), [s](Device& d, Type t) { attend(d, t, s); }});
}

}  // namespace nj
