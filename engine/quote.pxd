# The quote: both sides of a market maker, replaced at once (semantics § 3).

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from engine.account cimport account_live
from engine.check cimport check_dry, check_notional, check_price, check_quantity
from engine.core cimport (
    Core, Taker, core_chain, core_counts_accounts, core_detach, core_end, core_find_id,
    core_level, core_order, core_rare, core_terms, level_side, order_price, order_traded,
)
from engine.enter cimport enter, taker_clear, taker_of_order
from engine.event cimport event_order_amended, event_taker_amended
from engine.index cimport Place, index_tag
from engine.links cimport links_taker_gone
from engine.matching cimport take
from engine.order cimport TERMS_QUOTE, Order, order_level
from engine.phase cimport phase_auction
from engine.records cimport *
from engine.screen cimport PRICE_END
from engine.turn cimport order_reduce

cdef enum:              # what becomes of a side
    QUOTE_NOTHING = 0
    QUOTE_NEW = 1
    QUOTE_KEEP = 2      # it keeps its place, with no more quantity
    QUOTE_MOVE = 3      # it re-enters as the newest order
    QUOTE_OUT = 4


cdef inline uint8_t quote_prepare(Core* core, const Command* command) noexcept nogil:
    """Makes core.quote of a quote that is possible, or says why it is not; changes no order."""
    cdef uint8_t reason = 0
    cdef uint8_t other
    cdef int i
    for i in range(2):
        if not quote_side(core, command, i):
            return REASON_DUPLICATE_ID
    for i in range(2):
        other = quote_ranges(core, i)
        # Of two reasons the one that is checked first; their values are in that order.
        if other != 0 and (reason == 0 or other < reason):
            reason = other
    if reason == 0:
        reason = quote_room(core)
    for i in range(2):
        if reason == 0:
            reason = quote_dry(core, i)
    return reason


cdef inline bint quote_side(Core* core, const Command* command, int i) noexcept nogil:
    """One side as the command wants it; False: its id is live and is not that quote."""
    cdef Taker* taker = &core.quote[i]
    cdef uint64_t order_id = command.order_id + <uint64_t> i
    cdef int64_t price = command.price if i == 0 else command.trigger
    cdef int64_t quantity = command.quantity if i == 0 else <int64_t> command.slot
    cdef Place place
    cdef uint32_t slot = core_find_id(core, order_id, &place)
    cdef Order* order = core_order(core, slot)
    cdef int64_t present
    if slot == 0:
        core.quote_action[i] = QUOTE_NEW if quantity != 0 else QUOTE_NOTHING
        quote_new(taker, order_id, command.account, 1 + i)
        taker.price = price
        taker.quantity = taker.remaining = quantity
        return True
    if core_terms(core, slot).flags & TERMS_QUOTE == 0 or order.account != command.account:
        return False
    if level_side(core_level(core, order_level(order))) != 1 + i:
        return False
    present = core_level(core, order_level(order)).price
    if quantity == 0:
        core.quote_action[i] = QUOTE_OUT
        taker_of_order(core, slot, 1 + i, present, taker)
        return True
    core.quote_action[i] = (
        QUOTE_KEEP if price == present and quantity <= order.remaining else QUOTE_MOVE
    )
    taker_of_order(core, slot, 1 + i, price, taker)
    taker.quantity = order_traded(core, slot) + quantity
    taker.remaining = quantity
    return True


cdef inline void quote_new(
    Taker* taker, uint64_t order_id, uint32_t account, uint8_t side
) noexcept nogil:
    """A side that is not there yet, without price and quantity."""
    taker.id = order_id
    taker.tag = index_tag(order_id)
    taker.level = 0
    taker.trigger = 0
    taker.link = 0
    taker.account = account
    taker.expires = 0
    taker.slot = taker.rare = 0
    taker.flags = FLAG_POST_ONLY | TERMS_QUOTE
    taker.side = side
    taker.order_type = LIMIT
    taker.tif = TIF_GTC
    taker.stp = STP_DEFAULT
    taker.spends = False
    taker.odd = True
    taker_clear(taker)


cdef inline void quote_again(const Core* core, Taker* taker) noexcept nogil:
    """Makes a new side of one that is gone."""
    cdef int64_t price = taker.price
    cdef int64_t quantity = taker.remaining
    quote_new(taker, taker.id, taker.account, taker.side)
    taker.price = price
    taker.quantity = taker.remaining = quantity
    taker.still = phase_auction(core)


