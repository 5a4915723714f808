# The views: what the book holds, as rows for the outside.

from libc.stdint cimport uint32_t

from engine.core cimport Core, core_level, core_order, core_rare, core_terms, level_side
from engine.ladder cimport Ladder, Level, ladder_after
from engine.order cimport Order, Terms, order_level, order_rare, terms_stp, terms_tif
from engine.records cimport LevelRow, OrderRow


cdef inline void view_levels(
    const Core* core, const Ladder* ladder, LevelRow* row, uint32_t depth
) noexcept nogil:
    """Writes `depth` levels, of which there are as many, best first."""
    cdef uint32_t level_at = ladder.best
    cdef uint32_t count = 0
    cdef Level* level
    while level_at != 0 and count < depth:
        level = core_level(core, level_at)
        row[count].price = level.price
        row[count].quantity = level.quantity
        row[count].orders = level.orders
        count += 1
        level_at = ladder_after(ladder, level_at)


cdef inline void view_order(const Core* core, uint32_t slot, OrderRow* row) noexcept nogil:
    cdef Order* order = core_order(core, slot)
    cdef Terms* terms = core_terms(core, slot)
    cdef Level* level = core_level(core, order_level(order))
    row.order_id = order.id
    row.price = level.price
    row.quantity = terms.quantity
    row.remaining = order.remaining
    row.accepted = terms.accepted
    row.priority = terms.priority
    row.account = order.account
    row.expires = core_rare(core, slot).expires if order_rare(order) else 0
    row.side = level_side(level)
    row.order_type = terms.order_type
    row.tif = terms_tif(terms)
    row.stp = terms_stp(terms)
    row.flags = terms.flags
    row.reserved = 0


cdef inline void view_orders(const Core* core, OrderRow* row) noexcept nogil:
    """Writes every live order: buys, then sells, the best price first, then the first in time."""
    cdef uint32_t level, slot
    cdef int side
    for side in range(2):
        level = core.ladder[side].best
        while level != 0:
            slot = core_level(core, level).head
            while slot != 0:
                view_order(core, slot, row)
                row += 1
                slot = core_order(core, slot).next
            level = ladder_after(&core.ladder[side], level)
