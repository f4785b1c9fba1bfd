// ld, st and their variants.
#include "isa/families.h"
#include "isa/lanes.h"
#include "machine/access.h"

namespace cudasim {
namespace {

// Loads elements of type E into registers of type R (wider registers are sign- or zero-extended).
template <class E, class R>
void runLoad(Warp& w, const Instr& in, std::uint32_t mask) {
    LaneAddresses addresses;
    LanePointers pointers;
    formAddresses(w, in, mask, addresses);
    resolve(w, in, mask, sizeof(E) * in.count, AccessKind::Load, addresses, pointers);
    const std::uint32_t* dest = w.kernel->slots.data() + in.extra;
    for (std::uint32_t e = 0; e < in.count; ++e) {
        const Lanes<R> d(w, dest[e]);
        for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
            const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
            E value;
            std::memcpy(&value, pointers[lane] + e * sizeof(E), sizeof(E));
            d.set(lane, static_cast<R>(value));
        }
    }
}

template <class E>
void runStore(Warp& w, const Instr& in, std::uint32_t mask) {
    LaneAddresses addresses;
    LanePointers pointers;
    LaneData data;
    formAddresses(w, in, mask, addresses);
    const std::uint32_t* source = w.kernel->slots.data() + in.extra;
    for (std::uint32_t e = 0; e < in.count; ++e) {
        const Lanes<UnsignedOf<(sizeof(E) < 4 ? 4 : sizeof(E))>> s(w, source[e]);
        for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
            const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
            const E value = static_cast<E>(s[lane]);
            std::memcpy(data[lane].data() + e * sizeof(E), &value, sizeof(E));
        }
    }
    resolve(w, in, mask, sizeof(E) * in.count, AccessKind::Store, addresses, pointers, &data);
    for (std::uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
        std::memcpy(pointers[lane], data[lane].data(), sizeof(E) * in.count);
    }
}

// A .b128 register: 16 bytes per lane.
void runLoad128(Warp& w, const Instr& in, std::uint32_t mask) {
    LaneAddresses addresses;
    LanePointers pointers;
    formAddresses(w, in, mask, addresses);
    resolve(w, in, mask, 16, AccessKind::Load, addresses, pointers);
    forLanes(mask, [&](std::uint32_t i) { std::memcpy(w.registers + in.d + 16 * i, pointers[i], 16); });
}

void runStore128(Warp& w, const Instr& in, std::uint32_t mask) {
    LaneAddresses addresses;
    LanePointers pointers;
    LaneData data;
    formAddresses(w, in, mask, addresses);
    forLanes(mask, [&](std::uint32_t i) { std::memcpy(data[i].data(), w.registers + in.b + 16 * i, 16); });
    resolve(w, in, mask, 16, AccessKind::Store, addresses, pointers, &data);
    forLanes(mask, [&](std::uint32_t i) { std::memcpy(pointers[i], data[i].data(), 16); });
}

template <class E>
Handler loadInto(unsigned registerBits) {
    using Narrow = std::conditional_t<std::is_signed_v<E>, std::int16_t, std::uint16_t>;
    using Word = std::conditional_t<std::is_signed_v<E>, std::int32_t, std::uint32_t>;
    using Long = std::conditional_t<std::is_signed_v<E>, std::int64_t, std::uint64_t>;
    if (registerBits < 8 * sizeof(E)) return nullptr;
    switch (registerBits) {
        case 8: return sizeof(E) == 1 ? &runLoad<E, E> : nullptr;
        case 16: return sizeof(E) <= 2 ? &runLoad<E, Narrow> : nullptr;
        case 32: return sizeof(E) <= 4 ? &runLoad<E, Word> : nullptr;
        case 64: return &runLoad<E, Long>;
        default: return nullptr;
    }
}

// .space, .vec, ordering and scope modifiers that ld and st share.
std::uint8_t decodeAccess(Decoding& d) {
    const int order = d.takeOneOf({"weak", "volatile", "relaxed", "acquire", "release", "mmio"});
    d.out.strong = order > 0;
    if (d.takeOneOf({"cta", "gpu", "sys"}) < 0 && d.take("cluster")) d.fail("thread block clusters are not simulated");
    if (d.take("shared::cluster")) d.fail("thread block clusters are not simulated");
    d.out.space = d.maybeSpace().value_or(ptx::Space::Generic);
    const int vector = d.takeOneOf({"v2", "v4", "v8"});
    return vector < 0 ? std::uint8_t{1} : static_cast<std::uint8_t>(2U << vector);
}

