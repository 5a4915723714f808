# A live order: a hot half of 32 bytes that matching reads, and the terms that it can do without.
#
# What only some orders need is in a third record that plain orders do not have: `Rare`, for what
# waits, sleeps, hides, shows slices or is linked. A bit of the hot half says that there is one, so
# plain orders pay one predictable branch. A date to expire is a `Timer`, which matching never looks
# at. All live in slabs; an order and its terms have the same number, its slot.
#
# Invariant: `remaining` is 0 exactly where the slot is free; `state` is 0 exactly where a Rare is.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.invariant cimport CHECK, INVARIANT
from engine.ladder cimport Ladder, Level, ladder_drop
from engine.records cimport LIMIT, MARKET, STOP, TRAILING_STOP
from engine.slab cimport Slab, slab_at

cdef enum:
    RARE_BIT = 31          # in level_marks
    TIMED_BIT = 30
    LEVEL_MASK = 0x3FFFFFFF
    FLAGS_MASK = 511       # in Terms.flags: those of Flag
    TERMS_QUOTE = 1 << 12  # a side of its account's quote
    TERMS_TRIGGERED = 1 << 13  # it was a stop or take-profit, and has fired

cdef enum:                 # State; the first three are those of pricetime.OrderState
    STATE_FREE = 0
    STATE_RESTING = 1      # in the queue of a level
    STATE_WAITING = 2      # for its trigger: in a level of a ladder of triggers, or in a trail
    STATE_SLEEPING = 3     # for its parent to be gone, or in the list of those for the auction
    STATE_QUEUED = 4       # fired or freed, in the queue of those to be served
    STATE_ENTERING = 5     # the taker


cdef struct Order:         # 32 bytes
    uint64_t id            # first, as the index wants it; its low half links free slots
    int64_t remaining      # lots
    uint32_t level_marks   # the level in whose queue it is; highest bit: it has a Rare record; the
                           # next: it has a Timer
    uint32_t account
    uint32_t next          # in the queue that it is in; 0 at the end
    uint32_t prior


cdef struct Terms:         # 32 bytes
    int64_t quantity       # lots: traded plus remaining
    uint64_t accepted      # sequence of the event that accepted it
    uint64_t priority      # sequence of the event that gave it its place in time
    uint32_t rare          # its Rare record, else its Timer; if it has neither, a link of the
                           # worklist
    uint8_t order_type
    uint8_t tif_stp        # TIF, plus 16 times STP
    uint16_t flags         # of Flag; and what it has behind it


cdef struct Timer:         # 24 bytes
    uint32_t owner         # slot, or armed switch; its first bytes link free records
    uint32_t link          # of the worklist
    uint32_t expires       # seconds
    uint32_t due           # the level in the ladder of what falls due
    uint32_t due_next      # timers, in that level's queue
    uint32_t due_prior


cdef struct Knot:          # a place in a heap of Rare records; see trail
    int64_t key            # lower is nearer to the root
    uint32_t up
    uint32_t left
    uint32_t right
    uint32_t rank          # of a leftist heap: links to the nearest missing child


cdef struct Rare:          # 144 bytes
    uint32_t order         # the slot whose record this is; its first bytes link free records
    uint32_t link          # of the worklist
    uint32_t timer         # its Timer; 0: does not expire
    uint32_t partner       # slot of the other leg of its OCO pair; 0: none
    uint32_t parent        # slot, of a sleeping child
    uint32_t[2] child      # slots that sleep for this order, the first accepted first
    uint32_t newer         # of a root in a trail: the roots beside it
    uint32_t older
    uint8_t side           # BUY or SELL
    uint8_t state
    uint8_t fired          # of one that is queued: it has fired, or else woken
    uint8_t touched        # it is on the list of icebergs that an uncross has traded with
    int64_t price          # ticks: the limit that it will have; a trailing limit's distance
    int64_t trigger        # ticks; a trailing stop's offset
    int64_t reference      # ticks: what a queued trailing stop was measured from; see trail
    int64_t slot           # lots: peak or minimum
    int64_t displayed      # lots: the iceberg's slice; at most `remaining` between two commands
    int64_t noted          # lots: of a queued child, what its parent traded; of a maker in a
                           # pro-rata round, what it displayed when the round began
    uint64_t seen          # the last dry run that found it gone
    Knot[2] knot           # in the heap of its group, and in the heap of groups


cdef inline Order* order_at(const Slab* orders, uint32_t slot) noexcept nogil:
    return <Order*> slab_at(orders, slot, sizeof(Order))


cdef inline Terms* terms_at(const Slab* terms, uint32_t slot) noexcept nogil:
    return <Terms*> slab_at(terms, slot, sizeof(Terms))


cdef inline Timer* timer_at(const Slab* timers, uint32_t timer) noexcept nogil:
    return <Timer*> slab_at(timers, timer, sizeof(Timer))


cdef inline Rare* rare_at(const Slab* rares, uint32_t rare) noexcept nogil:
    return <Rare*> slab_at(rares, rare, sizeof(Rare))


cdef inline uint8_t terms_tif(const Terms* terms) noexcept nogil:
    return terms.tif_stp & 15


cdef inline uint8_t terms_stp(const Terms* terms) noexcept nogil:
    return terms.tif_stp >> 4


cdef inline uint32_t order_level(const Order* order) noexcept nogil:
    return order.level_marks & LEVEL_MASK


cdef inline bint order_rare(const Order* order) noexcept nogil:
    return order.level_marks >> RARE_BIT != 0


cdef inline bint order_marked(const Order* order) noexcept nogil:
    """Whether it has a Rare or a Timer."""
    return order.level_marks >> TIMED_BIT != 0


# --- what the types mean


cdef inline bint type_limited(uint8_t order_type) noexcept nogil:
    """Whether it ends as a limit order; all others end as market orders."""
    return order_type & 1 == 0


cdef inline bint type_triggered(uint8_t order_type) noexcept nogil:
    return order_type >= STOP


cdef inline bint type_trailing(uint8_t order_type) noexcept nogil:
    return order_type >= TRAILING_STOP


cdef inline uint8_t type_fired(uint8_t order_type) noexcept nogil:
    """What a stop becomes when it fires."""
    return LIMIT if type_limited(order_type) else MARKET


# --- queues


cdef inline void queue_link(
    Level* level, uint32_t level_at, Slab* orders, Order* order, uint32_t slot
) noexcept nogil:
    """Puts an order at the back of a queue that counts no lots."""
    INVARIANT(order.remaining > 0)
    order.level_marks = (order.level_marks & ~<uint32_t> LEVEL_MASK) | level_at
    order.next = 0
    order.prior = level.tail
    if level.tail != 0:
        order_at(orders, level.tail).next = slot
    else:
        level.head = slot
    level.tail = slot
    level.orders += 1


cdef inline void queue_unlink(Level* level, Slab* orders, const Order* order) noexcept nogil:
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
    level.orders -= 1


cdef inline void queue_append(
    Level* level, uint32_t level_at, Slab* orders, Order* order, uint32_t slot
) noexcept nogil:
    """Puts an order at the back of a level's queue. That the level has room was checked before."""
    queue_link(level, level_at, orders, order, slot)
    level.quantity += order.remaining


cdef inline void queue_remove(
    Ladder* ladder, Level* level, Slab* orders, const Order* order
) noexcept nogil:
    """Takes an order, with all that remains of it, out of its level's queue."""
    queue_unlink(level, orders, order)
    level.quantity -= order.remaining
    INVARIANT(level.quantity >= 0)
    if level.orders == 0:
        ladder_drop(ladder, order_level(order))
