#include "emulated_tiles.h"

#include <immintrin.h>

#include <cstring>

namespace {

// Palette 1.
constexpr int kTiles = 8;
constexpr int kRows = 16;
constexpr int kRowBytes = 64;
// Of the unit that multiplies.
constexpr int kMaxDepth = 16;

struct Tile {
    int row_bytes;
    int rows;
    uint8_t data[kRows][kRowBytes];

    template <typename Element>
    Element get(int row, int i) const {
        Element value;
        std::memcpy(&value, data[row] + i * static_cast<int>(sizeof value), sizeof value);
        return value;
    }

    template <typename Element>
    void set(int row, int i, Element value) {
        std::memcpy(data[row] + i * static_cast<int>(sizeof value), &value, sizeof value);
    }

    // What every instruction that writes a tile leaves beyond its shape.
    void zero_beyond() {
        for (int row = 0; row < kRows; row++) {
            const int kept = row < rows ? row_bytes : 0;
            std::memset(data[row] + kept, 0, static_cast<size_t>(kRowBytes - kept));
        }
    }
};

thread_local Tile tiles[kTiles];
thread_local bool is_configured;
thread_local int fault_count;
thread_local const char* last_reason = "";

bool refuse(const char* reason) {
    fault_count++;
    last_reason = reason;
    return false;
}

bool usable(int tile) {
    if (!is_configured) {
        return refuse("tiles are not configured");
    }
    return tiles[tile].rows > 0 || refuse("a tile without rows");
}

bool zeros(const uint8_t* bytes, int begin, int end) {
    for (int i = begin; i < end; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

bool multipliable(int sum, int left, int right) {
    if (sum == left || sum == right || left == right) {
        return refuse("one tile twice");
    }
    if (!usable(sum) || !usable(left) || !usable(right)) {
        return false;
    }
    const Tile& c = tiles[sum];
    const Tile& a = tiles[left];
    const Tile& b = tiles[right];
    if (c.row_bytes % 4 != 0 || a.row_bytes % 4 != 0 || b.row_bytes % 4 != 0) {
        return refuse("a row that is not whole dwords");
    }
    if (c.rows != a.rows || a.row_bytes / 4 != b.rows || c.row_bytes != b.row_bytes) {
        return refuse("shapes that do not match");
    }
    return b.rows <= kMaxDepth || refuse("more depth than the unit has");
}

// "MXCSR is neither consulted nor updated": rounded to nearest, denormals are zero coming and going.
class RoundingOfTiles {
public:
    RoundingOfTiles() : before_(_mm_getcsr()) { _mm_setcsr(0x1F80 | 0x8000 | 0x0040); }
    ~RoundingOfTiles() { _mm_setcsr(before_); }

private:
    unsigned before_;
};

float to_float(uint16_t bits) {
    const uint32_t wide = uint32_t{bits} << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
}

__attribute__((noinline)) void add_bf16_products(Tile& c, const Tile& a, const Tile& b) {
    for (int m = 0; m < c.rows; m++) {
        float sums[2 * kRowBytes / 4] = {};
        for (int k = 0; k < a.row_bytes / 4; k++) {
            for (int n = 0; n < c.row_bytes / 4; n++) {
                for (int i = 0; i < 2; i++) {
                    float& sum = sums[2 * n + i];
                    sum = __builtin_fmaf(to_float(a.get<uint16_t>(m, 2 * k + i)), to_float(b.get<uint16_t>(k, 2 * n + i)), sum);
                }
            }
        }
        for (int n = 0; n < c.row_bytes / 4; n++) {
            c.set(m, n, c.get<float>(m, n) + (sums[2 * n] + sums[2 * n + 1]));
        }
    }
}

}  // namespace

namespace emulation {

void load_config(const void* config) {
    uint8_t bytes[64];
    std::memcpy(bytes, config, sizeof bytes);
    if (bytes[0] > 1) {
        refuse("a palette that does not exist");
        return;
    }
    if (bytes[0] == 0) {
        release();
        return;
    }
    bool valid = zeros(bytes, 2, 16) && zeros(bytes, 32, 48) && zeros(bytes, 56, 64);
    Tile shapes[kTiles] = {};
    for (int tile = 0; tile < kTiles; tile++) {
        uint16_t row_bytes;
        std::memcpy(&row_bytes, bytes + 16 + 2 * tile, sizeof row_bytes);
        shapes[tile].row_bytes = row_bytes;
        shapes[tile].rows = bytes[48 + tile];
        valid = valid && row_bytes <= kRowBytes && shapes[tile].rows <= kRows && (row_bytes == 0) == (shapes[tile].rows == 0);
    }
    if (!valid) {
        refuse("a configuration that is not valid");
        return;
    }
    std::memcpy(tiles, shapes, sizeof tiles);
    is_configured = true;
}

void release() {
    std::memset(tiles, 0, sizeof tiles);
    is_configured = false;
}

void zero(int tile) {
    if (usable(tile)) {
        std::memset(tiles[tile].data, 0, sizeof tiles[tile].data);
    }
}

void load(int tile, const void* from, int64_t step) {
    if (usable(tile)) {
        for (int row = 0; row < tiles[tile].rows; row++) {
            std::memcpy(tiles[tile].data[row], static_cast<const char*>(from) + row * step, static_cast<size_t>(tiles[tile].row_bytes));
        }
        tiles[tile].zero_beyond();
    }
}

void store(int tile, void* to, int64_t step) {
    if (usable(tile)) {
        for (int row = 0; row < tiles[tile].rows; row++) {
            std::memcpy(static_cast<char*>(to) + row * step, tiles[tile].data[row], static_cast<size_t>(tiles[tile].row_bytes));
        }
    }
}

void dpbsud(int sum, int left, int right) {
    if (!multipliable(sum, left, right)) {
        return;
    }
    Tile& c = tiles[sum];
    for (int m = 0; m < c.rows; m++) {
        for (int k = 0; k < tiles[left].row_bytes / 4; k++) {
            for (int n = 0; n < c.row_bytes / 4; n++) {
                int32_t value = c.get<int32_t>(m, n);
                for (int i = 0; i < 4; i++) {
                    value += int32_t{tiles[left].get<int8_t>(m, 4 * k + i)} * int32_t{tiles[right].get<uint8_t>(k, 4 * n + i)};
                }
                c.set(m, n, value);
            }
        }
    }
    c.zero_beyond();
}

void dpbf16ps(int sum, int left, int right) {
    if (multipliable(sum, left, right)) {
        const RoundingOfTiles rounding;
        add_bf16_products(tiles[sum], tiles[left], tiles[right]);
        tiles[sum].zero_beyond();
    }
}

bool configured() { return is_configured; }

int faults() { return fault_count; }

const char* reason() { return last_reason; }

}  // namespace emulation
