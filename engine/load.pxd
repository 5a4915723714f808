# The load: puts orders into a new book as a checkpoint has them, without matching.
#
# Rows are given in the order in which the views write them, so queues and trails come out as they
# were; a new book hands out its slots in turn, so the first order has slot 1. Links and the dates
# to expire follow when all orders are there. What a single row cannot show to be wrong, the walk
# behind the load finds.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.bits cimport bits_prefetch
from engine.core cimport (
    Core, Taker, core_admit_special, core_attach, core_find_id, core_level, core_order,
    core_terms, taker_ladder, taker_special,
)
from engine.index cimport Place, index_chain, index_tag
from engine.ladder cimport ladder_add
from engine.links cimport links_adopt, links_of, links_pair
from engine.order cimport (
    STATE_SLEEPING, TERMS_QUOTE, TERMS_TRIGGERED, Rare, queue_link, rare_at, type_limited,
    type_trailing, type_triggered,
)
from engine.records cimport *
from engine.screen cimport (
    FLAGS_ALL, PRICE_END, price_sound, quantity_sound, screen_flags, screen_prices,
)
from engine.trail cimport trail_turned
from engine.trigger cimport trigger_trail, trigger_wait

cdef enum:
    MARKS_ALL = 7


cdef inline bint load_sound(const Core* core, const OrderRow* row) noexcept nogil:
    """Whether such an order can be in such a state."""
    return load_fields(row) and load_terms(row) and load_past(core, row)


cdef inline bint load_fields(const OrderRow* row) noexcept nogil:
    """The fields, each for itself."""
    return (
        1 <= row.side <= 2 and price_sound(row.price) and price_sound(row.trigger)
        and price_sound(row.reference) and quantity_sound(row.quantity)
        and quantity_sound(row.remaining) and 0 <= row.displayed <= row.remaining
        and row.remaining <= row.quantity and row.order_id != 0
        and MARKET <= row.order_type <= TRAILING_STOP_LIMIT
        and row.tif <= TIF_GTD and row.tif != 5 and row.stp <= STP_ALLOW
        and row.slot < <uint64_t> PRICE_END and row.flags <= FLAGS_ALL
        and ORDER_RESTING <= row.state <= ORDER_SLEEPING and row.marks <= MARKS_ALL
        and (row.expires != 0) == (row.tif == TIF_GTD)
    )


cdef inline bint load_terms(const OrderRow* row) noexcept nogil:
    """Whether a command could have asked for them: what a command may not hold, no order does."""
    cdef Command command
    command.kind = NEW
    command.order_type = row.order_type
    command.tif = row.tif
    command.flags = row.flags
    command.order_id = row.order_id
    command.price = row.price
    command.trigger = row.trigger
    # An amend may have gone below a peak or a minimum. Whom a link named is in other fields.
    command.quantity = max(row.quantity, <int64_t> row.slot)
    command.slot = row.slot
    if row.flags & (FLAG_OCO | FLAG_ON_FILL):
        command.slot = ~row.order_id if ~row.order_id != 0 else 1
    if (row.slot != 0) != (row.flags & (FLAG_ICEBERG | FLAG_MINIMUM) != 0):
        return False
    if not type_limited(row.order_type) and row.price != 0:
        return False
    if not type_triggered(row.order_type) and row.trigger != 0:
        return False
    return screen_prices(&command) and screen_flags(&command)


cdef inline bint load_past(const Core* core, const OrderRow* row) noexcept nogil:
    """Whether it can have come so far: traded, fired, been linked."""
    cdef bint fresh = row.quantity == row.remaining
    cdef bint trails = row.state == ORDER_WAITING and type_trailing(row.order_type)
    if row.state != ORDER_RESTING or row.partner != 0 or row.flags & FLAG_ALL_OR_NONE:
        if not fresh:
            return False
    if row.state != ORDER_RESTING or row.partner != 0:
        if row.marks & MARKED_TRIGGERED:
            return False
    if row.state == ORDER_RESTING and row.flags & FLAG_QUOTE_QUANTITY:
        return False
    if row.parent != 0 and (row.state != ORDER_SLEEPING or row.flags & FLAG_ON_FILL == 0):
        return False
    if row.marks & MARKED_QUOTE and not (
        row.order_type == LIMIT and row.tif == TIF_GTC and row.stp == STP_DEFAULT
        and row.flags == FLAG_POST_ONLY and row.account != 0 and row.state == ORDER_RESTING
        and not row.marks & MARKED_TRIGGERED
    ):
        return False
    if (row.marks & MARKED_REFERENCE != 0) != (trails and core.trades != 0):
        return False
    if row.marks & MARKED_REFERENCE == 0:
        return row.reference == 0
    # A reference has followed each better price.
    return (
        trail_turned(row.side, row.reference) >= trail_turned(row.side, core.last_price)
    )


