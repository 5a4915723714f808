# Matching: an incoming order meets the best opposite orders, one after the other (semantics § 5).
#
# `dry_run` says what `match` would do, and changes nothing; both go through the same makers in the
# same order, so that a rule added to one belongs in the other too.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.bits cimport bits_prefetch, bits_unlikely
from engine.core cimport (
    STAGE_MATCH, Core, Taker, core_attach, core_chain, core_drop, core_end, core_ladder, core_level,
    core_order, core_room, core_terms,
)
from engine.event cimport (
    event_last, event_order_amended, event_order_cancelled, event_taker_amended,
    event_taker_cancelled, event_trade,
)
from engine.index cimport Bucket, index_chain
from engine.invariant cimport INVARIANT
from engine.ladder cimport (
    Ladder, Level, ladder_add, ladder_after, ladder_drop, ladder_holds, ladder_key,
)
from engine.order cimport Order, Terms, order_level
from engine.records cimport (
    MARKET, PARAMETER_STP, REASON_CAPACITY, REASON_IOC, REASON_NO_LIQUIDITY, REASON_SELF_TRADE,
    STP_ALLOW, STP_CANCEL_BOTH, STP_CANCEL_MAKER, STP_CANCEL_TAKER, STP_DECREMENT, STP_DEFAULT,
    TIF_IOC,
)
from engine.screen cimport PRICE_END

cdef enum:
    STEP_ROOM = 3  # events: two of a self-trade prevented, and the taker's end


cdef inline uint8_t taker_stp(const Core* core, const Taker* taker) noexcept nogil:
    """The mode that decides where the taker meets its own account."""
    if taker.account == 0:
        return STP_ALLOW
    if taker.stp == STP_DEFAULT:
        return <uint8_t> core.parameter[PARAMETER_STP]
    return taker.stp


cdef inline void taker_aim(Core* core, Taker* taker) noexcept nogil:
    """Sets the limit from the price."""
    taker.limit = ladder_key(core_ladder(core, 3 - taker.side), taker.price)
    if taker.order_type == MARKET:
        taker.limit = <uint64_t> -1


cdef inline bint taker_crosses(Core* core, const Taker* taker) noexcept nogil:
    """Whether its limit reaches the best opposite price."""
    cdef Ladder* ladder = core_ladder(core, 3 - taker.side)
    if ladder.best == 0:
        return False
    return ladder_key(ladder, core_level(core, ladder.best).price) <= taker.limit


cdef struct Prospect:       # what a dry run found
    int64_t traded          # lots, counted up to what was asked
    int64_t first_price     # ticks, of the first trade


cdef inline Prospect dry_run(
    Core* core, const Taker* taker, uint32_t absent, int64_t wanted
) noexcept nogil:
    """What the taker would trade, up to `wanted` lots, were the order in slot `absent` gone."""
    cdef Ladder* ladder = core_ladder(core, 3 - taker.side)
    cdef uint8_t stp = taker_stp(core, taker)
    cdef int64_t left = taker.remaining
    cdef uint32_t level = ladder.best
    cdef uint32_t slot
    cdef Order* maker
    cdef Prospect prospect
    prospect.traded = prospect.first_price = 0
    while level != 0:
        if ladder_key(ladder, core_level(core, level).price) > taker.limit:
            break
        slot = core_level(core, level).head
        while slot != 0:
            maker = core_order(core, slot)
            if slot == absent:
                slot = maker.next
                continue
            if stp != STP_ALLOW and maker.account == taker.account:
                if stp == STP_CANCEL_TAKER or stp == STP_CANCEL_BOTH:
                    return prospect
                if stp == STP_DECREMENT:
                    left -= min(left, maker.remaining)
            else:
                if prospect.traded == 0:
                    prospect.first_price = core_level(core, level).price
                prospect.traded += min(left, maker.remaining)
                left -= min(left, maker.remaining)
            if left == 0 or prospect.traded >= wanted:
                return prospect
            slot = maker.next
        level = ladder_after(ladder, level)
    return prospect


cdef inline bint reachable(Core* core, const Taker* taker) noexcept nogil:
    """Whether the levels within the limit hold as much as the taker wants, whoever owns it.

    Asked before a dry run for all of it, so that an impossible order costs levels, not makers.
    """
    cdef Ladder* ladder = core_ladder(core, 3 - taker.side)
    cdef uint32_t level = ladder.best
    cdef int64_t left = taker.remaining
    while level != 0 and left > 0:
        if ladder_key(ladder, core_level(core, level).price) > taker.limit:
            break
        left -= min(left, core_level(core, level).quantity)
        level = ladder_after(ladder, level)
    return left == 0


cdef inline bint match(Core* core, Taker* taker) noexcept nogil:
    """Trades the taker as far as it goes. False: out of room, call again with core.taker."""
    cdef Ladder* ladder = core_ladder(core, 3 - taker.side)
    cdef uint8_t stp = taker_stp(core, taker)
    cdef uint32_t level_at
    cdef Level* level
    while taker.remaining > 0 and ladder.best != 0:
        level_at = ladder.best
        level = core_level(core, level_at)
        if ladder_key(ladder, level.price) > taker.limit:
            break
        if not match_level(core, taker, level, stp):
            core.taker = taker[0]
            core.stage = STAGE_MATCH
            return False
        if level.orders == 0:
            ladder_drop(ladder, level_at)
        elif taker.remaining > 0:
            # Its first order is the taker's own.
            self_trade(core, taker, level.head, stp)
            if taker.gone:
                break
    return True


