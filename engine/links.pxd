# The links: OCO pairs and ON_FILL children, and what happens to them when an order trades or goes.
#
# `links_cancel` ends an order with all that hangs on it; every cancel of an order that may have
# links goes through it. A link is a slot in the Rare record; orders of a pair point at each other,
# a parent at its sleeping children (two of which are a pair) and they at it. So an order drags at
# most five others along: its other leg, the leg's two children, its own two children.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.core cimport (
    Core, Taker, core_admit_rare, core_chain, core_detach, core_drop, core_end, core_order,
    core_rare, order_side, order_traded,
)
from engine.event cimport event_order_cancelled, event_taker_cancelled
from engine.order cimport (
    STATE_ENTERING, STATE_QUEUED, STATE_RESTING, Order, Rare, order_rare, queue_link,
)
from engine.records cimport REASON_OCO, REASON_PARENT


cdef inline Rare* links_of(Core* core, uint32_t slot) noexcept nogil:
    """The Rare record of a live order, made where it has none."""
    cdef Order* order = core_order(core, slot)
    if not order_rare(order):
        # Only an order that rests can be without one.
        core_admit_rare(core, slot, order_side(core, slot, order), STATE_RESTING)
    return core_rare(core, slot)


cdef inline void links_pair(Core* core, uint32_t first, uint32_t second) noexcept nogil:
    links_of(core, first).partner = second
    links_of(core, second).partner = first


cdef inline void links_adopt(Core* core, uint32_t parent, uint32_t child) noexcept nogil:
    """Lets a child, which has a Rare record, sleep for its parent."""
    cdef Rare* rare = links_of(core, parent)
    core_rare(core, child).parent = parent
    if rare.child[0] == 0:
        rare.child[0] = child
        return
    rare.child[1] = child
    links_pair(core, rare.child[0], child)


cdef inline void links_enqueue(Core* core, uint32_t slot, bint fired, int64_t woken) noexcept nogil:
    """Puts an order that is in no queue behind those that have fired or woken."""
    cdef Rare* rare = core_rare(core, slot)
    core.agenda = True
    rare.state = STATE_QUEUED
    rare.fired = fired
    rare.noted = woken
    queue_link(&core.queued, 0, &core.orders, core_order(core, slot), slot)


cdef inline uint32_t links_unpair(Core* core, uint32_t slot) noexcept nogil:
    """Dissolves an order's pair; the slot of the other leg, or 0."""
    cdef uint32_t partner
    if not order_rare(core_order(core, slot)):
        return 0
    partner = core_rare(core, slot).partner
    if partner != 0:
        core_rare(core, slot).partner = 0
        core_rare(core, partner).partner = 0
    return partner


cdef inline void links_free(Core* core, uint32_t slot, int64_t traded) noexcept nogil:
    """Wakes the children of an order that goes, or cancels them if it has not traded."""
    cdef uint32_t[2] child
    cdef Rare* rare
    cdef int i
    if not order_rare(core_order(core, slot)):
        return
    rare = core_rare(core, slot)
    child = rare.child
    rare.child[0] = rare.child[1] = 0
    for i in range(2):
        if child[i] == 0:
            continue
        core_rare(core, child[i]).parent = 0
        if traded > 0:
            links_enqueue(core, child[i], False, traded)
            continue
        event_order_cancelled(core, child[i], core_order(core, child[i]), REASON_PARENT)
        core_rare(core, child[i]).state = STATE_ENTERING  # in no queue
        links_unpair(core, child[i])
        core_drop(core, child[i])


cdef inline void links_leg(Core* core, uint32_t slot) noexcept nogil:
    """Cancels the other leg of an order, with its children; the taker may be one."""
    cdef uint32_t leg = links_unpair(core, slot)
    cdef Order* order
    if leg == 0:
        return
    order = core_order(core, leg)
    if leg == core.taker.slot and core_rare(core, leg).state == STATE_ENTERING:
        links_taker_gone(core, &core.taker, REASON_OCO, core.taker.remaining)
        return
    event_order_cancelled(core, leg, order, REASON_OCO)
    links_end(core, leg, order)


cdef inline void links_end(Core* core, uint32_t slot, Order* order) noexcept nogil:
    """Ends a cancelled order that is in no pair any more: its children follow."""
    cdef int64_t traded = order_traded(core, slot)
    core_detach(core, slot, order)
    links_free(core, slot, traded)
    core_end(core, slot, order, core_chain(core, order))


cdef inline void links_cancel(Core* core, uint32_t slot, uint8_t reason) noexcept nogil:
    """Cancels an order that is in a queue of any kind, and what goes with it."""
    cdef Order* order = core_order(core, slot)
    event_order_cancelled(core, slot, order, reason)
    core_detach(core, slot, order)
    if order_rare(order):
        links_leg(core, slot)
        links_free(core, slot, order_traded(core, slot))
    core_end(core, slot, order, core_chain(core, order))


cdef inline void links_taker_gone(
    Core* core, Taker* taker, uint8_t reason, int64_t quantity
) noexcept nogil:
    """Cancels what is left of the taker, and what goes with it; `settle` takes back its slot."""
    cdef int64_t traded = taker.quantity - taker.remaining
    event_taker_cancelled(core, taker, reason, quantity)
    taker.gone = True
    if taker.rare != 0:
        links_leg(core, taker.slot)
        links_free(core, taker.slot, traded)
