# A maker's turn: what happens when a taker has come to a resting order, and behind a trade
# (semantics § 5).

from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.core cimport (
    Core, Taker, core_chain, core_detach, core_end, core_level, core_order, core_rare,
    core_terms,
)
from engine.event cimport event_order_amended, event_refreshed, event_taker_amended, event_trade
from engine.invariant cimport INVARIANT
from engine.ladder cimport Level
from engine.links cimport links_cancel, links_free, links_leg, links_taker_gone, links_unpair
from engine.order cimport (
    STATE_ENTERING, Order, Rare, order_level, order_rare, queue_link, queue_unlink,
)
from engine.records cimport *
from engine.trigger cimport trigger_trade

cdef enum:
    ENDED_MAKER = 1   # what `behind` answers: the order is gone, slot and all
    ENDED_TAKER = 2


cdef inline uint8_t taker_stp(const Core* core, const Taker* taker) noexcept nogil:
    """The mode that decides where the taker meets its own account."""
    if taker.account == 0:
        return STP_ALLOW
    if taker.stp == STP_DEFAULT:
        return <uint8_t> core.parameter[PARAMETER_STP]
    return taker.stp


cdef inline int64_t takeable(const Taker* taker, int64_t price) noexcept nogil:
    """Lots that the taker can take at this price."""
    if not taker.spends:
        return taker.remaining
    return taker.remaining // price if price > 0 else 0


cdef inline bint fits(
    const Core* core, const Taker* taker, uint32_t slot, int64_t takes
) noexcept nogil:
    """Whether an order of a second queue has a turn: an all-or-none one only if it is filled."""
    if core_terms(core, slot).flags & FLAG_ALL_OR_NONE == 0:
        return True
    return core_order(core, slot).remaining <= takes


cdef inline bint beyond(int64_t price, int64_t reference, int64_t band) noexcept nogil:
    """Whether a price is further than a band from a reference; differences fit, as prices do."""
    return band != 0 and (price - reference > band or reference - price > band)


cdef inline uint8_t guard(
    const Core* core, const Taker* taker, int64_t price, int64_t found
) noexcept nogil:
    """COLLAR or BAND where the taker may not trade at this price; `found` was its first."""
    cdef int64_t collar = core.parameter[PARAMETER_COLLAR]
    if taker.order_type == MARKET and collar != 0:
        if (price - found if taker.side == BUY else found - price) > collar:
            return REASON_COLLAR
    if beyond(
        price, core.parameter[PARAMETER_STATIC_REFERENCE], core.parameter[PARAMETER_STATIC_BAND]
    ):
        return REASON_BAND
    if taker.before_known:
        if beyond(price, taker.before, core.parameter[PARAMETER_DYNAMIC_BAND]):
            return REASON_BAND
    return 0


cdef inline bint sliced(const Core* core, uint32_t slot, const Order* order) noexcept nogil:
    """Whether it is an iceberg."""
    return order_rare(order) and core_terms(core, slot).flags & FLAG_ICEBERG != 0


cdef inline int64_t order_displayed(
    const Core* core, uint32_t slot, const Order* order
) noexcept nogil:
    """Lots that an order of a displayed queue shows."""
    return core_rare(core, slot).displayed if sliced(core, slot, order) else order.remaining


# --- a trade


cdef inline void trade(
    Core* core, Taker* taker, uint32_t slot, int64_t quantity, int64_t price, uint8_t flags
) noexcept nogil:
    """A trade with a resting order, and all that happens behind it."""
    cdef Order* maker = core_order(core, slot)
    cdef bint known = core.trades != 0
    cdef int64_t before = core.last_price
    cdef bint slices = sliced(core, slot, maker)
    cdef bint filled = maker.remaining == quantity
    INVARIANT(quantity > 0)
    INVARIANT(quantity <= maker.remaining)
    taker.remaining -= quantity * price if taker.spends else quantity
    maker.remaining -= quantity
    core_level(core, order_level(maker)).quantity -= quantity
    if slices:
        core_rare(core, slot).displayed -= quantity
    event_trade(core, taker, maker, price, quantity, flags)
    if filled:
        core_detach(core, slot, maker)
    if behind(core, taker, slot, filled, known, before) & ENDED_MAKER:
        return
    if filled:
        core_end(core, slot, maker, core_chain(core, maker))
    elif slices:
        if core_rare(core, slot).displayed == 0:
            refresh(core, slot, maker)


