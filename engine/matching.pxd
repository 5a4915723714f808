# Matching: an incoming order meets the best opposite orders, one after the other (semantics § 5).
#
# `match` is for books and takers without any of the rarer things, and `match_level` is its heart.
# `match_any` knows them all, level by level, and leaves to `match_level` what is plain in them.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.allocation cimport allocation_next, allocation_open, allocation_round
from engine.bits cimport bits_likely, bits_prefetch, bits_unlikely
from engine.core cimport (
    LADDER_MARKET, LADDER_SECOND, MODE_GUARDED, MODE_PHASE, MODE_PRO_RATA, MODE_RARE, ROOM_STEP,
    STAGE_MATCH, Core, Cursor, Taker, core_attach, core_chain, core_end, core_ladder,
    core_level, core_order, core_room, taker_ladder,
)
from engine.event cimport event_trade
from engine.index cimport Bucket, index_chain
from engine.invariant cimport INVARIANT
from engine.ladder cimport (
    Ladder, Level, ladder_add, ladder_after, ladder_drop, ladder_find, ladder_holds, ladder_key,
)
from engine.links cimport links_taker_gone
from engine.order cimport Order, order_rare
from engine.phase cimport phase_interrupt
from engine.records cimport (
    MARKET, PARAMETER_BAND_ACTION, PHASE_CONTINUOUS, REASON_BAND, REASON_CAPACITY, REASON_IOC,
    REASON_NO_LIQUIDITY, STP_ALLOW, TIF_IOC,
)
from engine.screen cimport PRICE_END
from engine.trigger cimport trigger_quiet
from engine.turn cimport fits, guard, self_trade, takeable, taker_stp, turn

cdef enum:
    STEP_ROOM = 3  # events of a turn in `match`: two of a self-trade prevented, and the taker's end


cdef inline void taker_aim(Core* core, Taker* taker) noexcept nogil:
    """Sets the limit from the price."""
    taker.limit = ladder_key(core_ladder(core, 3 - taker.side), taker.price)
    if taker.order_type == MARKET:
        taker.limit = <uint64_t> -1


cdef inline void taker_look(Core* core, Taker* taker) noexcept nogil:
    """The same, and what else a step or a dry run depends on."""
    taker_aim(core, taker)
    taker.before = core.last_price
    taker.before_known = core.trades != 0


cdef inline bint taker_reaches(
    Core* core, const Taker* taker, const Ladder* ladder
) noexcept nogil:
    """Whether its limit reaches the best price of a ladder of the other side."""
    if ladder.best == 0:
        return False
    return ladder_key(ladder, core_level(core, ladder.best).price) <= taker.limit


cdef inline bint taker_plain(const Core* core, const Taker* taker) noexcept nogil:
    """Whether `match` knows all that it can meet."""
    return core.modes & ~MODE_PHASE == 0 and not taker.spends


# --- plain books


cdef inline bint match(Core* core, Taker* taker) noexcept nogil:
    """Trades a plain taker as far as it goes. False: out of room, call again with core.taker."""
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
    """Trades with the displayed orders of the best level, up to one that is not plain for it.

    That is one of the taker's own, or one with a Rare record. False: out of room, with another
    event to come. The caller drops a level left empty.
    """
    cdef uint32_t slot = level.head
    cdef uint32_t next_slot
    cdef Order* maker = core_order(core, slot)
    cdef Order* next_maker
    cdef Bucket* chain = core_chain(core, maker)
    cdef Bucket* next_chain
    cdef int64_t quantity
    cdef bint wary = stp != STP_ALLOW or core.modes & MODE_RARE
    cdef bint room = True
    while slot != 0:
        if bits_unlikely(core_room(core) < STEP_ROOM):
            room = False
            break
        if wary:
            if bits_unlikely(order_rare(maker)):
                break
            if bits_unlikely(stp != STP_ALLOW and maker.account == taker.account):
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
        event_trade(core, taker, maker, level.price, quantity, 0)
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


# --- all books


