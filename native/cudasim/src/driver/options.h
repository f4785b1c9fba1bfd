#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cudasim {

/// The options of cudasimSetOption; <cudasim/cudasim.h> says what each means.
struct Options {
    long long checks = 1;
    long long workers = 1;
    long long seed = 0;
    long long compute_capability = 80;
    long long memory_bytes = 8LL << 30;
    long long guard_bytes = 256;
    long long multiprocessors = 16;
    long long no_device = 0;
    long long driver_version = 13000;
    long long max_instructions = 0;
    long long deferred = 1;

    /// The defaults with what the environment variable CUDASIM_OPTIONS says.
    static Options fromEnvironment();

    /// False when the name is unknown or the value out of range.
    bool set(std::string_view name, long long value);
    std::optional<long long> get(std::string_view name) const;
};

}  // namespace cudasim
