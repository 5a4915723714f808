# The allocation: a pro-rata level gives each of its displayed orders a part by size (semantics §
# 5).
#
# A round is a worklist of the level's orders by time, which need not be their places: an iceberg's
# new slice stands at the back. First comes a round of the taker's own orders, where self-trades are
# prevented, then rounds of trades, until nothing displayed or nothing to fill is left. What each
# gets is worked out when its turn comes, from four numbers that the round begins with, so a round
# can stop between any two makers and needs no memory.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.bits cimport bits_share
from engine.core cimport Core, Round, Taker, core_level, core_order, core_rare
from engine.order cimport order_rare
from engine.records cimport PARAMETER_MIN_ALLOCATION, PARAMETER_TOP_ORDER, REASON_IOC, STP_ALLOW
from engine.turn cimport order_displayed, self_trade, takeable, trade
from engine.worklist cimport (
    BY_TIME, Worklist, worklist_add, worklist_end, worklist_link, worklist_next, worklist_open,
)


cdef inline void allocation_open(Core* core, uint32_t level_at, uint8_t stp) noexcept nogil:
    """Begins with a level whose orders' turn has come."""
    if takeable(&core.taker, core_level(core, level_at).price) == 0:
        core.taker.stopped = REASON_IOC
        return
    core.round.own = stp != STP_ALLOW
    allocation_round(core, level_at)


cdef inline void allocation_round(Core* core, uint32_t level_at) noexcept nogil:
    cdef Worklist makers
    cdef Round* round = &core.round
    cdef uint32_t slot = core_level(core, level_at).head
    cdef int64_t shown
    round.price = core_level(core, level_at).price
    round.shown = 0
    worklist_open(&makers, BY_TIME, 0)
    while slot != 0:
        worklist_add(core, &makers, slot)
        shown = order_displayed(core, slot, core_order(core, slot))
        round.shown += shown
        if order_rare(core_order(core, slot)):
            core_rare(core, slot).noted = shown
        slot = core_order(core, slot).next
    round.next = worklist_end(core, &makers)
    if not round.own:
        allocation_divide(core)


cdef inline void allocation_divide(Core* core) noexcept nogil:
    """Works out what this round gives by size and what it leaves to be given by time."""
    cdef Round* round = &core.round
    cdef uint32_t slot = round.next
    round.rest = min(round.shown, takeable(&core.taker, round.price))
    round.first = 0
    if core.parameter[PARAMETER_TOP_ORDER] == 1:
        round.first = min(round.rest, order_displayed(core, slot, core_order(core, slot)))
        round.rest -= round.first
        round.shown -= order_displayed(core, slot, core_order(core, slot))
        slot = worklist_link(core, slot)[0]
    round.left = round.rest
    while slot != 0:
        round.left -= allocation_share(
            core, round, order_displayed(core, slot, core_order(core, slot))
        )
        slot = worklist_link(core, slot)[0]


cdef inline int64_t allocation_share(
    const Core* core, const Round* round, int64_t shown
) noexcept nogil:
    """Lots that an order gets by its size."""
    cdef int64_t share = bits_share(round.rest, shown, round.shown)
    return share if share >= core.parameter[PARAMETER_MIN_ALLOCATION] else 0


cdef inline void allocation_next(Core* core, uint8_t stp) noexcept nogil:
    """The next maker of the round has its turn."""
    cdef Round* round = &core.round
    cdef Taker* taker = &core.taker
    cdef uint32_t slot = round.next
    cdef int64_t quantity
    if taker.gone or taker.stopped != 0:
        while round.next != 0:
            round.next = worklist_next(core, round.next)
        return
    round.next = worklist_next(core, slot)
    if round.own:
        if core_order(core, slot).remaining != 0 and (
            core_order(core, slot).account == taker.account
        ):
            self_trade(core, taker, slot, stp)
        return
    quantity = allocation_part(core, slot)
    # One that another has taken along is gone; its part is for the next round.
    if quantity > 0 and core_order(core, slot).remaining != 0:
        trade(core, taker, slot, quantity, round.price, 0)


cdef inline int64_t allocation_part(Core* core, uint32_t slot) noexcept nogil:
    """Lots that an order gets in this round, by size and by time."""
    cdef Round* round = &core.round
    cdef int64_t quantity = round.first
    cdef int64_t more
    cdef int64_t shown = core_order(core, slot).remaining
    round.first = 0
    if quantity != 0:
        return quantity
    if order_rare(core_order(core, slot)):
        # Its record still tells, though the order may be gone.
        shown = core_rare(core, slot).noted
    quantity = allocation_share(core, round, shown)
    more = min(round.left, shown - quantity)
    round.left -= more
    return quantity + more
