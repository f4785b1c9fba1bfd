// What counters.cpp and training_counters.cpp share: models, and a table of what launches moved.
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>

#include "device.hpp"

namespace nj {

constexpr double kMaxDramRatio = 1.10;
constexpr double kMinCoalescing = 0.95;

struct Model {
    const char* name;
    int dim;
    int heads;
    int hidden;
};

constexpr Model kMiniLm{"MiniLM", 384, 12, 1536};
constexpr Model kDistilBert{"DistilBERT", 768, 12, 3072};

/** One kernel at one shape. */
struct Measurement {
    std::string kernel;
    std::string shape;
    /** Each operand's bytes once, where it is read, and once where it is written. */
    double minimum;
    std::function<void(Device&)> launch;
    double minCoalescing = kMinCoalescing;
    double maxDramRatio = kMaxDramRatio;
};

class Report {
public:
    Report(std::string kernels, int architecture) : kernels_(std::move(kernels)), architecture_(architecture) {}

    void add(const Measurement& m) {
        Device device(kernels_, architecture_);
        m.launch(device);
        device.expectClean();
        const auto count = [&](const char* counter) { return static_cast<double>(device.counter(counter)); };
        const double dram = count("dram_read_bytes") + count("dram_write_bytes");
        const double sectors = count("global_load_sectors") + count("global_store_sectors");
        const double coalescing = std::min(1.0, (count("global_load_bytes") + count("global_store_bytes")) / (32 * sectors));
        const double conflicts = count("shared_load_bank_conflicts") + count("shared_store_bank_conflicts");
        const double ratio = dram / m.minimum;
        const bool good = ratio <= m.maxDramRatio && coalescing >= m.minCoalescing && conflicts == 0;
        if (!good) ++missed_;
        char line[512];
        std::snprintf(line, sizeof line, "| `%s` | %s | %.0f | %.0f | %.3f | %.3f | %.0f | %.0f | %.0f |%s\n", m.kernel.c_str(), m.shape.c_str(),
                      dram, m.minimum, ratio, coalescing, conflicts, count("mma"), count("warp_instructions"), good ? "" : " **missed** |");
        text_ += line;
        std::fputs(line, stdout);
        std::fflush(stdout);
    }

    const std::string& text() const { return text_; }
    int missed() const { return missed_; }

private:
    std::string kernels_;
    int architecture_;
    std::string text_;
    int missed_ = 0;
};

/** Adds the launches that only training has. */
void measureTraining(Report& report, Model model, Type type, const std::vector<int>& lengths);

/** Adds the loss of both tasks beside the products of their heads, for a batch of `rows`. */
void measureLoss(Report& report, Model model, Type type, int rows);

/** Adds AdamW over the parameters of one layer, with a copy in `type` unless that is float32. */
void measureAdamW(Report& report, Model model, Type type);

}  // namespace nj
