# Entering: what an accepted, amended, fired or woken order does (semantics § 6), and the queue of
# those that fire and wake while others have their steps.

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t

from engine.bits cimport bits_unlikely
from engine.check cimport check_dry, check_price
from engine.core cimport (
    Core, Taker, core_admit_special, core_detach, core_find_id, core_order, core_rare,
    core_terms, taker_odd, taker_special,
)
from engine.event cimport event_accepted, event_triggered
from engine.index cimport Place, index_tag
from engine.links cimport links_adopt, links_enqueue, links_leg, links_pair, links_taker_gone
from engine.matching cimport settle, take
from engine.order cimport (
    FLAGS_MASK, STATE_SLEEPING, TERMS_TRIGGERED, Order, Rare, Terms, order_rare, queue_link,
    terms_stp, terms_tif, type_fired, type_limited, type_trailing, type_triggered,
)
from engine.phase cimport phase_auction, phase_refuses
from engine.records cimport *
from engine.trigger cimport trigger_holds, trigger_wait
from engine.worklist cimport trigger_met


# --- takers


cdef inline void taker_of_command(
    const Command* command, uint64_t order_id, uint32_t tag, uint32_t account, Taker* taker
) noexcept nogil:
    taker.id = order_id
    taker.tag = tag
    taker.level = 0
    taker.price = command.price if type_limited(command.order_type) else 0
    taker.trigger = command.trigger if type_triggered(command.order_type) else 0
    taker.quantity = taker.remaining = command.quantity
    taker.link = command.slot
    taker.account = account
    taker.expires = command.expires if command.tif == TIF_GTD else 0
    taker.slot = taker.rare = 0
    taker.flags = command.flags
    taker.side = command.side
    taker.order_type = command.order_type
    taker.tif = command.tif
    taker.stp = command.stp
    taker.spends = command.flags & FLAG_QUOTE_QUANTITY != 0
    taker.odd = taker_odd(command.order_type, command.flags, command.tif)
    taker_clear(taker)


cdef inline void taker_clear(Taker* taker) noexcept nogil:
    """Before a step."""
    taker.gone = taker.still = taker.found_known = False
    taker.stopped = 0


cdef inline void taker_of_order(
    Core* core, uint32_t slot, uint8_t side, int64_t price, Taker* taker
) noexcept nogil:
    """A live order on its way in again; the price is the caller's."""
    cdef Order* order = core_order(core, slot)
    cdef Terms* terms = core_terms(core, slot)
    taker.id = order.id
    taker.tag = index_tag(order.id)
    taker.level = 0
    taker.price = price
    taker.trigger = 0
    taker.quantity = terms.quantity
    taker.remaining = order.remaining
    taker.link = 0
    taker.accepted = terms.accepted
    taker.priority = terms.priority
    taker.account = order.account
    taker.expires = 0  # it has its Timer
    taker.slot = slot
    taker.rare = 0
    taker.flags = terms.flags
    taker.side = side
    taker.order_type = terms.order_type
    taker.tif = terms_tif(terms)
    taker.stp = terms_stp(terms)
    taker.spends = terms.flags & FLAG_QUOTE_QUANTITY != 0
    taker.odd = taker_odd(terms.order_type, terms.flags, taker.tif)
    taker_clear(taker)
    if order_rare(order):
        taker.rare = terms.rare
        taker.trigger = core_rare(core, slot).trigger
        taker.link = <uint64_t> core_rare(core, slot).slot


# --- a new order


cdef inline bint enter(Core* core, Taker* taker) noexcept nogil:
    """Accepts a checked order and lets it do what it can. False: out of room for events."""
    event_accepted(core, taker)
    taker.accepted = taker.priority = core.sequence
    core.id_max = max(core.id_max, taker.id)
    if bits_unlikely(taker.odd and taker_special(taker)):
        return enter_special(core, taker)
    return take(core, taker)


cdef inline bint enter_special(Core* core, Taker* taker) noexcept nogil:
    """An order with a Rare record gets it, and its links, before it does anything."""
    cdef Place place
    core.taker = taker[0]
    core_admit_special(core, &core.taker)
    if taker.flags & FLAG_OCO:
        links_pair(core, core_find_id(core, taker.link, &place), core.taker.slot)
    if taker.flags & FLAG_ON_FILL:
        core_rare(core, core.taker.slot).state = STATE_SLEEPING
        links_adopt(core, core_find_id(core, taker.link, &place), core.taker.slot)
        return True
    return enter_again(core)