cdef inline bint match_level(
    Core* core, Taker* taker, Level* level, uint8_t stp
) noexcept nogil:
    """Trades with the orders of the best level, up to one of the taker's own.

    False: out of room, with another event to come. The caller drops a level left empty.
    """
    cdef uint32_t slot = level.head
    cdef uint32_t next_slot
    cdef Order* maker = core_order(core, slot)
    cdef Order* next_maker
    cdef Bucket* chain = core_chain(core, maker)
    cdef Bucket* next_chain
    cdef int64_t quantity
    cdef bint room = True
    while slot != 0:
        if bits_unlikely(core_room(core) < STEP_ROOM):
            room = False
            break
        if stp != STP_ALLOW:
            if bits_unlikely(maker.account == taker.account):
                break
        # Fetched early, as it is wanted if this maker leaves; slot 0 does no harm.
        next_slot = maker.next
        next_maker = core_order(core, next_slot)
        next_chain = core_chain(core, next_maker)
        bits_prefetch(next_chain)
        quantity = min(taker.remaining, maker.remaining)
        INVARIANT(quantity > 0)
        taker.remaining -= quantity
        maker.remaining -= quantity
        level.quantity -= quantity
        event_trade(core, taker, maker, level.price, quantity)
        if maker.remaining > 0:
            break
        core_end(core, slot, maker, chain)
        level.orders -= 1
        slot = next_slot
        maker = next_maker
        chain = next_chain
        if taker.remaining == 0:
            break
    level.head = slot
    if slot == 0:
        level.tail = 0
    else:
        maker.prior = 0
    return room


cdef inline void self_trade(
    Core* core, Taker* taker, uint32_t slot, uint8_t stp
) noexcept nogil:
    """The maker's turn has come, and it is the taker's own: no trade, but what the mode says."""
    cdef Order* maker = core_order(core, slot)
    cdef int64_t quantity
    if stp == STP_DECREMENT:
        quantity = min(taker.remaining, maker.remaining)
        decrement_maker(core, slot, quantity)
        taker.remaining -= quantity
        taker.quantity -= quantity
        if taker.remaining > 0:
            event_taker_amended(core, taker, REASON_SELF_TRADE)
        else:
            event_taker_cancelled(core, taker, REASON_SELF_TRADE, quantity)
            taker.gone = True
        return
    if stp != STP_CANCEL_TAKER:
        event_order_cancelled(core, maker, REASON_SELF_TRADE)
        core_drop(core, slot)
    if stp != STP_CANCEL_MAKER:
        event_taker_cancelled(core, taker, REASON_SELF_TRADE, taker.remaining)
        taker.gone = True


cdef inline void decrement_maker(Core* core, uint32_t slot, int64_t quantity) noexcept nogil:
    """Takes lots off a resting order that keeps its place; it goes where nothing is left."""
    cdef Order* maker = core_order(core, slot)
    if quantity == maker.remaining:
        event_order_cancelled(core, maker, REASON_SELF_TRADE)
        core_drop(core, slot)
        return
    order_reduce(core, maker, core_terms(core, slot), quantity)
    event_order_amended(core, maker, core_terms(core, slot), REASON_SELF_TRADE)


cdef inline void order_reduce(
    Core* core, Order* order, Terms* terms, int64_t quantity
) noexcept nogil:
    """Takes lots off a resting order, of which more remain."""
    INVARIANT(order.remaining > quantity)
    order.remaining -= quantity
    terms.quantity -= quantity
    core_level(core, order_level(order)).quantity -= quantity


cdef inline bint settle(Core* core, Taker* taker) noexcept nogil:
    """Ends the command of a taker that has met all it could: it is done, rests, or is cancelled."""
    cdef uint32_t level
    cdef uint8_t reason = 0
    if taker.remaining > 0 and not taker.gone:
        if taker.order_type == MARKET:
            reason = REASON_NO_LIQUIDITY
        elif taker.tif == TIF_IOC:
            reason = REASON_IOC
        else:
            level = resting_level(core, taker)
            if core_level(core, level).quantity < PRICE_END - taker.remaining:
                core_attach(core, taker, level)
                return event_last(core)
            reason = REASON_CAPACITY  # the level is full, so it was there before
        event_taker_cancelled(core, taker, reason, taker.remaining)
    if taker.slot != 0:
        core_end(core, taker.slot, core_order(core, taker.slot), index_chain(&core.ids, taker.tag))
    return event_last(core)


cdef inline uint32_t resting_level(Core* core, const Taker* taker) noexcept nogil:
    """The level at the taker's price, where there is none a new one."""
    cdef Ladder* ladder = core_ladder(core, taker.side)
    if taker.level != 0 and ladder_holds(ladder, taker.level, taker.price):
        return taker.level
    return ladder_add(ladder, taker.price)


cdef inline bint take(Core* core, Taker* taker) noexcept nogil:
    """Matches an accepted order, and lets the rest of it rest. False: out of room for events."""
    taker_aim(core, taker)
    if taker_crosses(core, taker):
        if not match(core, taker):
            return False
    return settle(core, taker)
