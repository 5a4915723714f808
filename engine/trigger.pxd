# The triggers: orders that wait for a last price, and those that a trade fires (semantics § 6).
#
# Two ladders of triggers, one that a rising and one that a falling price meets, and a trail for the
# trailing stops of each side. A trade that is between all of them is told so by a few comparisons
# (`trigger_quiet`); one that fires costs as much as the orders that it fires.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.bits cimport bits_likely
from engine.core cimport (
    LADDER_FALL, LADDER_RISE, Core, core_detach, core_level, core_order, core_rare, core_terms,
)
from engine.ladder cimport Ladder, ladder_add
from engine.links cimport links_enqueue
from engine.order cimport STATE_WAITING, Rare, queue_link, rare_at, type_trailing
from engine.records cimport BUY, PHASE_CONTINUOUS, STOP, STOP_LIMIT
from engine.trail cimport trail_add, trail_fires, trail_move, trail_quiet, trail_turned
from engine.worklist cimport (
    BY_DISTANCE, BY_TIME, Worklist, worklist_add, worklist_end, worklist_next, worklist_open,
)


cdef inline uint32_t trigger_ladder(uint8_t side, uint8_t order_type) noexcept nogil:
    """In which ladder a stop or take-profit waits."""
    cdef bint stop = order_type == STOP or order_type == STOP_LIMIT
    return LADDER_RISE if (side == BUY) == stop else LADDER_FALL


cdef inline bint trigger_holds(
    const Core* core, uint8_t side, uint8_t order_type, int64_t trigger
) noexcept nogil:
    """Whether an order that comes to wait fires at once; a trailing stop never does."""
    if core.phase != PHASE_CONTINUOUS or core.trades == 0 or type_trailing(order_type):
        return False
    if trigger_ladder(side, order_type) == LADDER_RISE:
        return core.last_price >= trigger
    return core.last_price <= trigger


cdef inline void trigger_wait(Core* core, uint32_t slot) noexcept nogil:
    """Lets an order that is in no queue wait for its trigger."""
    cdef Rare* rare = core_rare(core, slot)
    cdef uint8_t order_type = core_terms(core, slot).order_type
    cdef Ladder* ladder
    cdef uint32_t level
    if type_trailing(order_type):
        trigger_trail(
            core, slot, core.trades != 0, trail_turned(rare.side, core.last_price)
        )
        return
    rare.state = STATE_WAITING
    core.waiting += 1
    ladder = &core.ladder[trigger_ladder(rare.side, order_type)]
    level = ladder_add(ladder, rare.trigger)
    queue_link(core_level(core, level), level, &core.orders, core_order(core, slot), slot)


cdef inline void trigger_trail(
    Core* core, uint32_t slot, bint known, int64_t reference
) noexcept nogil:
    """Lets a trailing stop wait, measured from this price (turned) if one is known."""
    cdef Rare* rare = core_rare(core, slot)
    rare.state = STATE_WAITING
    core.waiting += 1
    trail_add(
        &core.rares, &core.trail[rare.side - 1], core_terms(core, slot).rare, known, reference
    )


cdef inline bint trigger_quiet(Core* core, int64_t price) noexcept nogil:
    """Whether a trade at this price would neither fire an order nor move a reference."""
    cdef uint32_t rise = core.ladder[LADDER_RISE].best
    cdef uint32_t fall = core.ladder[LADDER_FALL].best
    cdef uint8_t side
    if bits_likely(core.waiting == 0):
        return True
    if rise != 0 and price >= core_level(core, rise).price:
        return False
    if fall != 0 and price <= core_level(core, fall).price:
        return False
    for side in range(1, 3):
        if not trail_quiet(&core.rares, &core.trail[side - 1], trail_turned(side, price)):
            return False
    return True


cdef inline void trigger_trade(
    Core* core, int64_t price, bint known, int64_t before
) noexcept nogil:
    """Behind a trade: moves the references, then fires; `before` is the last price until then."""
    cdef uint8_t side
    if core.waiting == 0:
        return
    for side in range(1, 3):
        trail_move(&core.rares, &core.trail[side - 1], trail_turned(side, price))
    if core.phase == PHASE_CONTINUOUS and core.turn == 0:
        trigger_fire(core, price, known, before)


cdef inline void trigger_fire(
    Core* core, int64_t price, bint near_first, int64_t before
) noexcept nogil:
    """Queues all whose trigger this last price meets: the nearest to `before` first, or by time."""
    cdef Worklist fired
    cdef uint32_t slot, best
    cdef uint8_t side
    worklist_open(&fired, BY_DISTANCE if near_first else BY_TIME, before)
    while True:
        best = core.ladder[LADDER_RISE].best
        if best == 0 or core_level(core, best).price > price:
            break
        trigger_take(core, &fired, core_level(core, best).head)
    while True:
        best = core.ladder[LADDER_FALL].best
        if best == 0 or core_level(core, best).price < price:
            break
        trigger_take(core, &fired, core_level(core, best).head)
    for side in range(1, 3):
        trigger_take_trail(core, &fired, side, trail_turned(side, price))
    slot = worklist_end(core, &fired)
    while slot != 0:
        best = slot
        slot = worklist_next(core, slot)
        links_enqueue(core, best, True, 0)


cdef inline void trigger_take(Core* core, Worklist* fired, uint32_t slot) noexcept nogil:
    core_detach(core, slot, core_order(core, slot))
    worklist_add(core, fired, slot)


cdef inline void trigger_take_trail(
    Core* core, Worklist* fired, uint8_t side, int64_t turned
) noexcept nogil:
    cdef uint32_t first
    cdef int64_t reference
    cdef Rare* rare
    while trail_fires(&core.rares, &core.trail[side - 1], turned):
        first = core.trail[side - 1].first
        rare = rare_at(&core.rares, first)
        reference = trail_turned(side, rare.reference)
        core_detach(core, rare.order, core_order(core, rare.order))
        rare.reference = reference  # which the group's new root has taken over
        worklist_add(core, fired, rare.order)
