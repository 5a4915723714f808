# The rare records: what waits, sleeps and is linked, and the trails of the trailing stops.

from libc.stdint cimport uint8_t, uint32_t

from engine.core cimport Core, core_level, core_order, core_rare, core_terms
from engine.fault cimport (
    FAULT_LINK, FAULT_NONE, FAULT_RARE, FAULT_RARE_COUNT, FAULT_TRAIL, FAULT_WAITING, Fault,
    fault,
)
from engine.ladder cimport LADDERS, Level
from engine.order cimport (
    STATE_FREE, STATE_SLEEPING, STATE_WAITING, Knot, Order, Rare, Terms, order_level,
    order_rare, rare_at, terms_tif, type_trailing, type_triggered,
)
from engine.phase cimport phase_auction
from engine.records cimport TIF_AUCTION
from engine.trail cimport AMONG, WITHIN, Trail, heap_after, knot_at, knot_rank
from engine.trigger cimport trigger_holds, trigger_ladder


# --- rare records


cdef inline Fault walk_rares(Core* core) noexcept nogil:
    """What waits is where it belongs and has not fired; links point both ways."""
    cdef uint32_t at, live = 0
    cdef uint32_t waiting = 0
    cdef Rare* rare
    cdef Order* order
    cdef Terms* terms
    for at in range(1, core.rares.used):
        rare = rare_at(&core.rares, at)
        if rare.state == STATE_FREE:
            continue
        live += 1
        order = core_order(core, rare.order)
        terms = core_terms(core, rare.order)
        if rare.state > STATE_SLEEPING or terms.rare != at or not order_rare(order):
            return fault(FAULT_RARE, order.id, at)
        if not walk_links(core, rare):
            return fault(FAULT_LINK, order.id, rare.order)
        if rare.state == STATE_WAITING:
            waiting += 1
            if not walk_waits(core, rare, order, terms):
                return fault(FAULT_WAITING, order.id, rare.order)
        elif rare.state == STATE_SLEEPING and rare.parent == 0:
            if terms_tif(terms) != TIF_AUCTION or phase_auction(core):
                return fault(FAULT_WAITING, order.id, rare.order)
    if live != core.rares.live:
        return fault(FAULT_RARE_COUNT, live, core.rares.live)
    if waiting != core.waiting:
        return fault(FAULT_WAITING, waiting, core.waiting)
    return fault(FAULT_NONE, 0, 0)


cdef inline bint walk_waits(
    Core* core, const Rare* rare, const Order* order, const Terms* terms
) noexcept nogil:
    cdef Level* level = core_level(core, order_level(order))
    if not type_triggered(terms.order_type) or rare.displayed != 0:
        return False
    if trigger_holds(core, rare.side, terms.order_type, rare.trigger):
        return False
    if type_trailing(terms.order_type):
        return rare.trigger >= 1
    return (
        level.price == rare.trigger
        and level.leaf_number % LADDERS == trigger_ladder(rare.side, terms.order_type)
    )


cdef inline bint walk_links(Core* core, const Rare* rare) noexcept nogil:
    cdef Rare* other
    cdef int i
    if rare.partner != 0:
        if not walk_linked(core, rare, rare.partner):
            return False
        if core_rare(core, rare.partner).partner != rare.order:
            return False
    if rare.parent != 0:
        if rare.state != STATE_SLEEPING or not walk_linked(core, rare, rare.parent):
            return False
        other = core_rare(core, rare.parent)
        if other.child[0] != rare.order and other.child[1] != rare.order:
            return False
        if rare.partner != 0 and core_rare(core, rare.partner).parent != rare.parent:
            return False
    if rare.child[0] == 0 and rare.child[1] != 0:
        return False
    for i in range(2):
        if rare.child[i] == 0:
            continue
        if rare.parent != 0 or not walk_linked(core, rare, rare.child[i]):
            return False
        if core_rare(core, rare.child[i]).parent != rare.order:
            return False
        if rare.child[1] != 0:
            if core_rare(core, rare.child[i]).partner != rare.child[1 - i]:
                return False
    return True


