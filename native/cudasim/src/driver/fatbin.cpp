// Reads the container that nvcc's -fatbin writes. Layout as found by inspection of its output: a header, then entries of a header and a payload each.
#include "driver/fatbin.h"

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace cudasim {
namespace {

constexpr std::uint32_t kWrapperMagic = 0x466243b1;  // what nvcc embeds in objects: points to the container
constexpr std::uint32_t kContainerMagic = 0xba55ed50;
constexpr std::uint32_t kElfMagic = 0x464c457f;
constexpr std::uint32_t kZstdMagic = 0xfd2fb528;
constexpr std::uint16_t kPtxKind = 1;

struct Wrapper {
    std::uint32_t magic, version;
    const void* data;
    void* filename;
};
struct Container {
    std::uint32_t magic;
    std::uint16_t version, headerBytes;
    std::uint64_t bytes;
};
struct Entry {
    std::uint16_t kind, version;
    std::uint32_t headerBytes;
    std::uint64_t bytes;
    std::uint32_t compressedBytes, unknown;
    std::uint16_t minor, major;
    std::uint32_t architecture;
    std::uint32_t nameOffset, nameBytes;
    std::uint64_t flags, zero;
    std::uint64_t plainBytes;
};

template <class T>
T readAs(const std::byte* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

// LZ4 block format: sequences of literals and of copies from what was written before.
std::string expandLz4(const std::byte* in, std::size_t size, std::size_t plain) {
    std::string out;
    out.reserve(plain);
    const auto* p = reinterpret_cast<const unsigned char*>(in);
    const auto* const end = p + size;
    const auto length = [&](std::size_t n) {
        if (n != 15) return n;
        unsigned char more = 255;
        while (more == 255 && p < end) n += more = *p++;
        return n;
    };
    while (p < end && out.size() < plain) {
        const unsigned token = *p++;
        const std::size_t literals = length(token >> 4);
        if (literals > static_cast<std::size_t>(end - p)) break;
        out.append(reinterpret_cast<const char*>(p), literals);
        p += literals;
        if (end - p < 2 || out.size() >= plain) break;
        const std::size_t distance = p[0] | p[1] << 8;
        p += 2;
        const std::size_t copied = length(token & 15) + 4;
        if (distance == 0 || distance > out.size()) throw std::runtime_error("fat binary: damaged compressed PTX");
        for (std::size_t i = 0; i < copied; ++i) out += out[out.size() - distance];
    }
    if (out.size() != plain) throw std::runtime_error("fat binary: PTX compressed in a way that is not known; build with nvcc --no-compress");
    return out;
}

std::string fromContainer(const std::byte* p, int computeCapability) {
    const auto container = readAs<Container>(p);
    const std::byte* entryAt = p + container.headerBytes;
    const std::byte* const end = entryAt + container.bytes;
    const std::byte* best = nullptr;
    Entry bestEntry{};
    std::string found;
    while (entryAt + sizeof(Entry) <= end) {
        const auto entry = readAs<Entry>(entryAt);
        found += (found.empty() ? "" : ", ") + std::string(entry.kind == kPtxKind ? "PTX" : "machine code") + " for sm_" + std::to_string(entry.architecture);
        if (entry.kind == kPtxKind && static_cast<int>(entry.architecture) <= computeCapability && (best == nullptr || entry.architecture > bestEntry.architecture)) {
            best = entryAt;
            bestEntry = entry;
        }
        entryAt += entry.headerBytes + entry.bytes;
    }
    if (best == nullptr) throw std::runtime_error("fat binary without PTX for compute capability " + std::to_string(computeCapability) + " or lower (it has " + found + ")");
    const std::byte* payload = best + bestEntry.headerBytes;
    if (bestEntry.compressedBytes == 0) return {reinterpret_cast<const char*>(payload), bestEntry.bytes};
    if (readAs<std::uint32_t>(payload) == kZstdMagic) throw std::runtime_error("fat binary with zstd-compressed PTX: build with nvcc --no-compress");
    return expandLz4(payload, bestEntry.compressedBytes, bestEntry.plainBytes);
}

}  // namespace

std::string ptxFromImage(const void* image, int computeCapability) {
    const auto* p = static_cast<const std::byte*>(image);
    const auto magic = readAs<std::uint32_t>(p);
    if (magic == kWrapperMagic) return fromContainer(static_cast<const std::byte*>(readAs<Wrapper>(p).data), computeCapability);
    if (magic == kContainerMagic) return fromContainer(p, computeCapability);
    if (magic == kElfMagic) throw std::runtime_error("machine code (cubin): the simulator executes PTX only");
    return static_cast<const char*>(image);
}

}  // namespace cudasim
