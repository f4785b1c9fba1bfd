// Counters of one launch. README.md says what each counts; the names here are those of the report.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace cudasim {

// clang-format off
#define CUDASIM_COUNTERS(X) \
    X(thread_instructions) X(warp_instructions) \
    X(inst_integer) X(inst_fp16) X(inst_fp32) X(inst_fp64) X(inst_special) X(inst_conversion) X(inst_move) X(inst_compare) X(inst_control) \
    X(inst_load_store) X(inst_atomic) X(inst_warp) X(inst_barrier) X(inst_matrix) X(inst_other) \
    X(global_load_requests) X(global_load_sectors) X(global_load_bytes) \
    X(global_store_requests) X(global_store_sectors) X(global_store_bytes) \
    X(global_atomic_requests) X(global_atomic_sectors) X(global_atomic_bytes) \
    X(dram_read_bytes) X(dram_write_bytes) \
    X(shared_load_requests) X(shared_load_wavefronts) X(shared_load_bank_conflicts) X(shared_load_bytes) \
    X(shared_store_requests) X(shared_store_wavefronts) X(shared_store_bank_conflicts) X(shared_store_bytes) \
    X(shared_atomic_requests) X(shared_atomic_wavefronts) X(shared_atomic_bank_conflicts) X(shared_atomic_bytes) \
    X(local_load_bytes) X(local_store_bytes) \
    X(mma) X(ldmatrix) X(barriers) X(branches) X(divergent_branches)
// clang-format on

enum class Counter : std::uint8_t {
#define X(name) name,
    CUDASIM_COUNTERS(X)
#undef X
        count
};

inline constexpr std::size_t kCounters = static_cast<std::size_t>(Counter::count);

inline constexpr std::array<std::string_view, kCounters> kCounterNames{
#define X(name) #name,
    CUDASIM_COUNTERS(X)
#undef X
};

class Counters {
public:
    std::uint64_t& operator[](Counter c) { return values_[static_cast<std::size_t>(c)]; }
    std::uint64_t operator[](Counter c) const { return values_[static_cast<std::size_t>(c)]; }
    void add(const Counters& other) {
        for (std::size_t i = 0; i < kCounters; ++i) values_[i] += other.values_[i];
    }

private:
    std::array<std::uint64_t, kCounters> values_{};
};

}  // namespace cudasim