cdef inline uint32_t behind(
    Core* core, Taker* taker, uint32_t slot, bint filled, bint known, int64_t before
) noexcept nogil:
    """The links of both, the triggers, the children: in the contract's order. Says who is gone.

    A maker that is filled has left its queue, and is still alive. In an uncross `taker` stands for
    a resting order.
    """
    cdef bint rare = order_rare(core_order(core, slot))
    cdef uint32_t ended = 0
    if rare and taker.slot != 0 and core_rare(core, slot).partner == taker.slot:
        links_unpair(core, slot)
        if taker.remaining > 0:
            if core_rare(core, taker.slot).state == STATE_ENTERING:
                links_taker_gone(core, taker, REASON_OCO, taker.remaining)
            else:
                links_cancel(core, taker.slot, REASON_OCO)
                ended |= ENDED_TAKER
        if not filled:
            links_cancel(core, slot, REASON_OCO)
            ended |= ENDED_MAKER
    else:
        if rare:
            links_leg(core, slot)
        if taker.rare != 0:
            links_leg(core, taker.slot)
    trigger_trade(core, core.last_price, known, before)
    if filled and rare:
        links_free(core, slot, core_terms(core, slot).quantity)
    if taker.rare != 0 and taker.remaining == 0 and not taker.gone:
        links_free(core, taker.slot, taker.quantity)
    return ended


cdef inline void refresh(Core* core, uint32_t slot, Order* order) noexcept nogil:
    """An iceberg's slice is traded away: the next one goes to the back of the queue."""
    cdef uint32_t level_at = order_level(order)
    cdef Level* level = core_level(core, level_at)
    cdef Rare* rare = core_rare(core, slot)
    rare.displayed = min(rare.slot, order.remaining)
    queue_unlink(level, &core.orders, order)
    queue_link(level, level_at, &core.orders, order, slot)
    event_refreshed(core, slot, order, rare.displayed)


# --- no trade with oneself


cdef inline void self_trade(
    Core* core, Taker* taker, uint32_t slot, uint8_t stp
) noexcept nogil:
    """The maker's turn has come, and it is the taker's own: no trade, but what the mode says."""
    cdef int64_t quantity
    if stp == STP_DECREMENT and not taker.spends:
        quantity = min(taker.remaining, core_order(core, slot).remaining)
        decrement_maker(core, slot, quantity)
        if taker.gone:
            return
        taker.remaining -= quantity
        taker.quantity -= quantity
        if taker.remaining > 0:
            event_taker_amended(core, taker, REASON_SELF_TRADE)
        else:
            links_taker_gone(core, taker, REASON_SELF_TRADE, quantity)
        return
    if stp != STP_CANCEL_TAKER and stp != STP_DECREMENT:
        links_cancel(core, slot, REASON_SELF_TRADE)
    # Its own leg of a pair has taken the taker along.
    if stp != STP_CANCEL_MAKER and not taker.gone:
        links_taker_gone(core, taker, REASON_SELF_TRADE, taker.remaining)


cdef inline void decrement_maker(Core* core, uint32_t slot, int64_t quantity) noexcept nogil:
    """Takes lots off a resting order that keeps its place; it goes where nothing is left."""
    cdef Order* maker = core_order(core, slot)
    if quantity == maker.remaining:
        links_cancel(core, slot, REASON_SELF_TRADE)
        return
    order_reduce(core, slot, maker, quantity)
    event_order_amended(core, slot, maker, REASON_SELF_TRADE)


cdef inline void order_reduce(
    Core* core, uint32_t slot, Order* order, int64_t quantity
) noexcept nogil:
    """Takes lots off a resting order, of which more remain: an iceberg's hidden ones first."""
    INVARIANT(order.remaining > quantity)
    order.remaining -= quantity
    core_terms(core, slot).quantity -= quantity
    core_level(core, order_level(order)).quantity -= quantity
    if order_rare(order):
        core_rare(core, slot).displayed = min(core_rare(core, slot).displayed, order.remaining)


# --- the whole turn


cdef inline void turn(
    Core* core, Taker* taker, uint32_t slot, int64_t price, uint8_t stp, bint second
) noexcept nogil:
    """What the maker whose turn it is does with the taker."""
    cdef Order* maker = core_order(core, slot)
    cdef int64_t quantity = takeable(taker, price)
    if quantity == 0:
        taker.stopped = REASON_IOC
        return
    if stp != STP_ALLOW and maker.account == taker.account:
        self_trade(core, taker, slot, stp)
        return
    quantity = min(quantity, order_displayed(core, slot, maker))
    trade(core, taker, slot, quantity, price, MARK_HIDDEN if second else 0)
