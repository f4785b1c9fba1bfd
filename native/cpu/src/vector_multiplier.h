// Products on AVX-512 vectors, by packed_product.h.
#pragma once

#include "interleave.h"
#include "packed_product.h"

namespace {

// Multiplies blocks of a packed left factor by panels of a weight, as long as it lives on the thread that made it.
class Multiplier {
public:
    // Rows of a block, at most.
    static constexpr int32_t kRows = kMaxBlock;

    // `rows` of the tallest block to come.
    explicit Multiplier(int32_t) {}

    // Dwords of a row or column of k elements.
    template <typename Type>
    static constexpr int32_t depth(int32_t k) {
        return groups<Type>(k);
    }

    // Brings `count` rows of k elements to the order of a block.
    template <typename Element>
    static void pack_block(int32_t count, int32_t k, int32_t, const Element* rows, int32_t* block) {
        interleave(count, count, k, rows, k, block, count);
    }

    // The sums of a block of `count` rows (count, 32), which lie in `memory` (kRows, 32). `ahead` is prefetched and moves `step` bytes for
    // each dword of depth.
    template <typename Type, Prefetch kPrefetch>
    const typename Type::Sum* multiply(int32_t count, int32_t depth, const int32_t* left, const char* panel, const char* ahead,
                                       int64_t step, typename Type::Sum* memory) const {
        Blocks<Type, kPrefetch>::of(count)(depth, left, panel, ahead, step, memory, kPanel);
        return memory;
    }
};

}  // namespace
