# The worklist: some of the live orders in an order of their own, for a command that does something
# to many.
#
# It is a chain through the orders themselves (the Rare record, the Timer, or where there is neither
# the field that would name them), so it needs no memory. It is sorted as it is made, by merging:
# what comes in order costs one comparison each. An order may end while it is on the list, by a
# link: its slot is not used again before the list is done, so `worklist_next` still finds its way.
#
# Collecting walks every slot: a mass cancel costs the book's size, which is what a book without an
# index by account (two more cache misses for every order that comes and goes) must pay.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.core cimport (
    LADDER_MARKET, Core, core_level, core_order, core_rare, core_terms, order_side,
)
from engine.ladder cimport LADDERS
from engine.order cimport (
    STATE_RESTING, Order, Rare, order_level, order_marked, order_rare, rare_at, terms_tif,
    timer_at, type_trailing,
)
from engine.records cimport BUY, TIF_AUCTION, TIF_DAY

cdef enum:
    BINS = 32          # sorted runs, each merged of 2^i: enough for any book

cdef enum:             # what a worklist is sorted by
    BY_ACCEPTED = 1    # first acceptance
    BY_TIME = 2        # the event that gave the order its time
    BY_DISTANCE = 3    # how far the trigger that was met is from a price, then time


cdef struct Worklist:
    uint8_t by
    int64_t base           # ticks, for BY_DISTANCE
    uint32_t head          # the run that is being made
    uint32_t tail
    uint32_t[BINS] bin


cdef inline uint32_t* worklist_link(const Core* core, uint32_t slot) noexcept nogil:
    cdef Order* order = core_order(core, slot)
    if not order_marked(order):
        return &core_terms(core, slot).rare
    if order_rare(order):
        return &core_rare(core, slot).link
    return &timer_at(&core.timers, core_terms(core, slot).rare).link


cdef inline int64_t trigger_met(const Rare* rare, uint8_t order_type) noexcept nogil:
    """The price at which an order that has left its place among the waiting fired."""
    if not type_trailing(order_type):
        return rare.trigger
    return rare.reference + rare.trigger if rare.side == BUY else rare.reference - rare.trigger


cdef inline uint64_t worklist_distance(
    const Core* core, uint32_t slot, int64_t base
) noexcept nogil:
    cdef int64_t met = trigger_met(core_rare(core, slot), core_terms(core, slot).order_type)
    # The difference can need 64 bits.
    if met < base:
        return <uint64_t> base - <uint64_t> met
    return <uint64_t> met - <uint64_t> base


cdef inline bint worklist_before(
    const Core* core, const Worklist* list, uint32_t first, uint32_t second
) noexcept nogil:
    cdef uint64_t a, b
    if list.by == BY_ACCEPTED:
        return core_terms(core, first).accepted < core_terms(core, second).accepted
    if list.by == BY_DISTANCE:
        a = worklist_distance(core, first, list.base)
        b = worklist_distance(core, second, list.base)
        if a != b:
            return a < b
    return core_terms(core, first).priority < core_terms(core, second).priority


cdef inline uint32_t worklist_merge(
    const Core* core, const Worklist* list, uint32_t first, uint32_t second
) noexcept nogil:
    """One sorted chain of two."""
    cdef uint32_t merged = 0
    cdef uint32_t* end = &merged
    while first != 0 and second != 0:
        if worklist_before(core, list, first, second):
            end[0] = first
            end = worklist_link(core, first)
            first = end[0]
        else:
            end[0] = second
            end = worklist_link(core, second)
            second = end[0]
    end[0] = first if first != 0 else second
    return merged


cdef inline void worklist_open(Worklist* list, uint8_t by, int64_t base) noexcept nogil:
    cdef uint32_t i
    list.by = by
    list.base = base
    list.head = list.tail = 0
    for i in range(<uint32_t> BINS):
        list.bin[i] = 0


cdef inline void worklist_add(Core* core, Worklist* list, uint32_t slot) noexcept nogil:
    worklist_link(core, slot)[0] = 0
    if list.tail != 0 and worklist_before(core, list, list.tail, slot):
        worklist_link(core, list.tail)[0] = slot
    else:
        worklist_shelve(core, list)
        list.head = slot
    list.tail = slot


cdef inline void worklist_shelve(Core* core, Worklist* list) noexcept nogil:
    """Puts the run that is being made with the others."""
    cdef uint32_t i = 0
    while list.head != 0 and list.bin[i] != 0:
        list.head = worklist_merge(core, list, list.bin[i], list.head)
        list.bin[i] = 0
        i += 1
    list.bin[i] = list.head


cdef inline uint32_t worklist_end(Core* core, Worklist* list) noexcept nogil:
    """The first order of the list, now sorted; or 0."""
    cdef uint32_t chain = 0
    cdef uint32_t i
    worklist_shelve(core, list)
    for i in range(<uint32_t> BINS):
        chain = worklist_merge(core, list, list.bin[i], chain)
    return chain


cdef inline uint32_t worklist_next(Core* core, uint32_t slot) noexcept nogil:
    """The order behind this one, which leaves the list; or 0."""
    cdef uint32_t* link = worklist_link(core, slot)
    cdef uint32_t behind = link[0]
    if not order_marked(core_order(core, slot)):
        link[0] = 0
    return behind


# --- what commands collect


cdef inline uint32_t worklist_account(
    Core* core, uint32_t account, uint8_t side
) noexcept nogil:
    """All orders of an account (0: any) and a side (0: both), by first acceptance."""
    cdef Worklist list
    cdef uint32_t slot
    worklist_open(&list, BY_ACCEPTED, 0)
    for slot in range(1, core.orders.used):
        if core_order(core, slot).remaining == 0:
            continue
        if account != 0 and core_order(core, slot).account != account:
            continue
        if side == 0 or order_side(core, slot, core_order(core, slot)) == side:
            worklist_add(core, &list, slot)
    return worklist_end(core, &list)


cdef inline uint32_t worklist_day(Core* core) noexcept nogil:
    """All orders with tif DAY, by time."""
    cdef Worklist list
    cdef uint32_t slot
    worklist_open(&list, BY_TIME, 0)
    for slot in range(1, core.orders.used):
        if core_order(core, slot).remaining != 0:
            if terms_tif(core_terms(core, slot)) == TIF_DAY:
                worklist_add(core, &list, slot)
    return worklist_end(core, &list)


cdef inline uint32_t worklist_auction(Core* core) noexcept nogil:
    """What an auction leaves over, by time: resting market orders, and limits with tif AUCTION."""
    cdef Worklist list
    cdef uint32_t rare, slot, number, level
    worklist_open(&list, BY_TIME, 0)
    for number in range(LADDER_MARKET, LADDER_MARKET + 2):
        level = core.ladder[number].best
        slot = core_level(core, level).head if level != 0 else 0
        while slot != 0:
            worklist_add(core, &list, slot)
            slot = core_order(core, slot).next
    for rare in range(1, core.rares.used):
        if rare_at(&core.rares, rare).state != STATE_RESTING:
            continue
        slot = rare_at(&core.rares, rare).order
        level = order_level(core_order(core, slot))
        if terms_tif(core_terms(core, slot)) == TIF_AUCTION:
            if core_level(core, level).leaf_number % LADDERS < LADDER_MARKET:
                worklist_add(core, &list, slot)
    return worklist_end(core, &list)
