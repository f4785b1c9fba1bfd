// Each kernel that only training has, once, at the shapes of a model's layers.
#include <bit>

#include "counters.hpp"
#include "training_launches.hpp"

namespace nj {
namespace {

constexpr int kClasses = 3;
constexpr int kTargets = 1;
constexpr int kHeadRows = 64;
// The keys' pass reads two scalars per query, heads apart: a sector each; FMA's threads more often, as its tiles are smaller.
constexpr double kScalarCoalescing = 0.75;
// A thread has a row of few logits, a stride apart from its neighbour's.
constexpr double kLossCoalescing = 0.90;
constexpr double kMaxAdamWRatio = 1.05;

class TrainingPass {
public:
    TrainingPass(Report& report, Model model, Type type, const std::vector<int>& lengths)
        : report_(report), model_(model), type_(type), batch_(lengths), tokens_(batch_.tokens()) {}

    void measure() const {
        embedding();
        layerNorm();
        layerNormBackward();
        layerNormGradient();
        activationBackward();
        attention();
        attentionBackward(true);
        attentionBackward(false);
        dgrad("QKV", 3 * model_.dim, model_.dim);
        dgrad("lin1", model_.hidden, model_.dim);
        wgrad("QKV", 3 * model_.dim, model_.dim);
        wgrad("lin2", model_.dim, model_.hidden);
        head(kHeadRows, kClasses);
        embeddingGradients();
        firstTokens();
    }

    /** Of sequences of one token each: the rows that the heads see. */
    void measureLoss() const {
        dgrad("pre_classifier", model_.dim, model_.dim);
        wgrad("pre_classifier", model_.dim, model_.dim);
        for (const int outputs : {kClasses, kTargets}) head(batch_.count(), outputs);
        loss();
    }

private:
    Buffer& numbers(Device& device, int64_t count) const { return device.upload(type_, random_.normal(type_, count, 0.1)); }
    Buffer& floats(Device& device, int64_t count) const { return device.upload(Type::f32, random_.normal(Type::f32, count, 0.1)); }
    Buffer& tokens(Device& device, int columns) const { return numbers(device, static_cast<int64_t>(tokens_) * columns); }
    Buffer& stats(Device& device) const { return device.upload(Type::f32, Values(2 * tokens_, 1)); }

    double matrix(int64_t rows, int64_t columns) const { return static_cast<double>(rows * columns * size(type_)); }

    void add(const std::string& kernel, const std::string& what, double minimum, std::function<void(Device&)> launch,
             double minCoalescing = kMinCoalescing) const {
        report_.add({"nj_" + kernel + "_" + name(type_),
                     std::string(model_.name) + " " + name(type_) + ", " + std::to_string(batch_.count()) + " x "
                         + std::to_string(batch_.lengths[0]) + (what.empty() ? "" : ", ") + what,
                     minimum, std::move(launch), minCoalescing});
    }

    void embedding() const {
        const int places = batch_.lengths[0];
        add("embedding_train", "dropping", 12.0 * tokens_ + 4.0 * batch_.count() + 8.0 * tokens_ + matrix(3LL * tokens_ + places + 2, model_.dim),
            [&](Device& device) {
                std::vector<int> ids(tokens_);
                for (int i = 0; i < tokens_; ++i) ids[i] = i;
                const DeviceBatch batch(device, batch_);
                launchDropping(device, entry(device, type_, "embedding", "embedding_train"), {ceilDiv(tokens_, 4)}, 128, kSomeDropout,
                               tokens(device, model_.dim), tokens(device, model_.dim), stats(device), device.upload(ids), batch.positions,
                               batch.sequences, batch.keys, tokens(device, model_.dim), numbers(device, places * model_.dim),
                               numbers(device, model_.dim), numbers(device, model_.dim), tokens_, nullptr, model_.dim, kNormEpsilon);
            });
    }

    void layerNorm() const {
        add("layernorm_train", "dropping", 16.0 * tokens_ + 4.0 * batch_.count() + matrix(4LL * tokens_ + 2, model_.dim), [&](Device& device) {
            const DeviceBatch batch(device, batch_);
            const Buffer& stream = tokens(device, model_.dim);
            launchDropping(device, entry(device, type_, "layernorm", "layernorm_train"), {ceilDiv(tokens_, 4)}, 128, kSomeDropout, stream,
                           tokens(device, model_.dim), stats(device), stream, numbers(device, model_.dim), numbers(device, model_.dim),
                           batch.positions, batch.sequences, batch.keys, tokens_, nullptr, model_.dim, kNormEpsilon);
        });
    }

