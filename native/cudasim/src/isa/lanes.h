// Loops over the lanes of a warp. A register is 32 cells of 4 bytes (8 for 64-bit types, predicates: one 32-bit mask),
// so that full warps vectorise.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "machine/warp.h"

namespace cudasim {

template <std::size_t Bytes>
using UnsignedOf = std::conditional_t<
    Bytes == 1, std::uint8_t,
    std::conditional_t<Bytes == 2, std::uint16_t, std::conditional_t<Bytes == 4, std::uint32_t, std::uint64_t>>>;

/// One register, seen as values of type T in its low bytes.
template <class T>
class Lanes {
public:
    using Cell = std::conditional_t<sizeof(T) <= 4, std::uint32_t, std::uint64_t>;

    Lanes(Warp& w, std::uint32_t slot) : cells_(w.slot<Cell>(slot)) {}
    T operator[](std::uint32_t lane) const {
        return std::bit_cast<T>(static_cast<UnsignedOf<sizeof(T)>>(cells_[lane]));
    }
    void set(std::uint32_t lane, T value) const { cells_[lane] = std::bit_cast<UnsignedOf<sizeof(T)>>(value); }

private:
    Cell* cells_;
};

template <class F>
[[gnu::always_inline]] inline void forLanes(std::uint32_t mask, F f) {
    if (mask == kFullMask) {
#pragma GCC ivdep
        for (std::uint32_t lane = 0; lane < kLanes; ++lane) f(lane);
    } else {
        for (; mask != 0; mask &= mask - 1) f(static_cast<std::uint32_t>(std::countr_zero(mask)));
    }
}

// Handlers for d = op(a), op(a, b), op(a, b, c). `Op` is a stateless callable.
template <class Op, class D, class A>
void unary(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<D> d(w, in.d);
    const Lanes<A> a(w, in.a);
    forLanes(mask, [&](std::uint32_t i) { d.set(i, Op{}(a[i])); });
}

template <class Op, class D, class A, class B>
void binary(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<D> d(w, in.d);
    const Lanes<A> a(w, in.a);
    const Lanes<B> b(w, in.b);
    forLanes(mask, [&](std::uint32_t i) { d.set(i, Op{}(a[i], b[i])); });
}

template <class Op, class D, class A, class B, class C>
void ternary(Warp& w, const Instr& in, std::uint32_t mask) {
    const Lanes<D> d(w, in.d);
    const Lanes<A> a(w, in.a);
    const Lanes<B> b(w, in.b);
    const Lanes<C> c(w, in.c);
    forLanes(mask, [&](std::uint32_t i) { d.set(i, Op{}(a[i], b[i], c[i])); });
}

inline std::uint32_t& predicate(Warp& w, std::uint32_t slot) { return *w.slot<std::uint32_t>(slot); }

inline void setPredicate(Warp& w, std::uint32_t slot, std::uint32_t mask, std::uint32_t value) {
    std::uint32_t& p = predicate(w, slot);
    p = (p & ~mask) | (value & mask);
}

}  // namespace cudasim
