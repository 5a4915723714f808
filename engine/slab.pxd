# A slab: items of one size, named by a 32-bit number, in pages of PAGE items.
#
# A page is memory of a numpy array that the edge owns; the kernel never allocates. Growing adds
# pages and moves nothing, but for the first page: it starts small, so that an empty book is small,
# and is copied a few times until it is full-sized (half a page at most, whatever the book holds).
# Item 0 is never handed out, so that 0 reads as "none" in every link; a free item's first four
# bytes link to the next free one.

from libc.stdint cimport uint32_t

from engine.invariant cimport CHECK, INVARIANT

cdef enum:
    PAGE_SHIFT = 12
    PAGE = 4096       # items
    PAGE_FIRST = 32   # items that the first page starts with


cdef struct Slab:
    char** page        # PAGE items each, the first one perhaps fewer
    uint32_t capacity  # items that there is memory for, item 0 included
    uint32_t used      # items ever handed out, item 0 included
    uint32_t free      # first of the free items that were handed out before
    uint32_t live      # items handed out now


cdef inline void* slab_at(const Slab* slab, uint32_t item, uint32_t size) noexcept nogil:
    """The item's address; `size` is the bytes of one item, a constant wherever this is called."""
    CHECK(item < slab.used)
    return slab.page[item >> PAGE_SHIFT] + <size_t> (item & (PAGE - 1)) * size


cdef inline uint32_t slab_room(const Slab* slab) noexcept nogil:
    """How many items can be taken before the slab must grow."""
    return slab.capacity - 1 - slab.live


cdef inline uint32_t slab_take(Slab* slab, uint32_t size) noexcept nogil:
    """An item to fill in, its old bytes still in it. The caller has made sure of room."""
    cdef uint32_t item = slab.free
    if item != 0:
        slab.free = (<uint32_t*> slab_at(slab, item, size))[0]
    else:
        item = slab.used
        INVARIANT(item < slab.capacity)
        slab.used += 1
    slab.live += 1
    return item


cdef inline void slab_give(Slab* slab, uint32_t item, uint32_t size) noexcept nogil:
    slab_give_at(slab, item, slab_at(slab, item, size))


cdef inline void slab_give_at(Slab* slab, uint32_t item, void* address) noexcept nogil:
    (<uint32_t*> address)[0] = slab.free
    slab.free = item
    slab.live -= 1


cdef inline void slab_reset(Slab* slab) noexcept nogil:
    """Takes every item back at once."""
    slab.used = 1
    slab.free = 0
    slab.live = 0
