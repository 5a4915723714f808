/* What Cython cannot say: bit scans, a wide multiply, lane compares, prefetches, branch hints.
 * The scans are undefined for 0, as the instructions are: callers check first.
 */
#ifndef PRICETIME_BITS_H
#define PRICETIME_BITS_H

#include <stdint.h>

#if defined(_MSC_VER)
#include <intrin.h>
static __forceinline int bits_lowest(uint64_t word)
{
    unsigned long index;
    _BitScanForward64(&index, word);
    return (int)index;
}
static __forceinline int bits_highest(uint64_t word)
{
    unsigned long index;
    _BitScanReverse64(&index, word);
    return (int)index;
}
static __forceinline uint64_t bits_multiply(uint64_t a, uint64_t b, uint64_t *high)
{
    return _umul128(a, b, high);
}
#define bits_prefetch(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
#define bits_likely(x) (x)
#define bits_unlikely(x) (x)
#else
static inline int bits_lowest(uint64_t word) { return __builtin_ctzll(word); }
static inline int bits_highest(uint64_t word) { return 63 - __builtin_clzll(word); }
static inline uint64_t bits_multiply(uint64_t a, uint64_t b, uint64_t *high)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
}
/* a * b / c, rounded down; a and b are not negative, c is above 0 and no less than one of them. */
static inline int64_t bits_share(int64_t a, int64_t b, int64_t c)
{
    return (int64_t)((unsigned __int128)a * (uint64_t)b / (uint64_t)c);
}
/* The empty asm: else the compiler calls a function that only prefetches pure, and drops it. */
#define bits_prefetch(address) \
    do { __builtin_prefetch((const void *)(address), 1); __asm__ volatile(""); } while (0)
#define bits_likely(x) __builtin_expect(!!(x), 1)
#define bits_unlikely(x) __builtin_expect(!!(x), 0)
#endif

/* A 32-bit name of a 64-bit key. Both halves of the product are folded in, so that keys which
 * differ only in high bits, or only in low bits, still spread. */
static inline uint32_t bits_tag(uint64_t key)
{
    uint64_t high, low = bits_multiply(key ^ 0x9E3779B97F4A7C15ull, 0xD6E8FEB86659FD93ull, &high);
    low ^= high;
    return (uint32_t)(low ^ low >> 32);
}

/* The bucket of a tag in a table of `count`, of which those from `half` on are split off the first
 * ones. Written so that it compiles without a branch, which half of all tags would take. */
static inline uint32_t bits_bucket(uint32_t tag, uint32_t half, uint32_t count)
{
    uint32_t bucket = tag & (2 * half - 1);
    return bucket & ~(half & (0u - (uint32_t)(bucket >= count)));
}

/* Bit i says whether lane i of eight equals value. */
#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
static inline uint32_t bits_lanes(const uint32_t *lane, uint32_t value)
{
    __m128i wanted = _mm_set1_epi32((int)value);
    __m128i low = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)lane), wanted);
    __m128i high = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)(lane + 4)), wanted);
    return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(low))
        | (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(high)) << 4;
}
#else
static inline uint32_t bits_lanes(const uint32_t *lane, uint32_t value)
{
    uint32_t mask = 0;
    for (int i = 0; i < 8; i++) mask |= (uint32_t)(lane[i] == value) << i;
    return mask;
}
#endif

/* Whether |price * quantity| lies in [least, most]; most 0 is no upper limit. Needs 128 bits. */
static inline int bits_notional_in(int64_t price, int64_t quantity, int64_t least, int64_t most)
{
    uint64_t high, low, size = price < 0 ? 0 - (uint64_t)price : (uint64_t)price;
    low = bits_multiply(size, (uint64_t)quantity, &high);
    if (high == 0 && low < (uint64_t)least) return 0;
    return most == 0 || (high == 0 && low <= (uint64_t)most);
}

#endif