cdef inline bint enter_again(Core* core) noexcept nogil:
    """core.taker, which has a slot and a Rare record, waits, sleeps, fires or has its step."""
    cdef Taker* taker = &core.taker
    cdef Rare* rare = core_rare(core, taker.slot)
    if type_triggered(taker.order_type):
        if trigger_holds(core, taker.side, taker.order_type, taker.trigger):
            links_enqueue(core, taker.slot, True, 0)
        else:
            trigger_wait(core, taker.slot)
        return True
    if taker.tif == TIF_AUCTION and not phase_auction(core):
        rare.state = STATE_SLEEPING
        queue_link(
            &core.sleepers, 0, &core.orders, core_order(core, taker.slot), taker.slot
        )
        return True
    return take(core, taker)


# --- the queue


cdef inline bint serve_queued(Core* core) noexcept nogil:
    """The first of the queue fires or wakes. False: out of room for events."""
    cdef uint32_t slot = core.queued.head
    cdef Taker* taker = &core.taker
    cdef Rare* rare = core_rare(core, slot)
    cdef int64_t met = 0
    cdef uint8_t reason
    core_detach(core, slot, core_order(core, slot))
    taker_of_order(core, slot, rare.side, rare.price, taker)
    if rare.fired:
        met = serve_fired(core, rare)
    else:
        serve_woken(core, rare)
    reason = serve_reason(core, rare)
    event_triggered(core, taker, met)
    taker.priority = core.sequence
    core_terms(core, slot).priority = core.sequence
    rare.price = taker.price
    if rare.fired:
        links_leg(core, slot)
    if reason != 0:
        links_taker_gone(core, taker, reason, taker.remaining)
        settle(core, taker)
        return True
    return enter_again(core)


cdef inline int64_t serve_fired(Core* core, Rare* rare) noexcept nogil:
    """Makes a limit or market order of a stop; its trigger."""
    cdef Taker* taker = &core.taker
    cdef Terms* terms = core_terms(core, taker.slot)
    cdef int64_t met = trigger_met(rare, taker.order_type)
    if taker.order_type == TRAILING_STOP_LIMIT:
        taker.price = limit_behind(met, rare.price if taker.side == BUY else -rare.price)
    taker.order_type = terms.order_type = type_fired(taker.order_type)
    taker.odd = True
    taker.flags = terms.flags = terms.flags | TERMS_TRIGGERED
    taker.trigger = rare.trigger = 0
    rare.reference = 0
    return met


cdef inline int64_t limit_behind(int64_t trigger, int64_t distance) noexcept nogil:
    """The sum, or the nearest number of 64 bits: far outside all prices."""
    if distance > 0 and trigger > INT64_MAX - distance:
        return INT64_MAX
    if distance < 0 and trigger < INT64_MIN - distance:
        return INT64_MIN
    return trigger + distance


cdef inline void serve_woken(Core* core, Rare* rare) noexcept nogil:
    """Cuts a child down to what its parent has traded."""
    cdef Taker* taker = &core.taker
    taker.quantity = taker.remaining = min(taker.remaining, rare.noted)
    core_terms(core, taker.slot).quantity = taker.quantity
    core_order(core, taker.slot).remaining = taker.remaining


cdef inline uint8_t serve_reason(Core* core, const Rare* rare) noexcept nogil:
    """Why core.taker may not enter now, or 0; may re-price one that slides."""
    cdef Taker* taker = &core.taker
    cdef uint32_t[2] absent
    cdef bint priced = type_limited(taker.order_type) and not type_trailing(taker.order_type)
    if phase_refuses(core, taker.order_type, taker.tif, taker.flags & FLAGS_MASK):
        return REASON_PHASE
    if priced and check_price(core, taker.price) != 0:
        return REASON_PRICE_RANGE
    absent[0] = rare.partner if rare.fired else 0
    absent[1] = 0
    return check_dry(core, taker, 0 if rare.fired else rare.partner, absent)
