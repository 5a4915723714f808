# The checks: whether a well-formed command is allowed now, and possible (semantics § 3, step 3).
#
# Each answers with the reason to refuse, or 0, in the contract's order. Nothing is changed but the
# taker that is asked about: a sliding order gets its price, and one that will rest without a step
# is told so (`still`).

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.account cimport account_live
from engine.bits cimport bits_likely, bits_notional_in, bits_unlikely
from engine.core cimport (
    LADDER_SECOND, Core, Taker, core_counts_accounts, core_find, core_find_id, core_ladder,
    core_level, core_order, core_rare, core_terms, order_traded,
)
from engine.dry cimport Dry, dry_run
from engine.due cimport SECOND
from engine.index cimport Place
from engine.ladder cimport Ladder, ladder_after, ladder_key
from engine.matching cimport taker_look, taker_reaches
from engine.order cimport (
    TERMS_TRIGGERED, Order, order_rare, type_limited, type_trailing, type_triggered,
)
from engine.phase cimport phase_auction
from engine.records cimport *
from engine.screen cimport FLAGS_POST_ONLY

cdef enum:
    FLAGS_DRY = 83   # post-only, ALL_OR_NONE, MINIMUM: ask for a dry run
    FLAGS_LINK = 384 # OCO, ON_FILL


cdef inline uint8_t check_owned(
    const Core* core, const Command* command, Place* place, uint32_t* slot
) noexcept nogil:
    """Finds the order that the command names; UNKNOWN_ORDER, NOT_OWNER or 0."""
    slot[0] = core_find(core, command.order_id, core.doing.tag, place)
    if slot[0] == 0:
        return REASON_UNKNOWN_ORDER
    if command.account != 0 and command.account != (<Order*> place.item).account:
        return REASON_NOT_OWNER
    return 0


cdef inline uint8_t check_price(const Core* core, int64_t price) noexcept nogil:
    """PRICE_RANGE or 0."""
    if price < core.parameter[PARAMETER_MIN_PRICE] or price > core.parameter[PARAMETER_MAX_PRICE]:
        return REASON_PRICE_RANGE
    return 0


cdef inline uint8_t check_quantity(const Core* core, int64_t quantity) noexcept nogil:
    """QUANTITY_RANGE or 0."""
    if quantity < core.parameter[PARAMETER_MIN_QUANTITY]:
        return REASON_QUANTITY_RANGE
    return REASON_QUANTITY_RANGE if quantity > core.parameter[PARAMETER_MAX_QUANTITY] else 0


cdef inline uint8_t check_notional(
    const Core* core, int64_t price, int64_t quantity
) noexcept nogil:
    """NOTIONAL_RANGE or 0."""
    if core.parameter[PARAMETER_MIN_NOTIONAL] == 0 and core.parameter[PARAMETER_MAX_NOTIONAL] == 0:
        return 0
    if bits_notional_in(
        price, quantity,
        core.parameter[PARAMETER_MIN_NOTIONAL], core.parameter[PARAMETER_MAX_NOTIONAL],
    ):
        return 0
    return REASON_NOTIONAL_RANGE


cdef inline uint8_t check_ranges(
    const Core* core, uint8_t order_type, int64_t price, int64_t quantity
) noexcept nogil:
    """PRICE_RANGE, QUANTITY_RANGE, NOTIONAL_RANGE or 0.

    A trailing limit has no price yet, which is looked at when it fires.
    """
    cdef bint priced = type_limited(order_type) and not type_trailing(order_type)
    cdef uint8_t reason = check_price(core, price) if priced else 0
    if reason == 0:
        reason = check_quantity(core, quantity)
    if reason == 0 and priced:
        reason = check_notional(core, price, quantity)
    return reason


cdef inline uint8_t check_entry(Core* core, Taker* taker, uint32_t leaving) noexcept nogil:
    """Whether a new order may enter, once the one in slot `leaving` (0: none) is gone."""
    cdef uint32_t live = core.orders.live - (leaving != 0)
    cdef uint32_t partner = 0
    cdef uint32_t[2] absent
    cdef uint8_t reason
    cdef Place place
    if core_find(core, taker.id, taker.tag, &place) != 0:
        return REASON_DUPLICATE_ID
    reason = check_ranges(core, taker.order_type, taker.price, taker.quantity)
    if reason != 0:
        return reason
    if taker.tif == TIF_GTD and taker.expires * <int64_t> SECOND <= core.now:
        return REASON_EXPIRED
    if core_counts_accounts(core) and taker.account != 0:
        if (
            account_live(&core.accounts, taker.account) - (leaving != 0)
            >= <uint64_t> core.parameter[PARAMETER_ORDERS_PER_ACCOUNT]
        ):
            return REASON_TOO_MANY_ORDERS
    if live >= core.orders_max:
        return REASON_CAPACITY
    if bits_likely(not taker.odd and core.phase == PHASE_CONTINUOUS):
        return 0
    if taker.flags & FLAGS_LINK:
        reason = check_link(core, taker, &partner)
        if reason != 0 or taker.flags & FLAG_ON_FILL:
            return reason
    absent[0] = leaving
    absent[1] = 0
    if leaving != 0 and order_rare(core_order(core, leaving)):
        absent[1] = core_rare(core, leaving).partner  # which goes with it
    return check_dry(core, taker, partner, absent)


