#include "driver/options.h"

#include <charconv>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace cudasim {
namespace {

struct Entry {
    std::string_view name;
    long long Options::*member;
    long long least, most;
};

constexpr Entry kEntries[] = {
    {"checks", &Options::checks, 0, 1},
    {"workers", &Options::workers, 1, 256},
    {"seed", &Options::seed, 0, LLONG_MAX},
    {"compute_capability", &Options::compute_capability, 50, 129},
    {"memory_bytes", &Options::memory_bytes, 1, 32LL << 30},
    {"guard_bytes", &Options::guard_bytes, 0, 1 << 20},
    {"multiprocessors", &Options::multiprocessors, 1, 1024},
    {"no_device", &Options::no_device, 0, 1},
    {"driver_version", &Options::driver_version, 1000, 99990},
    {"max_instructions", &Options::max_instructions, 0, LLONG_MAX},
    {"deferred", &Options::deferred, 0, 1},
};

}  // namespace

bool Options::set(std::string_view name, long long value) {
    for (const Entry& e : kEntries) {
        if (e.name != name) continue;
        if (value < e.least || value > e.most) return false;
        this->*e.member = value;
        return true;
    }
    return false;
}

std::optional<long long> Options::get(std::string_view name) const {
    for (const Entry& e : kEntries) {
        if (e.name == name) return this->*e.member;
    }
    return std::nullopt;
}

Options Options::fromEnvironment() {
    Options options;
    const char* text = std::getenv("CUDASIM_OPTIONS");
    std::string_view rest = text == nullptr ? "" : text;
    while (!rest.empty()) {
        const std::string_view item = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), item.size() + 1));
        const std::size_t equals = item.find('=');
        long long value = 0;
        const std::string_view digits = equals == std::string_view::npos ? "" : item.substr(equals + 1);
        const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (ec != std::errc{} || end != digits.data() + digits.size() || !options.set(item.substr(0, equals), value)) {
            std::fprintf(stderr, "cudasim: CUDASIM_OPTIONS: '%.*s' is not an option with a value in its range\n", static_cast<int>(item.size()), item.data());
        }
    }
    return options;
}

}  // namespace cudasim
