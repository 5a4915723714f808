# The worklist: some of the live orders in one order of time, for a command that ends many.
#
# It is a chain through the orders themselves (the Rare record, or where there is none the field
# that would name it), so it needs no memory; it is sorted by merging, in place. The orders on it
# must end before anything else happens, which also leaves the borrowed field as it was.
#
# Collecting walks every slot: a mass cancel costs the book's size, which is what a book without an
# index by account (two more cache misses for every order that comes and goes) must pay.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from engine.core cimport Core, core_level, core_order, core_rare, core_terms, level_side
from engine.order cimport Order, order_level, order_rare, terms_tif
from engine.records cimport TIF_DAY

cdef enum:
    BINS = 32          # sorted runs of 2^i orders: enough for any book

cdef enum:             # what orders a worklist takes
    TAKE_ACCOUNT = 1   # of an account (0: any) and a side (0: both), by first acceptance
    TAKE_DAY = 2       # with tif DAY, by time


cdef inline uint32_t* worklist_link(const Core* core, uint32_t slot) noexcept nogil:
    if order_rare(core_order(core, slot)):
        return &core_rare(core, slot).link
    return &core_terms(core, slot).rare


cdef inline uint64_t worklist_key(const Core* core, uint32_t slot, uint8_t take) noexcept nogil:
    if take == TAKE_ACCOUNT:
        return core_terms(core, slot).accepted
    return core_terms(core, slot).priority


cdef inline bint worklist_takes(
    const Core* core, uint32_t slot, uint8_t take, uint32_t account, uint8_t side
) noexcept nogil:
    cdef Order* order = core_order(core, slot)
    if order.remaining == 0:
        return False
    if take == TAKE_DAY:
        return terms_tif(core_terms(core, slot)) == TIF_DAY
    if account != 0 and order.account != account:
        return False
    return side == 0 or level_side(core_level(core, order_level(order))) == side


cdef inline uint32_t worklist_merge(
    const Core* core, uint32_t first, uint32_t second, uint8_t take
) noexcept nogil:
    """One sorted chain of two."""
    cdef uint32_t merged = 0
    cdef uint32_t* end = &merged
    while first != 0 and second != 0:
        if worklist_key(core, first, take) < worklist_key(core, second, take):
            end[0] = first
            end = worklist_link(core, first)
            first = end[0]
        else:
            end[0] = second
            end = worklist_link(core, second)
            second = end[0]
    end[0] = first if first != 0 else second
    return merged


cdef inline uint32_t worklist_collect(
    const Core* core, uint8_t take, uint32_t account, uint8_t side
) noexcept nogil:
    """The first order of a new worklist, or 0: nothing to do."""
    cdef uint32_t[BINS] bin
    cdef uint32_t slot, chain, i
    for i in range(<uint32_t> BINS):
        bin[i] = 0
    for slot in range(1, core.orders.used):
        if not worklist_takes(core, slot, take, account, side):
            continue
        worklist_link(core, slot)[0] = 0
        chain = slot
        i = 0
        while bin[i] != 0:
            chain = worklist_merge(core, bin[i], chain, take)
            bin[i] = 0
            i += 1
        bin[i] = chain
    chain = 0
    for i in range(<uint32_t> BINS):
        chain = worklist_merge(core, bin[i], chain, take)
    return chain