cdef inline bint walk_linked(Core* core, const Rare* rare, uint32_t slot) noexcept nogil:
    """Whether a link names another live order of the account that has a Rare record."""
    if slot >= core.orders.used or slot == rare.order:
        return False
    if core_order(core, slot).remaining == 0 or not order_rare(core_order(core, slot)):
        return False
    return core_order(core, slot).account == core_order(core, rare.order).account


# --- trails


cdef inline Fault walk_trails(Core* core) noexcept nogil:
    """Heaps, groups and references of both sides, and that each trailing stop is in one of them."""
    cdef uint32_t at
    cdef uint32_t trailing = 0
    cdef uint32_t reached = 0
    cdef Rare* rare
    cdef Fault found
    cdef uint8_t side
    for at in range(1, core.rares.used):
        rare = rare_at(&core.rares, at)
        if rare.state != STATE_WAITING or not type_trailing(
            core_terms(core, rare.order).order_type
        ):
            continue
        trailing += 1
        if not walk_knot(core, at, WITHIN) or knot_at(&core.rares, at, WITHIN).key != rare.trigger:
            return fault(FAULT_TRAIL, core_order(core, rare.order).id, at)
    for side in range(1, 3):
        found = walk_groups(core, &core.trail[side - 1], side, &reached)
        if found.kind != FAULT_NONE:
            return found
    if trailing != reached:
        return fault(FAULT_TRAIL, trailing, reached)
    return fault(FAULT_NONE, 0, 0)


cdef inline bint walk_knot(Core* core, uint32_t at, int which) noexcept nogil:
    """One place in a heap against those below it."""
    cdef Knot* knot = knot_at(&core.rares, at, which)
    cdef uint32_t[2] below
    cdef int i
    below[0] = knot.left
    below[1] = knot.right
    for i in range(2):
        if below[i] == 0:
            continue
        if below[i] >= core.rares.used or knot_at(&core.rares, below[i], which).up != at:
            return False
        if rare_at(&core.rares, below[i]).state != STATE_WAITING:
            return False
        if knot_at(&core.rares, below[i], which).key < knot.key:
            return False
    if knot_rank(&core.rares, knot.left, which) < knot_rank(&core.rares, knot.right, which):
        return False
    return knot.rank == knot_rank(&core.rares, knot.right, which) + 1


cdef inline uint32_t walk_heap(Core* core, uint32_t root, int which, uint8_t side) noexcept nogil:
    """How many are in the heap; 0 where it is not one of the side's."""
    cdef uint32_t at = root
    cdef uint32_t count = 0
    if root != 0 and knot_at(&core.rares, root, which).up != 0:
        return 0
    while at != 0 and count <= core.waiting:
        if rare_at(&core.rares, at).side != side:
            return 0
        count += 1
        at = heap_after(&core.rares, at, which)
    return count


cdef inline Fault walk_groups(
    Core* core, const Trail* trail, uint8_t side, uint32_t* reached
) noexcept nogil:
    cdef uint32_t root = trail.newest
    cdef uint32_t newer = 0
    cdef uint32_t groups = 0
    cdef uint32_t count
    cdef Rare* rare
    while root != 0 and groups <= core.waiting:
        rare = rare_at(&core.rares, root)
        count = walk_heap(core, root, WITHIN, side)
        if (
            count == 0 or rare.newer != newer or root == trail.unset
            or not walk_knot(core, root, AMONG)
            or knot_at(&core.rares, root, AMONG).key
            != knot_at(&core.rares, root, WITHIN).key - rare.reference
            or (newer != 0 and rare_at(&core.rares, newer).reference >= rare.reference)
        ):
            return fault(FAULT_TRAIL, core_order(core, rare.order).id, root)
        reached[0] += count
        groups += 1
        newer = root
        root = rare.older
    if walk_heap(core, trail.first, AMONG, side) != groups:
        return fault(FAULT_TRAIL, groups, trail.first)
    if trail.unset != 0:
        count = walk_heap(core, trail.unset, WITHIN, side)
        if count == 0 or core.trades != 0:
            return fault(FAULT_TRAIL, count, trail.unset)
        reached[0] += count
    return fault(FAULT_NONE, 0, 0)