cdef inline void load_taker(const OrderRow* row, Taker* taker) noexcept nogil:
    taker.id = row.order_id
    taker.tag = index_tag(row.order_id)
    taker.price = row.price
    taker.trigger = row.trigger
    taker.quantity = row.quantity
    taker.remaining = row.remaining
    taker.link = row.slot
    taker.accepted = row.accepted
    taker.priority = row.priority
    taker.account = row.account
    taker.expires = 0  # comes later
    taker.slot = taker.rare = 0
    taker.flags = row.flags
    if row.marks & MARKED_QUOTE:
        taker.flags |= TERMS_QUOTE
    if row.marks & MARKED_TRIGGERED:
        taker.flags |= TERMS_TRIGGERED
    taker.side = row.side
    taker.order_type = row.order_type
    taker.tif = row.tif
    taker.stp = row.stp
    taker.odd = True


cdef inline void load_ahead(Core* core, const PlainRow* plain) noexcept nogil:
    """Fetches where the index will have an order that soon comes."""
    bits_prefetch(index_chain(&core.ids, index_tag(plain.order_id)))


cdef inline bint load_order(Core* core, const OrderRow* row) noexcept nogil:
    """Adds one order behind those of its kind. False: none can be so."""
    cdef Taker taker
    cdef Place place
    cdef uint32_t level
    if not load_sound(core, row) or core_find_id(core, row.order_id, &place) != 0:
        return False
    load_taker(row, &taker)
    if taker_special(&taker):
        core_admit_special(core, &taker)
    if row.state != ORDER_RESTING:
        return taker.rare != 0 and load_dormant(core, row, &taker)
    if type_triggered(row.order_type):
        return False
    level = ladder_add(&core.ladder[taker_ladder(&taker)], row.price)
    if core_level(core, level).quantity >= PRICE_END - row.remaining:
        return False
    core_attach(core, &taker, level)
    if taker.rare != 0 and row.flags & FLAG_ICEBERG:
        rare_at(&core.rares, taker.rare).displayed = row.displayed
    return True


cdef inline bint load_dormant(Core* core, const OrderRow* row, const Taker* taker) noexcept nogil:
    """Lets an order wait or sleep that has a slot and a Rare record."""
    cdef Rare* rare = rare_at(&core.rares, taker.rare)
    cdef uint32_t newest = core.trail[row.side - 1].newest
    cdef int64_t reference = trail_turned(row.side, row.reference)
    if row.state == ORDER_SLEEPING:
        rare.state = STATE_SLEEPING
        if row.parent == 0:
            queue_link(
                &core.sleepers, 0, &core.orders, core_order(core, taker.slot), taker.slot
            )
        return row.parent != 0 or row.tif == TIF_AUCTION
    if not type_triggered(row.order_type):
        return False
    if not type_trailing(row.order_type):
        trigger_wait(core, taker.slot)
        return True
    if row.trigger < 1:
        return False
    if row.marks & MARKED_REFERENCE and newest != 0:
        if rare_at(&core.rares, newest).reference < reference:
            return False
    trigger_trail(core, taker.slot, row.marks & MARKED_REFERENCE != 0, reference)
    return True


cdef inline bint load_links(Core* core, uint32_t slot, const ExtraRow* extra) noexcept nogil:
    """Links a loaded order to its partner and its parent; in order of acceptance, as children are.

    False: they cannot be linked so."""
    cdef Place place
    cdef uint32_t other
    if extra.partner != 0 and links_of(core, slot).partner == 0:
        other = core_find_id(core, extra.partner, &place)
        if other == 0 or other == slot or links_of(core, other).partner != 0:
            return False
        links_pair(core, slot, other)
    if extra.parent != 0:
        other = core_find_id(core, extra.parent, &place)
        if other == 0 or other == slot or links_of(core, other).child[1] != 0:
            return False
        if core_terms(core, other).accepted > core_terms(core, slot).accepted:
            return False
        links_adopt(core, other, slot)
    return True
