// Runs each kernel of a forward pass once on the simulated driver, at the shapes of MiniLM and DistilBERT, and writes what it counted as
// Markdown. The counts are exact; they are not times.
//
//   kernel_counters KERNELS FILE    status 1 if a kernel misses its bounds
#include <exception>
#include <fstream>

#include "counters.hpp"
#include "launches.hpp"

namespace nj {
namespace {

/** The operands of one forward pass, filled with numbers whose size does not matter here. */
class Pass {
public:
    Pass(Model model, Type type, std::vector<int> lengths) : model_(model), type_(type), lengths_(std::move(lengths)) {
        tokens_ = prefixSums(lengths_).back();
    }

    void measure(Report& report) const {
        embedding(report);
        attention(report);
        gemm(report, "QKV", 3 * model_.dim, model_.dim, 0, false, false);
        gemm(report, "output + residual + LayerNorm", model_.dim, model_.dim, 0, true, true);
        gemm(report, "lin1 + GELU", model_.hidden, model_.dim, 1, false, false);
        gemm(report, "lin2 + residual + LayerNorm", model_.dim, model_.hidden, 0, true, true);
        layerNorm(report);
        heads(report);
    }

private:
    Buffer& numbers(Device& device, int64_t count) const { return device.upload(type_, random_.normal(type_, count, 0.1)); }

    NormParameters norm(Device& device, int dim) const { return {&numbers(device, dim), &numbers(device, dim)}; }

    std::string shape(const std::string& what) const {
        return std::string(model_.name) + " " + name(type_) + ", " + std::to_string(lengths_.size()) + " x " + std::to_string(lengths_[0])
            + (what.empty() ? "" : ", ") + what;
    }

    double matrix(int64_t rows, int64_t columns) const { return static_cast<double>(rows * columns * size(type_)); }

    void embedding(Report& report) const {
        // As many distinct words and places as there are tokens in a sequence of distinct ones.
        const int places = lengths_[0];
        report.add({std::string("nj_embedding_") + name(type_), shape(""),
                    8.0 * tokens_ + matrix(2LL * tokens_ + places + 2, model_.dim), [&](Device& device) {
                        std::vector<int> ids(tokens_);
                        std::vector<int> positions(tokens_);
                        for (int i = 0; i < tokens_; ++i) {
                            ids[i] = i;
                            positions[i] = i % places;
                        }
                        launchEmbedding(device, type_, device.output(type_, tokens_ * model_.dim), device.upload(ids), device.upload(positions),
                                        numbers(device, tokens_ * model_.dim), numbers(device, places * model_.dim), norm(device, model_.dim),
                                        {tokens_}, model_.dim);
                    }});
    }

    void layerNorm(Report& report) const {
        report.add({std::string("nj_layernorm_") + name(type_), shape("with residual"), matrix(3LL * tokens_ + 2, model_.dim),
                    [&](Device& device) {
                        const int count = tokens_ * model_.dim;
                        launchLayerNorm(device, type_, device.output(type_, count), numbers(device, count), nullptr, &numbers(device, count),
                                        norm(device, model_.dim), {tokens_}, model_.dim);
                    }});
    }

    void gemm(Report& report, const char* what, int n, int k, int activation, bool residual, bool normalised) const {
        const GemmVariant variant = tokens_ <= 32 ? kRows16 : tokens_ <= 256 ? kTile64 : kTile128;
        const double minimum = matrix(tokens_, k) + matrix(n, k) + matrix(residual ? 2 * tokens_ : tokens_, n) + matrix(normalised ? 3 : 1, n);
        report.add({std::string("nj_gemm_") + variant.entry + "_" + name(type_), shape(what), minimum, [&](Device& device) {
                        const int count = tokens_ * n;
                        // As in the encoder: the residual stream is replaced by what the layer makes of it.
                        const Buffer& stream = residual ? numbers(device, count) : device.output(type_, count);
                        const GemmArguments a{.x = &numbers(device, tokens_ * k),
                                              .weight = &numbers(device, static_cast<int64_t>(n) * k),
                                              .bias = &numbers(device, n),
                                              .residual = residual ? &stream : nullptr,
                                              .norm = normalised ? norm(device, n) : NormParameters{},
                                              .activation = activation,
                                              .rows = {tokens_},
                                              .n = n,
                                              .k = k,
                                              .tickets = nullptr};
                        launchGemm(device, type_, variant, stream, a);
                    }});
    }

