# See bits.h.

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "bits.h" nogil:
    int bits_lowest(uint64_t word) noexcept
    int bits_highest(uint64_t word) noexcept
    void bits_prefetch(const void* address) noexcept
    bint bits_likely(bint holds) noexcept
    bint bits_unlikely(bint holds) noexcept
    uint32_t bits_tag(uint64_t key) noexcept
    uint32_t bits_bucket(uint32_t tag, uint32_t half, uint32_t count) noexcept
    uint32_t bits_lanes(const uint32_t* lane, uint32_t value) noexcept
    bint bits_notional_in(int64_t price, int64_t quantity, int64_t least, int64_t most) noexcept
    int64_t bits_share(int64_t a, int64_t b, int64_t c) noexcept
