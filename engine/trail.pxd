# The trail: the waiting trailing stops of one side, as the last price moves their references.
#
# All prices here are turned so that the better one is the higher: those of buys are negated. A
# reference follows each higher price, so orders that have seen the same prices since one of them
# have the same reference: they form a group. The groups stand in a stack, the newest on top, which
# has the lowest reference. A new high melts the groups that it passes into one, without a look at
# their orders; what fires next is at the root of a heap of groups. Both the orders of a group (by
# offset) and the groups (by how far they are from firing) are leftist heaps, through the orders'
# Rare records: entering, leaving, firing and melting take logarithmic time each, and no memory.
#
# Invariant: references fall strictly from the oldest group to the newest; a group's reference and
# neighbours are those of its root's record.
#
# Rejected: moving each order at each trade (a trade would cost all trailing stops), pairing heaps
# (the first pop of many costs all of them).

from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.invariant cimport CHECK
from engine.order cimport Knot, Rare, rare_at
from engine.records cimport BUY
from engine.slab cimport Slab

cdef enum:
    WITHIN = 0   # a knot in the heap of its group
    AMONG = 1    # a root's knot in the heap of groups


cdef struct Trail:
    uint32_t newest      # root of the group with the lowest reference; 0: no group
    uint32_t first       # root of the heap of groups
    uint32_t unset       # root of the orders that have seen no price yet; 0: none


cdef inline int64_t trail_turned(uint8_t side, int64_t price) noexcept nogil:
    return -price if side == BUY else price


# --- heaps


cdef inline Knot* knot_at(Slab* rares, uint32_t rare, int which) noexcept nogil:
    return &rare_at(rares, rare).knot[which]


cdef inline uint32_t knot_rank(Slab* rares, uint32_t rare, int which) noexcept nogil:
    return knot_at(rares, rare, which).rank if rare != 0 else 0


cdef inline void knot_init(Slab* rares, uint32_t rare, int which, int64_t key) noexcept nogil:
    cdef Knot* knot = knot_at(rares, rare, which)
    knot.key = key
    knot.up = knot.left = knot.right = 0
    knot.rank = 1


cdef inline void knot_mend(Slab* rares, uint32_t rare, int which, bint all_up) noexcept nogil:
    """Makes ranks right from here up: as far as they change, or to the root."""
    cdef Knot* knot
    cdef uint32_t rank
    while rare != 0:
        knot = knot_at(rares, rare, which)
        if knot_rank(rares, knot.left, which) < knot_rank(rares, knot.right, which):
            knot.left, knot.right = knot.right, knot.left
        rank = knot_rank(rares, knot.right, which) + 1
        if rank == knot.rank and not all_up:
            return
        knot.rank = rank
        rare = knot.up


cdef inline uint32_t heap_meld(Slab* rares, uint32_t a, uint32_t b, int which) noexcept nogil:
    """The root of one heap with all of two; roots have no `up`."""
    cdef uint32_t root, at, right
    cdef Knot* knot
    if a == 0 or b == 0:
        return a if b == 0 else b
    if knot_at(rares, b, which).key < knot_at(rares, a, which).key:
        a, b = b, a
    root = at = a
    while True:
        knot = knot_at(rares, at, which)
        right = knot.right
        if right == 0:
            knot.right = b
            knot_at(rares, b, which).up = at
            break
        if knot_at(rares, b, which).key < knot_at(rares, right, which).key:
            knot.right = b
            knot_at(rares, b, which).up = at
            b, right = right, b
        at = right
    knot_mend(rares, at, which, True)
    return root


cdef inline uint32_t heap_remove(
    Slab* rares, uint32_t root, uint32_t removed, int which
) noexcept nogil:
    """Takes one out of the heap with this root; the root that is left, or 0."""
    cdef Knot* knot = knot_at(rares, removed, which)
    cdef uint32_t up = knot.up
    cdef uint32_t below
    if knot.left != 0:
        knot_at(rares, knot.left, which).up = 0
    if knot.right != 0:
        knot_at(rares, knot.right, which).up = 0
    below = heap_meld(rares, knot.left, knot.right, which)
    if up == 0:
        CHECK(root == removed)
        return below
    if below != 0:
        knot_at(rares, below, which).up = up
    if knot_at(rares, up, which).left == removed:
        knot_at(rares, up, which).left = below
    else:
        knot_at(rares, up, which).right = below
    knot_mend(rares, up, which, False)
    return root


cdef inline uint32_t heap_after(Slab* rares, uint32_t at, int which) noexcept nogil:
    """The next in a walk around the heap that begins at its root, or 0."""
    cdef Knot* knot = knot_at(rares, at, which)
    cdef uint32_t up
    if knot.left != 0:
        return knot.left
    if knot.right != 0:
        return knot.right
    while knot.up != 0:
        up = knot.up
        knot = knot_at(rares, up, which)
        if knot.left == at and knot.right != 0:
            return knot.right
        at = up
    return 0


