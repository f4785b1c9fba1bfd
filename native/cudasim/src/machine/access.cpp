#include "machine/access.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include <cuda.h>

#include "machine/block.h"
#include "machine/coalescing.h"

namespace cudasim {
namespace {

const char* verb(AccessKind kind) { return kind == AccessKind::Load ? "load" : kind == AccessKind::Store ? "store" : "atomic operation"; }

std::string describeAccess(AccessKind kind, unsigned bytes, const char* space) {
    return std::string(verb(kind)) + " of " + std::to_string(bytes) + " bytes in " + space + " memory, ";
}

std::string hex(std::uint64_t value) {
    char buffer[24];
    std::snprintf(buffer, sizeof buffer, "0x%llx", static_cast<unsigned long long>(value));
    return buffer;
}

[[noreturn]] void fail(Warp& w, const Instr& in, std::uint32_t lane, const char* check, int result, const std::string& message) {
    w.block->launch.findings->report(check, w.block->site(w, lane, in.line), [&] { return message; });
    throw Fault{result};
}

// Not one of the common cases: says what is wrong, or finds host memory that the device may use.
std::byte* globalSlow(Warp& w, const Instr& in, std::uint32_t lane, unsigned bytes, AccessKind kind, std::uint64_t address) {
    DeviceMemory& memory = *w.block->launch.memory;
    if (address % bytes != 0) {
        fail(w, in, lane, "misaligned", CUDA_ERROR_MISALIGNED_ADDRESS,
             describeAccess(kind, bytes, "global") + memory.describe(address) + ": not a multiple of " + std::to_string(bytes));
    }
    if (memory.inWindow(address) && memory.hasBits(address, bytes, kAddressable)) {
        if (!w.block->launch.checks || kind == AccessKind::Store || memory.hasBits(address, bytes, kWritten)) return memory.data(address);
        w.block->launch.findings->report("uninitialized", w.block->site(w, lane, in.line), [&] {
            return describeAccess(kind, bytes, "global") + memory.describe(address) + ": nobody wrote these bytes";
        });
        return memory.data(address);
    }
    if (memory.hostRangeOf(address, bytes)) return reinterpret_cast<std::byte*>(address);
    const DeviceMemory::Allocation* a = memory.find(address);
    const bool freed = a != nullptr && !a->live;
    fail(w, in, lane, freed ? "use-after-free" : "out-of-bounds", CUDA_ERROR_ILLEGAL_ADDRESS, describeAccess(kind, bytes, "global") + memory.describe(address));
}

template <class Word>
bool shadowHas(const std::uint8_t* shadow, std::uint8_t bits) {
    constexpr Word kOnes = static_cast<Word>(~Word{0}) / 0xff;
    Word word;
    std::memcpy(&word, shadow, sizeof word);
    const auto want = static_cast<Word>(kOnes * bits);
    return (word & want) == want;
}

bool shadowHas(const std::uint8_t* shadow, unsigned bytes, std::uint8_t bits) {
    switch (bytes) {
        case 1: return shadowHas<std::uint8_t>(shadow, bits);
        case 2: return shadowHas<std::uint16_t>(shadow, bits);
        case 4: return shadowHas<std::uint32_t>(shadow, bits);
        default:
            for (unsigned i = 0; i < bytes; i += 8) {
                if (!shadowHas<std::uint64_t>(shadow + i, bits)) return false;
            }
            return true;
    }
}

void resolveGlobal(Warp& w, const Instr& in, std::uint32_t mask, unsigned bytes, AccessKind kind, const LaneAddresses& addresses, LanePointers& out,
                   bool counted) {
    DeviceMemory& memory = *w.block->launch.memory;
    const std::uint8_t bits = kAddressable | (kind != AccessKind::Store && w.block->launch.checks ? kWritten : 0);
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        const std::uint64_t address = addresses[lane];
        if (memory.inWindow(address) && address % bytes == 0 && shadowHas(memory.shadow(address), bytes, bits)) [[likely]] {
            out[lane] = memory.data(address);
        } else {
            out[lane] = globalSlow(w, in, lane, bytes, kind, address);
            if (!memory.inWindow(address)) continue;
        }
        if (kind != AccessKind::Load) std::memset(memory.shadow(address), kAddressable | kWritten, bytes);
    }
    if (counted) countGlobal(*w.counters, memory, w.block->launch.epoch, mask, bytes, kind, addresses);
}

void reportHazard(Warp& w, const Instr& in, std::uint32_t lane, unsigned bytes, AccessKind kind, std::uint64_t offset, Hazard hazard, int other) {
    const char* check = hazard == Hazard::Uninitialized ? "uninitialized" : "shared-race";
    w.block->launch.findings->report(check, w.block->site(w, lane, in.line), [&]() -> std::string {
        const std::string what = describeAccess(kind, bytes, "shared") + "offset " + hex(offset) + ": ";
        if (hazard == Hazard::Uninitialized) return what + "no thread of the block wrote these bytes";
        std::string who = "several threads";
        if (other >= 0) {
            const auto& b = w.block->launch.block;
            const auto t = static_cast<std::uint32_t>(other);
            who = "thread (" + std::to_string(t % b[0]) + "," + std::to_string(t / b[0] % b[1]) + "," + std::to_string(t / b[0] / b[1]) + ")";
        }
        const char* earlier = hazard == Hazard::WriteAfterRead ? " read" : " wrote";
        return what + who + earlier + " them and no barrier orders the two accesses";
    });
}

void resolveShared(Warp& w, const Instr& in, std::uint32_t mask, unsigned bytes, AccessKind kind, const LaneAddresses& addresses, LanePointers& out,
                   const LaneData* data) {
    Block& block = *w.block;
    const std::uint64_t size = block.shared.size();
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        const std::uint64_t offset = addresses[lane];
        if (offset % bytes != 0) {
            fail(w, in, lane, "misaligned", CUDA_ERROR_MISALIGNED_ADDRESS,
                 describeAccess(kind, bytes, "shared") + "offset " + hex(offset) + ": not a multiple of " + std::to_string(bytes));
        }
        if (offset >= size || bytes > size - offset || !block.inSharedVariable(offset, bytes)) {
            fail(w, in, lane, "out-of-bounds", CUDA_ERROR_ILLEGAL_ADDRESS, describeAccess(kind, bytes, "shared") + block.describeShared(offset));
        }
        out[lane] = block.shared.data() + offset;
    }
    countShared(*w.counters, mask, bytes, kind, addresses);
    if (!block.launch.checks) return;
    const SharedShadow::View view = block.sharedShadow.view(w.index, in.strong || kind == AccessKind::Atomic);
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        const std::uint32_t thread = block.threadOf(w, lane);
        int other = SharedShadow::kManyThreads;
        Hazard hazard = Hazard::None;
        if (kind != AccessKind::Store) hazard = block.sharedShadow.read(addresses[lane], bytes, thread, view, other);
        if (kind != AccessKind::Load && hazard == Hazard::None) {
            hazard = block.sharedShadow.write(addresses[lane], bytes, thread, view, other);
            if (hazard == Hazard::WriteAfterWrite && data != nullptr && std::memcmp(out[lane], (*data)[lane].data(), bytes) == 0) hazard = Hazard::None;
        }
        if (hazard != Hazard::None) [[unlikely]] reportHazard(w, in, lane, bytes, kind, addresses[lane], hazard, other);
        // Two lanes of one store instruction see each other's value.
        if (data != nullptr) std::memcpy(out[lane], (*data)[lane].data(), bytes);
    }
}

