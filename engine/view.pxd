# The views: what the book holds, as rows for the outside: all of it, or what the market sees.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.core cimport (
    LADDER_MARKET, LADDER_SECOND, Core, core_expires, core_level, core_order, core_rare,
    core_terms, order_price, order_side,
)
from engine.ladder cimport Ladder, Level, ladder_after, ladder_key
from engine.order cimport (
    FLAGS_MASK, STATE_RESTING, STATE_SLEEPING, STATE_WAITING, TERMS_QUOTE, TERMS_TRIGGERED,
    Order, Rare, Terms, order_level, order_rare, rare_at, terms_stp, terms_tif, type_trailing,
)
from engine.records cimport (
    FLAG_ICEBERG, FLAG_MINIMUM, MARKED_QUOTE, MARKED_REFERENCE, MARKED_TRIGGERED, LevelRow,
    OrderRow,
)
from engine.trail cimport trail_tell, trail_tell_all, trail_turned
from engine.turn cimport order_displayed
from engine.worklist cimport (
    BY_TIME, Worklist, worklist_add, worklist_end, worklist_next, worklist_open,
)

cdef enum:
    FLAGS_PRIVATE = 480   # ICEBERG, MINIMUM, OCO, ON_FILL


# --- levels


cdef struct Ranks:         # a walk over the prices of one side, the best first
    uint32_t shown         # level of displayed orders; 0: none
    uint32_t second        # level of the second queue; 0: none


cdef inline bint ranks_front(const Core* core, uint8_t side, const Ranks* ranks) noexcept nogil:
    """Whether the next price has displayed orders."""
    cdef const Ladder* ladder = &core.ladder[side - 1]
    if ranks.shown == 0 or ranks.second == 0:
        return ranks.shown != 0
    return (
        ladder_key(ladder, core_level(core, ranks.shown).price)
        <= ladder_key(ladder, core_level(core, ranks.second).price)
    )


cdef inline Ranks ranks_of(const Core* core, uint8_t side, bint hidden) noexcept nogil:
    cdef Ranks ranks
    ranks.shown = core.ladder[side - 1].best
    ranks.second = core.ladder[LADDER_SECOND + side - 1].best if hidden else 0
    return ranks


cdef inline uint32_t ranks_next(const Core* core, uint8_t side, Ranks* ranks) noexcept nogil:
    """The level that comes next; of one price the displayed orders come first."""
    cdef uint32_t level
    if ranks_front(core, side, ranks):
        level = ranks.shown
        ranks.shown = ladder_after(&core.ladder[side - 1], level)
    else:
        level = ranks.second
        ranks.second = ladder_after(&core.ladder[LADDER_SECOND + side - 1], level)
    return level


cdef inline uint32_t view_levels(
    const Core* core, uint8_t side, LevelRow* row, uint32_t depth, bint hidden
) noexcept nogil:
    """Writes up to `depth` prices, best first: what is displayed there, or all. Says how many."""
    cdef Ranks ranks = ranks_of(core, side, hidden)
    cdef uint32_t count = 0
    cdef Level* level
    while ranks.shown != 0 or ranks.second != 0:
        level = core_level(core, ranks_next(core, side, &ranks))
        if count == 0 or row[count - 1].price != level.price:
            if count == depth:
                break
            row[count].price = level.price
            row[count].quantity = row[count].orders = 0
            count += 1
        row[count - 1].quantity += level.quantity if hidden else view_displayed(core, level)
        row[count - 1].orders += level.orders
    return count


cdef inline int64_t view_displayed(const Core* core, const Level* level) noexcept nogil:
    """Lots displayed at a level; its orders are walked only where there may be an iceberg."""
    cdef int64_t quantity = 0
    cdef uint32_t slot = level.head
    if core.icebergs == 0:
        return level.quantity
    while slot != 0:
        quantity += order_displayed(core, slot, core_order(core, slot))
        slot = core_order(core, slot).next
    return quantity


# --- orders


cdef inline void view_order(Core* core, uint32_t slot, OrderRow* row) noexcept nogil:
    """All that there is to know about one order."""
    if order_rare(core_order(core, slot)):
        if core_rare(core, slot).state == STATE_WAITING:
            if type_trailing(core_terms(core, slot).order_type):
                trail_tell(&core.rares, core_terms(core, slot).rare)
    view_row(core, slot, row)