cdef inline uint8_t check_link(Core* core, const Taker* taker, uint32_t* partner) noexcept nogil:
    """LINK_GONE, CAPACITY or 0; `partner` is the slot that OCO names."""
    cdef Place place
    cdef uint32_t slot = core_find_id(core, taker.link, &place)
    cdef Order* order = core_order(core, slot)
    cdef bint rare
    if slot == 0 or order.account != taker.account:
        return REASON_LINK_GONE
    rare = order_rare(order)
    if rare and core_rare(core, slot).parent != 0:
        return REASON_LINK_GONE
    if taker.flags & FLAG_ON_FILL:
        return REASON_CAPACITY if rare and core_rare(core, slot).child[1] != 0 else 0
    if rare and core_rare(core, slot).partner != 0:
        return REASON_LINK_GONE
    if order_traded(core, slot) > 0 or core_terms(core, slot).flags & TERMS_TRIGGERED:
        return REASON_LINK_GONE
    partner[0] = slot
    return 0


cdef inline uint8_t check_dry(
    Core* core, Taker* taker, uint32_t partner, const uint32_t* absent
) noexcept nogil:
    """What a dry run of its own matching shows: WOULD_TRADE, FOK, MINIMUM or 0.

    `partner` is the other leg of its pair, which goes when it trades; `absent` are up to two orders
    that count as gone.
    """
    if bits_unlikely(core.phase != PHASE_CONTINUOUS):
        if phase_auction(core):
            taker.still = taker.odd = True
            return 0
    elif taker.tif != TIF_FOK and taker.flags & FLAGS_DRY == 0:
        return 0
    if type_triggered(taker.order_type) or taker.tif == TIF_AUCTION:
        return 0  # it only waits or sleeps
    taker_look(core, taker)
    if taker.flags & FLAGS_POST_ONLY:
        return check_post_only(core, taker, partner, absent)
    if taker.flags & FLAG_ALL_OR_NONE:
        taker.still = (
            not check_crosses(core, taker)
            or dry_run(core, taker, partner, absent, taker.remaining).traded < taker.remaining
        )
        return REASON_WOULD_TRADE if core.phase == PHASE_POST_ONLY and not taker.still else 0
    if core.phase == PHASE_POST_ONLY:
        if check_crosses(core, taker):
            if dry_run(core, taker, partner, absent, 1).traded > 0:
                return REASON_WOULD_TRADE
        return 0  # a minimum of nothing traded is no matter: what cannot rest was refused before
    if taker.tif == TIF_FOK:
        return check_all(core, taker, partner, absent)
    return check_minimum(core, taker, partner, absent) if taker.flags & FLAG_MINIMUM else 0


cdef inline bint check_crosses(Core* core, const Taker* taker) noexcept nogil:
    """Whether there is anybody within the limit, shown or not."""
    if taker_reaches(core, taker, core_ladder(core, 3 - taker.side)):
        return True
    return taker_reaches(core, taker, &core.ladder[LADDER_SECOND + 2 - taker.side])


cdef inline uint8_t check_post_only(
    Core* core, Taker* taker, uint32_t partner, const uint32_t* absent
) noexcept nogil:
    """WOULD_TRADE or 0; an order that slides is moved one tick short of where it would trade."""
    cdef Dry found
    cdef int64_t price
    if not check_crosses(core, taker):
        return 0
    found = dry_run(core, taker, partner, absent, 1)
    if found.traded == 0:
        return 0
    if taker.flags & FLAG_POST_ONLY:
        return REASON_WOULD_TRADE
    price = found.first_price + (1 if taker.side == SELL else -1)
    if check_price(core, price) != 0:
        return REASON_WOULD_TRADE
    taker.price = price
    return 0


cdef inline uint8_t check_all(
    Core* core, const Taker* taker, uint32_t partner, const uint32_t* absent
) noexcept nogil:
    """FOK or 0."""
    if absent[0] == 0 and not check_reach(core, taker):
        return REASON_FOK
    if dry_run(core, taker, partner, absent, taker.remaining).traded < taker.remaining:
        return REASON_FOK
    return 0


cdef inline uint8_t check_minimum(
    Core* core, const Taker* taker, uint32_t partner, const uint32_t* absent
) noexcept nogil:
    """MINIMUM or 0; what would trade nothing may rest, if it can."""
    cdef int64_t least = <int64_t> taker.link
    cdef int64_t traded = dry_run(core, taker, partner, absent, least).traded
    if traded >= least:
        return 0
    if traded == 0 and taker.tif != TIF_IOC and taker.order_type != MARKET:
        return 0
    return REASON_MINIMUM


cdef inline bint check_reach(Core* core, const Taker* taker) noexcept nogil:
    """Whether the levels within the limit hold as much as the taker wants, whoever owns it.

    Asked before a dry run for all of it, so that an impossible order costs levels, not makers.
    """
    cdef int64_t left = taker.remaining
    left = check_reach_of(core, taker, core_ladder(core, 3 - taker.side), left)
    if left > 0:
        left = check_reach_of(core, taker, &core.ladder[LADDER_SECOND + 2 - taker.side], left)
    return left == 0


cdef inline int64_t check_reach_of(
    Core* core, const Taker* taker, const Ladder* ladder, int64_t left
) noexcept nogil:
    """What is left to find behind one ladder."""
    cdef uint32_t level = ladder.best
    while level != 0 and left > 0:
        if ladder_key(ladder, core_level(core, level).price) > taker.limit:
            break
        left -= min(left, core_level(core, level).quantity)
        level = ladder_after(ladder, level)
    return left
