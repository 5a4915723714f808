# What falls due: timers, switches, planned phases, and the time of the first of them all.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.arm cimport Switch, switch_at, switch_find
from engine.core cimport Core, core_order, core_rare, core_terms
from engine.due cimport NEVER, SECOND, Due
from engine.fault cimport (
    FAULT_DUE_TIME, FAULT_NONE, FAULT_PLAN, FAULT_RARE, FAULT_RARE_COUNT, FAULT_SWITCH, Fault,
    fault,
)
from engine.index cimport Place
from engine.ladder cimport ladder_after, ladder_level
from engine.order cimport Order, Timer, order_marked, order_rare, timer_at
from engine.walk_shape cimport walk_index


# --- what falls due


cdef inline Fault walk_times(Core* core) noexcept nogil:
    """Orders that expire, switches, planned phases, and the time of the first of them all."""
    cdef uint32_t timers = 0
    cdef uint32_t i
    cdef int64_t first = core.auction_end.time
    cdef Fault found = walk_due(core, &core.due, False, &timers)
    if found.kind == FAULT_NONE:
        found = walk_due(core, &core.switches.due, True, &timers)
    if found.kind == FAULT_NONE:
        found = walk_index(&core.switches.index, core.switches.slab.live)
    if found.kind != FAULT_NONE:
        return found
    if timers != core.timers.live:
        return fault(FAULT_RARE_COUNT, timers, core.timers.live)
    for i in range(core.plans):
        if core.plan[i].time <= core.now or (i > 0 and (
            core.plan[i].time < core.plan[i - 1].time
            or (core.plan[i].time == core.plan[i - 1].time
                and core.plan[i].sequence <= core.plan[i - 1].sequence)
        )):
            return fault(FAULT_PLAN, i, <uint64_t> core.plan[i].time)
    first = min(first, core.due.next)
    first = min(first, core.switches.due.next)
    if core.plans != 0:
        first = min(first, core.plan[0].time)
    if core.next_due != first or (first <= core.now and first != NEVER):
        return fault(FAULT_DUE_TIME, <uint64_t> core.next_due, <uint64_t> core.now)
    return found


cdef inline Fault walk_due(
    Core* core, const Due* due, bint switches, uint32_t* timers
) noexcept nogil:
    """The queue of each second, in the order of the commands that set them."""
    cdef uint32_t level = due.ladder.best
    cdef uint32_t at, prior
    cdef uint64_t sequence
    cdef int64_t next_due = NEVER
    cdef Timer* timer
    if level != 0:
        next_due = ladder_level(&due.ladder, level).price * SECOND
    if due.next != next_due:
        return fault(FAULT_DUE_TIME, <uint64_t> due.next, <uint64_t> core.now)
    while level != 0:
        at = ladder_level(&due.ladder, level).head
        prior = 0
        sequence = 0
        while at != 0 and timers[0] <= core.timers.live:
            timer = timer_at(&core.timers, at)
            if (
                timer.due_prior != prior or timer.due != level
                or timer.expires != ladder_level(&due.ladder, level).price
                or not walk_timer(core, timer, at, switches, &sequence)
            ):
                return fault(FAULT_SWITCH if switches else FAULT_RARE, timer.owner, at)
            timers[0] += 1
            prior = at
            at = timer.due_next
        if ladder_level(&due.ladder, level).tail != prior:
            return fault(FAULT_RARE, 0, prior)
        level = ladder_after(&due.ladder, level)
    return fault(FAULT_NONE, 0, 0)


cdef inline bint walk_timer(
    Core* core, const Timer* timer, uint32_t at, bint switches, uint64_t* sequence
) noexcept nogil:
    """A timer against its owner, which was set later than the one before."""
    cdef Place place
    cdef Switch* switch
    cdef Order* order
    cdef uint64_t before = sequence[0]
    if switches:
        switch = switch_at(&core.switches, timer.owner)
        sequence[0] = switch.sequence
        if switch.timer != at or switch.sequence > core.sequence:
            return False
        if switch_find(&core.switches, <uint32_t> switch.account, &place) != timer.owner:
            return False
        return switch.sequence > before
    order = core_order(core, timer.owner)
    sequence[0] = core_terms(core, timer.owner).accepted
    if not order_marked(order) or order.remaining == 0:
        return False
    if order_rare(order):
        return core_rare(core, timer.owner).timer == at and sequence[0] > before
    return core_terms(core, timer.owner).rare == at and sequence[0] > before