    void attention(Report& report) const {
        const AttentionShape s{model_.heads, model_.dim / model_.heads, static_cast<int>(lengths_.size()), lengths_[0]};
        const bool isShort = type_ != Type::f32 && s.shortTokens() <= 128 && s.shortBytes() <= 49152;
        report.add({attentionEntry(type_, s, isShort), shape(""), matrix(4LL * tokens_, model_.dim), [&](Device& device) {
                        launchAttention(device, type_, isShort, device.output(type_, tokens_ * model_.dim),
                                        numbers(device, 3 * tokens_ * model_.dim), device.upload(prefixSums(lengths_)), s, 0.1f);
                    }});
    }

    void heads(Report& report) const {
        const int sequences = static_cast<int>(lengths_.size());
        const int classes = 3;
        const double minimum = matrix(sequences, model_.dim) + matrix(model_.dim + 1 + classes + 1, model_.dim) + 4.0 * sequences * (2 * classes + 1);
        report.add({std::string("nj_heads_") + name(type_), shape("3 classes, 1 score"), minimum, [&](Device& device) {
                        const auto layer = [&](int outputs) {
                            return HeadParameters{&numbers(device, static_cast<int64_t>(outputs) * model_.dim), &numbers(device, outputs), outputs};
                        };
                        const HeadsOutputs out{&device.output(Type::f32, sequences * classes), &device.output(Type::f32, sequences * classes),
                                               &device.output(Type::f32, sequences), &device.output(type_, sequences * model_.dim)};
                        launchHeads(device, type_, out, numbers(device, tokens_ * model_.dim), device.upload(prefixSums(lengths_)),
                                    layer(model_.dim), layer(classes), layer(1), sequences);
                    }});
    }

    Model model_;
    Type type_;
    std::vector<int> lengths_;
    int tokens_;
    mutable Random random_{1};
};

int write(const std::string& kernels, const std::string& file) {
    Report report(kernels, 80);
    Pass(kMiniLm, Type::f16, {16}).measure(report);
    Pass(kMiniLm, Type::f16, {128}).measure(report);
    Pass(kMiniLm, Type::f16, std::vector<int>(8, 64)).measure(report);
    Pass(kDistilBert, Type::f16, {16}).measure(report);
    Pass(kDistilBert, Type::f16, {128}).measure(report);
    Pass(kDistilBert, Type::f16, {512}).measure(report);
    Pass(kMiniLm, Type::f32, {16}).measure(report);
    Pass(kMiniLm, Type::f32, {128}).measure(report);
    measureTraining(report, kMiniLm, Type::f16, std::vector<int>(8, 64));
    measureTraining(report, kDistilBert, Type::f16, {128});
    measureTraining(report, kMiniLm, Type::f32, {128});
    measureLoss(report, kDistilBert, Type::f32, 32);
    measureAdamW(report, kMiniLm, Type::f32);
    measureAdamW(report, kMiniLm, Type::bf16);
    std::ofstream out(file);
    out << "# What the kernels move\n\n"
           "Counted by the simulated driver (`native/cudasim`) while it executed the sm_80 PTX; written by `kernels/tests/run.sh counters`.\n"
           "**From the simulator, not a GPU: counts, not times.**\n\n"
           "* DRAM: bytes of all 32-byte sectors that the launch touched for the first time, reading or writing; the minimum is each operand once.\n"
           "* Coalescing: bytes that lanes asked for, per byte of the sectors they touched; at most 1 (lanes that share an address count each).\n"
           "* Conflicts: passes over the banks of shared memory beyond the least possible, in the whole kernel.\n"
           "* Instructions: of warps.\n"
           "* Bounds: DRAM at most 1.10 of the minimum (AdamW: 1.05), no conflicts, coalescing at least 0.95 (0.75 for the keys' pass of attention's backward, which reads two scalars per query, heads apart; 0.90 for the loss, whose threads have a row of few logits each).\n\n"
           "| Kernel | Shape | DRAM bytes | Minimum | Ratio | Coalescing | Conflicts | mma | Instructions |\n|---|---|---:|---:|---:|---:|---:|---:|---:|\n"
        << report.text() << "\n"
        << (report.missed() == 0 ? "Every kernel is within its bounds.\n" : std::to_string(report.missed()) + " miss a bound.\n")
        << "\nLaunches of a forward pass of L layers: 5 L + 2 (embedding; QKV, attention, output, lin1 and lin2 per layer; heads).\n";
    return out.flush() && report.missed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace nj

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s KERNELS FILE\n", argv[0]);
        return 2;
    }
    try {
        if (!nj::Device::simulated()) throw std::runtime_error("only the simulated driver counts: set LD_LIBRARY_PATH to its folder");
        return nj::write(argv[1], argv[2]);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
