// Device memory: one reserved range of simulated addresses, with a shadow byte per byte and two launch stamps per 32-byte sector.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace cudasim {

/// Generic addresses of the windows that are not global memory; none is a canonical host or device address.
inline constexpr std::uint64_t kSharedWindow = 1ULL << 56;
inline constexpr std::uint64_t kLocalWindow = 2ULL << 56;
inline constexpr std::uint64_t kParamWindow = 3ULL << 56;

inline constexpr std::uint64_t kSectorBytes = 32;

/// Bits of a shadow byte.
inline constexpr std::uint8_t kAddressable = 1;
inline constexpr std::uint8_t kWritten = 2;

/// Not thread-safe except for the inline members, which kernels use; allocation happens under the driver's lock, never during a launch.
class DeviceMemory {
public:
    static constexpr std::uint64_t kBase = 0x2000'0000'0000ULL;

    struct Allocation {
        std::uint64_t address;
        std::size_t bytes;
        bool live;
        std::string what;
    };
    /// Host memory that the device may use: pinned, registered or managed.
    struct HostRange {
        std::size_t bytes;
        bool owned;       // allocated by the driver: to be freed by it
        bool managed;
    };

    DeviceMemory();
    ~DeviceMemory();
    DeviceMemory(const DeviceMemory&) = delete;
    DeviceMemory& operator=(const DeviceMemory&) = delete;

    /// Address of `bytes` new bytes, aligned to 512, or 0 when `limit` live bytes would be exceeded.
    std::uint64_t allocate(std::size_t bytes, std::size_t guard, std::size_t limit, const std::string& what);
    enum class Free { Ok, Unknown, Twice, Inner };
    Free free(std::uint64_t address);

    std::size_t liveBytes() const { return liveBytes_; }
    const std::map<std::uint64_t, Allocation>& allocations() const { return allocations_; }
    /// The live or freed allocation that contains the address; a live one goes first.
    const Allocation* find(std::uint64_t address) const;
    /// What the address is, in words, for a finding.
    std::string describe(std::uint64_t address) const;

    void addHostRange(void* pointer, HostRange range) { hostRanges_[reinterpret_cast<std::uint64_t>(pointer)] = range; }
    bool removeHostRange(void* pointer) { return hostRanges_.erase(reinterpret_cast<std::uint64_t>(pointer)) == 1; }
    std::map<std::uint64_t, HostRange>& hostRanges() { return hostRanges_; }
    std::optional<std::uint64_t> hostRangeOf(std::uint64_t address, std::size_t bytes) const;

    bool inWindow(std::uint64_t address) const { return address - kBase < reserved_; }
    std::byte* data(std::uint64_t address) { return data_ + (address - kBase); }
    std::uint8_t* shadow(std::uint64_t address) { return shadow_ + (address - kBase); }

    /// Whether all bytes have all of `bits`. The address must be in the window.
    bool hasBits(std::uint64_t address, std::size_t bytes, std::uint8_t bits) const;
    void markWritten(std::uint64_t address, std::size_t bytes);

    /// A stamp for DRAM accounting that no earlier launch used.
    std::uint32_t newEpoch() { return ++epoch_; }
    /// Whether this is the first read (write) of the sector in the launch of this stamp.
    bool firstRead(std::uint64_t address, std::uint32_t epoch) { return first(readStamp_, address, epoch); }
    bool firstWrite(std::uint64_t address, std::uint32_t epoch) { return first(writeStamp_, address, epoch); }

private:
    bool first(std::uint32_t* stamps, std::uint64_t address, std::uint32_t epoch) {
        const std::atomic_ref<std::uint32_t> stamp(stamps[(address - kBase) / kSectorBytes]);
        return stamp.load(std::memory_order_relaxed) != epoch && stamp.exchange(epoch, std::memory_order_relaxed) != epoch;
    }
    void* map(std::size_t bytes);

    std::size_t reserved_;
    std::byte* data_;
    std::uint8_t* shadow_;
    std::uint32_t* readStamp_;
    std::uint32_t* writeStamp_;
    std::uint32_t epoch_ = 0;
    std::uint64_t end_ = kBase;  // of the part that was ever handed out
    std::size_t liveBytes_ = 0;
    std::map<std::uint64_t, Allocation> allocations_;  // by address; freed ones stay until their range is handed out again
    std::map<std::uint64_t, HostRange> hostRanges_;
};

}  // namespace cudasim
