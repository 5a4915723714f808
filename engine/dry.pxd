# The dry run: what the step of an order would trade, with nothing changed (semantics § 5).
#
# It meets the makers that `match` would meet, in the same order, so a rule added to one belongs in
# the other too. Orders that would be gone when their turn comes (the other leg of a pair that has
# traded) are remembered by the number of the dry run in their Rare record.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from engine.allocation cimport allocation_share
from engine.core cimport (
    LADDER_SECOND, MODE_GUARDED, MODE_PRO_RATA, Core, Round, Taker, core_ladder, core_level,
    core_order, core_rare,
)
from engine.ladder cimport Ladder, Level, ladder_after, ladder_key
from engine.order cimport Order, order_rare
from engine.records cimport PARAMETER_TOP_ORDER, STP_ALLOW, STP_CANCEL_MAKER, STP_DECREMENT
from engine.slab cimport slab_at
from engine.turn cimport fits, guard, order_displayed, sliced, taker_stp
from engine.worklist cimport (
    BY_TIME, Worklist, worklist_add, worklist_end, worklist_link, worklist_next, worklist_open,
)


cdef struct Dry:
    int64_t traded          # lots
    int64_t first_price     # ticks, of the first trade
    int64_t left            # lots that the taker still wants
    int64_t reserve         # lots behind the slices of a level's icebergs
    int64_t wanted          # lots after which the answer is known
    uint32_t[2] absent      # slots of orders that count as gone; 0: none
    uint32_t partner        # slot of the taker's other leg; 0 once that is gone
    uint8_t stp
    bint over


cdef inline Dry dry_run(
    Core* core, const Taker* taker, uint32_t partner, const uint32_t* absent, int64_t wanted
) noexcept nogil:
    """What the taker would trade, up to `wanted` lots, were two orders (0: none) gone."""
    cdef Ladder* ladder = core_ladder(core, 3 - taker.side)
    cdef Ladder* second = &core.ladder[LADDER_SECOND + 2 - taker.side]
    cdef uint32_t shown = ladder.best
    cdef uint32_t hidden = second.best
    cdef bint found_known = False
    cdef int64_t found = 0
    cdef int64_t price
    cdef uint32_t slot
    cdef bint front
    cdef Dry dry
    dry_open(core, &dry, taker, partner, absent, wanted)
    while (shown != 0 or hidden != 0) and not dry.over:
        front = hidden == 0 or (
            shown != 0 and ladder_key(ladder, core_level(core, shown).price)
            <= ladder_key(ladder, core_level(core, hidden).price)
        )
        price = core_level(core, shown if front else hidden).price
        if ladder_key(ladder, price) > taker.limit:
            break
        slot = dry_first(core, taker, &dry, core_level(core, shown if front else hidden).head)
        if slot != 0 and core.modes & MODE_GUARDED:
            if not found_known:
                found = price
                found_known = True
            if guard(core, taker, price, found) != 0:
                break
        if front:
            dry_shown(core, taker, &dry, core_level(core, shown))
            shown = ladder_after(ladder, shown)
        else:
            dry_second(core, taker, &dry, core_level(core, hidden))
            hidden = ladder_after(second, hidden)
    return dry


cdef inline void dry_open(
    Core* core, Dry* dry, const Taker* taker, uint32_t partner, const uint32_t* absent,
    int64_t wanted,
) noexcept nogil:
    cdef int i
    core.dry_runs += 1
    dry.traded = dry.first_price = dry.reserve = 0
    dry.left = taker.remaining
    dry.wanted = wanted
    dry.partner = partner
    dry.stp = taker_stp(core, taker)
    dry.over = False
    for i in range(2):
        dry.absent[i] = absent[i]


cdef inline void dry_leg(Core* core, uint32_t slot) noexcept nogil:
    """The order would trade or go, so its other leg would be gone."""
    if order_rare(core_order(core, slot)):
        if core_rare(core, slot).partner != 0:
            core_rare(core, core_rare(core, slot).partner).seen = core.dry_runs


cdef inline bint dry_gone(const Core* core, const Dry* dry, uint32_t slot) noexcept nogil:
    if slot == dry.absent[0] or slot == dry.absent[1]:
        return True
    if order_rare(core_order(core, slot)):
        return core_rare(core, slot).seen == core.dry_runs
    return False


cdef inline uint32_t dry_first(
    const Core* core, const Taker* taker, const Dry* dry, uint32_t slot
) noexcept nogil:
    """The first order from here on in its queue that would have a turn, or 0."""
    while slot != 0:
        if not dry_gone(core, dry, slot) and fits(core, taker, slot, dry.left):
            return slot
        slot = core_order(core, slot).next
    return 0


cdef inline void dry_shown(
    Core* core, const Taker* taker, Dry* dry, const Level* level
) noexcept nogil:
    """The displayed orders of a level: each with its slice, then what icebergs hold behind them."""
    cdef uint32_t slot = level.head
    if core.modes & MODE_PRO_RATA:
        dry_rounds(core, taker, dry, level)
        return
    dry.reserve = 0
    while slot != 0 and not dry.over:
        if not dry_gone(core, dry, slot):
            dry_meet(core, taker, dry, slot, level.price)
        slot = core_order(core, slot).next
    if not dry.over:
        dry_take(dry, min(dry.left, dry.reserve))