cdef inline bint match_any(Core* core) noexcept nogil:
    """Trades core.taker as far as it goes. False: out of room, call again."""
    cdef Taker* taker = &core.taker
    cdef Ladder* ladder = core_ladder(core, 3 - taker.side)
    cdef Ladder* second = &core.ladder[LADDER_SECOND + 2 - taker.side]
    cdef uint8_t stp = taker_stp(core, taker)
    cdef uint32_t level_at, slot
    cdef int64_t price
    while True:
        if core_room(core) < ROOM_STEP:
            core.stage = STAGE_MATCH
            return False
        if core.round.next != 0:
            match_round(core, ladder, stp)
            continue
        if taker.remaining == 0 or taker.gone or taker.stopped != 0:
            return True
        level_at = ladder.best
        slot = match_second(core, ladder, second)
        if level_at == 0 and slot == 0:
            return True
        if slot != 0:
            price = core_level(core, core.cursor[2 - taker.side].level).price
        else:
            price = core_level(core, level_at).price
        if ladder_key(ladder, price) > taker.limit:
            return True
        if core.modes & MODE_GUARDED:
            match_guard(core, price)
            if taker.stopped != 0:
                return True
        if slot != 0:
            turn(core, taker, slot, price, stp, True)
        elif core.modes & MODE_PRO_RATA:
            allocation_open(core, level_at, stp)
        else:
            match_shown(core, ladder, level_at, stp)


cdef inline void match_guard(Core* core, int64_t price) noexcept nogil:
    """Stops the taker where a collar or a band forbids the price of the maker to come."""
    cdef Taker* taker = &core.taker
    if not taker.found_known:
        taker.found = price
        taker.found_known = True
    taker.stopped = guard(core, taker, price, taker.found)
    if taker.stopped != 0:
        taker.odd = True


cdef inline void match_round(Core* core, Ladder* ladder, uint8_t stp) noexcept nogil:
    """Goes on with a round of a pro-rata level; behind the own orders come the others."""
    cdef uint32_t level
    allocation_next(core, stp)
    if core.round.next == 0 and core.round.own:
        core.round.own = False
        level = ladder.best
        if core.taker.gone or core.taker.remaining == 0 or level == 0:
            return
        if core_level(core, level).price == core.round.price:
            allocation_round(core, level)


cdef inline void match_shown(
    Core* core, Ladder* ladder, uint32_t level_at, uint8_t stp
) noexcept nogil:
    """A level's displayed orders: those that are plain at once, then one that is not."""
    cdef Taker* taker = &core.taker
    cdef Level* level = core_level(core, level_at)
    cdef bint quick = not taker.spends and taker.rare == 0 and trigger_quiet(core, level.price)
    if quick:
        if not match_level(core, taker, level, stp):
            return
        if level.orders == 0:
            ladder_drop(ladder, level_at)
            return
        if taker.remaining == 0:
            return
        if core_room(core) < ROOM_STEP:
            return
    turn(core, taker, level.head, level.price, stp, False)


cdef inline uint32_t match_second(
    Core* core, const Ladder* ladder, const Ladder* second
) noexcept nogil:
    """The order of the second queues whose turn it is, at core.cursor; 0: not theirs."""
    cdef Taker* taker = &core.taker
    cdef Cursor* cursor = &core.cursor[2 - taker.side]
    cdef uint64_t front = taker.limit
    cdef int64_t takes
    if second.best == 0:
        return 0
    if ladder.best != 0 and ladder_key(ladder, core_level(core, ladder.best).price) <= front:
        # What is displayed comes first at the same price.
        front = ladder_key(ladder, core_level(core, ladder.best).price)
        if front == 0:
            return 0
        front -= 1
    if not cursor.set:
        cursor.set = True
        cursor.level = second.best
        cursor.slot = core_level(core, second.best).head
    while cursor.level != 0:
        if ladder_key(second, core_level(core, cursor.level).price) > front:
            return 0
        takes = takeable(taker, core_level(core, cursor.level).price)
        while cursor.slot != 0:
            if fits(core, taker, cursor.slot, takes):
                return cursor.slot
            cursor.slot = core_order(core, cursor.slot).next
        cursor.level = ladder_after(second, cursor.level)
        cursor.slot = core_level(core, cursor.level).head
    return 0


