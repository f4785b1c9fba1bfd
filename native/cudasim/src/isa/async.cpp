// cp.async: copies from global to shared memory in groups that a thread commits and waits for.
#include <algorithm>

#include "isa/families.h"
#include "isa/lanes.h"
#include "machine/access.h"
#include "machine/block.h"

namespace cudasim {
namespace {

// a, base, imm: source address; b (32 bits, or 64 when count is 2) + mode: destination; e: bytes; c: slot of the source
// bytes when d is 1
void runCopy(Warp& w, const Instr& in, std::uint32_t mask) {
    PendingCopy copy{};
    copy.instr = &in;
    copy.lanes = mask;
    copy.group = w.copyGroup;
    LaneAddresses addresses;
    LanePointers pointers{};
    formAddresses(w, in, mask, addresses);
    std::uint32_t reading = mask;
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        copy.to[lane] = in.count == 2 ? w.slot<std::uint64_t>(in.b)[lane] + in.mode -
                                            (w.slot<std::uint64_t>(in.b)[lane] >= kSharedWindow ? kSharedWindow : 0)
                                      : std::uint64_t{w.slot<std::uint32_t>(in.b)[lane] + in.mode};
        const std::uint32_t source = in.d != 0 ? std::min(w.slot<std::uint32_t>(in.c)[lane], in.e) : in.e;
        copy.sourceBytes[lane] = static_cast<std::uint8_t>(source);
        if (source == 0) reading &= ~(1U << lane);
    }
    // Partial sources are checked (and read) as far as they go, in pieces that are aligned as the whole must be.
    std::uint32_t whole = reading;
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        if (copy.sourceBytes[lane] != in.e) whole &= ~(1U << lane);
    }
    if (whole != 0) resolveIn(ptx::Space::Global, w, in, whole, in.e, AccessKind::Load, addresses, pointers);
    for (std::uint32_t rest = reading & ~whole; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        LaneAddresses piece = addresses;
        LanePointers at{};
        for (std::uint32_t done = 0; done < copy.sourceBytes[lane]; ++done, ++piece[lane]) {
            resolveIn(ptx::Space::Const, w, in, 1U << lane, 1, AccessKind::Load, piece, at);
            if (done == 0) pointers[lane] = at[lane];
        }
    }
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) copy.from[lane] = pointers[lane];
    w.copies.push_back(copy);
}

void finish(Warp& w, const PendingCopy& copy, std::uint32_t lanes) {
    LaneAddresses to{};
    LanePointers pointers;
    LaneData data{};
    const unsigned bytes = copy.instr->e;
    for (std::uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        to[lane] = copy.to[lane];
        data[lane].fill(std::byte{0});
        if (copy.sourceBytes[lane] != 0) std::memcpy(data[lane].data(), copy.from[lane], copy.sourceBytes[lane]);
    }
    resolveIn(ptx::Space::Shared, w, *copy.instr, lanes, bytes, AccessKind::Store, to, pointers, &data);
    for (std::uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        std::memcpy(pointers[lane], data[lane].data(), bytes);
    }
}

void runCommit(Warp& w, const Instr&, std::uint32_t mask) {
    forLanes(mask, [&](std::uint32_t lane) { ++w.copyGroup[lane]; });
}

// Waits until at most imm committed groups are under way; -1: for everything.
void runWait(Warp& w, const Instr& in, std::uint32_t mask) {
    for (PendingCopy& copy : w.copies) {
        std::uint32_t ready = 0;
        for (std::uint32_t rest = copy.lanes & mask; rest != 0; rest &= rest - 1) {
            const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
            if (in.imm < 0 || copy.group[lane] + in.imm < w.copyGroup[lane]) ready |= 1U << lane;
        }
        if (ready == 0) continue;
        finish(w, copy, ready);
        copy.lanes &= ~ready;
    }
    std::erase_if(w.copies, [](const PendingCopy& c) { return c.lanes == 0; });
}

void decodeCopy(Decoding& d) {
    d.takeOneOf({"ca", "cg"});
    d.takeCacheHints();
    bool shared = false, global = false;
    while (const auto space = d.maybeSpace()) {
        shared |= *space == ptx::Space::Shared;
        global |= *space == ptx::Space::Global;
    }
    if (!shared || !global) d.fail("only copies from global to shared memory are simulated");
    d.expectOperands(3, 5);
    d.out.cls = Counter::inst_load_store;
    d.address(0);
    const Instr destination = d.out;
    d.out.space = ptx::Space::Global;
    d.address(1);
    if (destination.base == Base::Absolute) {
        ptx::Operand offset;
        offset.kind = ptx::Operand::Kind::Integer;
        offset.bits = static_cast<std::uint64_t>(destination.imm);
        d.out.b = d.sourceOf(offset, ptx::kB32);
    } else {
        d.out.b = destination.a;
        d.out.mode = static_cast<std::uint32_t>(destination.imm);
        d.out.count = destination.base == Base::Register64 ? 2 : 1;
    }
    d.out.e = static_cast<std::uint32_t>(d.immediate(2));
    if (d.out.e != 4 && d.out.e != 8 && d.out.e != 16) d.fail("size other than 4, 8 or 16 bytes");
    if (d.operandCount() > 3) {
        const ptx::Operand& source = d.operand(3);
        if (d.isRegister(source) && d.registerBits(source) == 1) d.fail("ignore-src is not simulated");
        if (!d.isRegister(source) || d.registerBits(source) == 32) {
            d.out.c = d.src(3, ptx::kB32);
            d.out.d = 1;
        }
    }
    d.out.run = &runCopy;
}

void decodeCp(Decoding& d) {
    if (!d.take("async")) d.fail("unknown form");
    if (d.take("bulk")) d.fail("bulk copies (TMA) are not simulated");
    if (d.take("mbarrier")) d.fail("mbarrier is not simulated");
    d.out.cls = Counter::inst_load_store;
    if (d.take("commit_group")) {
        d.out.run = &runCommit;
    } else if (d.take("wait_group")) {
        d.expectOperands(1, 1);
        d.out.imm = static_cast<std::int64_t>(d.immediate(0));
        d.out.run = &runWait;
    } else if (d.take("wait_all")) {
        d.out.imm = -1;
        d.out.run = &runWait;
    } else {
        decodeCopy(d);
    }
}

}  // namespace

std::span<const DecoderEntry> asyncFamily() {
    static constexpr DecoderEntry kFamily[] = {{"cp", decodeCp}};
    return kFamily;
}

}  // namespace cudasim