# --- groups


cdef inline void trail_rank(Slab* rares, Trail* trail, uint32_t root) noexcept nogil:
    """Enters a group among the others, by how far it is from firing."""
    knot_init(
        rares, root, AMONG,
        knot_at(rares, root, WITHIN).key - rare_at(rares, root).reference,
    )
    trail.first = heap_meld(rares, trail.first, root, AMONG)


cdef inline void trail_beside(
    Slab* rares, Trail* trail, uint32_t older, uint32_t newer
) noexcept nogil:
    """Makes two groups neighbours; 0 is the end of the stack."""
    if older != 0:
        rare_at(rares, older).newer = newer
    if newer != 0:
        rare_at(rares, newer).older = older
    else:
        trail.newest = older


cdef inline void trail_push(
    Slab* rares, Trail* trail, uint32_t root, int64_t reference
) noexcept nogil:
    """Adds a heap of orders with this reference, which is no higher than the newest group's."""
    cdef uint32_t newest = trail.newest
    if newest != 0 and rare_at(rares, newest).reference == reference:
        trail_change(rares, trail, newest, heap_meld(rares, newest, root, WITHIN))
        return
    rare_at(rares, root).reference = reference
    rare_at(rares, root).newer = 0
    trail_beside(rares, trail, newest, root)
    trail.newest = root
    trail_rank(rares, trail, root)


cdef inline void trail_change(
    Slab* rares, Trail* trail, uint32_t root, uint32_t new_root
) noexcept nogil:
    """Hands a group over to its new root; 0: the group is empty, and goes."""
    cdef Rare* rare = rare_at(rares, root)
    if new_root == root:
        return
    trail.first = heap_remove(rares, trail.first, root, AMONG)
    if new_root == 0:
        trail_beside(rares, trail, rare.older, rare.newer)
        return
    rare_at(rares, new_root).reference = rare.reference
    trail_beside(rares, trail, rare.older, new_root)
    trail_beside(rares, trail, new_root, rare.newer)
    trail_rank(rares, trail, new_root)


# --- orders


cdef inline void trail_add(
    Slab* rares, Trail* trail, uint32_t added, bint known, int64_t price
) noexcept nogil:
    """Enters an order whose `trigger` is set, at the last price (turned) if there was one."""
    knot_init(rares, added, WITHIN, rare_at(rares, added).trigger)
    if known:
        trail_push(rares, trail, added, price)
    else:
        trail.unset = heap_meld(rares, trail.unset, added, WITHIN)


cdef inline void trail_remove(Slab* rares, Trail* trail, uint32_t removed) noexcept nogil:
    cdef bint inside = knot_at(rares, removed, WITHIN).up != 0
    cdef uint32_t root = heap_remove(rares, removed, removed, WITHIN)
    if inside:
        return
    if trail.unset == removed:
        trail.unset = root
    else:
        trail_change(rares, trail, removed, root)


cdef inline void trail_move(Slab* rares, Trail* trail, int64_t price) noexcept nogil:
    """Lets all references follow a trade at this price (turned)."""
    cdef uint32_t melted = trail.unset
    cdef uint32_t group
    trail.unset = 0
    while trail.newest != 0 and rare_at(rares, trail.newest).reference < price:
        group = trail.newest
        trail_change(rares, trail, group, 0)
        melted = heap_meld(rares, melted, group, WITHIN)
    if melted != 0:
        trail_push(rares, trail, melted, price)


cdef inline bint trail_fires(Slab* rares, const Trail* trail, int64_t price) noexcept nogil:
    """Whether a trade at this price (turned) meets a trigger."""
    return trail.first != 0 and knot_at(rares, trail.first, AMONG).key <= -price


cdef inline bint trail_quiet(Slab* rares, const Trail* trail, int64_t price) noexcept nogil:
    """Whether a trade at this price (turned) moves no reference and meets no trigger."""
    if trail.unset != 0 or trail_fires(rares, trail, price):
        return False
    return trail.newest == 0 or rare_at(rares, trail.newest).reference >= price


# --- references
#
# Only a root's record has its group's reference. For the outside it is written to the records of
# others too, where nothing reads it.


cdef inline void trail_tell(Slab* rares, uint32_t told) noexcept nogil:
    """Writes its reference to the record of one order; a heap can be as deep as it has orders."""
    cdef uint32_t root = told
    while knot_at(rares, root, WITHIN).up != 0:
        root = knot_at(rares, root, WITHIN).up
    rare_at(rares, told).reference = rare_at(rares, root).reference


cdef inline void trail_tell_all(Slab* rares, const Trail* trail) noexcept nogil:
    """The same to all, in one walk around each group's heap."""
    cdef uint32_t group = trail.newest
    cdef uint32_t at
    while group != 0:
        at = group
        while at != 0:
            rare_at(rares, at).reference = rare_at(rares, group).reference
            at = heap_after(rares, at, WITHIN)
        group = rare_at(rares, group).older
