// The shape and configuration of AMX tiles.
#pragma once

#include <cstddef>
#include <cstdint>

namespace {

constexpr int32_t kTileRows = 16;
constexpr int32_t kTileDepth = 16;  // dwords of a row

// What LDTILECFG reads. Tiles without rows are not to be used.
struct TileConfig {
    uint8_t palette;
    uint8_t start_row;
    uint8_t reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];

    // Whole rows, so many.
    void shape(int32_t tile, int32_t count) {
        row_bytes[tile] = count == 0 ? 0 : kTileDepth * sizeof(int32_t);
        rows[tile] = static_cast<uint8_t>(count);
    }
};
static_assert(sizeof(TileConfig) == 64 && offsetof(TileConfig, row_bytes) == 16 && offsetof(TileConfig, rows) == 48);

}  // namespace
