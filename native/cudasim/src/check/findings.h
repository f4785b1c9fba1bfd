// What the checks found: one entry per check and instruction, as in compute-sanitizer.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

namespace cudasim {

/// Where in a launch something happened. Lines count from 1; -1 means not applicable.
struct Site {
    std::string kernel;
    int line = -1;
    std::array<int, 3> block{-1, -1, -1};
    std::array<int, 3> thread{-1, -1, -1};
};

struct Finding {
    std::string check;
    Site site;
    long long count = 1;
    std::string message;
};

/// Thread-safe.
class Findings {
public:
    /// `message` is called only for the first occurrence of `check` at this kernel and line.
    void report(const char* check, const Site& site, const std::function<std::string()>& message);
    /// A finding outside of a kernel; each distinct message is one finding.
    void report(const char* check, const std::string& function, const std::string& message);

    std::size_t size() const;
    /// Valid until clear().
    const Finding* at(std::size_t index) const;
    void clear();
    std::string json() const;

private:
    mutable std::mutex mutex_;
    std::deque<Finding> findings_;
    std::map<std::tuple<std::string, std::string, int, std::string>, Finding*> index_;
};

std::string jsonString(const std::string& text);

}  // namespace cudasim