# --- the end of a step


cdef inline void settle(Core* core, Taker* taker) noexcept nogil:
    """A taker that has met all it could is done, rests, or loses what is left."""
    cdef uint32_t level
    cdef uint8_t reason
    if taker.remaining > 0 and not taker.gone:
        reason = settle_reason(core, taker)
        if reason == 0:
            level = resting_level(core, taker)
            if level != 0:
                core_attach(core, taker, level)
                return
            reason = REASON_CAPACITY
        links_taker_gone(core, taker, reason, taker.remaining)
    if taker.slot != 0:
        core_end(core, taker.slot, core_order(core, taker.slot), index_chain(&core.ids, taker.tag))


cdef inline uint8_t settle_reason(Core* core, const Taker* taker) noexcept nogil:
    """Why what is left may not rest, or 0."""
    if bits_unlikely(taker.odd):
        return settle_odd(core, taker)
    return REASON_IOC if taker.tif == TIF_IOC else 0


cdef inline uint8_t settle_odd(Core* core, const Taker* taker) noexcept nogil:
    """The same, of an order that is not a plain limit, had no step, or was stopped in it."""
    if taker.still:
        return 0
    if taker.stopped == 0:
        if taker.order_type == MARKET:
            return REASON_NO_LIQUIDITY
        return REASON_IOC if taker.tif == TIF_IOC else 0
    if taker.stopped == REASON_BAND:
        if core.parameter[PARAMETER_BAND_ACTION] == 2 and core.phase == PHASE_CONTINUOUS:
            phase_interrupt(core)
            return REASON_BAND if taker.tif == TIF_IOC or taker.spends else 0
    return taker.stopped


cdef inline uint32_t resting_level(Core* core, const Taker* taker) noexcept nogil:
    """The level at the taker's price, where there is none a new one; 0: it has no room."""
    cdef uint32_t number = taker_ladder(taker)
    cdef Ladder* ladder = &core.ladder[number]
    cdef uint32_t level = taker.level
    cdef int64_t held
    if level == 0 or not ladder_holds(ladder, level, taker.price):
        level = ladder_add(ladder, taker.price)
    held = core_level(core, level).quantity
    if bits_unlikely(core.modes & MODE_RARE and number < LADDER_MARKET):
        # Displayed and hidden together: the other queue's ladder is two further or two before.
        held += core_level(
            core, ladder_find(&core.ladder[number ^ LADDER_SECOND], taker.price)
        ).quantity
    if held < PRICE_END - taker.remaining:
        return level
    if core_level(core, level).orders == 0:
        ladder_drop(ladder, level)
    return 0


cdef inline bint take(Core* core, Taker* taker) noexcept nogil:
    """Matches an accepted order, and lets the rest of it rest. False: out of room for events."""
    if bits_likely(taker_plain(core, taker)):
        taker_aim(core, taker)
        if not taker.still and taker_reaches(core, taker, core_ladder(core, 3 - taker.side)):
            if not match(core, taker):
                return False
        settle(core, taker)
        return True
    if taker != &core.taker:
        core.taker = taker[0]
    return take_any(core)


cdef inline bint match_resume(Core* core) noexcept nogil:
    """Goes on with core.taker, which ran out of room. False: again.

    What it met may have been the book's last rare order, and have ended it.
    """
    if not core.taker.gone and taker_plain(core, &core.taker):
        return match(core, &core.taker)
    return match_any(core)


cdef inline bint take_any(Core* core) noexcept nogil:
    cdef Taker* taker = &core.taker
    taker_look(core, taker)
    core.cursor[2 - taker.side].set = False
    if not taker.still:
        if not match_any(core):
            return False
    settle(core, taker)
    return True
