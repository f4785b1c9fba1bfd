// How the rows of a product's left factor are cut into blocks.
#pragma once

#include <cstdint>

namespace {

// Rows [begin(i), begin(i + 1)) are block i: as few blocks of at most `most` rows as possible, of nearly equal size.
struct RowBlocks {
    int32_t count;
    int32_t size;
    int32_t larger;  // so many blocks, the first ones, have a row more

    RowBlocks(int32_t rows, int32_t most)
        : count((rows + most - 1) / most), size(count ? rows / count : 0), larger(rows - count * size) {}

    int32_t begin(int32_t block) const { return block * size + (block < larger ? block : larger); }
    int32_t rows(int32_t block) const { return size + (block < larger ? 1 : 0); }
};

}  // namespace
