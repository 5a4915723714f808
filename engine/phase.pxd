# The phases: what each takes, and what it wakes (semantics § 8).

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from engine.core cimport Core, core_order, core_refresh_due, core_refresh_modes
from engine.due cimport NEVER, SECOND
from engine.event cimport event_other
from engine.links cimport links_enqueue
from engine.order cimport Order, queue_unlink, type_triggered
from engine.records cimport *
from engine.screen cimport PRICE_END

cdef enum:
    FLAGS_NOT_AUCTION = 91  # post-only, QUOTE_QUANTITY, ALL_OR_NONE, MINIMUM


cdef inline bint phase_auction(const Core* core) noexcept nogil:
    """Whether orders gather without trading."""
    return core.phase <= PHASE_AUCTION


cdef inline bint phase_open(const Core* core) noexcept nogil:
    """Whether orders come in at all."""
    return core.phase <= PHASE_POST_ONLY


cdef inline bint phase_refuses(
    const Core* core, uint8_t order_type, uint8_t tif, uint16_t flags
) noexcept nogil:
    """Whether an order may not enter now; one that would only wait or sleep may in any open one."""
    cdef bint at_once = tif == TIF_IOC or tif == TIF_FOK
    if core.phase == PHASE_CONTINUOUS:
        return False
    if not phase_open(core):
        return True
    if type_triggered(order_type):
        return False
    if phase_auction(core):
        return at_once or flags & FLAGS_NOT_AUCTION != 0
    if tif == TIF_AUCTION:
        return False
    return at_once or order_type == MARKET


cdef inline void phase_enter(Core* core, uint8_t phase) noexcept nogil:
    """Says that the phase begins; wakes those that sleep for it."""
    if phase != core.phase:
        core.auction_end.time = NEVER
        core_refresh_due(core)
    core.phase = phase
    core_refresh_modes(core)
    event_other(core, EVENT_PHASE_CHANGED, 0, 0, phase)
    if phase_auction(core):
        phase_wake(core)


cdef inline void phase_wake(Core* core) noexcept nogil:
    """Queues the orders that sleep until an auction, in the order of time."""
    cdef uint32_t slot
    cdef Order* order
    while core.sleepers.head != 0:
        slot = core.sleepers.head
        order = core_order(core, slot)
        queue_unlink(&core.sleepers, &core.orders, order)
        links_enqueue(core, slot, False, PRICE_END)


cdef inline void phase_interrupt(Core* core) noexcept nogil:
    """A band calls an auction, which ends by itself."""
    cdef int64_t seconds = core.parameter[PARAMETER_AUCTION_SECONDS]
    phase_enter(core, PHASE_AUCTION)
    # An end beyond all time is none.
    if seconds < (NEVER - core.now) // SECOND:
        core.auction_end.time = core.now + seconds * SECOND
        core.auction_end.sequence = core.sequence
        core.auction_end.command = core.commands
        core_refresh_due(core)