    int normBlocks() const { return ceilDiv(tokens_, 32); }

    void layerNormBackward() const {
        const int blocks = normBlocks();
        add("layernorm_backward", std::to_string(blocks) + " blocks", 8.0 * tokens_ + 8.0 * blocks * model_.dim + matrix(3LL * tokens_ + 1, model_.dim),
            [this, blocks](Device& device) {
                const DeviceBatch batch(device, batch_);
                const Buffer& gradient = tokens(device, model_.dim);
                launchDropping(device, entry(device, type_, "layernorm_backward", "layernorm_backward"), {blocks}, 128, kNoDropout, gradient,
                               nullptr, floats(device, 2LL * blocks * model_.dim), gradient, tokens(device, model_.dim), stats(device),
                               numbers(device, model_.dim), batch.positions, batch.sequences, batch.keys, tokens_, nullptr, model_.dim);
            });
    }

    void layerNormGradient() const {
        const int blocks = normBlocks();
        add("layernorm_gradient", std::to_string(blocks) + " shares", 8.0 * (blocks + 2) * model_.dim, [this, blocks](Device& device) {
            device.launch(entry(device, type_, "layernorm_backward", "layernorm_gradient"), {ceilDiv(model_.dim, 32), 2}, 256, 0,
                          floats(device, model_.dim), floats(device, model_.dim), floats(device, 2LL * blocks * model_.dim), blocks, model_.dim);
        });
    }

    void activationBackward() const {
        add("activation_backward", "GELU", matrix(3LL * tokens_, model_.hidden), [&](Device& device) {
            device.launch(entry(device, type_, "activation", "activation_backward"), {ceilDiv(tokens_ * model_.hidden, 2048)}, 256, 0,
                          tokens(device, model_.hidden), tokens(device, model_.hidden), 1, tokens_, nullptr, model_.hidden);
        });
    }

    AttentionSpec attentionSpec() const { return {model_.heads, model_.dim / model_.heads, kSomeDropout}; }

    std::string headDim() const { return std::to_string(AttentionShape{1, attentionSpec().headDim, 1, 1}.paddedDim()); }

    void attention() const {
        add("attention_train_d" + headDim(), "dropping", 4.0 * tokens_ * model_.heads + matrix(4LL * tokens_, model_.dim), [&](Device& device) {
            launchAttentionTrain(device, type_, tokens(device, model_.dim), floats(device, tokens_ * model_.heads),
                                 tokens(device, 3 * model_.dim), DeviceBatch(device, batch_), batch_.lengths[0], attentionSpec());
        });
    }

    void attentionBackward(bool queries) const {
        const double scalars = 8.0 * tokens_ * model_.heads;
        // Both: qkv and dOut, and out and dQueries, or dKeys and dValues.
        const double minimum = scalars + matrix(6LL * tokens_, model_.dim);
        add(std::string("attention_backward_") + (queries ? "queries" : "keys") + "_d" + headDim(), "dropping", minimum,
            [this, queries](Device& device) {
                const DeviceBatch batch(device, batch_);
                const AttentionSpec spec = attentionSpec();
                const Dim3 grid{ceilDiv(batch_.lengths[0], 64), spec.heads, batch_.count()};
                const Buffer& dQkv = tokens(device, 3 * model_.dim);
                const Buffer& delta = floats(device, tokens_ * spec.heads);
                const Buffer& qkv = tokens(device, 3 * model_.dim);
                const Buffer& dOut = tokens(device, model_.dim);
                const Buffer& logSumExp = floats(device, tokens_ * spec.heads);
                const CUfunction function = entry(device, type_, "attention_backward",
                                                  std::string("attention_backward_") + (queries ? "queries_d" : "keys_d") + headDim());
                if (queries) {
                    launchDropping(device, function, grid, 128, spec.dropout, dQkv, delta, qkv, tokens(device, model_.dim), dOut, logSumExp,
                                   batch.cuSeqlens, batch.keys, spec.heads, spec.headDim, spec.scale());
                } else {
                    launchDropping(device, function, grid, 128, spec.dropout, dQkv, delta, qkv, dOut, logSumExp, batch.cuSeqlens, batch.keys,
                                   spec.heads, spec.headDim, spec.scale());
                }
            },
            queries ? kMinCoalescing : kScalarCoalescing);
    }

    int tile() const { return tokens_ <= 256 ? 64 : 128; }

