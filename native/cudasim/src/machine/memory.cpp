#include "machine/memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace cudasim {
namespace {

constexpr std::size_t kAlignment = 512;
// Address space, not memory: pages are touched only where kernels touch them. Freed ranges are not handed out again before it is used up, so
// that a use after free finds nobody else's data.
constexpr std::size_t kReserve = 64ULL << 30;

constexpr std::size_t roundUp(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

std::string hex(std::uint64_t value) {
    char buffer[24];
    std::snprintf(buffer, sizeof buffer, "0x%llx", static_cast<unsigned long long>(value));
    return buffer;
}

}  // namespace

void* DeviceMemory::map(std::size_t bytes) {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    return p;
}

DeviceMemory::DeviceMemory() : reserved_(kReserve) {
    data_ = static_cast<std::byte*>(map(reserved_));
    shadow_ = static_cast<std::uint8_t*>(map(reserved_));
    readStamp_ = static_cast<std::uint32_t*>(map(reserved_ / kSectorBytes * sizeof(std::uint32_t)));
    writeStamp_ = static_cast<std::uint32_t*>(map(reserved_ / kSectorBytes * sizeof(std::uint32_t)));
}

DeviceMemory::~DeviceMemory() {
    munmap(data_, reserved_);
    munmap(shadow_, reserved_);
    munmap(readStamp_, reserved_ / kSectorBytes * sizeof(std::uint32_t));
    munmap(writeStamp_, reserved_ / kSectorBytes * sizeof(std::uint32_t));
    for (const auto& [address, range] : hostRanges_) {
        if (range.owned) std::free(reinterpret_cast<void*>(address));
    }
}

std::uint64_t DeviceMemory::allocate(std::size_t bytes, std::size_t guard, std::size_t limit, const std::string& what) {
    if (bytes == 0 || bytes > limit || liveBytes_ > limit - bytes) return 0;
    const std::size_t span = roundUp(bytes + guard, kAlignment);
    std::uint64_t address = 0;
    if (end_ + span <= kBase + reserved_) {
        // The first allocation has a guard before it, too.
        address = end_ == kBase ? kBase + roundUp(guard, kAlignment) : end_;
        end_ = address + span;
    } else {
        for (auto it = allocations_.begin(); it != allocations_.end(); ++it) {
            if (it->second.live || roundUp(it->second.bytes + guard, kAlignment) < span) continue;
            address = it->first;
            break;
        }
        if (address == 0) return 0;
    }
    std::memset(shadow(address), kAddressable, bytes);
    allocations_[address] = Allocation{address, bytes, true, what};
    liveBytes_ += bytes;
    return address;
}

DeviceMemory::Free DeviceMemory::free(std::uint64_t address) {
    const auto it = allocations_.find(address);
    if (it == allocations_.end()) {
        const Allocation* inside = find(address);
        return inside != nullptr && inside->live ? Free::Inner : Free::Unknown;
    }
    if (!it->second.live) return Free::Twice;
    it->second.live = false;
    liveBytes_ -= it->second.bytes;
    std::memset(shadow(address), 0, it->second.bytes);
    // Give the pages back; the rest of a first or last page that is shared with a neighbour stays.
    constexpr std::uint64_t kPage = 4096;
    const std::uint64_t from = roundUp(address, kPage);
    const std::uint64_t to = (address + it->second.bytes) / kPage * kPage;
    if (to > from) {
        madvise(data(from), to - from, MADV_DONTNEED);
        madvise(shadow(from), to - from, MADV_DONTNEED);
    }
    return Free::Ok;
}

const DeviceMemory::Allocation* DeviceMemory::find(std::uint64_t address) const {
    auto it = allocations_.upper_bound(address);
    if (it == allocations_.begin()) return nullptr;
    --it;
    return address < it->first + it->second.bytes ? &it->second : nullptr;
}

std::string DeviceMemory::describe(std::uint64_t address) const {
    if (address < 0x1000) return "address " + hex(address) + " (a null pointer)";
    if (const Allocation* a = find(address)) {
        return "address " + hex(address) + ", " + std::to_string(address - a->address) + " bytes into the " + (a->live ? "" : "freed ") + a->what + " of " +
               std::to_string(a->bytes) + " bytes at " + hex(a->address);
    }
    if (inWindow(address) && !allocations_.empty()) {
        auto after = allocations_.upper_bound(address);
        const auto distance = [&](const Allocation& a) { return address < a.address ? a.address - address : address - (a.address + a.bytes - 1); };
        auto nearest = after;
        if (after == allocations_.end() || (after != allocations_.begin() && distance(std::prev(after)->second) <= distance(after->second))) {
            nearest = std::prev(after);
        }
        const Allocation& a = nearest->second;
        return "address " + hex(address) + ", " + std::to_string(distance(a)) + " bytes " + (address < a.address ? "before" : "after the last byte of") +
               " the " + (a.live ? "" : "freed ") + a.what + " of " + std::to_string(a.bytes) + " bytes at " + hex(a.address);
    }
    return "address " + hex(address) + ", which is no device memory";
}

std::optional<std::uint64_t> DeviceMemory::hostRangeOf(std::uint64_t address, std::size_t bytes) const {
    auto it = hostRanges_.upper_bound(address);
    if (it == hostRanges_.begin()) return std::nullopt;
    --it;
    if (address + bytes <= it->first + it->second.bytes) return it->first;
    return std::nullopt;
}

bool DeviceMemory::hasBits(std::uint64_t address, std::size_t bytes, std::uint8_t bits) const {
    const std::uint8_t* p = shadow_ + (address - kBase);
    if (address - kBase + bytes > reserved_) return false;
    std::uint8_t all = bits;
    for (std::size_t i = 0; i < bytes; ++i) all &= p[i];
    return all == bits;
}

void DeviceMemory::markWritten(std::uint64_t address, std::size_t bytes) { std::memset(shadow(address), kAddressable | kWritten, bytes); }

}  // namespace cudasim
