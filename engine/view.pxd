# The views: what the book holds, as rows for the outside: all of it, or what the market sees.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.bits cimport bits_prefetch
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
    FLAG_ICEBERG, FLAG_MINIMUM, MARKED_QUOTE, MARKED_REFERENCE, MARKED_TRIGGERED, ExtraRow,
    LevelRow, OrderRow, PlainRow,
)
from engine.saved cimport saved_cut
from engine.trail cimport trail_tell, trail_tell_all, trail_turned
from engine.turn cimport order_displayed
from engine.worklist cimport (
    BY_TIME, Worklist, worklist_add, worklist_end, worklist_next, worklist_open,
)

cdef enum:
    FLAGS_PRIVATE = 480   # ICEBERG, MINIMUM, OCO, ON_FILL
    TOURS = 8             # queues that are walked by turns
    AHEAD = 16            # orders to look ahead


# --- levels


cdef struct Ranks:         # a walk over the prices of one side, the best first
    uint32_t shown         # level of displayed orders; 0: none
    uint32_t second        # level of the second queue; 0: none


cdef struct Tour:          # along a queue, writing down its orders' slots
    uint32_t slot          # of the next one; 0: at the end
    uint32_t* place        # where it goes


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


# --- one order


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


# --- all orders


cdef inline void tour_begin(Core* core, Tour* tour, uint32_t level, uint32_t* place) noexcept nogil:
    tour.slot = core_level(core, level).head if level != 0 else 0
    tour.place = place
    bits_prefetch(core_order(core, tour.slot))


cdef inline void tour_step(Core* core, Tour* tour) noexcept nogil:
    tour.place[0] = tour.slot
    tour.place += 1
    tour.slot = core_order(core, tour.slot).next
    bits_prefetch(core_order(core, tour.slot))


cdef inline uint32_t* view_market(Core* core, uint8_t side, uint32_t* place) noexcept nogil:
    """Writes the slots of a side's market orders, by time; the place behind them."""
    cdef Tour tour
    tour_begin(core, &tour, core.ladder[LADDER_MARKET + side - 1].best, place)
    while tour.slot != 0:
        tour_step(core, &tour)
    return tour.place


cdef inline uint32_t* view_side(
    Core* core, uint8_t side, bint hidden, uint32_t* place
) noexcept nogil:
    """Writes the slots of a side's limit orders, as they would trade; the place behind them.

    The queues of several levels are walked by turns, as each step waits for the order that the one
    before it names: a million orders in scattered slots take a third of the time."""
    cdef Ranks ranks = ranks_of(core, side, hidden)
    cdef Tour[TOURS] tour
    cdef uint32_t i, level
    cdef uint32_t going = TOURS
    for i in range(<uint32_t> TOURS):
        tour[i].slot = 0
    while going != 0:
        going = 0
        for i in range(<uint32_t> TOURS):
            if tour[i].slot != 0:
                tour_step(core, &tour[i])
            elif ranks.shown != 0 or ranks.second != 0:
                level = ranks_next(core, side, &ranks)
                tour_begin(core, &tour[i], level, place)
                place += core_level(core, level).orders
            else:
                continue
            going += 1
    return place


cdef inline uint32_t* view_dormant(Core* core, uint8_t state, uint32_t* place) noexcept nogil:
    """Writes the slots of orders that wait or sleep, by time; the place behind them."""
    cdef Worklist list
    cdef uint32_t rare, slot
    worklist_open(&list, BY_TIME, 0)
    for rare in range(1, core.rares.used):
        if rare_at(&core.rares, rare).state == state:
            worklist_add(core, &list, rare_at(&core.rares, rare).order)
    slot = worklist_end(core, &list)
    while slot != 0:
        place[0] = slot
        place += 1
        slot = worklist_next(core, slot)
    return place


cdef inline uint32_t* view_slots(Core* core, bint hidden, uint32_t* place) noexcept nogil:
    """Writes the slots of all orders: buys, then sells, in the order in which they would trade;
    then those that wait, and those that sleep. The place behind them. Tells all references."""
    cdef uint8_t side
    for side in range(1, 3):
        trail_tell_all(&core.rares, &core.trail[side - 1])
        if hidden:
            place = view_market(core, side, place)
        place = view_side(core, side, hidden, place)
    if hidden:
        place = view_dormant(core, STATE_WAITING, place)
        place = view_dormant(core, STATE_SLEEPING, place)
    return place


cdef inline void view_ahead(
    Core* core, const uint32_t* slots, uint32_t at, uint32_t count
) noexcept nogil:
    """Fetches an order that will soon be written."""
    if at + AHEAD < count:
        bits_prefetch(core_order(core, slots[at + AHEAD]))
        bits_prefetch(core_terms(core, slots[at + AHEAD]))


cdef inline OrderRow* view_rows(
    Core* core, const uint32_t* slots, uint32_t count, bint hidden, OrderRow* row
) noexcept nogil:
    """Writes the rows of these orders, or what the market sees of them; the place behind them."""
    cdef uint32_t i
    for i in range(count):
        view_ahead(core, slots, i, count)
        view_row(core, slots[i], row)
        if hidden or view_public(row):
            row += 1
    return row


cdef inline ExtraRow* view_saved(
    Core* core, const uint32_t* slots, uint32_t count, PlainRow* plain, ExtraRow* extra
) noexcept nogil:
    """Writes what a checkpoint has of these orders; the place behind the extra rows."""
    cdef OrderRow row
    cdef uint32_t i
    for i in range(count):
        view_ahead(core, slots, i, count)
        view_row(core, slots[i], &row)
        if saved_cut(&row, i, plain + i, extra):
            extra += 1
    return extra
