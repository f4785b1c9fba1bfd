#include "check/findings.h"

#include <cstdio>

namespace cudasim {

void Findings::report(const char* check, const Site& site, const std::function<std::string()>& message) {
    const std::lock_guard lock(mutex_);
    Finding*& known = index_[{check, site.kernel, site.line, ""}];
    if (known != nullptr) {
        ++known->count;
        return;
    }
    known = &findings_.emplace_back(Finding{check, site, 1, message()});
}

void Findings::report(const char* check, const std::string& function, const std::string& message) {
    const std::lock_guard lock(mutex_);
    Finding*& known = index_[{check, function, -1, message}];
    if (known != nullptr) {
        ++known->count;
        return;
    }
    known = &findings_.emplace_back(Finding{check, Site{.kernel = function}, 1, message});
}

std::size_t Findings::size() const {
    const std::lock_guard lock(mutex_);
    return findings_.size();
}

const Finding* Findings::at(std::size_t index) const {
    const std::lock_guard lock(mutex_);
    return index < findings_.size() ? &findings_[index] : nullptr;
}

void Findings::clear() {
    const std::lock_guard lock(mutex_);
    findings_.clear();
    index_.clear();
}

std::string Findings::json() const {
    const std::lock_guard lock(mutex_);
    std::string out = "[";
    const auto triple = [](const std::array<int, 3>& v) {
        return "[" + std::to_string(v[0]) + "," + std::to_string(v[1]) + "," + std::to_string(v[2]) + "]";
    };
    for (const Finding& f : findings_) {
        out += out.size() > 1 ? ",\n " : "\n ";
        out += "{\"check\": " + jsonString(f.check) + ", \"kernel\": " + jsonString(f.site.kernel) + ", \"line\": " + std::to_string(f.site.line) +
               ", \"block\": " + triple(f.site.block) + ", \"thread\": " + triple(f.site.thread) + ", \"count\": " + std::to_string(f.count) +
               ", \"message\": " + jsonString(f.message) + "}";
    }
    return out + "]";
}

std::string jsonString(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char buffer[8];
            std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(c));
            out += buffer;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

}  // namespace cudasim