    void dgrad(const char* what, int n, int k) const {
        add("gemm_dgrad_tile" + std::to_string(tile()), std::string(what) + ", added", matrix(tokens_, n) + matrix(n, k) + matrix(2LL * tokens_, k),
            [this, n, k](Device& device) {
                launchDgrad(device, type_, tile(), tokens(device, k), tokens(device, n), numbers(device, static_cast<int64_t>(n) * k), true,
                            {tokens_}, n, k);
            });
    }

    void wgrad(const char* what, int n, int k) const {
        add("gemm_wgrad_tile" + std::to_string(tile()), what, matrix(tokens_, n + k) + 8.0 * (static_cast<double>(n) * k + n),
            [this, n, k](Device& device) {
                launchWgrad(device, type_, tile(), 1, floats(device, static_cast<int64_t>(n) * k), &floats(device, n), tokens(device, n),
                            tokens(device, k), device.zeros(4), {tokens_}, n, k);
            });
    }

    void head(int rows, int outputs) const {
        const int k = model_.dim;
        const std::string what = std::to_string(rows) + " rows, " + std::to_string(outputs) + (outputs == 1 ? " output" : " outputs");
        const double minimum = matrix(rows + outputs, k) + 4.0 * rows * outputs;
        add("head", what, minimum, [=, this](Device& device) {
            device.launch(entry(device, type_, "head", "head"), {ceilDiv(rows, 4), outputs}, 128, 0, floats(device, rows * outputs),
                          numbers(device, rows * k), numbers(device, outputs * k), numbers(device, outputs), rows, nullptr, outputs, k);
        });
        add("head_dgrad", what, minimum, [=, this](Device& device) {
            device.launch(entry(device, type_, "head", "head_dgrad"), {ceilDiv(rows, 4)}, 128, 0, numbers(device, rows * k),
                          floats(device, rows * outputs), numbers(device, outputs * k), 0, rows, nullptr, outputs, k);
        });
        add("head_wgrad", what, matrix(rows, k) + 4.0 * rows * outputs + 8.0 * outputs * k, [=, this](Device& device) {
            device.launch(entry(device, type_, "head", "head_wgrad"), {ceilDiv(k, 32), outputs}, 256, 0, floats(device, outputs * k),
                          floats(device, outputs), floats(device, rows * outputs), numbers(device, rows * k), rows, nullptr, outputs, k);
        });
    }

    void loss() const {
        const int rows = batch_.count();
        const int outputs = kClasses + kTargets;
        // Outputs, labels and targets; the gradients; both weights; settings and report.
        const double minimum = 4.0 * rows * (outputs + 1 + kTargets) + 4.0 * rows * outputs + matrix(outputs, model_.dim) + 4.0 * (5 + 8);
        add("multitask_loss", "3 classes, 1 target", minimum,
            [=, this](Device& device) {
                std::vector<int> labels(rows);
                for (int b = 0; b < rows; ++b) labels[b] = b % kClasses;
                device.launch(entry(device, type_, "multitask_loss", "multitask_loss"), {1}, 512, 0, floats(device, rows * kClasses),
                              floats(device, rows * kTargets), device.zeros(8 * 4), floats(device, rows * kClasses), floats(device, rows * kTargets),
                              device.upload(labels), floats(device, rows * kTargets), numbers(device, kClasses * model_.dim),
                              numbers(device, kTargets * model_.dim), device.upload(Type::f32, {1, 1, 0, 0, 1}), nullptr, rows, model_.dim, kClasses,
                              kTargets);
            },
            kLossCoalescing);
    }

