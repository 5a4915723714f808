# The index: from a 64-bit key to the item of a slab whose first eight bytes are that key.
#
# Linear hashing over buckets of seven lanes, one cache line each: the table grows by splitting one
# bucket at a time, so no insertion ever waits for a rehash, and nothing but that bucket moves. What
# does not fit in a bucket spills into a chain behind it. At three entries a bucket on average a
# search reads one line and, thanks to the 32-bit tags, the one item that it wants.
#
# Invariant: an item stands once, in the chain of the bucket that its tag names. Unused lanes hold
# tag 0 and item 0; a real tag is never 0.
#
# Rejected: one flat table (growing rehashes the world, or has two tables to ask for a while).
# Keys chosen so that their tags collide make long chains: slower, never wrong.

from libc.stdint cimport uint32_t, uint64_t

from engine.bits cimport bits_bucket, bits_lanes, bits_lowest, bits_tag
from engine.invariant cimport CHECK, INVARIANT
from engine.slab cimport Slab, slab_at, slab_give, slab_reset, slab_room, slab_take

cdef enum:
    LANES = 7
    LANES_MASK = 127
    FILL = 3          # entries a bucket before the next one is split
    SPILLS_KEPT = 1   # room in `spills` that is not counted on


cdef struct Bucket:   # 64 bytes
    uint32_t[7] tag
    uint32_t next     # spill; 0 ends the chain
    uint32_t[7] item
    uint32_t count    # lanes in use, from lane 0


cdef struct Index:
    Slab buckets      # bucket b is item b + 1
    Slab spills
    uint32_t count    # buckets in use
    uint32_t half     # 2^n: the tag's low n bits name a bucket, or n + 1 where that one was split


cdef struct Place:    # where an entry stands
    void* item        # address of the item that it names
    Bucket* bucket
    Bucket* before    # the bucket that links to it; NULL for the first of a chain
    uint32_t lane


cdef inline uint32_t index_tag(uint64_t key) noexcept nogil:
    return bits_tag(key) | <uint32_t> 1 << 31


cdef inline uint32_t index_home(const Index* index, uint32_t tag) noexcept nogil:
    """The number of the bucket at the head of the tag's chain."""
    return bits_bucket(tag, index.half, index.count)


cdef inline Bucket* index_bucket(const Index* index, uint32_t bucket) noexcept nogil:
    return <Bucket*> slab_at(&index.buckets, bucket + 1, sizeof(Bucket))


cdef inline Bucket* index_spill(const Index* index, uint32_t item) noexcept nogil:
    return <Bucket*> slab_at(&index.spills, item, sizeof(Bucket))


cdef inline uint32_t index_find(
    const Index* index, const Slab* slab, uint32_t size, uint64_t key, uint32_t tag, Place* place
) noexcept nogil:
    """The item with this key, whose tag this is, and where its entry stands; or 0."""
    cdef Bucket* bucket = index_chain(index, tag)
    cdef uint32_t lanes, lane, item
    place.before = NULL
    while True:
        lanes = bits_lanes(bucket.tag, tag) & LANES_MASK
        while lanes != 0:
            lane = bits_lowest(lanes)
            item = bucket.item[lane]
            place.item = slab_at(slab, item, size)
            if (<uint64_t*> place.item)[0] == key:
                place.bucket = bucket
                place.lane = lane
                return item
            lanes &= lanes - 1
        if bucket.next == 0:
            return 0
        place.before = bucket
        bucket = index_spill(index, bucket.next)


cdef inline void index_locate(
    const Index* index, Bucket* chain, uint32_t item, Place* place
) noexcept nogil:
    """Where the entry of an item in this chain stands; the item's address is the caller's."""
    cdef uint32_t lanes = bits_lanes(chain.item, item) & LANES_MASK
    place.before = NULL
    while lanes == 0:
        INVARIANT(chain.next != 0)
        place.before = chain
        chain = index_spill(index, chain.next)
        lanes = bits_lanes(chain.item, item) & LANES_MASK
    place.bucket = chain
    place.lane = bits_lowest(lanes)