cdef inline void dry_second(
    Core* core, const Taker* taker, Dry* dry, const Level* level
) noexcept nogil:
    cdef uint32_t slot = level.head
    while slot != 0 and not dry.over:
        if not dry_gone(core, dry, slot) and fits(core, taker, slot, dry.left):
            dry_meet(core, taker, dry, slot, level.price)
        slot = core_order(core, slot).next


cdef inline void dry_take(Dry* dry, int64_t quantity) noexcept nogil:
    dry.traded += quantity
    dry.left -= quantity
    dry.over = dry.left == 0 or dry.traded >= dry.wanted


cdef inline void dry_meet(
    Core* core, const Taker* taker, Dry* dry, uint32_t slot, int64_t price
) noexcept nogil:
    """A maker's turn."""
    cdef Order* maker = core_order(core, slot)
    cdef int64_t quantity = maker.remaining
    if dry.stp != STP_ALLOW and maker.account == taker.account:
        if dry.stp == STP_DECREMENT:
            dry.left -= min(dry.left, quantity)
        elif dry.stp != STP_CANCEL_MAKER:
            dry.over = True
        # Where the maker is the taker's other leg, they go together.
        dry.over = dry.over or dry.left == 0 or slot == dry.partner
        dry_leg(core, slot)
        return
    quantity = order_displayed(core, slot, maker)
    dry.reserve += maker.remaining - quantity
    dry_fill(core, dry, slot, min(dry.left, quantity), price)


cdef inline void dry_fill(
    Core* core, Dry* dry, uint32_t slot, int64_t quantity, int64_t price
) noexcept nogil:
    """A trade."""
    if dry.traded == 0:
        dry.first_price = price
    dry_take(dry, quantity)
    dry_leg(core, slot)
    if dry.partner != 0:
        dry.over = dry.over or slot == dry.partner
        dry.absent[1] = dry.partner
        dry.partner = 0


# --- pro rata
#
# What an order gets depends on what all others of its level show, and who trades first takes the
# other leg of its pair away. So the rounds are gone through as the allocation does it, with the
# lots that each order has given so far beside it.


cdef inline int64_t* dry_given(const Core* core, uint32_t slot) noexcept nogil:
    return <int64_t*> slab_at(&core.shares, slot, sizeof(int64_t))


cdef inline int64_t dry_displayed(const Core* core, uint32_t slot) noexcept nogil:
    """What the order would show by now: of an iceberg the slice that is left, or the next one."""
    cdef Order* order = core_order(core, slot)
    cdef int64_t given = dry_given(core, slot)[0]
    cdef int64_t first, peak
    if not sliced(core, slot, order):
        return order.remaining - given
    first = core_rare(core, slot).displayed
    if given < first:
        return first - given
    peak = core_rare(core, slot).slot
    return min(peak - (given - first) % peak, order.remaining - given)


cdef inline void dry_rounds(
    Core* core, const Taker* taker, Dry* dry, const Level* level
) noexcept nogil:
    """The displayed orders of a level: the taker's own by time, then rounds of the others."""
    cdef Worklist own
    cdef uint32_t slot = level.head
    core.shares.used = core.orders.used
    worklist_open(&own, BY_TIME, 0)
    while slot != 0:
        dry_given(core, slot)[0] = 0
        if dry.stp != STP_ALLOW and core_order(core, slot).account == taker.account:
            worklist_add(core, &own, slot)
        slot = core_order(core, slot).next
    slot = worklist_end(core, &own)
    while slot != 0:
        if not dry.over and not dry_gone(core, dry, slot):
            dry_meet(core, taker, dry, slot, level.price)
        slot = worklist_next(core, slot)
    while not dry.over:
        if not dry_round(core, taker, dry, level):
            return


cdef inline bint dry_round(
    Core* core, const Taker* taker, Dry* dry, const Level* level
) noexcept nogil:
    """One round; False: nobody shows anything any more."""
    cdef Worklist makers
    cdef Round round
    cdef uint32_t slot = level.head
    cdef uint32_t other
    cdef int64_t quantity, more
    round.shown = 0
    worklist_open(&makers, BY_TIME, 0)
    while slot != 0:
        if not dry_gone(core, dry, slot) and dry_displayed(core, slot) > 0:
            if dry.stp == STP_ALLOW or core_order(core, slot).account != taker.account:
                worklist_add(core, &makers, slot)
                round.shown += dry_displayed(core, slot)
        slot = core_order(core, slot).next
    slot = worklist_end(core, &makers)
    if slot == 0:
        return False
    round.rest = min(round.shown, dry.left)
    round.first = 0
    other = slot
    if core.parameter[PARAMETER_TOP_ORDER] == 1:
        round.first = min(round.rest, dry_displayed(core, slot))
        round.rest -= round.first
        round.shown -= dry_displayed(core, slot)
        other = worklist_link(core, slot)[0]
    round.left = round.rest
    while other != 0:
        round.left -= allocation_share(core, &round, dry_displayed(core, other))
        other = worklist_link(core, other)[0]
    while slot != 0:
        quantity = round.first
        if quantity == 0:
            quantity = allocation_share(core, &round, dry_displayed(core, slot))
            more = min(round.left, dry_displayed(core, slot) - quantity)
            round.left -= more
            quantity += more
        if quantity > 0 and not dry.over and not dry_gone(core, dry, slot):
            dry_given(core, slot)[0] += quantity
            dry_fill(core, dry, slot, quantity, level.price)
        round.first = 0
        slot = worklist_next(core, slot)
    return True
