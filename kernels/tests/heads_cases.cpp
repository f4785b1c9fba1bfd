// The heads: first tokens gathered from a packed batch, both heads or one, more than one panel of sequences, and empty sequences.
#include <cmath>
#include <stdexcept>

#include "cases.hpp"
#include "launches.hpp"
#include "reference.hpp"

namespace nj {
namespace {

struct HeadsShape {
    std::vector<int> lengths;
    int dim;
    int classes;
    int targets;
};

std::string describe(const HeadsShape& s) {
    return "heads " + std::to_string(s.lengths.size()) + " x " + std::to_string(s.dim) + " classes " + std::to_string(s.classes) + " targets "
        + std::to_string(s.targets);
}

struct Linear {
    Values weight;
    Values bias;

    Linear(Random& random, Type type, int outputs, int dim)
        : weight(random.normal(type, static_cast<size_t>(outputs) * dim, 1 / std::sqrt(dim))), bias(random.normal(type, outputs, 0.5)) {}

    Values apply(const Values& x, int activation, int dim, Rounding round) const {
        return linear(x, weight, bias, {}, activation, static_cast<int>(bias.size()), dim, round);
    }
};

/** The results of sequences that have tokens; throws if those of the others were touched. */
Values present(const std::string& what, const HeadsShape& s, const Buffer& buffer, int width) {
    const Values all = decode(Type::f32, buffer.read());
    Values some;
    for (size_t b = 0; b < s.lengths.size(); ++b) {
        for (int i = 0; i < width; ++i) {
            const double value = all[b * width + i];
            if (s.lengths[b] > 0) {
                some.push_back(value);
            } else if (value != Device::kSentinel) {
                throw std::runtime_error(what + ": results of the empty sequence " + std::to_string(b) + " were written");
            }
        }
    }
    return some;
}

void heads(Device& device, Type type, const HeadsShape& s) {
    Random random(s.dim + s.classes);
    const int sequences = static_cast<int>(s.lengths.size());
    const std::vector<int> cuSeqlens = prefixSums(s.lengths);
    const Values hidden = random.normal(type, static_cast<size_t>(cuSeqlens.back()) * s.dim, 1);
    const Linear pre(random, type, s.dim, s.dim);
    const Linear classifier(random, type, s.classes, s.dim);
    const Linear regressor(random, type, s.targets, s.dim);
    const auto upload = [&](const Linear& layer, int outputs) {
        return outputs == 0 ? HeadParameters{} : HeadParameters{&device.upload(type, layer.weight), &device.upload(type, layer.bias), outputs};
    };
    const auto results = [&](int width) {
        return width == 0 ? nullptr : &device.output(Type::f32, static_cast<size_t>(sequences) * width);
    };
    const HeadsOutputs out{results(s.classes), results(s.classes), results(s.targets),
                           &device.output(type, static_cast<size_t>(sequences) * s.dim)};
    // Twice with the same tickets: a launch must leave them as it found them.
    const Buffer& tickets = device.zeros(static_cast<size_t>(ceilDiv(sequences, 16)) * 4);
    for (int launch = 0; launch < 2; ++launch) {
        launchHeads(device, type, out, device.upload(type, hidden), device.upload(cuSeqlens), upload(pre, s.dim),
                    upload(classifier, s.classes), upload(regressor, s.targets), sequences, &tickets);
    }

    Values first;
    for (int b = 0; b < sequences; ++b) {
        if (s.lengths[b] > 0) {
            const auto row = hidden.begin() + static_cast<size_t>(cuSeqlens[b]) * s.dim;
            first.insert(first.end(), row, row + s.dim);
        }
    }
    const Rounding exact = Rounding::exact();
    const Rounding plain = Rounding::to(type);
    const Values exactPooled = pre.apply(first, 2, s.dim, exact);
    const Values plainPooled = pre.apply(first, 2, s.dim, plain);
    const std::string what = describe(s);
    if (s.classes > 0) {
        const Values exactLogits = classifier.apply(exactPooled, 0, s.dim, exact);
        const Values plainLogits = classifier.apply(plainPooled, 0, s.dim, plain);
        expectClose(what + " logits", type, present(what, s, *out.logits, s.classes), exactLogits, plainLogits);
        expectClose(what + " probabilities", type, present(what, s, *out.probabilities, s.classes), softmax(exactLogits, s.classes, exact),
                    softmax(plainLogits, s.classes, plain));
    }
    if (s.targets > 0) {
        expectClose(what + " scores", type, present(what, s, *out.scores, s.targets), regressor.apply(exactPooled, 0, s.dim, exact),
                    regressor.apply(plainPooled, 0, s.dim, plain));
    }
}

void onlyProbabilities(Device& device, Type type) {
    // Outputs nobody asked for are null.
    const int dim = 32;
    Random random(1);
    const Values hidden = random.normal(type, dim, 1);
    const Linear pre(random, type, dim, dim);
    const Linear classifier(random, type, 2, dim);
    const Buffer& probabilities = device.output(Type::f32, 2);
    launchHeads(device, type, {nullptr, &probabilities, nullptr, &device.output(type, dim)}, device.upload(type, hidden), device.upload({0, 1}),
                {&device.upload(type, pre.weight), &device.upload(type, pre.bias), dim},
                {&device.upload(type, classifier.weight), &device.upload(type, classifier.bias), 2}, {}, 1);
    const auto compute = [&](Rounding round) {
        return softmax(classifier.apply(pre.apply(hidden, 2, dim, round), 0, dim, round), 2, round);
    };
    expectClose("probabilities alone", type, decode(Type::f32, probabilities.read()), compute(Rounding::exact()), compute(Rounding::to(type)));
}

}  // namespace

void addHeadsCases(std::vector<Case>& cases) {
    std::vector<int> many(21, 2);
    many[3] = many[16] = many[20] = 0;
    for (const HeadsShape& s : {HeadsShape{{5}, 768, 3, 1}, {{1, 17, 2}, 384, 2, 0}, {many, 32, 3, 2}, {many, 40, 37, 1}, {{1, 3}, 20, 0, 3}}) {
        cases.push_back({describe(s), [s](Device& d, Type t) { heads(d, t, s); }});
    }
    cases.push_back({"heads: probabilities alone", onlyProbabilities});
}

}  // namespace nj
