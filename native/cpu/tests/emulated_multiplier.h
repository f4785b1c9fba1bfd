// Products on emulated tiles: what amx_multiplier.h is for a processor's.
#pragma once

#include "emulated_tiles.h"
#include "nightjar_cpu.h"
#include "tile_multiplier.h"

namespace nj {
extern const nj_low_precision emulated_low_precision;
}

namespace {

struct EmulatedTiles {
    static void configure(const TileConfig& config) { emulation::load_config(&config); }

    static void release() { emulation::release(); }

    template <int kTile>
    static void zero() {
        emulation::zero(kTile);
    }

    template <int kTile>
    static void load(const void* from, int64_t step) {
        emulation::load(kTile, from, step);
    }

    template <int kTile>
    static void store(void* to, int64_t step) {
        emulation::store(kTile, to, step);
    }

    template <int kSum, int kLeft, int kRight>
    static void multiply_add(Int8) {
        emulation::dpbsud(kSum, kLeft, kRight);
    }

    template <int kSum, int kLeft, int kRight>
    static void multiply_add(Bfloat16) {
        emulation::dpbf16ps(kSum, kLeft, kRight);
    }
};

typedef TileMultiplier<EmulatedTiles> Multiplier;

}  // namespace