cdef inline bint quote_stays(const Core* core, int i) noexcept nogil:
    """Whether there will be such a side."""
    return QUOTE_NEW <= core.quote_action[i] <= QUOTE_MOVE


cdef inline uint8_t quote_ranges(const Core* core, int i) noexcept nogil:
    """PRICE_RANGE, QUANTITY_RANGE, NOTIONAL_RANGE or 0, for what will be open."""
    cdef const Taker* taker = &core.quote[i]
    cdef uint8_t reason
    if not quote_stays(core, i):
        return 0
    reason = check_price(core, taker.price)
    if reason == 0:
        reason = check_quantity(core, taker.remaining)
    if reason == 0 and taker.quantity >= PRICE_END:
        reason = REASON_QUANTITY_RANGE  # with what it has traded, more than an order can have
    return reason if reason != 0 else check_notional(core, taker.price, taker.remaining)


cdef inline uint8_t quote_room(const Core* core) noexcept nogil:
    """TOO_MANY_ORDERS, CAPACITY or 0; a side that goes makes room for one that comes."""
    cdef uint64_t added = (core.quote_action[0] == QUOTE_NEW) + (core.quote_action[1] == QUOTE_NEW)
    cdef uint64_t gone = (core.quote_action[0] == QUOTE_OUT) + (core.quote_action[1] == QUOTE_OUT)
    if added == 0:
        return 0
    if core_counts_accounts(core):
        if (
            account_live(&core.accounts, core.quote[0].account) + added - gone
            > <uint64_t> core.parameter[PARAMETER_ORDERS_PER_ACCOUNT]
        ):
            return REASON_TOO_MANY_ORDERS
    return REASON_CAPACITY if core.orders.live + added - gone > core.orders_max else 0


cdef inline uint8_t quote_dry(Core* core, int i) noexcept nogil:
    """WOULD_TRADE or 0; may tell the side that it rests without a step."""
    cdef uint32_t[2] absent
    cdef uint32_t partner = 0
    if core.quote_action[i] != QUOTE_NEW and core.quote_action[i] != QUOTE_MOVE:
        return 0
    if core.quote[i].rare != 0:
        partner = core_rare(core, core.quote[i].slot).partner
    absent[0] = core.quote[0].slot
    absent[1] = core.quote[1].slot
    return check_dry(core, &core.quote[i], partner, absent)


cdef inline bint quote_leave(Core* core) noexcept nogil:
    """Takes the sides out of the book that lose their place; False: there is nothing to do."""
    cdef int i
    cdef uint32_t slot
    cdef bint any = False
    for i in range(2):
        any = any or core.quote_action[i] != QUOTE_NOTHING
        if core.quote_action[i] < QUOTE_MOVE:
            continue
        slot = core.quote[i].slot
        if core.quote[i].rare != 0:
            core_rare(core, slot).price = order_price(core, slot, core_order(core, slot))
        core_detach(core, slot, core_order(core, slot))
    core.quote_next = 0
    return any


cdef inline bint quote_apply(Core* core) noexcept nogil:
    """The next side comes, changes or goes. False: out of room for events."""
    cdef int i = core.quote_next
    cdef uint8_t action = core.quote_action[i]
    cdef Taker* taker = &core.quote[i]
    cdef Order* order = core_order(core, taker.slot)
    core.quote_next += 1
    if phase_auction(core):
        taker.still = True  # the bid may have called the auction
    if action > QUOTE_NEW and (order.remaining == 0 or order.id != taker.id):
        # The other side has taken it along, as the leg of an order of this account: it is new.
        action = QUOTE_NEW if action != QUOTE_OUT else QUOTE_NOTHING
        quote_again(core, taker)
    if action == QUOTE_NEW:
        return enter(core, taker)
    if action == QUOTE_KEEP:
        if order.remaining > taker.remaining:
            order_reduce(core, taker.slot, order, order.remaining - taker.remaining)
        event_order_amended(core, taker.slot, order, 0)
    elif action == QUOTE_MOVE:
        event_taker_amended(core, taker, 0)
        taker.priority = core.sequence
        return take(core, taker)
    elif action == QUOTE_OUT:
        links_taker_gone(core, taker, REASON_USER, taker.remaining)
        core_end(core, taker.slot, order, core_chain(core, order))
    return True