void resolveLocal(Warp& w, const Instr& in, std::uint32_t mask, unsigned bytes, AccessKind kind, const LaneAddresses& addresses, LanePointers& out) {
    LocalMemory& local = w.block->local[w.index];
    const std::uint64_t end = w.localBase() + w.function(w.current()).frameBytes;
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        const std::uint64_t offset = addresses[lane];
        if (offset % bytes != 0) {
            fail(w, in, lane, "misaligned", CUDA_ERROR_MISALIGNED_ADDRESS,
                 describeAccess(kind, bytes, "local") + "offset " + hex(offset) + ": not a multiple of " + std::to_string(bytes));
        }
        if (offset >= end || bytes > end - offset) {
            fail(w, in, lane, "out-of-bounds", CUDA_ERROR_ILLEGAL_ADDRESS,
                 describeAccess(kind, bytes, "local") + "offset " + hex(offset) + " of a stack of " + std::to_string(end) + " bytes");
        }
        out[lane] = local.at(lane, static_cast<std::uint32_t>(offset));
        std::uint8_t* written = local.writtenAt(lane, static_cast<std::uint32_t>(offset));
        if (kind != AccessKind::Load) {
            std::memset(written, 1, bytes);
        } else if (w.block->launch.checks && std::find(written, written + bytes, 0) != written + bytes) {
            w.block->launch.findings->report("uninitialized", w.block->site(w, lane, in.line), [&] {
                return describeAccess(kind, bytes, "local") + "offset " + hex(offset) + ": the thread did not write these bytes";
            });
        }
    }
    if (in.space == ptx::Space::Param) return;  // the arguments of a call live in registers on hardware
    (*w.counters)[kind == AccessKind::Load ? Counter::local_load_bytes : Counter::local_store_bytes] += static_cast<unsigned>(std::popcount(mask)) * bytes;
}

void resolveParam(Warp& w, const Instr& in, std::uint32_t mask, unsigned bytes, AccessKind kind, const LaneAddresses& addresses, LanePointers& out) {
    auto& params = w.block->launch.params;
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        const std::uint64_t offset = addresses[lane];
        if (kind != AccessKind::Load) fail(w, in, lane, "out-of-bounds", CUDA_ERROR_ILLEGAL_ADDRESS, describeAccess(kind, bytes, "parameter") + "which is read only");
        if (offset >= params.size() || bytes > params.size() - offset) {
            fail(w, in, lane, "out-of-bounds", CUDA_ERROR_ILLEGAL_ADDRESS,
                 describeAccess(kind, bytes, "parameter") + "offset " + hex(offset) + " of " + std::to_string(params.size()) + " bytes");
        }
        out[lane] = params.data() + offset;
    }
}

