// Products on the processor's AMX tiles.
#pragma once

#include "tile_multiplier.h"

namespace {

// In assembly, because GCC's intrinsics paste a register's number into their text, where it cannot be a template's argument, and do not
// tell the compiler what memory they read.
struct AmxTiles {
    static void configure(const TileConfig& config) { asm volatile("ldtilecfg %0" ::"m"(config)); }

    static void release() { asm volatile("tilerelease" ::); }

    template <int kTile>
    static void zero() {
        asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
    }

    // Rows `step` bytes apart.
    template <int kTile>
    static void load(const void* from, int64_t step) {
        asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(step), "i"(kTile) : "memory");
    }

    template <int kTile>
    static void store(void* to, int64_t step) {
        asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(step), "i"(kTile) : "memory");
    }

    // The left factor is signed, the right one unsigned. In this notation the left one stands in the middle.
    template <int kSum, int kLeft, int kRight>
    static void multiply_add(Int8) {
        asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kLeft), "i"(kRight));
    }

    template <int kSum, int kLeft, int kRight>
    static void multiply_add(Bfloat16) {
        asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kLeft), "i"(kRight));
    }
};

typedef TileMultiplier<AmxTiles> Multiplier;

}  // namespace
