// Rows to the order of packed_product.h's left factors and panels: dword by dword, one dword of every row after the other.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

// Rows that are interleaved at once, and the dwords of each.
constexpr int32_t kSquare = 16;

inline __attribute__((always_inline)) void transpose(__m512i (&rows)[kSquare]) {
    __m512i t[kSquare];
#pragma GCC unroll 8
    for (int i = 0; i < kSquare; i += 2) {
        t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    // Then lane q of rows[i + c] holds column 4 q + c of four rows.
#pragma GCC unroll 4
    for (int i = 0; i < kSquare; i += 4) {
        rows[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        rows[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        rows[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        rows[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    constexpr int kEvenLanes = 0x88;
    constexpr int kOddLanes = 0xDD;
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        const __m512i even_low = _mm512_shuffle_i32x4(rows[c], rows[c + 4], kEvenLanes);
        const __m512i odd_low = _mm512_shuffle_i32x4(rows[c], rows[c + 4], kOddLanes);
        const __m512i even_high = _mm512_shuffle_i32x4(rows[c + 8], rows[c + 12], kEvenLanes);
        const __m512i odd_high = _mm512_shuffle_i32x4(rows[c + 8], rows[c + 12], kOddLanes);
        rows[c] = _mm512_shuffle_i32x4(even_low, even_high, kEvenLanes);
        rows[c + 4] = _mm512_shuffle_i32x4(odd_low, odd_high, kEvenLanes);
        rows[c + 8] = _mm512_shuffle_i32x4(even_low, even_high, kOddLanes);
        rows[c + 12] = _mm512_shuffle_i32x4(odd_low, odd_high, kOddLanes);
    }
}

// Dword g of row r, of `count` rows (at most 16) of k elements `ld` elements apart, goes to packed[g step + r]. Beyond k is zero, and so
// is what goes to packed[g step + r] for r from `count` to below `lanes` (at most 16).
template <typename Element>
void interleave(int32_t count, int32_t lanes, int32_t k, const Element* rows, int64_t ld, int32_t* packed, int64_t step) {
    const __mmask16 written = static_cast<__mmask16>((1u << lanes) - 1);
    int64_t left = int64_t{k} * static_cast<int64_t>(sizeof(Element));
    for (const char* from = reinterpret_cast<const char*>(rows); left > 0; from += 64, left -= 64) {
        const __mmask64 inside = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
        __m512i square[kSquare];
#pragma GCC unroll 16
        for (int r = 0; r < kSquare; r++) {
            square[r] = r < count ? _mm512_maskz_loadu_epi8(inside, from + r * ld * static_cast<int64_t>(sizeof(Element)))
                                  : _mm512_setzero_si512();
        }
        transpose(square);
        const int64_t dwords = left >= 64 ? kSquare : (left + 3) / 4;
#pragma GCC unroll 16
        for (int g = 0; g < kSquare; g++) {
            if (g < dwords) {
                _mm512_mask_storeu_epi32(packed + g * step, written, square[g]);
            }
        }
        packed += kSquare * step;
    }
}

}  // namespace
