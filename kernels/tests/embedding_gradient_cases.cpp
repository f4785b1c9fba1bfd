// The embedding tables' gradients: the order of tokens, rare and frequent words, padding, and independence of the schedule.
#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "cases.hpp"
#include "training_launches.hpp"

namespace nj {
namespace {

struct TableShape {
    std::vector<int> lengths;
    int padding;
    int vocabulary;
    int dim;
};

constexpr int kPadTokenId = 0;

struct TableInputs {
    Batch batch;
    std::vector<int> ids;
    Values dSum;
    Values words;
    Values places;

    TableInputs(Type type, const TableShape& s) : batch(s.lengths, s.padding), ids(batch.capacity(), -1 << 20) {
        Random random(s.dim + s.vocabulary);
        for (int t = 0; t < batch.tokens(); ++t) ids[t] = batch.positions[t] == 0 ? s.vocabulary - 1 : random.integer(s.vocabulary);
        dSum = random.normal(type, static_cast<size_t>(batch.tokens()) * s.dim, 1);
        words = random.normal(Type::f32, static_cast<size_t>(s.vocabulary) * s.dim, 1);
        const int longest = *std::max_element(s.lengths.begin(), s.lengths.end());
        places = random.normal(Type::f32, static_cast<size_t>(longest + 1) * s.dim, 1);
    }
};

struct TableOutputs {
    const Buffer& order;
    const Buffer& words;
    const Buffer& places;
};

TableOutputs launch(Device& device, Type type, const TableShape& s, const TableInputs& in, int padTokenId) {
    const DeviceBatch batch(device, in.batch);
    const int capacity = in.batch.capacity();
    const TableOutputs out{device.upload(std::vector<int>(capacity, -7)), device.upload(Type::f32, in.words), device.upload(Type::f32, in.places)};
    const Buffer& ids = device.upload(in.ids);
    const Buffer& dSum = device.upload(type, in.dSum);
    device.launch(entry(device, type, "embedding_gradient", "token_order"), {ceilDiv(capacity, 4)}, 128, 0, out.order, ids, capacity,
                  batch.rows.count);
    device.launch(entry(device, type, "embedding_gradient", "word_gradient"), {ceilDiv(capacity, 4), ceilDiv(s.dim, 256)}, 128, 0, out.words,
                  dSum, ids, out.order, padTokenId, capacity, batch.rows.count, s.dim);
    const int maxLength = static_cast<int>(in.places.size() / s.dim);
    device.launch(entry(device, type, "embedding_gradient", "position_gradient"), {ceilDiv(maxLength, 4), ceilDiv(s.dim, 256)}, 128, 0,
                  out.places, dSum, batch.cuSeqlens, in.batch.count(), maxLength, s.dim);
    return out;
}

void expectOrder(const TableInputs& in, const Buffer& buffer) {
    std::vector<int> expected(in.batch.tokens());
    std::iota(expected.begin(), expected.end(), 0);
    std::stable_sort(expected.begin(), expected.end(), [&](int a, int b) { return in.ids[a] < in.ids[b]; });
    expected.resize(in.batch.capacity(), -7);
    const std::vector<uint8_t> bytes = buffer.read();
    if (!std::equal(expected.begin(), expected.end(), reinterpret_cast<const int*>(bytes.data()))) {
        throw std::runtime_error("token_order is not the stable order by id");
    }
}

void tables(Device& device, Type type, const TableShape& s, int padTokenId) {
    const TableInputs in(type, s);
    const TableOutputs out = launch(device, type, s, in, padTokenId);
    expectOrder(in, out.order);
    Values words = in.words;
    Values places = in.places;
    for (int t = 0; t < in.batch.tokens(); ++t) {
        for (int i = 0; i < s.dim; ++i) {
            const double gradient = in.dSum[static_cast<size_t>(t) * s.dim + i];
            if (in.ids[t] != padTokenId) words[static_cast<size_t>(in.ids[t]) * s.dim + i] += gradient;
            places[static_cast<size_t>(in.batch.positions[t]) * s.dim + i] += gradient;
        }
    }
    // Sums in float32 of numbers that are exact in every type.
    expectClose("word gradient", Type::f32, decode(Type::f32, out.words.read()), words, words);
    expectClose("position gradient", Type::f32, decode(Type::f32, out.places.read()), places, places);
}

}  // namespace

void addEmbeddingGradientCases(std::vector<Case>& cases) {
    for (const TableShape& s : {TableShape{{1}, 0, 5, 768}, {{5, 0, 17, 1, 97}, 7, 20, 384}, {{129, 512}, 0, 3, 32}, {{3, 1, 2}, 2, 4, 13},
                                {std::vector<int>(70, 2), 0, 30, 20}, {{0, 0}, 3, 4, 32}}) {
        cases.push_back({"embedding gradient " + std::to_string(Batch(s.lengths).tokens()) + " x " + std::to_string(s.dim), [s](Device& d, Type t) {
                             tables(d, t, s, kPadTokenId);
                             tables(d, t, s, -1);
                         }});
    }
    Case ordered{"embedding gradient in any order", nullptr};
    ordered.ordered = [](Device& d, Type t) {
        const TableShape s{{60, 33}, 0, 5, 64};
        const TableOutputs out = launch(d, t, s, TableInputs(t, s), kPadTokenId);
        std::vector<uint8_t> bytes = out.words.read();
        const std::vector<uint8_t> places = out.places.read();
        bytes.insert(bytes.end(), places.begin(), places.end());
        return bytes;
    };
    cases.push_back(ordered);
}

}  // namespace nj
