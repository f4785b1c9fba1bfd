// Products of packed matrices of int8 or bfloat16 on AVX-512 VNNI and BF16.
//
// Both instructions multiply dwords of k-neighbours, four int8 or two bfloat16, and add to a 32-bit accumulator, so only the
// multiply-add itself knows the type. The right factor lies in panels of 32 columns, dword by dword of k: two vectors. The left one lies
// in blocks of at most 14 rows, dword by dword of k, and is broadcast: 28 accumulators, two vectors of the right factor and one of
// the left fill the registers. The order of a sum depends on k alone, so that a row's result does not depend on the rest of the batch.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "row_blocks.h"

namespace {

constexpr int32_t kPanel = 32;
constexpr int32_t kMaxBlock = 14;
constexpr int64_t kPanelStep = kPanel * sizeof(int32_t);

struct Int8 {
    typedef int32_t Sum;
    typedef __m512i Vector;
    // k-neighbours in a dword.
    static constexpr int32_t kGroup = 4;

    static Vector zero() { return _mm512_setzero_si512(); }
    // The right factor is unsigned, 128 too large; the caller takes 128 times the sum of the left one's row off.
    static Vector multiply_add(Vector sum, __m512i right, __m512i left) { return _mm512_dpbusd_epi32(sum, right, left); }
    static void store(Sum* to, Vector x) { _mm512_storeu_si512(to, x); }
};

typedef uint32_t Dwords __attribute__((vector_size(64), may_alias));

struct Bfloat16 {
    typedef float Sum;
    typedef __m512 Vector;
    static constexpr int32_t kGroup = 2;

    static Vector zero() { return _mm512_setzero_ps(); }
    static Vector multiply_add(Vector sum, __m512i right, __m512i left) {
#if defined(__AVX512BF16__)
        return _mm512_dpbf16_ps(sum, (__m512bh)right, (__m512bh)left);
#else
        const Dwords r = (Dwords)right;
        const Dwords l = (Dwords)left;
        sum += (__m512)(r << 16) * (__m512)(l << 16);
        return sum + (__m512)(r & 0xFFFF0000u) * (__m512)(l & 0xFFFF0000u);
#endif
    }
    static void store(Sum* to, Vector x) { _mm512_storeu_ps(to, x); }
};

// Dwords of k-neighbours.
template <typename Type>
constexpr int32_t groups(int32_t k) { return (k + Type::kGroup - 1) / Type::kGroup; }

// Where prefetched lines go, and how many for each group. Memory that streams past goes to the second level, where more requests can be
// under way; the next panel, which many rows outlast, to the first.
enum Prefetch { kStream, kPanelAhead };
// Up to so many rows the processor's own prefetcher keeps up with a stream, and more requests only get into its way.
constexpr int kFewRows = 4;

// sums (R, 32), ld apart = left (groups, R) x right (groups, 32). `ahead` is prefetched and moves `step` bytes for each group.
template <typename Type, Prefetch kPrefetch, int R>
void multiply_block(int32_t groups, const int32_t* left, const char* right, const char* ahead, int64_t step,
                    typename Type::Sum* sums, int64_t ld) {
    typename Type::Vector sum[R][2];
#pragma GCC unroll 14
    for (int r = 0; r < R; r++) {
        sum[r][0] = sum[r][1] = Type::zero();
    }
    for (int32_t g = 0; g < groups; g++) {
        const __m512i first = _mm512_loadu_si512(right);
        const __m512i second = _mm512_loadu_si512(right + 64);
        if constexpr (kPrefetch == kPanelAhead) {
            _mm_prefetch(ahead, _MM_HINT_T0);
        } else if constexpr (R > kFewRows) {
            _mm_prefetch(ahead, _MM_HINT_T1);
            _mm_prefetch(ahead + 64, _MM_HINT_T1);
        }
#pragma GCC unroll 14
        for (int r = 0; r < R; r++) {
            const __m512i factor = _mm512_set1_epi32(left[r]);
            sum[r][0] = Type::multiply_add(sum[r][0], first, factor);
            sum[r][1] = Type::multiply_add(sum[r][1], second, factor);
        }
        left += R;
        right += kPanelStep;
        ahead += step;
    }
#pragma GCC unroll 14
    for (int r = 0; r < R; r++) {
        Type::store(sums + r * ld, sum[r][0]);
        Type::store(sums + r * ld + 16, sum[r][1]);
    }
}

template <typename Type, Prefetch kPrefetch>
struct Blocks {
    typedef void Multiply(int32_t, const int32_t*, const char*, const char*, int64_t, typename Type::Sum*, int64_t);
    template <int... R>
    struct Table {
        static constexpr Multiply* kEntries[] = {multiply_block<Type, kPrefetch, R>...};
    };
    typedef Table<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14> All;

    static Multiply* of(int32_t rows) { return All::kEntries[rows - 1]; }
};

}  // namespace
