# A live order: a hot half of 32 bytes that matching reads, and the terms that it can do without.
#
# What only some orders need (a date to expire; later a peak, a trigger, links) is in a third
# record, `Rare`, that plain orders do not have: they pay one predictable branch on a bit of the hot
# half. The three live in slabs; an order and its terms have the same number, its slot.
#
# Invariant: `remaining` is 0 exactly where the slot is free.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.invariant cimport CHECK, INVARIANT
from engine.ladder cimport Ladder, Level, ladder_drop
from engine.slab cimport Slab, slab_at

cdef enum:
    RARE_SHIFT = 31
    LEVEL_MASK = 0x7FFFFFFF


cdef struct Order:       # 32 bytes
    uint64_t id          # first, as the index wants it; its low half links free slots
    int64_t remaining    # lots
    uint32_t level_rare  # the level it rests at; the highest bit says that it has a Rare record
    uint32_t account
    uint32_t next        # in the level's queue; 0 at the end
    uint32_t prior


cdef struct Terms:       # 32 bytes
    int64_t quantity     # lots: traded plus remaining
    uint64_t accepted    # sequence of the event that accepted it
    uint64_t priority    # sequence of the event that gave it its place in time
    uint32_t rare        # its Rare record; for an order without one, a link of the worklist
    uint8_t order_type
    uint8_t tif_stp      # TIF, plus 16 times STP
    uint16_t flags


cdef struct Rare:        # 24 bytes
    uint32_t order       # the slot whose record this is; its first bytes link free records
    uint32_t link        # of the worklist
    uint32_t expires     # seconds; 0: does not expire
    uint32_t due         # the level in the ladder of what falls due
    uint32_t due_next    # records, in that level's queue
    uint32_t due_prior


cdef inline Order* order_at(const Slab* orders, uint32_t slot) noexcept nogil:
    return <Order*> slab_at(orders, slot, sizeof(Order))


cdef inline Terms* terms_at(const Slab* terms, uint32_t slot) noexcept nogil:
    return <Terms*> slab_at(terms, slot, sizeof(Terms))


cdef inline Rare* rare_at(const Slab* rares, uint32_t rare) noexcept nogil:
    return <Rare*> slab_at(rares, rare, sizeof(Rare))


cdef inline uint8_t terms_tif(const Terms* terms) noexcept nogil:
    return terms.tif_stp & 15


cdef inline uint8_t terms_stp(const Terms* terms) noexcept nogil:
    return terms.tif_stp >> 4


cdef inline uint32_t order_level(const Order* order) noexcept nogil:
    return order.level_rare & LEVEL_MASK


cdef inline bint order_rare(const Order* order) noexcept nogil:
    return order.level_rare >> RARE_SHIFT != 0


cdef inline void queue_append(
    Level* level, uint32_t level_at, Slab* orders, Order* order, uint32_t slot
) noexcept nogil:
    """Puts an order at the back of a level's queue. That the level has room was checked before."""
    INVARIANT(order.remaining > 0)
    order.level_rare = (order.level_rare & ~<uint32_t> LEVEL_MASK) | level_at
    order.next = 0
    order.prior = level.tail
    if level.tail != 0:
        order_at(orders, level.tail).next = slot
    else:
        level.head = slot
    level.tail = slot
    level.quantity += order.remaining
    level.orders += 1


cdef inline void queue_remove(
    Ladder* ladder, Level* level, Slab* orders, const Order* order
) noexcept nogil:
    """Takes an order, with all that remains of it, out of its level's queue."""
    if order.prior != 0:
        order_at(orders, order.prior).next = order.next
    else:
        CHECK(order_at(orders, level.head) == order)
        level.head = order.next
    if order.next != 0:
        order_at(orders, order.next).prior = order.prior
    else:
        CHECK(order_at(orders, level.tail) == order)
        level.tail = order.prior
    level.quantity -= order.remaining
    level.orders -= 1
    INVARIANT(level.quantity >= 0)
    if level.orders == 0:
        ladder_drop(ladder, order_level(order))
