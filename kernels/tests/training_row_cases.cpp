// Embedding and LayerNorm as training runs them, and their backwards; activations; dropout; first tokens: operations on one row at a time.
#include <cmath>
#include <stdexcept>

#include "cases.hpp"
#include "training_launches.hpp"

namespace nj {
namespace {

struct TokenShape {
    std::vector<int> lengths;
    int padding;
    int dim;
    DropoutSpec dropout;
};

std::string describe(const TokenShape& s) {
    return std::to_string(Batch(s.lengths).tokens()) + " + " + std::to_string(s.padding) + " x " + std::to_string(s.dim)
        + (s.dropout.probability > 0 ? " dropping" : "");
}

/** `values` and `rows` rows more, which must stay as they are. */
Values padded(Values values, int rows, int dim) {
    values.resize(values.size() + static_cast<size_t>(rows) * dim, Device::kSentinel);
    return values;
}

void embedding(Device& device, Type type, const TokenShape& s) {
    const Batch batch(s.lengths, s.padding);
    const DeviceBatch onDevice(device, batch);
    const size_t count = static_cast<size_t>(batch.tokens()) * s.dim;
    Random random(s.dim);
    const int vocabulary = 50;
    std::vector<int> ids(batch.capacity(), -1 << 20);
    for (int i = 0; i < batch.tokens(); ++i) ids[i] = random.integer(vocabulary);
    const Values words = random.normal(type, static_cast<size_t>(vocabulary) * s.dim, 1);
    const Values places = random.normal(type, static_cast<size_t>(600) * s.dim, 0.5);
    const Values gamma = random.normal(type, s.dim, 0.2, 1);
    const Values beta = random.normal(type, s.dim, 0.2);
    const Buffer& out = device.output(type, static_cast<size_t>(batch.capacity()) * s.dim);
    const Buffer& sum = device.output(type, static_cast<size_t>(batch.capacity()) * s.dim);
    const Buffer& stats = device.output(Type::f32, static_cast<size_t>(batch.capacity()) * 2);
    launchDropping(device, entry(device, type, "embedding", "embedding_train"), {ceilDiv(batch.capacity(), 4)}, 128, s.dropout, out, sum,
                   stats, device.upload(ids), onDevice.positions, onDevice.sequences, onDevice.keys, device.upload(type, words),
                   device.upload(type, places), device.upload(type, gamma), device.upload(type, beta), batch.capacity(), onDevice.rows.count,
                   s.dim, kNormEpsilon);

    const auto tokens = [&](const std::vector<int>& all) { return std::vector<int>(all.begin(), all.begin() + batch.tokens()); };
    const auto sums = [&](Rounding round) { return embed(tokens(ids), tokens(batch.positions), words, places, s.dim, round); };
    const auto normalised = [&](Rounding round) {
        return batch.drop(s.dropout, layerNorm(sums(round), gamma, beta, s.dim, round), s.dim, round);
    };
    const Rounding exact = Rounding::exact();
    const Rounding plain = Rounding::to(type);
    const std::string what = "embedding_train " + describe(s);
    expectClose(what + " sum", type, written(what, type, sum, count), sums(exact), sums(plain));
    expectClose(what + " stats", type, written(what, Type::f32, stats, batch.tokens() * 2), rowStats(sums(exact), s.dim),
                rowStats(sums(plain), s.dim));
    expectClose(what, type, written(what, type, out, count), normalised(exact), normalised(plain));
}

void norm(Device& device, Type type, const TokenShape& s) {
    const Batch batch(s.lengths, s.padding);
    const DeviceBatch onDevice(device, batch);
    const size_t count = static_cast<size_t>(batch.tokens()) * s.dim;
    Random random(s.dim + 1);
    const Values x = random.normal(type, count, 1, 0.3);
    const Values residual = random.normal(type, count, 1);
    const Values gamma = random.normal(type, s.dim, 0.2, 1);
    const Values beta = random.normal(type, s.dim, 0.2);
    const Buffer& sum = device.upload(type, padded(x, s.padding, s.dim));
    const Buffer& stream = device.upload(type, padded(residual, s.padding, s.dim));
    const Buffer& stats = device.output(Type::f32, static_cast<size_t>(batch.capacity()) * 2);
    // In place of the residual stream, as inference has it too.
    launchDropping(device, entry(device, type, "layernorm", "layernorm_train"), {ceilDiv(batch.capacity(), 4)}, 128, s.dropout, stream, sum,
                   stats, stream, device.upload(type, gamma), device.upload(type, beta), onDevice.positions, onDevice.sequences,
                   onDevice.keys, batch.capacity(), onDevice.rows.count, s.dim, kNormEpsilon);

    const auto sums = [&](Rounding round) { return add(batch.drop(s.dropout, x, s.dim, round), residual, round); };
    const Rounding exact = Rounding::exact();
    const Rounding plain = Rounding::to(type);
    const std::string what = "layernorm_train " + describe(s);
    expectClose(what + " sum", type, written(what, type, sum, count), sums(exact), sums(plain));
    expectClose(what + " stats", type, written(what, Type::f32, stats, batch.tokens() * 2), rowStats(sums(exact), s.dim),
                rowStats(sums(plain), s.dim));
    expectClose(what, type, written(what, type, stream, count), layerNorm(sums(exact), gamma, beta, s.dim, exact),
                layerNorm(sums(plain), gamma, beta, s.dim, plain));
}

void normBackward(Device& device, Type type, const TokenShape& s, bool embedding, int blocks) {
    const Batch batch(s.lengths, s.padding);
    const DeviceBatch onDevice(device, batch);
    const size_t count = static_cast<size_t>(batch.tokens()) * s.dim;
    Random random(s.dim + 2);
    const Values dOut = random.normal(type, count, 1);
    const Values sum = random.normal(type, count, 1, 0.5);
    const Values stats = rowStats(sum, s.dim);
    const Values gamma = random.normal(type, s.dim, 0.2, 1);
    const Values before = random.normal(Type::f32, s.dim, 1);
    // In place, as the encoder does it.
    const Buffer& gradient = device.upload(type, padded(dOut, s.padding, s.dim));
    const bool branch = !embedding && s.dropout.probability > 0;
    const Buffer* dX = branch ? &device.output(type, static_cast<size_t>(batch.capacity()) * s.dim) : nullptr;
    const NormBackwardOutputs out{gradient, dX, device.upload(Type::f32, before), device.upload(Type::f32, before)};
    launchNormBackward(device, type, embedding, blocks, out, gradient, device.upload(type, padded(sum, s.padding, s.dim)),
                       device.upload(Type::f32, stats), device.upload(type, gamma), onDevice, s.dim, s.dropout);

    const auto compute = [&](Rounding round) {
        const Values through = embedding ? batch.drop(s.dropout, dOut, s.dim, round) : dOut;
        NormGradients g = layerNormBackward(through, sum, stats, gamma, s.dim, round);
        g.dGamma = add(before, g.dGamma, Rounding::exact());
        g.dBeta = add(before, g.dBeta, Rounding::exact());
        return g;
    };
    const NormGradients exact = compute(Rounding::exact());
    const NormGradients plain = compute(Rounding::to(type));
    const std::string what = std::string(embedding ? "embedding" : "layernorm") + "_backward " + describe(s);
    expectClose(what, type, written(what, type, gradient, count), exact.dSum, plain.dSum);
    if (branch) {
        expectClose(what + " dX", type, written(what, type, *dX, count), batch.drop(s.dropout, exact.dSum, s.dim, Rounding::exact()),
                    batch.drop(s.dropout, plain.dSum, s.dim, Rounding::to(type)));
    }
    expectClose(what + " dGamma", type, decode(Type::f32, out.dGamma.read()), exact.dGamma, plain.dGamma);
    expectClose(what + " dBeta", type, decode(Type::f32, out.dBeta.read()), exact.dBeta, plain.dBeta);
}

void activations(Device& device, Type type, int rows, int padding, int n) {
    const Rows onDevice{rows + padding, padding == 0 ? nullptr : &device.upload(std::vector<int>{rows})};
    const size_t count = static_cast<size_t>(rows) * n;
    Random random(n);
    const Values x = random.normal(type, count, 3);
    const Values gradient = random.normal(type, count, 1);
    for (int activation = 0; activation < 3; ++activation) {
        const std::string what = "activation " + std::to_string(activation);
        const Dim3 grid{ceilDiv(onDevice.capacity * n, 2048)};
        const Buffer& in = device.upload(type, padded(x, padding, n));
        const Buffer& out = device.output(type, count + static_cast<size_t>(padding) * n);
        device.launch(entry(device, type, "activation", "activation"), grid, 256, 0, out, in, activation, onDevice.capacity, onDevice.count, n);
        expectClose(what, type, written(what, type, out, count), biasActivation(x, {}, activation, n, Rounding::exact()),
                    biasActivation(x, {}, activation, n, Rounding::to(type)));
        const Buffer& inOut = device.upload(type, padded(gradient, padding, n));
        device.launch(entry(device, type, "activation", "activation_backward"), grid, 256, 0, inOut, in, activation, onDevice.capacity,
                      onDevice.count, n);
        expectClose(what + " backward", type, written(what, type, inOut, count), activationBackward(gradient, x, activation, Rounding::exact()),
                    activationBackward(gradient, x, activation, Rounding::to(type)));
    }
}

void dropoutRows(Device& device, Type type, int n) {
    const Batch batch({3, 1, 2, 1, 5});
    const int rows = 4;  // of five
    const Values x = Random(n).normal(type, static_cast<size_t>(rows) * n, 1);
    for (const DropoutSpec& dropout : {kNoDropout, kSomeDropout, DropoutSpec{0.9f, 1, 0, 7}}) {
        const Buffer& buffer = device.upload(type, padded(x, 1, n));
        launchDropping(device, entry(device, type, "dropout", "dropout"), {ceilDiv(batch.count(), 4)}, 128, dropout, buffer,
                       device.upload(batch.keys), batch.count(), device.upload(std::vector<int>{rows}), n);
        const auto compute = [&](Rounding round) {
            Values out(x.size());
            for (size_t i = 0; i < x.size(); ++i) {
                out[i] = round(x[i] * dropout.factor(static_cast<int>(i % n), 0, batch.keys[i / n]));
            }
            return out;
        };
        expectClose("dropout", type, written("dropout", type, buffer, x.size()), compute(Rounding::exact()), compute(Rounding::to(type)));
    }
}

/** The words of counter 0 under key 0, from the known answers of Random123. */
void philoxKnownAnswer(Device&, Type) {
    const uint32_t expected[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    const Philox philox(0, 0, 0, 0, 0);
    for (int i = 0; i < 4; ++i) {
        if (philox.word[i] != expected[i]) throw std::runtime_error("the tests' own Philox is wrong");
    }
}

void firstTokens(Device& device, Type type, const std::vector<int>& lengths, int padding, int dim) {
    const Batch batch(lengths, padding);
    const DeviceBatch onDevice(device, batch);
    Random random(dim);
    const Values x = random.normal(type, static_cast<size_t>(batch.tokens()) * dim, 1);
    const Values dOut = random.normal(type, static_cast<size_t>(batch.count()) * dim, 1);
    const Buffer& out = device.output(type, static_cast<size_t>(batch.count() + 1) * dim);
    device.launch(entry(device, type, "first_token", "gather_first"), {ceilDiv(batch.count(), 4)}, 128, 0, out, device.upload(type, x),
                  onDevice.cuSeqlens, batch.count(), dim);
    const Buffer& dX = device.output(type, static_cast<size_t>(batch.capacity()) * dim);
    device.launch(entry(device, type, "first_token", "scatter_first"), {ceilDiv(batch.capacity(), 4)}, 128, 0, dX, device.upload(type, dOut),
                  onDevice.positions, onDevice.sequences, batch.capacity(), onDevice.rows.count, dim);
    Values gathered(dOut.size());
    Values scattered(x.size());
    for (int b = 0; b < batch.count(); ++b) {
        for (int i = 0; i < dim && batch.lengths[b] > 0; ++i) {
            const size_t at = static_cast<size_t>(batch.cuSeqlens[b]) * dim + i;
            gathered[static_cast<size_t>(b) * dim + i] = x[at];
            scattered[at] = dOut[static_cast<size_t>(b) * dim + i];
        }
    }
    expectClose("gather_first", type, written("gather_first", type, out, gathered.size()), gathered, gathered);
    expectClose("scatter_first", type, written("scatter_first", type, dX, scattered.size()), scattered, scattered);
}

}  // namespace

void addTrainingRowCases(std::vector<Case>& cases) {
    const std::vector<TokenShape> shapes{{{1}, 0, 768, kSomeDropout}, {{5, 0, 17, 1}, 6, 384, kSomeDropout}, {{97, 32}, 0, 32, kNoDropout},
                                         {{512}, 3, 64, kSomeDropout},  {{5}, 0, 1024, kSomeDropout},          {{3, 2}, 1, 20, kSomeDropout},
                                         {{4, 1}, 0, 13, kSomeDropout}, {{0, 0}, 4, 32, kSomeDropout}};
    for (const TokenShape& s : shapes) {
        cases.push_back({"embedding_train " + describe(s), [s](Device& d, Type t) { embedding(d, t, s); }});
        cases.push_back({"layernorm_train " + describe(s), [s](Device& d, Type t) { norm(d, t, s); }});
        cases.push_back({"norm backward " + describe(s), [s](Device& d, Type t) {
                             normBackward(d, t, s, false, 1);
                             normBackward(d, t, s, false, 9);
                             normBackward(d, t, s, true, 3);
                         }});
    }
    cases.push_back({"activation", [](Device& d, Type t) {
                         activations(d, t, 17, 0, 96);
                         activations(d, t, 97, 5, 32);
                         activations(d, t, 5, 1, 13);
                         activations(d, t, 0, 2, 32);
                     }});
    cases.push_back({"dropout", [](Device& d, Type t) {
                         for (const int n : {768, 384, 20, 13, 1}) dropoutRows(d, t, n);
                     }});
    cases.push_back({"philox", philoxKnownAnswer});
    cases.push_back({"first tokens", [](Device& d, Type t) {
                         firstTokens(d, t, {5, 0, 1, 17, 2, 0}, 3, 384);
                         firstTokens(d, t, {1}, 0, 13);
                     }});
}

}  // namespace nj