cdef inline void index_erase(Index* index, const Place* place) noexcept nogil:
    """Takes out the entry that a search has just found."""
    cdef Bucket* bucket = place.bucket
    cdef uint32_t last = bucket.count - 1
    cdef uint32_t spill
    CHECK(last < LANES)
    bucket.tag[place.lane] = bucket.tag[last]
    bucket.item[place.lane] = bucket.item[last]
    bucket.tag[last] = 0
    bucket.item[last] = 0
    bucket.count = last
    if last == 0:
        if place.before != NULL:
            spill = place.before.next
            place.before.next = bucket.next
            slab_give(&index.spills, spill, sizeof(Bucket))


cdef inline void index_put(
    Index* index, Bucket* bucket, uint32_t tag, uint32_t item
) noexcept nogil:
    """Adds an entry to the chain that starts at `bucket`."""
    cdef uint32_t spill
    while bucket.count == LANES:
        if bucket.next == 0:
            spill = slab_take(&index.spills, sizeof(Bucket))
            index_clear(index_spill(index, spill))
            bucket.next = spill
        bucket = index_spill(index, bucket.next)
    bucket.tag[bucket.count] = tag
    bucket.item[bucket.count] = item
    bucket.count += 1


cdef inline void index_clear(Bucket* bucket) noexcept nogil:
    cdef uint32_t lane
    for lane in range(<uint32_t> LANES):
        bucket.tag[lane] = 0
        bucket.item[lane] = 0
    bucket.next = 0
    bucket.count = 0


cdef inline void index_split(Index* index) noexcept nogil:
    """Adds a bucket, and moves to it what belongs there from the one whose turn it is.

    A bucket is emptied before its entries are put back, so the spills in use never grow here.
    """
    cdef uint32_t added = index.count
    cdef uint32_t source = added - index.half
    cdef uint32_t spill, lane
    cdef Bucket* low = index_bucket(index, source)
    cdef Bucket* high
    cdef Bucket entries = low[0]
    spill = slab_take(&index.buckets, sizeof(Bucket))
    INVARIANT(spill == added + 1)
    high = index_bucket(index, added)
    index_clear(low)
    index_clear(high)
    index.count = added + 1
    while True:
        for lane in range(entries.count):
            index_put(
                index,
                high if entries.tag[lane] & (2 * index.half - 1) == added else low,
                entries.tag[lane],
                entries.item[lane],
            )
        spill = entries.next
        if spill == 0:
            break
        entries = index_spill(index, spill)[0]
        slab_give(&index.spills, spill, sizeof(Bucket))
    if index.count == 2 * index.half:
        index.half *= 2


cdef inline void index_insert(
    Index* index, uint32_t tag, uint32_t item, uint32_t entries
) noexcept nogil:
    """Adds the entry of an item whose key is not in the index; `entries` are in it already."""
    if entries >= FILL * index.count:
        index_split(index)
    index_put(index, index_chain(index, tag), tag, item)


cdef inline uint32_t index_room(const Index* index, uint32_t entries) noexcept nogil:
    """How many insertions can surely be made before the index must grow.

    Each may take a spill, and makes the index split a bucket once FILL entries a bucket are there.
    """
    cdef uint64_t most = <uint64_t> FILL * (index.buckets.capacity - 1)
    cdef uint32_t spills = slab_room(&index.spills)
    if most <= entries or spills <= SPILLS_KEPT:
        return 0
    most -= entries
    spills -= SPILLS_KEPT
    return spills if spills < most else <uint32_t> most


cdef inline Bucket* index_chain(const Index* index, uint32_t tag) noexcept nogil:
    """The first bucket where a search for this tag looks."""
    return index_bucket(index, index_home(index, tag))


cdef inline uint32_t index_guess(const Bucket* bucket, uint32_t tag) noexcept nogil:
    """The item that a search would look at first in this bucket, unverified; or 0."""
    cdef uint32_t lanes = bits_lanes(bucket.tag, tag) & LANES_MASK
    return bucket.item[bits_lowest(lanes)] if lanes != 0 else 0


cdef inline void index_reset(Index* index) noexcept nogil:
    """Empties it: a single bucket, for which there is memory."""
    slab_reset(&index.buckets)
    slab_reset(&index.spills)
    slab_take(&index.buckets, sizeof(Bucket))
    index.count = 1
    index.half = 1
    index_clear(index_bucket(index, 0))