unsigned widthOf(Decoding& d, const ptx::Operand& op) {
    const ptx::Operand& first = op.kind == ptx::Operand::Kind::Vector ? op.elements.at(0) : op;
    if (op.kind == ptx::Operand::Kind::Vector) {
        for (const ptx::Operand& e : op.elements) {
            if (d.isRegister(e)) return d.registerBits(e);
        }
    }
    return d.isRegister(first) ? d.registerBits(first) : 0;
}

void decodeLoad(Decoding& d) {
    d.out.count = decodeAccess(d);
    d.takeCacheHints();
    const ptx::Type t = d.type();
    d.expectOperands(2, 3);  // a cache policy may follow
    d.out.cls = Counter::inst_load_store;
    d.address(1);
    if (t.bytes() * d.out.count > kMaxAccessBytes) d.fail("more than 32 bytes");
    if (t.totalBits() == 128) {
        if (d.out.count != 1) d.fail("vector of .b128");
        d.out.d = d.dest(0, 128);
        d.out.run = &runLoad128;
        return;
    }
    unsigned width = widthOf(d, d.operand(0));
    if (width == 0) width = t.totalBits();
    d.out.extra = d.destVector(d.operand(0), width, d.out.count);
    switch (t.totalBits()) {
        case 8: d.out.run = t.isSigned() ? loadInto<std::int8_t>(width) : loadInto<std::uint8_t>(width); break;
        case 16: d.out.run = t.isSigned() ? loadInto<std::int16_t>(width) : loadInto<std::uint16_t>(width); break;
        case 32: d.out.run = t.isSigned() ? loadInto<std::int32_t>(width) : loadInto<std::uint32_t>(width); break;
        case 64: d.out.run = loadInto<std::uint64_t>(width); break;
        default: break;
    }
}

void decodeStore(Decoding& d) {
    d.out.count = decodeAccess(d);
    d.takeCacheHints();
    const ptx::Type t = d.type();
    d.expectOperands(2, 3);
    d.out.cls = Counter::inst_load_store;
    d.address(0);
    if (t.bytes() * d.out.count > kMaxAccessBytes) d.fail("more than 32 bytes");
    if (t.totalBits() == 128) {
        if (d.out.count != 1) d.fail("vector of .b128");
        d.out.b = d.src(1, t);
        d.out.run = &runStore128;
        return;
    }
    const unsigned width = widthOf(d, d.operand(1));
    ptx::Type registerType = t;
    if (width != 0) registerType = {ptx::Kind::Untyped, static_cast<std::uint8_t>(width)};
    if (t.isFloat() && width == t.totalBits()) registerType = t;
    if (registerType.totalBits() < t.totalBits()) d.fail("source register is narrower than the store");
    d.out.extra = d.sourceVector(d.operand(1), registerType, d.out.count);
    switch (t.totalBits()) {
        case 8: d.out.run = &runStore<std::uint8_t>; break;
        case 16: d.out.run = &runStore<std::uint16_t>; break;
        case 32: d.out.run = &runStore<std::uint32_t>; break;
        case 64: d.out.run = width == 64 || width == 0 ? &runStore<std::uint64_t> : nullptr; break;
        default: break;
    }
}

void runNothing(Warp&, const Instr&, std::uint32_t) {}

// Caches are not simulated: a prefetch or a policy has no effect.
void decodePrefetch(Decoding& d) {
    d.maybeSpace();
    d.takeOneOf({"L1", "L2", "L2::evict_last", "L2::evict_normal"});
    d.takeOneOf({"tensormap"});
    d.out.cls = Counter::inst_other;
    d.out.run = &runNothing;
}

void runCreatePolicy(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<std::uint64_t> d(w, in.d);
    forLanes(mask, [&](std::uint32_t i) { d.set(i, 0); });
}

void decodeCreatePolicy(Decoding& d) {
    if (!d.take("fractional")) d.fail("only .fractional is known");
    d.takeCacheHints();
    d.takeCacheHints();
    d.type();
    d.out.cls = Counter::inst_other;
    d.out.d = d.dest(0, 64);
    d.out.run = &runCreatePolicy;
}

}  // namespace

std::span<const DecoderEntry> memoryFamily() {
    static constexpr DecoderEntry kFamily[] = {
        {"ld", decodeLoad},
        {"ldu", decodeLoad},
        {"st", decodeStore},
        {"prefetch", decodePrefetch},
        {"prefetchu", decodePrefetch},
        {"applypriority", decodePrefetch},
        {"createpolicy", decodeCreatePolicy},
    };
    return kFamily;
}

}  // namespace cudasim