enum class Window : std::uint8_t { Global, Shared, Local, Param };
constexpr std::uint64_t kWindowBytes = 1ULL << 32;

Window windowOf(std::uint64_t address) {
    if (address - kSharedWindow < kWindowBytes) return Window::Shared;
    if (address - kLocalWindow < kWindowBytes) return Window::Local;
    if (address - kParamWindow < kWindowBytes) return Window::Param;
    return Window::Global;
}

void resolveGeneric(Warp& w, const Instr& in, std::uint32_t mask, unsigned bytes, AccessKind kind, const LaneAddresses& addresses, LanePointers& out,
                    const LaneData* data) {
    std::array<std::uint32_t, 4> masks{};
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        masks[static_cast<std::size_t>(windowOf(addresses[lane]))] |= 1U << lane;
    }
    if (masks[0] == mask) {
        resolveGlobal(w, in, mask, bytes, kind, addresses, out, /*counted=*/true);
        return;
    }
    const auto relative = [&](Window window, std::uint64_t base) {
        LaneAddresses r{};
        const std::uint32_t m = masks[static_cast<std::size_t>(window)];
        for (std::uint32_t lane = 0; lane < kLanes; ++lane) r[lane] = (m >> lane & 1U) != 0 ? addresses[lane] - base : 0;
        return r;
    };
    if (masks[0] != 0) resolveGlobal(w, in, masks[0], bytes, kind, addresses, out, /*counted=*/true);
    if (masks[1] != 0) resolveShared(w, in, masks[1], bytes, kind, relative(Window::Shared, kSharedWindow), out, data);
    if (masks[2] != 0) resolveLocal(w, in, masks[2], bytes, kind, relative(Window::Local, kLocalWindow), out);
    if (masks[3] != 0) resolveParam(w, in, masks[3], bytes, kind, relative(Window::Param, kParamWindow), out);
}

}  // namespace

void formAddresses(Warp& w, const Instr& in, std::uint32_t mask, LaneAddresses& out) {
    const auto offset = static_cast<std::uint64_t>(in.imm);
    switch (in.base) {
        case Base::Register64: {
            const std::uint64_t* base = w.slot<std::uint64_t>(in.a);
            for (std::uint32_t i = 0; i < kLanes; ++i) out[i] = base[i] + offset;
            break;
        }
        case Base::Register32: {
            const std::uint32_t* base = w.slot<std::uint32_t>(in.a);
            for (std::uint32_t i = 0; i < kLanes; ++i) out[i] = static_cast<std::uint32_t>(base[i] + static_cast<std::uint32_t>(offset));
            break;
        }
        case Base::Absolute: out.fill(offset); break;
        case Base::Frame: out.fill(offset + w.localBase()); break;
    }
    static_cast<void>(mask);
}

void resolveIn(ptx::Space space, Warp& w, const Instr& in, std::uint32_t mask, unsigned bytes, AccessKind kind, const LaneAddresses& addresses,
               LanePointers& out, const LaneData* data) {
    switch (space) {
        case ptx::Space::Generic: resolveGeneric(w, in, mask, bytes, kind, addresses, out, data); break;
        case ptx::Space::Global: resolveGlobal(w, in, mask, bytes, kind, addresses, out, /*counted=*/true); break;
        case ptx::Space::Const: resolveGlobal(w, in, mask, bytes, kind, addresses, out, /*counted=*/false); break;
        case ptx::Space::Shared: resolveShared(w, in, mask, bytes, kind, addresses, out, data); break;
        case ptx::Space::Local: resolveLocal(w, in, mask, bytes, kind, addresses, out); break;
        case ptx::Space::Param:
            if (in.base == Base::Absolute) resolveParam(w, in, mask, bytes, kind, addresses, out);
            else if (in.base == Base::Frame) resolveLocal(w, in, mask, bytes, kind, addresses, out);
            else resolveGeneric(w, in, mask, bytes, kind, addresses, out, data);
            break;
    }
}

void resolve(Warp& w, const Instr& in, std::uint32_t mask, unsigned bytes, AccessKind kind, const LaneAddresses& addresses, LanePointers& out,
             const LaneData* data) {
    resolveIn(in.space, w, in, mask, bytes, kind, addresses, out, data);
}

const char* resolveString(Warp& w, const Instr& in, std::uint32_t lane, std::uint64_t generic) {
    LaneAddresses addresses{};
    LanePointers pointers{};
    std::uint64_t end = generic;
    do {
        addresses[lane] = end++;
        resolveGlobal(w, in, 1U << lane, 1, AccessKind::Load, addresses, pointers, /*counted=*/false);
    } while (*pointers[lane] != std::byte{0});
    addresses[lane] = generic;
    resolveGlobal(w, in, 1U << lane, 1, AccessKind::Load, addresses, pointers, /*counted=*/false);
    return reinterpret_cast<const char*>(pointers[lane]);
}

}  // namespace cudasim