cdef inline void view_row(Core* core, uint32_t slot, OrderRow* row) noexcept nogil:
    """The same of an order that has been told its reference."""
    cdef Order* order = core_order(core, slot)
    cdef Terms* terms = core_terms(core, slot)
    row.order_id = order.id
    row.price = order_price(core, slot, order)
    row.quantity = terms.quantity
    row.remaining = row.displayed = order.remaining
    row.trigger = row.reference = 0
    row.slot = row.partner = row.parent = 0
    row.accepted = terms.accepted
    row.priority = terms.priority
    row.account = order.account
    row.expires = core_expires(core, slot)
    row.side = order_side(core, slot, order)
    row.order_type = terms.order_type
    row.tif = terms_tif(terms)
    row.stp = terms_stp(terms)
    row.flags = terms.flags & FLAGS_MASK
    row.state = STATE_RESTING
    row.marks = MARKED_QUOTE if terms.flags & TERMS_QUOTE else 0
    if terms.flags & TERMS_TRIGGERED:
        row.marks |= MARKED_TRIGGERED
    if core_level(core, order_level(order)).leaf_number % 8 >= LADDER_SECOND:
        row.displayed = 0
    if order_rare(order):
        view_rare(core, core_rare(core, slot), terms, row)


cdef inline void view_rare(
    Core* core, const Rare* rare, const Terms* terms, OrderRow* row
) noexcept nogil:
    row.state = rare.state
    row.trigger = rare.trigger
    if row.flags & (FLAG_ICEBERG | FLAG_MINIMUM):
        row.slot = <uint64_t> rare.slot
    if rare.partner != 0:
        row.partner = core_order(core, rare.partner).id
    if rare.parent != 0:
        row.parent = core_order(core, rare.parent).id
    if rare.state != STATE_RESTING:
        row.displayed = 0
    elif row.flags & FLAG_ICEBERG:
        row.displayed = rare.displayed
    if rare.state == STATE_WAITING and type_trailing(terms.order_type) and core.trades != 0:
        row.reference = trail_turned(rare.side, rare.reference)
        row.marks |= MARKED_REFERENCE


cdef inline bint view_public(OrderRow* row) noexcept nogil:
    """Takes off a row what the market does not see; False: it does not see the order."""
    if row.displayed == 0:
        return False
    if row.flags & FLAG_ICEBERG:
        row.quantity = row.remaining = row.displayed
    row.slot = row.partner = row.parent = 0
    row.flags &= ~<int> FLAGS_PRIVATE
    row.marks = 0
    return True


cdef inline OrderRow* view_queue(
    Core* core, uint32_t level, OrderRow* row, bint hidden
) noexcept nogil:
    """Writes the orders of a level; the place behind them."""
    cdef uint32_t slot = core_level(core, level).head if level != 0 else 0
    while slot != 0:
        view_row(core, slot, row)
        if hidden or view_public(row):
            row += 1
        slot = core_order(core, slot).next
    return row


cdef inline OrderRow* view_dormant(Core* core, uint8_t state, OrderRow* row) noexcept nogil:
    """Writes the orders that wait or sleep, by time; the place behind them."""
    cdef Worklist list
    cdef uint32_t rare, slot
    worklist_open(&list, BY_TIME, 0)
    for rare in range(1, core.rares.used):
        if rare_at(&core.rares, rare).state == state:
            worklist_add(core, &list, rare_at(&core.rares, rare).order)
    slot = worklist_end(core, &list)
    while slot != 0:
        view_row(core, slot, row)
        row += 1
        slot = worklist_next(core, slot)
    return row


cdef inline OrderRow* view_orders(Core* core, OrderRow* row, bint hidden) noexcept nogil:
    """Writes every order: buys, then sells, in the order in which they would trade; then those that
    wait, and those that sleep. The place behind them."""
    cdef Ranks ranks
    cdef uint8_t side
    for side in range(1, 3):
        trail_tell_all(&core.rares, &core.trail[side - 1])
        if hidden:
            row = view_queue(core, core.ladder[LADDER_MARKET + side - 1].best, row, True)
        ranks = ranks_of(core, side, hidden)
        while ranks.shown != 0 or ranks.second != 0:
            row = view_queue(core, ranks_next(core, side, &ranks), row, hidden)
    if hidden:
        row = view_dormant(core, STATE_WAITING, row)
        row = view_dormant(core, STATE_SLEEPING, row)
    return row