    void embeddingGradients() const {
        // Every word twice.
        const int vocabulary = tokens_ / 2;
        std::vector<int> ids(tokens_);
        std::vector<int> order(tokens_);
        for (int i = 0; i < tokens_; ++i) {
            ids[i] = i % vocabulary;
            order[i] = i / 2 + i % 2 * vocabulary;
        }
        const auto common = [this, ids, order](Device& device, bool sorting) {
            const Buffer& onDevice = device.upload(ids);
            const Buffer& sorted = device.upload(order);
            if (sorting) {
                device.launch(entry(device, type_, "embedding_gradient", "token_order"), {ceilDiv(tokens_, 4)}, 128, 0, sorted, onDevice, tokens_,
                              nullptr);
            } else {
                device.launch(entry(device, type_, "embedding_gradient", "word_gradient"), {ceilDiv(tokens_, 4), ceilDiv(model_.dim, 256)}, 128, 0,
                              floats(device, static_cast<int64_t>(tokens_) / 2 * model_.dim), tokens(device, model_.dim), onDevice, sorted, -1,
                              tokens_, nullptr, model_.dim);
            }
        };
        add("token_order", "", 8.0 * tokens_, [common](Device& device) { common(device, true); });
        add("word_gradient", "every word twice", 8.0 * tokens_ + matrix(tokens_, model_.dim) + 8.0 * vocabulary * model_.dim,
            [common](Device& device) { common(device, false); });
        const int places = batch_.lengths[0];
        add("position_gradient", "", 4.0 * (batch_.count() + 1) + matrix(tokens_, model_.dim) + 8.0 * places * model_.dim,
            [this, places](Device& device) {
                device.launch(entry(device, type_, "embedding_gradient", "position_gradient"), {ceilDiv(places, 4), ceilDiv(model_.dim, 256)}, 128,
                              0, floats(device, static_cast<int64_t>(places) * model_.dim), tokens(device, model_.dim),
                              device.upload(batch_.cuSeqlens), batch_.count(), places, model_.dim);
            });
    }

    void firstTokens() const {
        add("scatter_first", "", 8.0 * tokens_ + matrix(batch_.count() + tokens_, model_.dim), [this](Device& device) {
            const DeviceBatch batch(device, batch_);
            device.launch(entry(device, type_, "first_token", "scatter_first"), {ceilDiv(tokens_, 4)}, 128, 0, tokens(device, model_.dim),
                          numbers(device, static_cast<int64_t>(batch_.count()) * model_.dim), batch.positions, batch.sequences, tokens_, nullptr,
                          model_.dim);
        });
    }

    Report& report_;
    Model model_;
    Type type_;
    Batch batch_;
    int tokens_;
    mutable Random random_{1};
};

/** Offset, length, factor on the learning rate, and decay of each parameter of one layer, as dev.nightjar.backend.ParameterTable has them. */
std::vector<int> parameterTable(Model model) {
    const int square = model.dim * model.dim;
    const int wide = model.hidden * model.dim;
    std::vector<int> table;
    int offset = 0;
    const auto group = [&](int length, bool decays) {
        table.insert(table.end(), {offset, length, std::bit_cast<int>(1.0f), decays ? 1 : 0});
        offset += length;
    };
    const auto linear = [&](int weight, int bias) {
        group(weight, true);
        group(bias, false);
    };
    for (int i = 0; i < 4; ++i) linear(square, model.dim);
    linear(wide, model.hidden);
    linear(wide, model.dim);
    for (int i = 0; i < 4; ++i) group(model.dim, false);  // both LayerNorms
    return table;
}

}  // namespace

void measureTraining(Report& report, Model model, Type type, const std::vector<int>& lengths) {
    TrainingPass(report, model, type, lengths).measure();
}

void measureLoss(Report& report, Model model, Type type, int rows) {
    TrainingPass(report, model, type, std::vector<int>(rows, 1)).measureLoss();
}

void measureAdamW(Report& report, Model model, Type type) {
    const std::vector<int> table = parameterTable(model);
    const int groups = static_cast<int>(table.size()) / 4;
    const int count = table[table.size() - 4] + table[table.size() - 3];
    const bool copies = type != Type::f32;
    const double minimum = (28.0 + (copies ? size(type) : 0)) * count + 4.0 * table.size() + 4.0 * (9 + 1);
    report.add({std::string("nj_adamw_") + name(type),
                std::string(model.name) + ", " + std::to_string(groups) + " parameters of a layer" + (copies ? ", copied" : ""), minimum,
                [=](Device& device) {
                    const auto vector = [&]() -> const Buffer& { return device.zeros(4 * static_cast<size_t>(count)); };
                    // dev.nightjar.backend.AdamWStep: step, rate, betas, epsilon, decay, no clipping, corrections of step 1.
                    std::vector<int> step{1};
                    for (const float x : {1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, 1e30f, 0.1f, 0.001f}) step.push_back(std::bit_cast<int>(x));
                    const Buffer* copy = copies ? &device.zeros(size(type) * static_cast<size_t>(count)) : nullptr;
                    device.launch(entry(device, type, "adamw", "adamw"), {ceilDiv(count, 2048)}, 256, 0, vector(), copy, vector(),
                                  vector(), vector(), device.zeros(4), device.upload(step), nullptr, device.upload(table), groups);
                },
                kMinCoalescing, kMaxAdamWRatio});
}

}  // namespace nj
