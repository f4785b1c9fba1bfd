// Products on AMX tiles. Verified on an emulation of the instructions only (../tests), and never timed.
//
// The panels of packed_product.h are what the instructions want on the right: 16 dwords of k by 16 columns are a tile. On the left
// they want rows as they are, of which 16 by 16 dwords are a tile, so k is padded with zeros to whole tiles. A block of 32 rows by a panel of
// 32 columns keeps four tiles of sums; two of either factor fill the eight registers.
#pragma once

#include <initializer_list>

#include "nightjar_cpu.h"
#include "packed_product.h"
#include "tiles.h"

namespace {

// A Multiplier, as vector_multiplier.h documents it; `Tiles` are the registers.
template <typename Tiles>
class TileMultiplier {
public:
    static constexpr int32_t kRows = NJ_BLOCK_ROWS;
    static_assert(kRows == 2 * kTileRows);

    explicit TileMultiplier(int32_t rows) : rows_(rows) {
        const int32_t upper = rows < kTileRows ? rows : kTileRows;
        TileConfig config = {};
        config.palette = 1;
        for (const Tile tile : {kUpperLeft, kUpperRight, kUpper}) {
            config.shape(tile, upper);
        }
        for (const Tile tile : {kLowerLeft, kLowerRight, kLower}) {
            config.shape(tile, rows - upper);
        }
        config.shape(kLeft, kTileRows);
        config.shape(kRight, kTileRows);
        Tiles::configure(config);
    }

    // Threads are the caller's: none keeps the registers in use.
    ~TileMultiplier() { Tiles::release(); }

    TileMultiplier(const TileMultiplier&) = delete;
    TileMultiplier& operator=(const TileMultiplier&) = delete;

    template <typename Type>
    static constexpr int32_t depth(int32_t k) {
        return (groups<Type>(k) + kTileDepth - 1) / kTileDepth * kTileDepth;
    }

    template <typename Element>
    static void pack_block(int32_t count, int32_t k, int32_t depth, const Element* rows, int32_t* block) {
        const int64_t size = k * static_cast<int64_t>(sizeof(Element));
        for (int32_t r = 0; r < count; r++) {
            char* const to = reinterpret_cast<char*>(block + int64_t{r} * depth);
            __builtin_memcpy(to, rows + int64_t{r} * k, static_cast<size_t>(size));
            __builtin_memset(to + size, 0, static_cast<size_t>(depth * kDword - size));
        }
    }

    template <typename Type, Prefetch kPrefetch>
    const typename Type::Sum* multiply(int32_t count, int32_t depth, const int32_t* left, const char* panel, const char* ahead,
                                       int64_t step, typename Type::Sum* memory) const {
        // Configuring anew for a block with a row less would cost more than that row: it takes the one before it along, as shorter blocks
        // come after taller ones.
        const int32_t before = rows_ - count;
        left -= int64_t{before} * depth;
        if (rows_ > kTileRows) {
            multiply_block<Type, kPrefetch, true>(depth, left, panel, ahead, step, memory);
        } else {
            multiply_block<Type, kPrefetch, false>(depth, left, panel, ahead, step, memory);
        }
        return memory + before * kPanel;
    }

private:
    // Sums by their place in the block, then rows of the left factor, then columns of the right one.
    enum Tile { kUpperLeft, kUpperRight, kLowerLeft, kLowerRight, kUpper, kLower, kLeft, kRight };

    static constexpr int64_t kDword = sizeof(int32_t);
    static constexpr int64_t kLine = 64;

    template <typename Type, Prefetch kPrefetch, bool kBoth>
    static void multiply_block(int32_t depth, const int32_t* left, const char* panel, const char* ahead, int64_t step,
                               typename Type::Sum* sums) {
        const int64_t left_step = depth * kDword;
        Tiles::template zero<kUpperLeft>();
        Tiles::template zero<kUpperRight>();
        if (kBoth) {
            Tiles::template zero<kLowerLeft>();
            Tiles::template zero<kLowerRight>();
        }
        for (int32_t g = 0; g < depth; g += kTileDepth) {
            Tiles::template load<kLeft>(panel, kPanelStep);
            Tiles::template load<kUpper>(left + g, left_step);
            Tiles::template multiply_add<kUpperLeft, kUpper, kLeft>(Type());
            Tiles::template load<kRight>(panel + kPanelStep / 2, kPanelStep);
            Tiles::template multiply_add<kUpperRight, kUpper, kRight>(Type());
            if (kBoth) {
                Tiles::template load<kLower>(left + int64_t{kTileRows} * depth + g, left_step);
                Tiles::template multiply_add<kLowerLeft, kLower, kLeft>(Type());
                Tiles::template multiply_add<kLowerRight, kLower, kRight>(Type());
            }
            for (int64_t line = 0; line < kTileDepth * step; line += kLine) {
                _mm_prefetch(ahead + line, kPrefetch == kStream ? _MM_HINT_T1 : _MM_HINT_T0);
            }
            panel += kTileDepth * kPanelStep;
            ahead += kTileDepth * step;
        }
        Tiles::template store<kUpperLeft>(sums, kPanelStep);
        Tiles::template store<kUpperRight>(sums + kPanel / 2, kPanelStep);
        if (kBoth) {
            Tiles::template store<kLowerLeft>(sums + kTileRows * kPanel, kPanelStep);
            Tiles::template store<kLowerRight>(sums + kTileRows * kPanel + kPanel / 2, kPanelStep);
        }
    }

    int32_t rows_;  // of the configuration
};

}  // namespace
